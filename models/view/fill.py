"""What to put into holes: another picture of the scene, or the background beside them.

Letters: N frames, H and W pixels.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from .lens import Fisheye, Pinhole
from .reproject import View, reproject
from .surface import JUMP, nearness_of

SAME = 0.05  # distances that differ by less than this part belong to one background


def uncovered(picture: Tensor, depth: Tensor, lens: Pinhole | Fisheye, trim: int = 0) -> View:
    """reproject(), where up to `trim` pixels of background beside an uncovered edge belong to the hole.

    Their colours are mixed with those of what was in front of them; elsewhere the edge of a picture stays as it is.
    """
    if not trim:
        return reproject(picture, depth, lens)
    nearness = nearness_of(depth).nan_to_num(0.0)
    rim = nearness < (1 - JUMP) * around(nearness, trim)
    view = reproject(torch.cat((picture, rim[..., None].to(picture)), -1), depth, lens)
    if not view.holes.any():
        return View(view.picture[..., :-1], view.depth, view.holes)
    mixed = (view.picture[..., -1] > 0.1) & (around(view.holes.float(), trim + 1) > 0)
    holes = view.holes | mixed
    return View(
        view.picture[..., :-1].masked_fill(mixed[..., None], 0.0), view.depth.masked_fill(mixed, torch.nan), holes
    )


def around(values: Tensor, reach: int) -> Tensor:
    """(H, W) largest value within `reach` pixels."""
    return torch.nn.functional.max_pool2d(values[None, None], 2 * reach + 1, 1, reach)[0, 0]


def from_scene(view: View, scene: View) -> View:
    """A view whose holes show the scene where that has content; the other holes stay."""
    known = view.holes & ~scene.holes
    picture = torch.where(known[..., None], scene.picture, view.picture)
    depth = torch.where(known, scene.depth, view.depth)
    return View(picture, depth, view.holes & scene.holes)


def stretched(view: View, inside: Tensor | None = None) -> View:
    """A view whose holes (those `inside` (H, W), if given) continue the background beside them, never what is in front.

    Each hole looks along its row and its column for the next known pixels; the farthest of them and those as far give
    their colour, the nearer in the picture the more.
    """
    holes = view.holes if inside is None else view.holes & inside
    if not holes.any() or view.holes.all():
        return view
    ys, xs = holes.nonzero(as_tuple=True)
    picture, depth = view.picture.clone(), view.depth.clone()
    places, steps = beside(~view.holes, ys, xs)
    there = steps > 0
    flat = depth.view(-1)[places].where(there, -torch.inf)
    weight = torch.where(flat >= flat.amax(0) * (1 - SAME), 1 / steps.clamp_min(1).float() ** 2, 0.0) * there
    weight = weight / weight.sum(0).clamp_min(1e-12)
    colours = picture.view(-1, picture.shape[-1])[places]
    filled = (weight[..., None] * colours).sum(0)
    found = there.any(0)
    picture[ys[found], xs[found]] = filled[found]
    depth[ys[found], xs[found]] = flat.amax(0)[found]
    return View(picture, depth, view.holes)


def beside(known: Tensor, ys: Tensor, xs: Tensor) -> tuple[Tensor, Tensor]:
    """The next known pixel to the left, right, top and bottom of each of K pixels: (4, K) numbers and steps, 0 for none."""
    height, width = known.shape
    column = torch.arange(width, device=known.device).expand(height, width)
    row = torch.arange(height, device=known.device)[:, None].expand(height, width)
    places, steps = [], []
    for index, axis, last in ((column, 1, width - 1), (row, 0, height - 1)):
        before = index.where(known, -1).cummax(axis).values[ys, xs]
        mirrored = (last - index).where(known, -1).flip(axis).cummax(axis).values.flip(axis)[ys, xs]
        after = torch.where(mirrored < 0, -1, last - mirrored)
        here = xs if axis else ys
        for found in (before, after):
            number = ys * width + found if axis else found * width + xs
            places.append(torch.where(found < 0, 0, number))
            steps.append(torch.where(found < 0, 0, (found - here).abs()))
    return torch.stack(places), torch.stack(steps)


def farthest_over_time(frames: Iterable[tuple[Tensor, Tensor]], look: Callable[[], None]) -> tuple[Tensor, Tensor]:
    """The picture and the distance at which each pixel of a still camera is farthest in the clip: (H, W, 3) and (H, W)."""
    picture = depth = None
    for colours, distance in frames:
        if picture is None:
            picture, depth = colours.clone(), distance.clone()
        else:
            farther = distance > depth
            picture[farther] = colours[farther]
            depth[farther] = distance[farther]
        look()
    return picture, depth
