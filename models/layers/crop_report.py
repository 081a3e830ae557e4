"""Whether the subject of an edited crop is as large as the original's, and whether it is cut off by the box.

Letters: n frames of one clip, h and w pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .crop import Crop
from .masks import mask_frame
from .whole_subject import visible_box

SIDES = ("left", "top", "right", "bottom")
SAME_HEIGHT = 0.05  # of the original's height: a smaller difference is not worth a warning


@dataclass(frozen=True)
class Compared:
    """The subject of one edited picture beside that of the original."""

    frame: int
    height: float  # of the original's
    feet: float  # pixels of the clip by which the feet are lower
    touched: list[str]  # sides of the box that cut it off


def compare_subjects(masks: list[Tensor], crop: Crop) -> list[Compared]:
    """Each edited picture in which both subjects are visible; masks (n or 1, h, w) are those of the edited clips."""
    return [one for number in range(len(crop.clips)) for one in compare_clip(masks[number], crop, number)]


def compare_clip(masks: Tensor, crop: Crop, number: int) -> Iterator[Compared]:
    clip = crop.clips[number]
    for place, box in enumerate(clip.boxes.tolist()):
        mask = mask_frame(masks, place, tuple(masks.shape[1:]))
        found = visible_box(mask > 0.5)
        if found is None or clip.subject is None:
            continue
        scale = (box[3] - box[1]) / mask.shape[0]
        top, bottom = (box[1] + scale * found[side].item() for side in (1, 3))
        _, first, _, last = clip.subject[place].tolist()
        own = None if clip.mask is None else clip.mask[place]
        sides = [side for side in cut_sides(mask, own) if not at_border(side, box, crop.size)]
        yield Compared(clip.start + place, (bottom - top) / max(last - first, 1e-6), bottom - last, sides)


def cut_sides(mask: Tensor, original: Tensor | None) -> list[str]:
    """The sides of a picture that a mask (h, w) touches along more of their length than that of the original does."""
    shares = side_shares(mask)
    before = torch.zeros(4) if original is None else side_shares(original)
    return [side for side, now, old in zip(SIDES, shares, before, strict=True) if now > old + 1e-6]


def side_shares(mask: Tensor) -> Tensor:
    """(4,) share of each side's pixels that a mask (h, w) covers."""
    inside = (mask > 0.5).float()
    return torch.stack((inside[:, 0].mean(), inside[0].mean(), inside[:, -1].mean(), inside[-1].mean()))


def at_border(side: str, box: list[int], size: tuple[int, int]) -> bool:
    """The box ends at the border of the clip's picture there or beyond it, so that it cuts nothing off."""
    left, top, right, bottom = box
    return {"left": left <= 0, "top": top <= 0, "right": right >= size[1], "bottom": bottom >= size[0]}[side]


def describe_subjects(found: list[Compared]) -> tuple[list[str], str | None]:
    """Sentences on the height and the sides, and the warning among them."""
    if not found:
        return ["subject_mask shows no subject in any frame, so nothing was pasted."], (
            "subject_mask: no subject in any edited picture, so nothing was pasted: check what creates the mask."
        )
    heights = torch.tensor([one.height for one in found])
    middle, feet = heights.median().item(), torch.tensor([one.feet for one in found]).median().item()
    lines = [
        f"The subject is {middle:.2f} times as tall as the original ({heights.min():.2f} to {heights.max():.2f} in "
        f"{len(found)} frames), its feet {abs(feet):.0f} pixels {'lower' if feet > 0 else 'higher'}."
    ]
    warnings = []
    if abs(middle - 1) > SAME_HEIGHT:
        warnings.append(
            f"The subject is {middle:.2f} times as tall as the original: put Fit Reference to Person in front of the generator."
        )
    cut = [one for one in found if one.touched]
    if cut:
        sides = " and ".join(side for side in SIDES if any(side in one.touched for one in cut))
        warnings.append(
            f"The subject touches the {sides} of the box in {len(cut)} of {len(found)} frames, first in frame {cut[0].frame}: "
            "what is beyond is lost. Raise padding in Crop to Subject, or make the subject smaller."
        )
    return lines + warnings, " ".join(warnings) or None
