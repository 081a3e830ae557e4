"""What the second stream of a pair on Wan 2.2 shows, painted from a clip of any source."""

import torch
from torch import Tensor

from .pair_pictures import heat_pixels

SECOND_CLIPS = ("depth", "skeleton", "segmentation")


def with_second_clip(clips, shown: str, index: int) -> dict[str, Tensor]:
    """What is encoded of a clip: its video, its second clip (both (F, 3, H, W) uint8), and the mask of the person."""
    clip = clips[index]
    return {"video": clip["video"], "second": second_clip(clip, shown), "mask": clip["mask"]}


def second_clip(clip: dict[str, Tensor], shown: str) -> Tensor:
    """(F, 3, H, W) uint8: depth as a heat map, the pose, or the person white on black."""
    if shown not in SECOND_CLIPS:
        raise ValueError(f"model: second_clip is one of {', '.join(SECOND_CLIPS)} for these clips, not {shown!r}.")
    if shown == "skeleton":
        return clip["pose"]
    if shown == "segmentation":
        return clip["mask"][:, None].expand(-1, 3, -1, -1).contiguous()
    return torch.stack([heat_pixels(depth) for depth in clip["depth"]])
