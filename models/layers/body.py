"""The whole body in a frame, also where something hides it: of capsules where a skeleton is known, else a hull.

Letters: N frames, h and w pixels of the small pictures that decisions are made on.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ..character.motion_code import Motion, render_motion
from ..opencv import import_cv2

SMALL = 240  # pixels of the shorter side that decisions are made on


def small(size: tuple[int, int]) -> int:
    """Every how many pixels are enough for a decision."""
    return max(1, min(size) // SMALL)


def hull(mask: Tensor) -> Tensor:
    """(h, w) bool to the smallest convex outline around it, as bool."""
    cv2 = import_cv2()
    points = mask.nonzero()[:, [1, 0]].to(torch.int32).cpu().numpy()
    out = torch.zeros(mask.shape, dtype=torch.uint8).numpy()
    if len(points):
        cv2.fillConvexPoly(out, cv2.convexHull(points), 1)
    return torch.from_numpy(out).bool().to(mask.device)


def whole_bodies(human: Callable[[int], Tensor], seen: Tensor, motion: Motion | None) -> Callable[[int], Tensor]:
    """A function from a frame to the whole body (h, w) in it.

    human gives the small mask (h, w) bool of a frame, seen (N,) says where there is one. A frame without a person takes
    the hull of the nearest frame in time that shows one.
    """
    nearest = nearest_seen(seen)

    def by_hull(index: int) -> Tensor:
        return hull(human(nearest[index]))

    def by_capsules(index: int) -> Tensor:
        mask = human(index)
        silhouette = render_motion(motion, slice(index, index + 1), tuple(mask.shape)).silhouette[0] > 0
        return silhouette | mask

    return by_hull if motion is None else by_capsules


def nearest_seen(seen: Tensor) -> list[int]:
    """(N,) bool to the nearest True for each place, itself where nothing is True."""
    places = seen.nonzero()[:, 0]
    if not len(places):
        return list(range(len(seen)))
    away = (torch.arange(len(seen), device=seen.device)[:, None] - places).abs()
    return places[away.argmin(1)].tolist()
