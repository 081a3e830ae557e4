"""The three stages of IDOL (section 4): what each reads, and what it freezes."""

import torch
from torch import Tensor

from ...models.unet.controlnet import BETWEEN
from ..encode.augment import cut_out, dilation, hide, stretch
from .idol import Idol


class Outpainting(Idol):
    """HAOP: pictures of a person, no depth, no pose; the network restores the hidden person, and more of it than was cut out.

    The person is cropped and scaled, the hole in the room is larger than the person. ResBlocks are frozen, unless
    the network is new.
    """

    modalities, frames, pose, over_time = 1, 1, False, False

    def trains(self, name: str) -> bool:
        frozen = self.settings.model.get("freeze_resblocks", True) and ".resnets." in name
        return super().trains(name) and not frozen and not any(part in name for part in BETWEEN)

    def prepare(self, device: torch.device) -> None:
        """Encodes nothing ahead, because every example hides another part."""

    def sample(self, place: int) -> dict[str, Tensor]:
        clip = self.clips[self.item(place, len(self.clips))]
        r = self.draw(place).python("haop")
        frame = r.randrange(len(clip["video"]))
        picture, mask = clip["video"][frame], clip["mask"][frame]
        person = cut_out(picture, mask) if r.random() < 0.5 else clip["person"]
        room = hide(picture, mask, dilation(r, mask.shape[-1]))
        return {"video": picture[None], "room": room, "person": stretch(person, r), "mask": mask[None]}


class Pictures(Idol):
    """Single pictures with their depth; layers over time are not trained."""

    frames, over_time = 1, False


class Clips(Idol):
    """Whole clips, everything trained, with the two consistency losses of video and depth."""

    moving = True
