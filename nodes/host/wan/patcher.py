"""The host's ModelPatcher around a pair on Wan 2.2: the stock Save Model keeps what the shapes of its weights do not tell."""

from functools import cache

import comfy.model_patcher

from ....models.files.reading import NOTES
from ....models.wan.files import KEY
from ..recommended import saved_recommended
from ..unet.patcher import as_tensor


class PairPatcher:
    def state_dict_for_saving(self, *args, **kwargs) -> dict:
        """With what the file says of itself and the recommended settings as a tensor of bytes."""
        notes = {KEY: self.model.notes.to_json(), **saved_recommended(self)}
        return super().state_dict_for_saving(*args, **kwargs) | {NOTES: as_tensor(notes)}


@cache
def pair_patcher(kind: type) -> type:
    """The same kind of patcher with that."""
    return type(kind.__name__, (PairPatcher, kind), {})


def as_pair_patcher(patcher: comfy.model_patcher.ModelPatcher) -> None:
    patcher.__class__ = pair_patcher(type(patcher))
