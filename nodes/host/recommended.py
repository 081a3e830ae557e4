"""The settings that a model's file recommends, kept on the MODEL: clones, LoRAs and patches leave them there."""

from pathlib import Path

import comfy.latent_formats as formats
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from torch import Tensor

from ...models.files.recommended import FLOW, KEY, WAN_PAIR, Recommended, far_off, of_family, read_recommended
from .notice import show_warning


def with_recommended(model: ModelPatcher, path: str | Path) -> ModelPatcher:
    """The MODEL of a file, with the settings that the file recommends."""
    default = family_default(model)
    settings = read_recommended(path, default)
    model.set_attachments(KEY, settings)
    if settings is not default:  # what a family was published with is no rule for every file of it
        model.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, KEY, warn_of_settings)
    return model


def warn_of_settings(executor, noise: Tensor, latent_image: Tensor, sampler, sigmas: Tensor, *args, **kwargs) -> Tensor:
    """The host's OUTER_SAMPLE wrapper point: steps and cfg far from those of the file are named on the node that samples."""
    guider = executor.class_obj
    patcher, steps = guider.model_patcher, len(sigmas) - 1
    whole = sigmas[-1] == 0 and sigmas[0] > patcher.get_model_object("model_sampling").sigma_max / 2
    few = whole and not patcher.patches  # a part of the steps may be few, and LoRAs are made for few
    show_warning(
        far_off(recommended_of(patcher), steps, guider.cfg, few),
        "The steps and cfg are near those that the model's file recommends.",
    )
    return executor(noise, latent_image, sampler, sigmas, *args, **kwargs)


def recommended_of(model: ModelPatcher) -> Recommended:
    """The settings of a MODEL of the pack or of the host."""
    return model.get_attachment(KEY) or family_default(model)


def saved_recommended(model: ModelPatcher) -> dict[str, str]:
    """What the metadata of a saved file gets; nothing for a MODEL that no loader opened."""
    settings = model.get_attachment(KEY)
    return {} if settings is None else {KEY: settings.to_json()}


def family_default(model: ModelPatcher) -> Recommended:
    if hasattr(model.model, "flow"):
        return FLOW
    if hasattr(model.model, "shows"):
        return WAN_PAIR
    if hasattr(model.model, "video"):
        return of_family(model.model.video)
    side = 512 if type(model.model.latent_format) is formats.SD15 else 1024
    return Recommended(side, side, 1, 20, 8.0, "euler", "simple")  # the defaults of the host's KSampler
