"""The first step of samplers of the second order, which fail on the last interval of LFDM's schedule.

A step of Heun or DPM-2 from sigma 64,166 to 12 multiplies the error of a prediction by the ratio of both. There is no
motion in noise of 64,166 yet, so an Euler step loses nothing. Letters: B clips, F frames, h and w points of the flow.
"""

import copy
from collections.abc import Callable

import comfy.k_diffusion.sampling as k_diffusion
from torch import Tensor

SECOND_ORDER = (k_diffusion.sample_heun, k_diffusion.sample_dpm_2, k_diffusion.sample_dpm_2_ancestral)
RATIO = 10  # of two sigmas, above which such a step fails


def check_first_step(executor, noise: Tensor, latent: Tensor, sampler, sigmas: Tensor, *args, **kwargs) -> Tensor:
    """The host's OUTER_SAMPLE wrapper point: noise (B, 3, F, h, w); the sampler begins with an Euler step where it has to."""
    function = getattr(sampler, "sampler_function", None)
    if function in SECOND_ORDER and len(sigmas) > 2 and sigmas[0] > RATIO * sigmas[1]:
        sampler = copy.copy(sampler)
        sampler.sampler_function = after_euler_step(function)
    return executor(noise, latent, sampler, sigmas, *args, **kwargs)


def after_euler_step(function: Callable) -> Callable:
    """A sampler of the host that takes its first step as Euler's method."""

    def sample(model, x: Tensor, sigmas: Tensor, extra_args=None, callback=None, disable=None, **options) -> Tensor:
        denoised = model(x, sigmas[0] * x.new_ones(len(x)), **(extra_args or {}))
        if callback is not None:
            callback({"x": x, "i": 0, "sigma": sigmas[0], "sigma_hat": sigmas[0], "denoised": denoised})
        x = denoised + (x - denoised) * (sigmas[1] / sigmas[0])
        later = None if callback is None else lambda state: callback({**state, "i": state["i"] + 1})
        return function(model, x, sigmas[1:], extra_args=extra_args, callback=later, disable=disable, **options)

    return sample
