"""How near an added object is: pixel by pixel, as its lower edge is, or as the ground under it is.

Estimated depth is never exact where things touch: the feet of a person are as near as the ground in front of them. A
tolerance lets the object win there, and the ground that it stands on does not hide it.
Letters: H and W pixels.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..choices import OBJECT_DEPTHS

EACH_PIXEL, LOWER_EDGE, GROUND = OBJECT_DEPTHS
EDGE = 0.03  # of an object's pixels: so many of the lowest ones are its lower edge
ENOUGH = 24  # pixels that a plane is fitted to at least
ABOVE, BELOW, BESIDE = 0.08, 0.2, 0.3  # of the object's height: how far from its lower edge the ground is measured
ROUNDS = 8  # of the fit, each with less weight on what is not ground
UNEVEN = 0.02  # of the range of depth by which ground may rise above the plane


@dataclass(frozen=True)
class Placement:
    """How an added object is compared with the layers by depth."""

    object_depth: str = EACH_PIXEL  # one of OBJECT_DEPTHS
    tolerance: float = 0.0  # share of the range by which the object may be farther and still be visible, fading out
    on_ground: bool = False  # the ground that it stands on does not hide it
    span: float = 1.0  # the range of nearness in the clip


def lower_edge(mask: Tensor) -> Tensor | None:
    """(H, W) bool the lowest pixels of the object in a mask (H, W), such as the feet; None where it shows no object."""
    inside = mask > 0.5
    rows = inside.sum(1)
    if not rows.any():
        return None
    below = rows.flip(0).cumsum(0).flip(0)  # pixels in each row and under it
    lowest = rows[rows > 0][-1]
    return inside & (below <= torch.maximum(EDGE * rows.sum(), lowest))[:, None]


def object_nearness(
    placement: Placement, mask: Tensor, own: Tensor | None, scene: Tensor | None, free: Tensor
) -> tuple[Tensor | None, Tensor | None]:
    """(H, W) nearness of an added object, and (H, W) bool where the scene is the ground that it stands on, or None.

    own and scene (H, W) are the nearness of the object and of the scene, free (H, W) bool where the scene is visible.
    """
    edge, stands = lower_edge(mask), placement.object_depth == GROUND
    if edge is None:
        return scene if own is None else own, None
    plane = ground_plane(scene, free, edge, mask) if scene is not None and (stands or placement.on_ground) else None
    ground = None if plane is None else scene <= plane + UNEVEN * placement.span
    if stands and scene is not None:
        own = scene if plane is None else plane
    if placement.object_depth != EACH_PIXEL and own is not None:
        own = torch.full_like(mask, own[edge].median().item())
    return own, ground


def ground_plane(near: Tensor, free: Tensor, edge: Tensor, mask: Tensor) -> Tensor | None:
    """(H, W) nearness of the ground around the lower edge (H, W) of an object, continued over the picture.

    Flat ground changes its nearness evenly over a picture, whatever the camera. None where too little of it is visible.
    """
    around = free & surroundings(edge, mask)
    if int(around.sum()) < ENOUGH:
        return None
    rows, columns = around.nonzero().double().unbind(1)
    height, width = near.shape
    terms = torch.stack((torch.ones_like(rows), rows / height, columns / width), 1)
    weights = fitted_plane(terms, near[around].double())
    down, across = torch.arange(height).double() / height, torch.arange(width).double() / width
    return (weights[0] + weights[1] * down[:, None] + weights[2] * across).to(near)


def surroundings(edge: Tensor, mask: Tensor) -> Tensor:
    """(H, W) bool the box around the lower edge (H, W) of an object, in which the ground is visible."""
    tall = int((mask > 0.5).any(1).sum())
    rows, columns = edge.any(1).nonzero()[:, 0], edge.any(0).nonzero()[:, 0]
    margin = lambda share: max(2, round(share * tall))
    out = torch.zeros_like(edge)
    top, bottom = int(rows[0]) - margin(ABOVE), int(rows[-1]) + 1 + margin(BELOW)
    left, right = int(columns[0]) - margin(BESIDE), int(columns[-1]) + 1 + margin(BESIDE)
    out[max(0, top) : bottom, max(0, left) : right] = True
    return out


def fitted_plane(terms: Tensor, values: Tensor) -> Tensor:
    """(3,) weights of (M, 3) terms that give most of the values (M,); what is off the plane counts less and less."""
    weight = torch.ones_like(values)
    slight = 1e-6 * len(values) * torch.eye(3, dtype=terms.dtype)  # a single row of ground has no slope of its own
    for _ in range(ROUNDS):
        weighted = terms * weight[:, None]
        solution = torch.linalg.solve(weighted.T @ terms + slight, weighted.T @ values)
        error = (terms @ solution - values).abs()
        scale = error.median().clamp_min(1e-9) * 2.5
        weight = 1 / (1 + (error / scale) ** 2) ** 2
    return solution


def share_behind(layer: Tensor, near: Tensor, tolerance: float) -> Tensor:
    """(H, W) how much of an object of nearness (H, W) is visible against a layer of nearness (H, W).

    All of it where it is as near or nearer; then it fades, and is hidden where it is farther by the tolerance.
    """
    if tolerance <= 0:
        return (layer <= near).to(near)
    return (1 + (near - layer) / tolerance).clamp(0, 1)
