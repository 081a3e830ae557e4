"""The whole body in a frame, also where an object hides it: of capsules where the pose is known, else a convex hull.

Letters: N frames, h and w pixels of the small pictures that decisions are made on.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ..character.posed_body import PosedBody, render_body
from ..opencv import import_cv2

DECISION_SIZE = 240  # pixels of the shorter side that decisions are made on


def decision_step(size: tuple[int, int]) -> int:
    """Every how many pixels are enough for a decision."""
    return max(1, min(size) // DECISION_SIZE)


def convex_hull(mask: Tensor) -> Tensor:
    """(h, w) bool to the smallest convex outline around it, as bool."""
    cv2 = import_cv2()
    points = mask.nonzero()[:, [1, 0]].to(torch.int32).cpu().numpy()
    out = torch.zeros(mask.shape, dtype=torch.uint8).numpy()
    if len(points):
        cv2.fillConvexPoly(out, cv2.convexHull(points), 1)
    return torch.from_numpy(out).bool().to(mask.device)


def whole_bodies(person: Callable[[int], Tensor], present: Tensor, body: PosedBody | None) -> Callable[[int], Tensor]:
    """A function from a frame to the whole body (h, w) in it.

    person gives the small mask (h, w) bool of a frame, present (N,) is true where there is one. A frame without a person
    takes the hull of the nearest frame in time that has one.
    """
    nearest = nearest_true(present)

    def by_hull(index: int) -> Tensor:
        return convex_hull(person(nearest[index]))

    def by_capsules(index: int) -> Tensor:
        mask = person(index)
        capsules = render_body(body, slice(index, index + 1), tuple(mask.shape)).mask[0] > 0
        return capsules | mask

    return by_hull if body is None else by_capsules


def nearest_true(values: Tensor) -> list[int]:
    """(N,) bool to the nearest True for each place, itself where nothing is True."""
    places = values.nonzero()[:, 0]
    if not len(places):
        return list(range(len(values)))
    distance = (torch.arange(len(values), device=values.device)[:, None] - places).abs()
    return places[distance.argmin(1)].tolist()
