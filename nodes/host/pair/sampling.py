"""The host's own sampling, called as KSampler calls it, with the settings that a model's file recommends."""

from dataclasses import replace

import nodes

from ....models.files.recommended import Recommended
from ..choices import SAMPLERS, SCHEDULERS
from ..finite import finite_result, finite_start
from ..recommended import recommended_of
from .boundary import modalities


def modalities_of(model) -> int:
    """2 for a MODEL that samples a pair, else 1."""
    return modalities(model.model, model.model_options)


def is_ours(model) -> bool:
    """Whether a MODEL samples the frames of a clip; those of the host treat a batch in their own way."""
    inner = model.model
    pictures = hasattr(inner, "shows") and inner.latent_format.latent_dimensions == 2
    return pictures or hasattr(inner, "video") or hasattr(inner, "flow")


def settings_for(model, steps: int, cfg: float, sampler: str | None, scheduler: str | None) -> Recommended:
    """The settings of a MODEL, with those in their place that are neither 0 nor None."""
    found = recommended_of(model)
    chosen = {"steps": steps, "cfg": cfg, "sampler": sampler, "scheduler": scheduler}
    found = replace(found, **{name: value for name, value in chosen.items() if value})
    for name, value, known in (
        ("sampler_name", found.sampler, SAMPLERS),
        ("scheduler", found.scheduler, SCHEDULERS),
    ):
        if value not in known:
            raise ValueError(
                f"{name}: the model's file recommends {value}, which this ComfyUI does not have: choose one of the list."
            )
    return found


def sample(model, seed: int, settings: Recommended, positive, negative, latent: dict, denoise: float = 1.0) -> dict:
    """KSampler with previews, interrupts, masks and memory management as the host does them."""
    how = (settings.steps, settings.cfg, settings.sampler, settings.scheduler)
    halves = 1 if latent["samples"].ndim == 5 else modalities_of(model)
    finite_start(latent["samples"], halves)
    out = nodes.common_ksampler(model, seed, *how, positive, negative, latent, denoise=denoise)[0]
    finite_result(out["samples"], halves)
    return out
