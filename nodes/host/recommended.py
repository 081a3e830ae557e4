"""The settings that a model's file recommends, kept on the MODEL: clones, LoRAs and patches leave them there."""

from pathlib import Path

import comfy.latent_formats as formats
from comfy.model_patcher import ModelPatcher

from ...models.files.recommended import FLOW, KEY, WAN_PAIR, Recommended, of_family, read_recommended


def with_recommended(model: ModelPatcher, path: str | Path) -> ModelPatcher:
    """The MODEL of a file, with the settings that the file recommends."""
    model.set_attachments(KEY, read_recommended(path, family_default(model)))
    return model


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
