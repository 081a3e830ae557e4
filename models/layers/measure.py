"""Measures of each object in each frame: how much of it is nearer than the person, how much of the body it hides.

The numbers of the rule by which MIMO finds occluders (its released decomposition), as shares of areas, so that they hold
at every size. Letters: N frames, K objects, h and w small pixels, H and W pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..character.interpolate import interpolate_gaps
from .layers import nearness
from .masks import count_objects, object_frame

BOTTOM = 0.015  # of the height: the rows that only the ground fills
MIN_PIXELS = 12  # small pixels that a mask of an object or a person has at least


@dataclass
class Measures:
    """Numbers of a clip, (N,) of the person and (N, K) of the objects."""

    person_area: Tensor  # area of the person as a share of the picture
    person_nearness: Tensor  # also in frames without a person
    body: Tensor  # area of the whole body
    area: Tensor  # of the object
    on_person: Tensor  # of that on the person
    outside: Tensor  # of that off the person
    nearer: Tensor  # of the outside, nearer than the person
    hides: Tensor  # of the nearer, on the whole body
    bottom: Tensor  # share of the lowest rows that it fills
    nearness: Tensor  # of the object, NaN where it is not visible


def measure_person(
    person: Callable[[int], Tensor],
    near: Callable[[int], Tensor],
    frames: int,
    report: Callable[[int], None] = lambda done: None,
) -> tuple[Tensor, ...]:
    """The person's share of the picture and nearness, both (N,); frames without a person are interpolated."""
    areas, values = torch.zeros(frames), torch.full((frames,), torch.nan)
    for index in range(frames):
        report(index + 1)
        mask = person(index)
        if mask.sum() < MIN_PIXELS:
            continue
        areas[index] = mask.float().mean()
        values[index] = near(index)[mask].median()
    return areas, interpolate_gaps(values)


def measure_objects(
    person: Callable[[int], Tensor],
    body: Callable[[int], Tensor],
    near: Callable[[int], Tensor],
    objects: Tensor | None,
    person_area: Tensor,
    person_nearness: Tensor,
    size: tuple[int, int],
    step: int,
    report: Callable[[int], None] = lambda done: None,
) -> Measures:
    """Measure every frame; size (H, W) is that of the clip and every `step`-th pixel counts."""
    frames, count = len(person_area), count_objects(objects)
    table = {name: torch.zeros(frames, count) for name in ("area", "on_person", "outside", "nearer", "hides", "bottom")}
    bodies, object_nearness = torch.zeros(frames), torch.full((frames, count), torch.nan)
    for index in range(frames):
        mask, whole, plane = person(index), body(index), near(index)
        in_front, bodies[index] = plane > person_nearness[index], whole.float().mean()
        for k in range(count):
            thing = object_frame(objects, k, index, size)[::step, ::step] > 0.5
            if thing.sum() < MIN_PIXELS:
                continue
            outside = thing & ~mask
            nearer = outside & in_front
            row = {"area": thing, "on_person": thing & mask, "outside": outside, "nearer": nearer}
            row |= {"hides": nearer & whole, "bottom": thing[-max(1, round(BOTTOM * len(thing))) :]}
            for name, part in row.items():
                table[name][index, k] = part.float().mean()
            object_nearness[index, k] = plane[outside if outside.any() else thing].median()
        report(index + 1)
    return Measures(person_area, person_nearness, bodies, nearness=object_nearness, **table)


def small_nearness(depth: Tensor, depth_type: str, size: tuple[int, int], step: int) -> Callable[[int], Tensor]:
    """A function from a frame of (N, h, w) depth to its small nearness."""
    if tuple(depth.shape[1:]) == tuple(size):
        return lambda index: nearness(depth[index, ::step, ::step], depth_type)
    return lambda index: nearness(depth[index], depth_type, size)[::step, ::step]
