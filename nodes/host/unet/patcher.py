"""The host's ModelPatcher around a video U-Net: merging nodes find its blocks, and the stock Save Model keeps what it is."""

import json
from functools import cache

import comfy.model_patcher
import torch

from ....models.files.reading import NOTES
from ....models.unet.config_file import to_json
from ..recommended import saved_recommended
from .merging import UNET, WithHostNames, host_name, is_host_name


class VideoPatcher:
    """It answers and takes patches of the whole U-Net under the names of the host's own."""

    def get_key_patches(self, filter_prefix: str | None = None) -> dict:
        patches = super().get_key_patches(filter_prefix)
        if filter_prefix != UNET:
            return patches
        return {UNET + host_name(key.removeprefix(UNET), self.model.video): value for key, value in patches.items()}

    def model_state_dict(self, filter_prefix: str | None = None) -> dict:
        """A ControlNet that was saved as a difference from its base model looks for weights under the host's names."""
        state = super().model_state_dict(filter_prefix)
        return WithHostNames(state, self.model.video) if filter_prefix is None else state

    def add_patches(self, patches: dict, strength_patch: float = 1.0, strength_model: float = 1.0) -> list:
        if not any(isinstance(key, str) and is_host_name(key) for key in patches):
            return super().add_patches(patches, strength_patch, strength_model)
        ours = {UNET + host_name(key.removeprefix(UNET), self.model.video): key for key in self.model_state_dict(UNET)}
        named = {ours.get(key, key): key for key in patches}
        added = super().add_patches({new: patches[old] for new, old in named.items()}, strength_patch, strength_model)
        return [named[key] for key in added]

    def state_dict_for_saving(self, *args, **kwargs) -> dict:
        """With the configuration as a tensor of bytes: the stock nodes that save write no metadata of ours."""
        notes = {"duet": to_json(self.model.video), **saved_recommended(self)}
        state = super().state_dict_for_saving(*args, **kwargs)
        return state | {NOTES: as_tensor(notes)}


def as_tensor(notes: dict[str, str]) -> torch.Tensor:
    """Notes as a tensor of bytes, which every node that saves weights writes."""
    return torch.frombuffer(bytearray(json.dumps(notes).encode()), dtype=torch.uint8)


@cache
def video_patcher(kind: type) -> type:
    """The same kind of patcher with all that."""
    return type(kind.__name__, (VideoPatcher, kind), {})


def as_video_patcher(patcher: comfy.model_patcher.ModelPatcher) -> None:
    patcher.__class__ = video_patcher(type(patcher))
