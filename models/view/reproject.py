"""A picture with its depth, as another camera sees it.

Each pixel is a small piece of plane, tilted as its neighbours on the same surface are and cut off halfway to those of
another one. The pieces are placed in the new picture; at every new pixel the nearest piece that covers its middle wins,
and the colour is fetched from the old picture at the place that lands exactly there. Where no piece lies is a hole.

Letters: H and W pixels of the old picture, h and w of the new one, R rows of a band.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .lens import Fisheye, Pinhole, stays_in_rows
from .pieces import NOTHING, OVERLAP, SIDEWAYS, WIDEST, View, reach
from .sideways import visible_sideways
from .surface import joins, nearness_of

BAND = 48  # rows at a time: what is computed for them stays in the processor's cache
AROUND = 3  # pixels to each side that are tried for all pieces alike; the rest one by one
BORDER = AROUND + 2  # pixels around the new picture that take what lands outside
PAIRS = 1 << 20  # pieces times pixels at a time


@dataclass
class Pieces:
    """Where each pixel of the old picture lands: (H, W) each."""

    x: Tensor  # column and row of its middle
    y: Tensor
    back: list[
        Tensor
    ]  # an offset in the old picture by one in the new: column by column, by row, row by column, by row
    half_width: Tensor  # how far it reaches in the old picture, along and across rows
    half_height: Tensor
    key: Tensor  # int64: nearer is smaller, and which pixel it is


def reproject(picture: Tensor, depth: Tensor, lens: Pinhole | Fisheye) -> View:
    """A picture (H, W, C) with distances (H, W), NaN where not known, as the lens sees it."""
    if stays_in_rows(lens, tuple(depth.shape)):
        return visible_sideways(picture, depth, lens)
    return visible_anywhere(picture, depth, lens)


def visible_anywhere(picture: Tensor, depth: Tensor, lens: Pinhole | Fisheye) -> View:
    """reproject() by any lens."""
    nearness = nearness_of(depth)
    right, down = joins(nearness)
    pieces = place(nearness, right, down, lens)
    winner = nearest_pieces(pieces, lens.size)
    return fetch(picture, nearness, neighbours(right, down), pieces, winner, lens)


def bands(height: int, device: torch.device) -> Iterator[slice]:
    step = BAND if device.type == "cpu" else height
    for top in range(0, height, step):
        yield slice(top, min(top + step, height))


def place(nearness: Tensor, right: Tensor, down: Tensor, lens: Pinhole | Fisheye) -> Pieces:
    """Where the pieces of a picture land."""
    height, width = nearness.shape
    device, empty = nearness.device, lambda: torch.empty_like(nearness)
    out = Pieces(empty(), empty(), [empty() for _ in range(4)], reach(right, 1), reach(down, 0), empty().long())
    x = torch.arange(width, device=device, dtype=torch.float32)
    number = torch.arange(width, device=device)
    for rows in bands(height, device):
        # One more row above and below, to see how the surface goes on.
        wide = slice(max(rows.start - 1, 0), min(rows.stop + 1, height))
        inner = slice(rows.start - wide.start, rows.stop - wide.start)
        y = torch.arange(wide.start, wide.stop, device=device, dtype=torch.float32)[:, None]
        to_x, to_y, distance = lens.places(x, y, nearness[wide])
        along, across = slopes(to_x, to_y, right[wide], 1), slopes(to_x, to_y, down[wide], 0)
        # A piece without neighbours faces the camera.
        flat = lens.scale / (distance * nearness[wide])
        for pair, own in ((along, 0), (across, 1)):
            alone = torch.isnan(pair[own])
            pair[own][alone], pair[1 - own][alone] = flat[alone], 0.0
        along, across, distance = ([part[inner] for part in along], [part[inner] for part in across], distance[inner])
        area = (along[0] * across[1]).addcmul_(along[1], across[0], value=-1)
        area.masked_fill_(area <= SIDEWAYS, torch.nan)
        for target, value in zip(out.back, (across[1], -across[0], -along[1], along[0]), strict=True):
            torch.div(value, area, out=target[rows])
        out.x[rows], out.y[rows] = to_x[inner], to_y[inner]
        # Bits of positive floats are in the order of the floats.
        first = torch.arange(rows.start, rows.stop, device=device)[:, None] * width
        torch.add(distance.contiguous().view(torch.int32).long().mul_(1 << 32), first + number, out=out.key[rows])
    return out


def slopes(to_x: Tensor, to_y: Tensor, joined: Tensor, axis: int) -> list[Tensor]:
    """(R, W) changes a pixel of both places along an axis, from neighbours on the same surface; NaN without any."""
    count = joined.shape[axis]
    apart = ~joined.narrow(axis, 0, count - 1)
    sides = torch.zeros_like(to_x)
    for begin in (0, 1):
        sides.narrow(axis, begin, count - 1).sub_(apart.float().sub_(1))
    out = []
    for values in (to_x, to_y):
        step, total = torch.diff(values, dim=axis).masked_fill_(apart, 0.0), torch.zeros_like(values)
        total.narrow(axis, 0, count - 1).copy_(step)
        total.narrow(axis, 1, count - 1).add_(step)
        out.append(total.div_(sides))
    return out


def nearest_pieces(pieces: Pieces, size: tuple[int, int]) -> Tensor:
    """(h, w) int64: number of the pixel of the old picture whose piece is nearest there, -1 in holes."""
    height, width = size
    stride = width + 2 * BORDER + 1
    best = torch.full((height + 2 * BORDER + 1, stride), NOTHING, device=pieces.x.device)
    for rows in bands(len(pieces.x), pieces.x.device):
        cover(pieces, rows, best, size)
    inner = best[BORDER : BORDER + height, BORDER : BORDER + width]
    return torch.where(inner == NOTHING, -1, inner & 0xFFFFFFFF)


def cover(pieces: Pieces, rows: slice, best: Tensor, size: tuple[int, int]) -> None:
    """Puts the pieces of a band into `best`: the small ones by the pixels around their middles, the others one by one."""
    height, width = size
    band = [
        part[rows].reshape(-1) for part in (pieces.x, pieces.y, *pieces.back, pieces.half_width, pieces.half_height)
    ]
    x, y = band[:2]
    box_x, box_y = boxes(*band[2:])
    inside = (x + box_x > -0.5) & (x - box_x < width - 0.5) & (y + box_y > -0.5) & (y - box_y < height - 0.5)
    count, extent, key = int(inside.sum()), torch.maximum(box_x, box_y), pieces.key[rows].reshape(-1)
    if 2 * count < len(x):
        chosen = inside.nonzero()[:, 0]
        band, key = [part.index_select(0, chosen) for part in band], key.index_select(0, chosen)
        inside, extent = inside.index_select(0, chosen), extent.index_select(0, chosen)
    around, large = 1, inside & (extent > 1)
    while around < AROUND and 10 * int(large.sum()) > count:
        around += 1
        large = inside & (extent > around)
    small_pieces(*band, key, inside & ~large, best, size, around)
    if large.any():
        large &= extent <= WIDEST / 2
        large_pieces(*(part[large] for part in (*band, key)), best, size)


def boxes(a: Tensor, b: Tensor, c: Tensor, d: Tensor, wide: Tensor, tall: Tensor) -> tuple[Tensor, Tensor]:
    """Half of the box around each piece in the new picture, by the way back to the old one."""
    area = (a * d - b * c).reciprocal_()
    return ((d * wide).abs_() + (b * tall).abs_()) * area, ((c * wide).abs_() + (a * tall).abs_()) * area


def small_pieces(x, y, a, b, c, d, wide, tall, key, drawn, best: Tensor, size: tuple[int, int], around: int) -> None:
    """Puts pieces (K,) that reach less than `around` pixels from their middle."""
    height, width = size
    left = x.clamp(-1.5, width + 0.5).nan_to_num_(-1.5).floor_()
    top = y.clamp(-1.5, height + 0.5).nan_to_num_(-1.5).floor_()
    cell = ((top + BORDER) * best.shape[1] + left + BORDER).long()
    off_x, off_y = left - x, top - y
    flat = best.view(-1)
    for down in range(1 - around, 1 + around):
        for right in range(1 - around, 1 + around):
            to_x, to_y = off_x + right, off_y + down
            covers = torch.addcmul(a * to_x, b, to_y).abs_() <= wide
            covers &= torch.addcmul(c * to_x, d, to_y).abs_() <= tall
            covers &= drawn
            chosen = covers.nonzero()[:, 0]
            to = cell.index_select(0, chosen).add_(down * best.shape[1] + right)
            flat.scatter_reduce_(0, to, key.index_select(0, chosen), "amin")


def large_pieces(x, y, a, b, c, d, wide, tall, key, best: Tensor, size: tuple[int, int]) -> None:
    """Puts pieces (K,) that are magnified, each over all pixels of the box around it."""
    height, width = size
    box_x, box_y = boxes(a, b, c, d, wide, tall)
    left, right = (x - box_x).ceil().clamp(0, width), (x + box_x).floor().clamp(-1, width - 1)
    top, bottom = (y - box_y).ceil().clamp(0, height), (y + box_y).floor().clamp(-1, height - 1)
    columns, lines = (right - left + 1).clamp_min(0).long(), (bottom - top + 1).clamp_min(0).long()
    count = columns * lines
    ends = count.cumsum(0)
    begin = 0
    while begin < len(count):
        done = 0 if begin == 0 else int(ends[begin - 1])
        stop = max(begin + 1, int(torch.searchsorted(ends, done + PAIRS)))
        which = torch.repeat_interleave(torch.arange(begin, stop, device=x.device), count[begin:stop])
        turn = torch.arange(len(which), device=x.device) - (ends - count)[which] + done
        line = torch.div(turn, columns[which], rounding_mode="floor")
        to_x = left[which] + (turn - line * columns[which])
        to_y = top[which] + line
        cell = (to_y.long() + BORDER) * best.shape[1] + to_x.long() + BORDER
        to_x, to_y = to_x - x[which], to_y - y[which]
        covers = (a[which] * to_x + b[which] * to_y).abs() <= wide[which]
        covers &= (c[which] * to_x + d[which] * to_y).abs() <= tall[which]
        best.view(-1).scatter_reduce_(0, cell[covers], key[which[covers]], "amin")
        begin = stop


def fetch(
    picture: Tensor, nearness: Tensor, sides: list[Tensor], pieces: Pieces, winner: Tensor, lens: Pinhole | Fisheye
) -> View:  # fmt: skip
    """The colours and distances of the pieces that won (h, w)."""
    height, width = nearness.shape
    planes = torch.cat((picture.movedim(-1, 0), nearness[None].nan_to_num(0.0)))[None]
    holes = winner < 0
    out = planes.new_empty(picture.shape[-1], *winner.shape)
    depth = torch.empty(winner.shape, device=picture.device)
    for rows in bands(len(winner), picture.device):
        x, y = sources(pieces, sides, winner[rows], rows.start)
        grid = torch.stack((x * (2 / max(width - 1, 1)) - 1, y * (2 / max(height - 1, 1)) - 1), -1)
        values = sampled(planes, grid)
        out[:, rows] = values[:-1].masked_fill_(holes[rows], 0.0)
        depth[rows] = lens.places(x, y, values[-1])[2].masked_fill_(holes[rows], torch.nan)
    return View(out.movedim(0, -1), depth, holes)


def sampled(planes: Tensor, grid: Tensor) -> Tensor:
    """(C, R, w) planes (1, C, H, W) at the places of a grid (R, w, 2)."""
    # Each row as a picture of its own: PyTorch works on several pictures at a time, but not on parts of one.
    planes = planes.expand(len(grid), -1, -1, -1)
    values = torch.nn.functional.grid_sample(planes, grid[:, None], "bilinear", "border", align_corners=True)
    return values[:, :, 0].movedim(1, 0)


def neighbours(right: Tensor, down: Tensor) -> list[Tensor]:
    """(H, W) bool each: the pixel to the left, right, top and bottom, the block to the lower right, all around is one surface."""
    # The last column and row are never joined, so rolling them around the border joins nothing.
    whole = right & down & torch.roll(right, -1, 0) & torch.roll(down, -1, 1)
    lower = whole & torch.roll(whole, 1, 1)
    return [torch.roll(right, 1, 1), right, torch.roll(down, 1, 0), down, whole, lower & torch.roll(lower, 1, 0)]


def sources(pieces: Pieces, sides: list[Tensor], winner: Tensor, top: int) -> tuple[Tensor, Tensor]:
    """The columns and rows of the old picture that land at the middles of new pixels, none beyond the edge of its surface."""
    number, width = winner.clamp_min(0).view(-1), pieces.x.shape[1]
    take = lambda values: values.view(-1).index_select(0, number)
    count = lambda begin, end: torch.arange(begin, end, device=winner.device, dtype=torch.float32)
    to_x = (count(0, winner.shape[1]) - take(pieces.x).view(winner.shape)).view(-1)
    to_y = (count(top, top + len(winner))[:, None] - take(pieces.y).view(winner.shape)).view(-1)
    a, b, c, d = map(take, pieces.back)
    within = 0.5 + OVERLAP
    x = a.mul_(to_x).addcmul_(b, to_y).nan_to_num_(0.0).clamp_(-within, within)
    y = c.mul_(to_x).addcmul_(d, to_y).nan_to_num_(0.0).clamp_(-within, within)
    edge = (~take(sides[5])).nonzero()[:, 0]
    x[edge], y[edge] = on_surface(x[edge], y[edge], number[edge], sides, width)
    row = torch.div(number, width, rounding_mode="floor")
    return x.add_(number - row * width).view(winner.shape), y.add_(row).view(winner.shape)


def on_surface(x: Tensor, y: Tensor, number: Tensor, sides: list[Tensor], width: int) -> tuple[Tensor, Tensor]:
    """Offsets (K,) from the middles of pixels, kept from other surfaces."""
    before, after, above, below = (side.view(-1)[number].float() for side in sides[:4])
    x, y = x.maximum(-before).minimum(after), y.maximum(-above).minimum(below)
    # Of four pixels one may lie on another surface although its neighbours do not: then go along one side only.
    block = number - (x < 0).long() - (y < 0).long() * width
    apart = (x != 0) & (y != 0) & ~sides[4].view(-1)[block.clamp_min(0)]
    along = x.abs() < y.abs()
    return x.masked_fill(apart & along, 0.0), y.masked_fill(apart & ~along, 0.0)
