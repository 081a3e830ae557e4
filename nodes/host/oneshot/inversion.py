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
    source: "InvertedNoise"  # the same as NOISE
    sigmas: Tensor  # (n + 1,) from noise to clean
    reconstruction: Tensor  # (B, ...) the clip that euler samples from that noise
    prediction: str | None  # "eps" or "v", if the network predicts another one than the model is declared as


class InvertedNoise:
    """A NOISE that gives every sampling the noise of one clip."""

    seed = 0

    def __init__(self, noise: Tensor):
        self.noise = noise

    def generate_noise(self, input_latent: dict) -> Tensor:
        if input_latent["samples"].shape != self.noise.shape:
            came, made = tuple(input_latent["samples"].shape), tuple(self.noise.shape)
            raise ValueError(
                f"The noise was found for a latent {made}, got {came}: connect the latent that went into Invert Video to Noise."
            )
        return self.noise


def inversion_sampler(evaluations: int, prediction: list | None = None) -> comfy.samplers.KSAMPLER:
    """A SAMPLER for sigmas that rise or fall; the actual prediction, or None if it is right, is appended to the list."""
    return comfy.samplers.KSAMPLER(run, {"evaluations": evaluations, "prediction": prediction})


@torch.no_grad()
def run(
    model, x: Tensor, sigmas: Tensor, extra_args=None, callback=None, disable=None, *, evaluations=1, prediction=None
) -> Tensor:
    """The inversion in the form of a sampler function; it begins with the latent that goes in, not with x, which flow models mix."""
    extra, schedule = extra_args or {}, model.inner_model.inner_model.model_sampling
    check_start(model, extra, schedule, sigmas)
    denoise = lambda x, sigma: model(x, sigma * x.new_ones(x.shape[0]), **extra)
    declared, x = prediction_of(schedule), model.latent_image
    with tqdm(total=len(sigmas) - 1, disable=disable) as bar:

        def report(i: int, x: Tensor, sigma: Tensor, clean: Tensor) -> None:
            bar.update()
            if callback is not None:
                callback({"x": x, "i": i, "sigma": sigma, "sigma_hat": sigma, "denoised": clean})

        x = invert(denoise, x, sigmas, declared, evaluations_per_step(evaluations, sigmas), report)
    if prediction is not None and declared != "flow":
        highest = sigmas.max()
        noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).to(x)
        prediction.append(actual_prediction(noise, denoise(noise * highest, highest), highest.item()))
    return x


def prediction_of(schedule) -> str:
    """What a network predicts: "flow", "v" or "eps"."""
    if isinstance(schedule, comfy.model_sampling.CONST):
        return "flow"
    return "v" if isinstance(schedule, comfy.model_sampling.V_PREDICTION) else "eps"


def check_start(model, extra: dict, schedule, sigmas: Tensor) -> None:
    """Refuses guidance, a mask, added noise and models of another kind, which would give a wrong inversion."""
    check_kind(schedule)
    check_guider(model.inner_model)
    if extra.get("denoise_mask") is not None:
        raise ValueError("Inversion needs whole frames, but the latent has a noise mask: remove Set Latent Noise Mask.")
    if model.noise.any():
        raise ValueError("Inversion needs a latent without added noise: turn add_noise off, or connect Disable Noise.")
    if prediction_of(schedule) == "flow" and sigmas[-1] > sigmas[0]:
        raise ValueError(
            "Inversion with a model of flow matching needs sigmas that fall, as from a scheduler, got some that rise: remove Flip "
            "Sigmas. The sampler runs backwards by itself."
        )


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
    """Refuses models that predict neither noise or velocity from x / (1 + sigma^2)^0.5 nor the velocity of flow matching."""
    if isinstance(schedule, comfy.model_sampling.CONST) and not isinstance(
        schedule, comfy.model_sampling.IMG_TO_IMG_FLOW
    ):
        return
    if not isinstance(schedule, comfy.model_sampling.EPS) or getattr(schedule, "sigma_data", 1.0) != 1.0:
        raise ValueError(
            "Inversion needs a model that predicts noise or velocity, such as Stable Diffusion 1.5 or 2, or one of flow matching, "
            "such as Wan, LTX, Hunyuan, Flux or Stable Diffusion 3, got one of another kind: load a model of these families."
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
    source = InvertedNoise(model.model.process_latent_in(noise["samples"]) / noise_share(schedule, sigmas))
    back = sample(model, positive, comfy.samplers.sampler_object("euler"), sigmas, latent, source.noise)
    return Inverted(noise, source, sigmas, back["samples"], prediction[0] if prediction else None)


def noise_share(schedule, sigmas: Tensor) -> Tensor:
    """What a sampler multiplies noise by before the first step."""
    highest = math.isclose(float(schedule.sigma_max), float(sigmas[0]), rel_tol=1e-5) or sigmas[0] > schedule.sigma_max
    return schedule.noise_scaling(sigmas[:1], torch.ones(1), torch.zeros(1), highest)


def needs_noise(model) -> bool:
    """Whether a sampler begins with its noise alone, so that a latent cannot carry any into it."""
    return prediction_of(model.get_model_object("model_sampling")) == "flow"


def sample(model, positive, sampler, sigmas: Tensor, latent: dict, noise: Tensor | None = None) -> dict:
    """Any SAMPLER without guidance, on an unchanged latent as with Disable Noise, or on noise alone."""
    guider = comfy.samplers.CFGGuider(model)
    guider.inner_set_conds({"positive": positive})
    callback = latent_preview.prepare_callback(model, len(sigmas) - 1)
    empty = torch.zeros_like(latent["samples"])
    start = (empty, latent["samples"]) if noise is None else (noise, empty)
    out = guider.sample(
        *start, sampler, sigmas, callback=callback,
        disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED, seed=0,
    )  # fmt: skip
    return {**latent, "samples": finite_result(out.to(memory.intermediate_device()))}
