"""DDIM inversion as a native SAMPLER, and a clip inverted and sampled again through the host's own sampling.

Everything goes through the host's model call, so ControlNets, depth channels, LoRAs, masks of conditionings, context
windows, previews and Cancel work as they do in sampling. Letters: B latents, n steps.
"""

import math
from dataclasses import dataclass

import comfy.model_management as memory
import comfy.model_sampling
import comfy.samplers
import comfy.utils
import latent_preview
import torch
from torch import Tensor
from tqdm.auto import tqdm

from ....models.oneshot.inversion import actual_prediction, evaluations_per_step, invert
from ..finite import finite_result

PREDICTING = ("predict_noise", "outer_predict_noise", "__call__")  # what Basic Guider shares with CFG Guider


@dataclass
class Inverted:
    noise: dict  # LATENT at the highest sigma, as samplers without noise of their own expect it
    sigmas: Tensor  # (n + 1,) from noise to clean
    reconstruction: Tensor  # (B, ...) the clip that euler samples from that noise
    prediction: str | None  # "eps" or "v", if the network predicts another one than the model is declared as


def inversion_sampler(evaluations: int, prediction: list | None = None) -> comfy.samplers.KSAMPLER:
    """A SAMPLER for sigmas that rise or fall; the actual prediction, or None if it is right, is appended to the list."""
    return comfy.samplers.KSAMPLER(run, {"evaluations": evaluations, "prediction": prediction})


@torch.no_grad()
def run(
    model, x: Tensor, sigmas: Tensor, extra_args=None, callback=None, disable=None, *, evaluations=1, prediction=None
) -> Tensor:
    """The inversion in the form of a sampler function; x is an unchanged latent, in the scale of its lowest sigma."""
    extra, schedule = extra_args or {}, model.inner_model.inner_model.model_sampling
    check_start(model, x, extra, schedule)
    denoise = lambda x, sigma: model(x, sigma * x.new_ones(x.shape[0]), **extra)
    declared = "v" if isinstance(schedule, comfy.model_sampling.V_PREDICTION) else "eps"
    with tqdm(total=len(sigmas) - 1, disable=disable) as bar:

        def report(i: int, x: Tensor, sigma: Tensor, clean: Tensor) -> None:
            bar.update()
            if callback is not None:
                callback({"x": x, "i": i, "sigma": sigma, "sigma_hat": sigma, "denoised": clean})

        x = invert(denoise, x, sigmas, declared, evaluations_per_step(evaluations, sigmas), report)
    if prediction is not None:
        highest = sigmas.max()
        noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).to(x)
        prediction.append(actual_prediction(noise, denoise(noise * highest, highest), highest.item()))
    return x


def check_start(model, x: Tensor, extra: dict, schedule) -> None:
    """Refuses guidance, a mask, added noise and models of another kind, which would give a wrong inversion."""
    check_kind(schedule)
    check_guider(model.inner_model)
    if extra.get("denoise_mask") is not None:
        raise ValueError("Inversion needs whole frames, but the latent has a noise mask: remove Set Latent Noise Mask.")
    if not torch.equal(x, model.latent_image):
        raise ValueError("Inversion needs a latent without added noise: turn add_noise off, or connect Disable Noise.")


def check_guider(guider: comfy.samplers.CFGGuider) -> None:
    """Refuses every guider that may add to the model's answer under the positive conditioning."""
    plain = comfy.samplers.CFGGuider
    if any(getattr(type(guider), name, None) is not getattr(plain, name, None) for name in PREDICTING):
        raise ValueError(
            f"Inversion works without guidance, but the guider is a {type(guider).__name__}, which mixes several answers of "
            "the model: connect Basic Guider for the inversion; sampling from its noise may use any guider."
        )
    if not math.isclose(guider.cfg, 1.0):
        raise ValueError(
            f"Inversion works without guidance, but cfg is {guider.cfg:g}: set cfg to 1 for the inversion; sampling from its "
            "noise may use any cfg."
        )


def check_kind(schedule) -> None:
    """Refuses models that do not predict noise or velocity from x / (1 + sigma^2)^0.5, which DDIM needs."""
    if not isinstance(schedule, comfy.model_sampling.EPS) or getattr(schedule, "sigma_data", 1.0) != 1.0:
        raise ValueError(
            "Inversion needs a model that predicts noise or velocity, such as Stable Diffusion 1.5 or 2, got one of "
            "another kind (flow matching?): load a model of that family."
        )


def latent_channels(model) -> int:
    """How many channels a MODEL's latents have."""
    return model.get_model_object("latent_format").latent_channels


def invert_and_return(model, positive, latent: dict, steps: int, scheduler: str, evaluations: int) -> Inverted:
    """The noise of a clip under its positive conditioning, and the clip that the stock euler samples from it."""
    schedule = model.get_model_object("model_sampling")
    check_kind(schedule)
    if steps < 1:
        raise ValueError(
            f"steps: expected 1 or more, got {steps}: use the number of steps that the clip will be sampled with."
        )
    sigmas = comfy.samplers.calculate_sigmas(schedule, scheduler, steps).cpu()
    prediction: list[str | None] = []
    # Sigmas fall as in sampling: what depends on the number of a step, such as context windows, is then the same in both.
    noise = sample(model, positive, inversion_sampler(evaluations, prediction), sigmas, latent)
    euler = comfy.samplers.sampler_object("euler")
    return Inverted(noise, sigmas, sample(model, positive, euler, sigmas, noise)["samples"], prediction[0])


def sample(model, positive, sampler, sigmas: Tensor, latent: dict) -> dict:
    """Any SAMPLER on an unchanged latent, without guidance, as Basic Guider and Disable Noise do it."""
    guider = comfy.samplers.CFGGuider(model)
    guider.inner_set_conds({"positive": positive})
    callback = latent_preview.prepare_callback(model, len(sigmas) - 1)
    out = guider.sample(
        torch.zeros_like(latent["samples"]), latent["samples"], sampler, sigmas, callback=callback,
        disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED, seed=0,
    )  # fmt: skip
    return {**latent, "samples": finite_result(out.to(memory.intermediate_device()))}
