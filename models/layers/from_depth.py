"""What stands before the person by depth alone: for a graph without a model that finds objects.

A piece of the picture that is nearer than all of the person, bounded by jumps in depth, belongs in front when it
reaches into the body, or goes on from such a piece in the frame before or after. All of them are one object.
Letters: N frames, H and W pixels, h and w small pixels.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..character.gaps import filled
from ..opencv import import_cv2
from .body import small
from .decide import GROUND, Rule
from .layers import nearness
from .masks import fitted, mask_frame, pack, unpack
from .measure import BOTTOM, small_depth

JUMP = 0.06  # of the frame's range of depth: what changes more from pixel to pixel is an edge
BEYOND = 0.25  # of the person's own thickness: so much nearer than the person is before the person
GOES_ON = 0.3  # of a piece, that lies on a piece of the frame beside it


def objects_from_depth(
    human: Tensor,
    body: Callable[[int], Tensor],
    depth: Tensor,
    source: str,
    size: tuple[int, int],
    seen: Tensor,
    rule: Rule,
) -> Tensor:
    """One object as a packed track (N, 1, H, W / 8)."""
    frames, step = len(depth), small(size)
    near = small_depth(depth, source, size, step)
    person = lambda index: mask_frame(human, index, size)[::step, ::step] > 0.5
    edge = bounds(near, person, seen)
    shape = near(0).shape
    pieces = [pack(pieces_before(near(index), person(index), edge[index])) for index in range(frames)]
    piece = lambda index: unpack(pieces[index])[: shape[0], : shape[1]]
    kept = grown([reaching(piece(index), body(index), rule) for index in range(frames)], piece)
    track = []
    for index in range(frames):
        plane = nearness(depth[index], source, size)
        around = fitted(dilated(unpack(kept[index])[: shape[0], : shape[1]]).float(), size, "nearest-exact") > 0.5
        track.append(pack(around & (plane > edge[index]) & (mask_frame(human, index, size) < 0.5)))
    return torch.stack(track)[:, None]


def bounds(near: Callable[[int], Tensor], person: Callable[[int], Tensor], seen: Tensor) -> Tensor:
    """(N,) the nearness above which something is before all of the person."""
    values = torch.full((len(seen),), torch.nan)
    for index in seen.nonzero()[:, 0].tolist():
        own = near(index)[person(index)].float()
        far, close = np.percentile(own.cpu().numpy(), (5, 95))
        values[index] = float(close + BEYOND * (close - far))
    return torch.nan_to_num(filled(values), torch.inf)


def pieces_before(near: Tensor, person: Tensor, edge: Tensor) -> Tensor:
    """(h, w) bool: before the person and inside a surface, so that what only touches in the picture falls apart."""
    cv2 = import_cv2()
    smooth = cv2.medianBlur(near.contiguous().float().cpu().numpy(), 5)
    low, high = np.percentile(smooth, (2, 98))
    square = np.ones((3, 3), np.uint8)
    jump = cv2.dilate(smooth, square) - cv2.erode(smooth, square) > JUMP * max(high - low, 1e-12)
    before = (smooth > edge.item()) & ~person.cpu().numpy() & ~jump
    return torch.from_numpy(cv2.morphologyEx(before.astype(np.uint8), cv2.MORPH_OPEN, square)).bool()


def components(mask: Tensor) -> list[Tensor]:
    """The connected pieces of (h, w) bool."""
    count, labels = import_cv2().connectedComponents(mask.to(torch.uint8).numpy(), connectivity=4)
    labels = torch.from_numpy(labels)
    return [labels == label for label in range(1, count)]


def reaching(pieces: Tensor, body: Tensor, rule: Rule) -> Tensor:
    """Packed (h, w): the pieces that hide enough of the body; ground that reaches the lower edge must hide much more."""
    kept, rows = torch.zeros_like(pieces), max(1, round(BOTTOM * len(pieces)))
    if pieces.any():
        for part in components(pieces):
            ground = part[-rows:].float().mean() > 0.3
            asked = rule.overlap * (GROUND if ground else 1) * body.sum()
            kept |= part & ((dilated(part) & body).sum() >= asked.clamp_min(1))
    return pack(kept)


def grown(kept: list[Tensor], piece: Callable[[int], Tensor]) -> list[Tensor]:
    """Pieces kept in one frame go on into the frames after it and before it."""
    frames = len(kept)
    for order in (range(1, frames), range(frames - 2, -1, -1)):
        for index in order:
            other = kept[index - 1 if order.step > 0 else index + 1]
            pieces = piece(index)
            beside, own = (unpack(packed)[:, : pieces.shape[1]] for packed in (other, kept[index]))
            if not (beside & pieces).any():
                continue
            for part in components(pieces):
                common = (part & beside).sum()
                own = own | part if common > GOES_ON * torch.minimum(part.sum(), beside.sum()) else own
            kept[index] = pack(own)
    return kept


def dilated(mask: Tensor, pixels: int = 2) -> Tensor:
    """(h, w) bool grown by some pixels to every side."""
    square = np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)
    return torch.from_numpy(import_cv2().dilate(mask.to(torch.uint8).numpy(), square)).bool()
