"""The pictures and masks that the host's nodes for Wan-Animate, VACE and SCAIL-2 take.

Each form is read from the host's node and the preparation that the model was trained with: where black or grey marks what
is generated, what a mask says with 1, and in which order the network reads its masks.
Letters: n frames, K people, h and w pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..layers.crop import resize
from ..pose.drawing import draw
from .areas import fill_area
from .faces import SIDE, cut_face, face_box, fill_gaps
from .parts import Part, is_of_part, keypoints_of, person_in_clip

GREY = 0.5  # what VACE was trained to fill
SLOTS = 4  # of its mask a latent of Wan reads: four frames, and the first frame alone
# SCAIL-2 was trained with these colors, in this order of people.
COLOURS = ((0, 0, 1), (1, 0, 0), (0, 1, 0), (1, 0, 1), (0, 1, 1), (1, 1, 0))
VISIBLE = 0.5  # of a pixel that belongs to someone

Report = Callable[[int], None]
SILENT = lambda done: None  # noqa: E731


@dataclass(frozen=True)
class Area:
    """Which pixels a generator fills: a mask of the clip, or where the person is, and how far around it."""

    masks: Tensor | None = None  # (N or 1, any size)
    grow: int = 10  # pixels of the generator's pictures
    block: int = 32  # pixels of a side of the squares that are filled as a whole; 0 follows the outline

    def of(self, part: Part, place: int) -> Tensor:
        """(h, w) of 0 and 1."""
        start = part.person(place) if self.masks is None else part.mask(self.masks, place)
        return fill_area(start, part.occluder(place), self.grow, self.block)


def fill_areas(part: Part, area: Area) -> Tensor:
    """(n, h, w) of 0 and 1: white where the generator fills each frame."""
    return torch.stack([area.of(part, place) for place in range(len(part))])


# --- Wan-Animate -----------------------------------------------------------------------------------------------------


def animate_background(part: Part, areas: Tensor, report: Report = SILENT) -> Tensor:
    """(n, h, w, 3) the clip, black where Wan-Animate generates."""
    return filled(part, areas, lambda place: torch.zeros(*part.size, 3), report)


def animate_mask(areas: Tensor) -> Tensor:
    """(n + 3, h, w) masks in the order in which the network reads them: the first frame four times, then the others.

    The host lays the masks it gets one after the other into groups of four, one group for each latent, but the first
    latent is one frame. Without the repeated ones every mask would be read three frames early.
    """
    return torch.cat((areas[:1].expand(SLOTS - 1, -1, -1), areas))


def face_pictures(part: Part, keypoints: list[dict] | None) -> tuple[Tensor, int]:
    """(n, SIDE, SIDE, 3) the face in each frame, cut out of the whole clip, and in how many frames it was found.

    Black, which the host also takes for no expression, where there is none in the whole part.
    """
    out = torch.zeros(len(part), SIDE, SIDE, 3)
    people = [None] * len(part) if keypoints is None else person_in_clip(part, keypoints)
    boxes = [None if person is None else face_box(person) for person in people]
    between = fill_gaps(boxes)
    for place in range(len(part) if between is not None else 0):
        out[place] = cut_face(part.layers.images[part.frame(place)], between[place])
    return out, sum(box is not None for box in boxes)


# --- VACE ------------------------------------------------------------------------------------------------------------


def vace_video(part: Part, areas: Tensor, pose: Tensor | None, report: Report = SILENT) -> Tensor:
    """(n, h, w, 3) the clip, and where VACE generates the pose (n, h, w, 3), or grey without one."""
    grey = torch.full((*part.size, 3), GREY)
    return filled(part, areas, lambda place: grey if pose is None else pose[place], report)


# --- SCAIL-2 ---------------------------------------------------------------------------------------------------------


def scail_video(part: Part) -> Tensor:
    """(n, h, w, 3) the clip itself, which SCAIL-2 reads the motion from; the host halves its size."""
    return torch.stack([part.picture(place) for place in range(len(part))])


def scail_masks(part: Part, others: list[Tensor], report: Report = SILENT) -> Tensor:
    """(n, h, w, 3) each person to replace in a color of its own on white, as SCAIL-2 takes them to replace people."""
    out = torch.empty(len(part), *part.size, 3)
    for place in range(len(part)):
        people = [part.person(place), *(part.mask(masks, place) for masks in others)]
        out[place] = coloured(torch.stack(people), white=True)
        report(place + 1)
    return out


def coloured(masks: Tensor, white: bool) -> Tensor:
    """(K, h, w) in 0..1 to (h, w, 3): each person in a color of its own, the first in front, on white or on black."""
    visible = masks > VISIBLE
    background = torch.full((3,), float(white))
    colours = torch.tensor([COLOURS[number % len(COLOURS)] for number in range(len(masks))], dtype=torch.float32)
    first = visible.to(torch.uint8).argmax(0)  # of equal numbers the first
    return torch.where(visible.any(0)[..., None], colours[first], background)


# --- what they share -------------------------------------------------------------------------------------------------


def filled(part: Part, areas: Tensor, content: Callable[[int], Tensor], report: Report) -> Tensor:
    """(n, h, w, 3) the clip without the person, and in the areas (n, h, w) something else (h, w, 3)."""
    out = torch.empty(len(part), *part.size, 3)
    for place in range(len(part)):
        out[place] = torch.where(areas[place, ..., None] > 0, content(place), part.without_person(place))
        report(place + 1)
    return out


def pose_pictures(part: Part, keypoints: list[dict]) -> Tensor:
    """(n, h, w, 3) the skeleton of the person with hands and without face points, as the models were trained with it."""
    return draw(keypoints_of(part, keypoints), *part.size, hands=True, face=False)


def cut_pictures(part: Part, images: Tensor) -> Tensor:
    """(n, h, w, 3) of pictures (N, H, W, 3) of the clip; pictures that are cropped already are lengthened only."""
    if is_of_part(part, images.shape[2], images.shape[1]):
        return torch.cat((images, images[-1:].expand(len(part) - len(images), -1, -1, -1)))
    return torch.stack([part.cut(images[part.frame(place)], place).clamp(0, 1) for place in range(len(part))])


def padded(picture: Tensor, size: tuple[int, int], colour: float) -> Tensor:
    """(H, W, C) to (h, w, C), whole and in its own shape; what is left at two sides gets one grey."""
    if tuple(picture.shape[:2]) == tuple(size):
        return picture
    height, width = picture.shape[:2]
    scale = min(size[0] / height, size[1] / width)
    inner = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    out = torch.full((*size, picture.shape[-1]), colour)
    out[top : top + inner[0], left : left + inner[1]] = resize(picture, inner)
    return out


def on_colour(picture: Tensor, mask: Tensor, colour: float) -> Tensor:
    """(H, W, 3) with one grey around a mask (H, W) in 0..1."""
    return torch.full_like(picture, colour).lerp(picture, mask[..., None])
