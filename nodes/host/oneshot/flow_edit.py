"""FlowEdit as a native GUIDER and SAMPLER: two prompts for one clip, any model of flow matching."""

import comfy.model_sampling
import comfy.samplers
import comfy.utils
import torch
from torch import Tensor
from tqdm.auto import tqdm

from ....models.oneshot.flow_edit import flow_edit


class TwoPrompts(comfy.samplers.CFGGuider):
    """A guider that also answers for the prompt of the unedited clip; outside a noise mask the clip stays bit for bit."""

    def __init__(self, model, original: tuple, edited: tuple, original_cfg: float, cfg: float):
        super().__init__(model)
        self.original_cfg = original_cfg
        self.set_cfg(cfg)
        names = ("positive", "negative", "original_positive", "original_negative")
        self.inner_set_conds(dict(zip(names, (*edited, *original), strict=True)))

    def predict_original(self, x: Tensor, sigma: Tensor, model_options: dict, seed) -> Tensor:
        """The clean latents under the prompt of the unedited clip."""
        conds = self.conds["original_negative"], self.conds["original_positive"]
        return comfy.samplers.sampling_function(
            self.inner_model, x, sigma, *conds, self.original_cfg, model_options=model_options, seed=seed
        )

    def sample(self, noise, latent_image, *args, denoise_mask=None, **kwargs):
        out = super().sample(noise, latent_image, *args, denoise_mask=denoise_mask, **kwargs)
        if denoise_mask is None or getattr(latent_image, "is_nested", False):
            return out
        mask = comfy.utils.reshape_mask(denoise_mask.to(out.device), out.shape)
        return torch.where(mask > 0, out, latent_image.to(out))


def flow_edit_sampler(average: int, free_steps: int) -> comfy.samplers.KSAMPLER:
    """The SAMPLER for sigmas that fall to 0; how much of the clip may change is where they begin."""
    return comfy.samplers.KSAMPLER(run, {"average": average, "free_steps": free_steps})


@torch.no_grad()
def run(model, x: Tensor, sigmas: Tensor, extra_args=None, callback=None, disable=None, *, average=1, free_steps=0):
    """FlowEdit in the form of a sampler function; the clip is the latent that goes in, and x is not needed."""
    extra, guider = dict(extra_args or {}), model.inner_model
    check_start(guider, model.latent_image, sigmas)
    mask, seed = extra.pop("denoise_mask", None), extra.get("seed") or 0
    options = extra.get("model_options", {})
    clip = model.latent_image
    at = lambda sigma: sigma * clip.new_ones(clip.shape[0])
    target = lambda y, sigma: guider(y, at(sigma), model_options=options, seed=seed)
    source = lambda y, sigma: guider.predict_original(y, at(sigma), options, seed)
    noise = lambda i: model.noise if i == 0 else drawn(model.noise, seed, i)
    with tqdm(total=len(sigmas) - 1, disable=disable) as bar:

        def report(i: int, x: Tensor, sigma: Tensor, clean: Tensor) -> None:
            bar.update()
            if callback is not None:
                callback({"x": x, "i": i, "sigma": sigma, "sigma_hat": sigma, "denoised": clean})

        out = flow_edit(source, target, clip, sigmas, noise, average=average, free_steps=free_steps, report=report)
    return out if mask is None else mask * out + (1 - mask) * clip


def drawn(like: Tensor, seed: int, number: int) -> Tensor:
    """Noise of its own for each evaluation, the same on every device."""
    generator = torch.Generator().manual_seed((seed + 1000003 * number) % 2**63)
    return torch.randn(like.shape, generator=generator).to(like)


def check_start(guider, clip: Tensor, sigmas: Tensor) -> None:
    """Refuses other models and guiders, an empty clip and sigmas that do not fall to 0."""
    if not isinstance(guider, TwoPrompts):
        raise ValueError(
            f"FlowEdit needs the guider of the same node, got {type(guider).__name__}: connect guider of FlowEdit to "
            "SamplerCustomAdvanced."
        )
    if not isinstance(guider.inner_model.model_sampling, comfy.model_sampling.CONST):
        raise ValueError(
            "FlowEdit needs a model of flow matching, such as Wan, LTX, Hunyuan, Flux or Stable Diffusion 3, got one of another "
            "kind: use Invert Video to Noise with it."
        )
    if not clip.any():
        raise ValueError("FlowEdit needs a clip to edit, got an empty latent: connect VAE Encode.")
    if sigmas[-1] != 0 or (sigmas.diff() >= 0).any():
        raise ValueError("FlowEdit needs sigmas that fall to 0: connect a scheduler of the model, not flipped.")
