"""What one frame tells about each object: how much of it is nearer than the person, and how much of the body it hides.

The numbers of the rule by which MIMO finds what passes in front (its released decomposition), as shares of areas, so
that they hold at every size. Letters: N frames, K objects, h and w small pixels, H and W pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..character.gaps import filled
from .layers import nearness
from .masks import count_objects, object_frame

BOTTOM = 0.015  # of the height: the rows that only the ground fills
LEAST = 12  # small pixels below which a mask is no object and no person


@dataclass
class Measures:
    """Numbers of a clip, (N,) of the person and (N, K) of the objects."""

    human: Tensor  # area of the person as a share of the picture
    human_near: Tensor  # nearness of the person, also in frames without one
    body: Tensor  # area of the whole body
    area: Tensor  # of the object
    on_human: Tensor  # of that on the person
    outside: Tensor  # of that off the person
    nearer: Tensor  # of the outside, nearer than the person
    hides: Tensor  # of the nearer, on the whole body
    bottom: Tensor  # share of the lowest rows that it fills
    near: Tensor  # nearness of the object, NaN where it is not seen


def person_nearness(human: Callable[[int], Tensor], depth: Callable[[int], Tensor], frames: int) -> tuple[Tensor, ...]:
    """The person's share of the picture and nearness, both (N,); frames without a person take what is between."""
    areas, values = torch.zeros(frames), torch.full((frames,), torch.nan)
    for index in range(frames):
        mask = human(index)
        if mask.sum() < LEAST:
            continue
        areas[index] = mask.float().mean()
        values[index] = depth(index)[mask].median()
    return areas, filled(values)


def measure(
    human: Callable[[int], Tensor],
    body: Callable[[int], Tensor],
    depth: Callable[[int], Tensor],
    objects: Tensor | None,
    areas: Tensor,
    person: Tensor,
    size: tuple[int, int],
    step: int,
    report: Callable[[int], None] = lambda done: None,
) -> Measures:
    """Look at every frame once; size (H, W) is that of the clip and every `step`-th pixel counts."""
    frames, count = len(areas), count_objects(objects)
    table = {name: torch.zeros(frames, count) for name in ("area", "on_human", "outside", "nearer", "hides", "bottom")}
    bodies, near = torch.zeros(frames), torch.full((frames, count), torch.nan)
    for index in range(frames):
        mask, whole, plane = human(index), body(index), depth(index)
        before, bodies[index] = plane > person[index], whole.float().mean()
        for k in range(count):
            thing = object_frame(objects, k, index, size)[::step, ::step] > 0.5
            if thing.sum() < LEAST:
                continue
            outside = thing & ~mask
            nearer = outside & before
            row = {"area": thing, "on_human": thing & mask, "outside": outside, "nearer": nearer}
            row |= {"hides": nearer & whole, "bottom": thing[-max(1, round(BOTTOM * len(thing))) :]}
            for name, part in row.items():
                table[name][index, k] = part.float().mean()
            near[index, k] = plane[outside if outside.any() else thing].median()
        report(index + 1)
    return Measures(areas, person, bodies, near=near, **table)


def small_depth(depth: Tensor, source: str, size: tuple[int, int], step: int) -> Callable[[int], Tensor]:
    """A function from a frame of (N, h, w) depth to the small nearness."""
    if tuple(depth.shape[1:]) == tuple(size):
        return lambda index: nearness(depth[index, ::step, ::step], source)
    return lambda index: nearness(depth[index], source, size)[::step, ::step]
