"""The picture of a character, scaled and moved so that it is as tall as a person in a clip and has the feet in their place.

Letters: H and W pixels of the character's picture, h and w of the result.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..layers.crop import cut_box
from ..layers.paste import inside_picture
from ..layers.subject_edge import grow, shrink, spread_colours
from ..layers.whole_subject import visible_box
from .person import Place, half_column

RIM = 1  # pixels along the edge of a character that mix it with what is behind
FRAME = 0.9  # of the picture's border that a mask covers, for it to be that of the background


@dataclass(frozen=True)
class Fitted:
    """A character in the size and the place of a person."""

    picture: Tensor  # (h, w, 3) with its own background, whose border is repeated
    colours: Tensor  # (h, w, 3) with the character's colours also around it
    mask: Tensor  # (h, w)
    height: float  # pixels of the character in its own picture
    scale: float
    outside: float  # share of the character that lies outside the result

    def over(self, background: Tensor) -> Tensor:
        """(h, w, 3) in front of a background (h, w, 3)."""
        return torch.lerp(background, self.colours, self.mask[..., None])


def fit_character(picture: Tensor, mask: Tensor, place: Place, size: tuple[int, int]) -> Fitted:
    """A character (H, W, 3) with its mask (H, W) as tall as the person, in a picture of another size."""
    found = visible_box(mask > 0.5)
    scale = place.height / (found[3] - found[1]).item()
    box = source_box((half_column(mask), found[3].item()), (place.middle, place.bounds[3]), scale, size)
    cut = lambda plane: cut_box(plane, box, size)
    inside = inside_picture(box, tuple(mask.shape), size)
    fitted = cut(mask[..., None])[..., 0].clamp(0, 1) * inside
    area = scale_of(box, size)
    outside = 1 - fitted.sum().item() / max(mask.sum().item() * area, 1e-6)
    return Fitted(
        cut(picture), cut(clean_colours(picture, mask)), fitted, (found[3] - found[1]).item(), scale, max(0.0, outside)
    )


def source_box(feet: tuple[float, float], wanted: tuple[float, float], scale: float, size: tuple[int, int]) -> Tensor:
    """(4,) the part of the character's picture that fills the result, with its feet (x, y) where they are wanted."""
    wide, high = max(1, round(size[1] / scale)), max(1, round(size[0] / scale))
    left, top = (
        round(here - there * side / whole)
        for here, there, side, whole in zip(feet, wanted, (wide, high), (size[1], size[0]), strict=True)
    )
    return torch.tensor([left, top, left + wide, top + high])


def scale_of(box: Tensor, size: tuple[int, int]) -> float:
    """Pixels of the result for one pixel of the box."""
    left, top, right, bottom = box.tolist()
    return size[0] * size[1] / ((right - left) * (bottom - top))


def clean_colours(picture: Tensor, mask: Tensor) -> Tensor:
    """(H, W, 3) with the colours of the character also beyond its edge, so that scaling mixes nothing else into it."""
    inside = mask > 0.5
    core = shrink(inside, RIM)
    return spread_colours(picture, core if core.any() else inside, grow(mask > 0, 8))


def check_character(mask: Tensor) -> list[str]:
    """What is worth a warning about the mask (H, W) of a character; refuses one without a character or of the background."""
    here = mask > 0.5
    if not here.any():
        raise ValueError(
            "character_mask: expected the character, got an empty mask: check what creates it, or invert it."
        )
    border = torch.cat((here[0], here[-1], here[:, 0], here[:, -1])).float().mean().item()
    if border > FRAME:
        raise ValueError(
            f"character_mask: expected the character in front of a background, got a mask that covers {100 * border:.0f} % of "
            "the border of the picture: put Invert Mask in front of it, as Load Image gives the transparent part."
        )
    cut = [side for side, row in (("top", here[0]), ("bottom", here[-1])) if row.any()]
    if not cut:
        return []
    return [
        f"The character is cut off at the {' and the '.join(cut)} of its picture, but counts as whole: use a picture from head "
        "to feet, else it becomes too large."
    ]
