"""What to put into holes: another picture of the scene, or the background beside them.

Letters: N frames, H and W pixels.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from .lens import Fisheye, Pinhole
from .reproject import View, reproject
from .surface import JUMP, largest_around, nearness_of

SAME = 0.05  # distances that differ by less than this part belong to one background


def uncovered(picture: Tensor, depth: Tensor, lens: Pinhole | Fisheye, trim: int = 0) -> View:
    """reproject(), where up to `trim` pixels of background beside an uncovered edge belong to the hole.

    Their colours are mixed with those of what was in front of them; elsewhere the edge of a picture stays as it is.
    """
    if not trim:
        return reproject(picture, depth, lens)
    nearness = nearness_of(depth).nan_to_num(0.0)
    rim = nearness < (1 - JUMP) * largest_around(nearness, trim)
    view = reproject(torch.cat((picture, rim[..., None].to(picture)), -1), depth, lens)
    if not view.holes.any():
        return View(view.picture[..., :-1], view.depth, view.holes)
    mixed = (view.picture[..., -1] > 0.1) & (largest_around(view.holes.float(), trim + 1) > 0)
    holes = view.holes | mixed
    return View(
        view.picture[..., :-1].masked_fill(mixed[..., None], 0.0), view.depth.masked_fill(mixed, torch.nan), holes
    )


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
    flat = depth.take(places).where(there, -torch.inf)
    weight = torch.where(flat >= flat.amax(0) * (1 - SAME), 1 / steps.clamp_min(1).float() ** 2, 0.0) * there
    weight = weight / weight.sum(0).clamp_min(1e-12)
    found = there.any(0)
    number = (ys * depth.shape[1] + xs)[found]
    for channel in picture.unbind(-1):
        channel.put_(number, (weight * channel.take(places)).sum(0)[found])
    depth.put_(number, flat.amax(0)[found])
    return View(picture, depth, view.holes)


def beside(known: Tensor, ys: Tensor, xs: Tensor) -> tuple[Tensor, Tensor]:
    """The next known pixel to the left, right, top and bottom of each of K pixels: (4, K) numbers and steps, 0 for none."""
    places, steps = [], []
    for turned, stride in ((False, 1), (True, known.shape[1])):
        here = ys * known.shape[1] + xs
        line = xs * known.shape[0] + ys if turned else here
        for step in steps_to_known(known.T if turned else known):
            step = step.take(line)
            places.append(here.add(step, alpha=stride).masked_fill_(step == 0, 0))
            steps.append(step.abs())
    return torch.stack(places), torch.stack(steps)


def steps_to_known(known: Tensor) -> tuple[Tensor, Tensor]:
    """(H, W) steps along the row from each unknown pixel to the known ones before (below 0) and after it; 0 for none.

    Only the places of unknown pixels are written: most pixels of a picture are known.
    """
    width = known.shape[1]
    number = known.logical_not().contiguous().view(-1).nonzero()[:, 0]
    row = torch.div(number, width, rounding_mode="floor")
    columns = number - row * width
    place = number + row  # one more than a row is wide, so that no run of pixels goes on in the next row
    begins = torch.ones_like(place, dtype=torch.bool)
    begins[1:] = place[1:] != place[:-1] + 1
    run, first = begins.cumsum(0) - 1, begins.nonzero()[:, 0]
    last = torch.cat((first[1:], first.new_tensor([len(place)]))) - 1
    out = []
    for end, none in ((columns[first] - 1, -1), (columns[last] + 1, width)):
        step = end.take(run).sub_(columns).masked_fill_((end == none).take(run), 0)
        steps = torch.empty(known.shape, dtype=torch.int64, device=known.device)
        steps.view(-1).scatter_(0, number, step)
        out.append(steps)
    return tuple(out)


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
