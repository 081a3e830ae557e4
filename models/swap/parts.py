"""The part of a clip that a video generator works on: layers and keypoints cut out by the boxes of a crop.

Letters: N frames of the clip, n frames of one part, H and W pixels of the clip, h and w of the pictures of a part.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..layers.composite import Changes, composite_frame
from ..layers.crop import Clip, Crop, cut_box
from ..layers.layers import Layers
from ..layers.masks import mask_frame
from ..pose.drawing import rescale
from ..pose.formats import Frame, parse, write


@dataclass(frozen=True)
class Part:
    """Consecutive frames of a decomposed clip, each with the box that is cut out of it."""

    layers: Layers
    start: int
    last: int  # the frame that is repeated where there are more boxes than frames
    boxes: Tensor  # (n, 4) int64: left, top, right, bottom in pixels
    size: tuple[int, int]  # h, w

    def __len__(self) -> int:
        return len(self.boxes)

    def frame(self, place: int) -> int:
        """The frame of the clip."""
        return min(self.start + place, self.last)

    def picture(self, place: int) -> Tensor:
        """(h, w, 3) of the clip."""
        return self.cut(self.layers.images[self.frame(place)], place).clamp(0, 1)

    def without_person(self, place: int) -> Tensor:
        """(h, w, 3) with the filled scene in place of the person, or of the clip where no scene is filled."""
        if self.layers.scene is None:
            return self.picture(place)
        changed = composite_frame(self.layers, Changes(remove_person=True), self.frame(place))[0]
        return self.cut(changed, place).clamp(0, 1)

    def person(self, place: int) -> Tensor:
        """(h, w) in 0..1, the visible part of the person."""
        return self.cut_mask(self.layers.coverages(self.frame(place))[0], place)

    def occluder(self, place: int) -> Tensor:
        """(h, w) in 0..1, all that is in front of the person."""
        objects = self.layers.coverages(self.frame(place))[1].values()
        return self.cut_mask(sum(objects, torch.zeros(self.layers.size)), place)

    def mask(self, masks: Tensor, place: int) -> Tensor:
        """(h, w) in 0..1 of masks (N or 1, any size) of the clip."""
        return self.cut_mask(mask_frame(masks, self.frame(place), self.layers.size), place)

    def cut(self, picture: Tensor, place: int) -> Tensor:
        """(H, W, C) to (h, w, C)."""
        return cut_box(picture, self.boxes[place], self.size)

    def cut_mask(self, mask: Tensor, place: int) -> Tensor:
        """(H, W) to (h, w)."""
        return self.cut(mask[..., None].float(), place)[..., 0].clamp(0, 1)

    def place_of(self, points: np.ndarray, place: int) -> np.ndarray:
        """Points (K, 3) in pixels of the clip to pixels of the part's pictures; missing ones stay zero."""
        left, top, right, bottom = self.boxes[place].tolist()
        moved = rescale(points - (left, top, 0), self.size[1] / (right - left), self.size[0] / (bottom - top))
        return moved * (points[:, 2:] > 0)

    def clip_place(self, points: np.ndarray, place: int) -> np.ndarray:
        """Points (K, 3) in pixels of the part's pictures to pixels of the clip; missing ones stay zero."""
        left, top, right, bottom = self.boxes[place].tolist()
        moved = rescale(points, (right - left) / self.size[1], (bottom - top) / self.size[0]) + (left, top, 0)
        return moved * (points[:, 2:] > 0)


def parts_of(layers: Layers, crop: Crop | None) -> list[Part]:
    """The parts of a clip, one for each cropped clip; without a crop it is the whole clip."""
    if crop is None:
        (height, width), frames = layers.size, len(layers.images)
        whole = torch.tensor([[0, 0, width, height]]).expand(frames, 4)
        return [Part(layers, 0, frames - 1, whole, layers.size)]
    return [part_of(layers, clip, crop.output_size) for clip in crop.clips]


def part_of(layers: Layers, clip: Clip, size: tuple[int, int] | None) -> Part:
    """The part of one cropped clip, with as many frames as its pictures."""
    boxes = repeated(clip.boxes, clip.repeated)
    return Part(layers, clip.start, clip.stop - 1, boxes, size or box_size(clip.boxes[0]))


def repeated(boxes: Tensor, count: int) -> Tensor:
    """(n, 4) boxes, the last one some times again."""
    return torch.cat((boxes, boxes[-1:].expand(count, 4)))


def box_size(box: Tensor) -> tuple[int, int]:
    """Height and width of one box."""
    left, top, right, bottom = box.tolist()
    return bottom - top, right - left


def lengthened(part: Part, step: int = 4) -> Part:
    """A part whose number of frames is 1 more than a multiple of the step: its last frame is repeated."""
    return replace(part, boxes=repeated(part.boxes, -(len(part) - 1) % step))


def is_of_part(part: Part, width: int, height: int) -> bool:
    """Whether pictures or keypoints of a size are those of the cropped pictures and not of the clip."""
    return (height, width) == tuple(part.size) and tuple(part.size) != part.layers.size


def people_in_clip(part: Part, keypoints: list[dict]) -> list[list[dict]]:
    """The people in each frame of a part in pixels of the clip, from keypoints of the clip or of the cropped pictures."""
    frames, (height, width) = parse(keypoints), part.layers.size
    if is_of_part(part, frames[0].width, frames[0].height):
        shown = frames + frames[-1:] * (len(part) - len(frames))
        change = lambda points, place, frame: part.clip_place(points, place)
    else:
        shown = [frames[part.frame(place)] for place in range(len(part))]
        change = lambda points, place, frame: (
            rescale(points, width / frame.width, height / frame.height) * (points[:, 2:] > 0)
        )
    return [
        [{key: change(points, place, frame) for key, points in person.items()} for person in frame.people]
        for place, frame in enumerate(shown)
    ]


def person_in_clip(part: Part, keypoints: list[dict]) -> list[dict | None]:
    """The person of the layers in each frame of a part, in pixels of the clip; None where there is none."""
    found = []
    for place, people in enumerate(people_in_clip(part, keypoints)):
        chosen = chosen_person(part, people, place)
        found.append(None if chosen is None else people[chosen])
    return found


def keypoints_of(part: Part, keypoints: list[dict]) -> list[dict]:
    """SDPose keypoints of a part, only of the person of its layers where there are several."""
    height, width = part.size
    found = []
    for place, person in enumerate(person_in_clip(part, keypoints)):
        moved = [] if person is None else [{key: part.place_of(points, place) for key, points in person.items()}]
        found.append(write(Frame(width, height, moved), "SDPose"))
    return found


def chosen_person(part: Part, people: list[dict], place: int) -> int | None:
    """The one of several people, in pixels of the clip, whose joints lie most within the person's mask; None if none does."""
    if len(people) < 2:
        return 0 if people else None
    mask = part.layers.coverages(part.frame(place))[0]
    shares = [share_within(person, mask) for person in people]
    best = max(range(len(people)), key=shares.__getitem__)
    return best if shares[best] > 0 else None


def share_within(person: dict, mask: Tensor) -> float:
    """The share of the detected joints of a body that lie within a mask (h, w)."""
    points = torch.from_numpy(person["pose_keypoints_2d"])
    points = points[points[:, 2] > 0]
    if not len(points):
        return 0.0
    height, width = mask.shape
    column, row = points[:, 0].round().long(), points[:, 1].round().long()
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    hit = mask[row.clamp(0, height - 1), column.clamp(0, width - 1)] > 0.5
    return (hit & inside).double().mean().item()
