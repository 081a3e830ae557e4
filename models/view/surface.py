"""Which neighbouring pixels lie on one surface, by their depth alone.

Letters: H and W pixels. Nearness is 1 / distance: along a plane it changes evenly over the picture, however slanted the
plane is.
"""

import torch
from torch import Tensor

JUMP = 0.04  # two neighbours whose nearness differs by less than this part lie on one surface
BEND = 0.01  # so do those that continue one plane to this part


def nearness_of(depth: Tensor) -> Tensor:
    """(H, W) distances to 1 / distance; NaN where the distance is not above 0, not finite, or not a number."""
    nearness = depth.float().reciprocal()
    return nearness.where((nearness > 0) & (nearness < torch.inf), torch.nan)


def joins(nearness: Tensor, jump: float = JUMP) -> tuple[Tensor, Tensor]:
    """(H, W) bool: whether the pixel and its right neighbour, and its lower one, lie on one surface; False at the border."""
    return joined(nearness, 1, jump), joined(nearness, 0, jump)


def joined(nearness: Tensor, axis: int, jump: float) -> Tensor:
    """joins() along one axis."""
    count = nearness.shape[axis]
    out = torch.zeros_like(nearness, dtype=torch.bool)
    if count < 2:
        return out
    here, there = nearness.narrow(axis, 0, count - 1), nearness.narrow(axis, 1, count - 1)
    step, nearer = there - here, torch.maximum(here, there)
    on_one = step.abs() <= jump * nearer  # False for NaN
    if count > 2:
        bend = (step.narrow(axis, 1, count - 2) - step.narrow(axis, 0, count - 2)).abs()
        # A plane through three pixels joins the middle one with both, unless the step itself is that of two surfaces.
        even = bend <= BEND * nearer.narrow(axis, 1, count - 2)
        on_one.narrow(axis, 0, count - 2).logical_or_(even)
        on_one.narrow(axis, 1, count - 2).logical_or_(even)
    out.narrow(axis, 0, count - 1).copy_(on_one)
    return out


def sharpened(depth: Tensor, reach: int, jump: float = JUMP) -> Tensor:
    """(H, W) distances without what lies between two surfaces at an edge: such pixels take the nearer of both ends.

    Estimated depth blurs edges over some pixels; `reach` is half their number. Edges that are sharp do not change.
    """
    if reach < 1:
        return depth
    nearness = nearness_of(depth)
    known = torch.isfinite(nearness)
    near = largest_around(nearness.where(known, -torch.inf), reach)
    far = -largest_around((-nearness).where(known, -torch.inf), reach)
    to_near, to_far = near - nearness, nearness - far
    between = (to_near > jump * near) & (to_far > jump * nearness)
    return torch.where(between, torch.where(to_near <= to_far, near, far).reciprocal(), depth)


def largest_around(values: Tensor, reach: int) -> Tensor:
    """(H, W) largest value within `reach` pixels along each axis."""
    along = lambda values, size, pad: torch.nn.functional.max_pool2d(values, size, 1, pad)
    size = 2 * reach + 1
    return along(along(values[None, None], (1, size), (0, reach)), (size, 1), (reach, 0))[0, 0]
