"""Occluders by depth alone: for a graph without a model that finds objects.

A piece of the picture that is nearer than all of the person, bounded by jumps in depth, is in front when it reaches into
the body, or when it continues such a piece of the frame before or after. All of them are one object.
Letters: N frames, H and W pixels, h and w small pixels.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..character.interpolate import interpolate_gaps
from ..opencv import import_cv2
from .body import decision_step
from .decide import GROUND, Rule
from .layers import nearness
from .masks import fit, mask_frame, pack, unpack
from .measure import BOTTOM, small_nearness

JUMP = 0.06  # of the frame's range of depth: what changes more from pixel to pixel is an edge
BEYOND = 0.25  # of the person's own thickness: so much nearer than the person is in front
CONTINUES = 0.3  # of a piece, that lies on a piece of the neighbouring frame


def objects_from_depth(
    person_mask: Tensor,
    body: Callable[[int], Tensor],
    depth: Tensor,
    depth_type: str,
    size: tuple[int, int],
    present: Tensor,
    rule: Rule,
    report: Callable[[int], None] = lambda done: None,
) -> Tensor:
    """One object as a packed track (N, 1, H, W / 8); present (N,) is true where there is a person."""
    frames, step = len(depth), decision_step(size)
    near = small_nearness(depth, depth_type, size, step)
    person = lambda index: mask_frame(person_mask, index, size)[::step, ::step] > 0.5
    limit = front_limits(near, person, present)
    shape = near(0).shape
    pieces = []
    for index in range(frames):
        pieces.append(pack(pieces_in_front(near(index), person(index), limit[index])))
        report(index + 1)
    piece = lambda index: unpack(pieces[index])[: shape[0], : shape[1]]
    kept = follow_pieces([pieces_on_body(piece(index), body(index), rule) for index in range(frames)], piece)
    track = []
    for index in range(frames):
        report(index + 1)
        plane = nearness(depth[index], depth_type, size)
        around = fit(dilate(unpack(kept[index])[: shape[0], : shape[1]]).float(), size, "nearest-exact") > 0.5
        track.append(pack(around & (plane > limit[index]) & (mask_frame(person_mask, index, size) < 0.5)))
    return torch.stack(track)[:, None]


def front_limits(near: Callable[[int], Tensor], person: Callable[[int], Tensor], present: Tensor) -> Tensor:
    """(N,) the nearness above which a pixel is in front of all of the person."""
    values = torch.full((len(present),), torch.nan)
    for index in present.nonzero()[:, 0].tolist():
        own = near(index)[person(index)].float()
        far, close = np.percentile(own.cpu().numpy(), (5, 95))
        values[index] = float(close + BEYOND * (close - far))
    return torch.nan_to_num(interpolate_gaps(values), torch.inf)


def pieces_in_front(near: Tensor, person: Tensor, limit: Tensor) -> Tensor:
    """(h, w) bool: in front of the person and not on an edge, so that surfaces that touch in the picture separate."""
    cv2 = import_cv2()
    smooth = cv2.medianBlur(near.contiguous().float().cpu().numpy(), 5)
    low, high = np.percentile(smooth, (2, 98))
    square = np.ones((3, 3), np.uint8)
    jump = cv2.dilate(smooth, square) - cv2.erode(smooth, square) > JUMP * max(high - low, 1e-12)
    front = (smooth > limit.item()) & ~person.cpu().numpy() & ~jump
    return torch.from_numpy(cv2.morphologyEx(front.astype(np.uint8), cv2.MORPH_OPEN, square)).bool()


def components(mask: Tensor) -> list[Tensor]:
    """The connected pieces of (h, w) bool."""
    count, labels = import_cv2().connectedComponents(mask.to(torch.uint8).numpy(), connectivity=4)
    labels = torch.from_numpy(labels)
    return [labels == label for label in range(1, count)]


def pieces_on_body(pieces: Tensor, body: Tensor, rule: Rule) -> Tensor:
    """Packed (h, w): the pieces that hide enough of the body; ground that reaches the lower edge must hide much more."""
    kept, rows = torch.zeros_like(pieces), max(1, round(BOTTOM * len(pieces)))
    if pieces.any():
        for part in components(pieces):
            ground = part[-rows:].float().mean() > 0.3
            threshold = rule.min_hidden * (GROUND if ground else 1) * body.sum()
            kept |= part & ((dilate(part) & body).sum() >= threshold.clamp_min(1))
    return pack(kept)


def follow_pieces(kept: list[Tensor], piece: Callable[[int], Tensor]) -> list[Tensor]:
    """Pieces kept in one frame are followed into the frames after it and before it."""
    frames = len(kept)
    for order in (range(1, frames), range(frames - 2, -1, -1)):
        for index in order:
            other = kept[index - 1 if order.step > 0 else index + 1]
            pieces = piece(index)
            neighbour, own = (unpack(packed)[:, : pieces.shape[1]] for packed in (other, kept[index]))
            if not (neighbour & pieces).any():
                continue
            for part in components(pieces):
                common = (part & neighbour).sum()
                continues = common > CONTINUES * torch.minimum(part.sum(), neighbour.sum())
                own = own | part if continues else own
            kept[index] = pack(own)
    return kept


def dilate(mask: Tensor, pixels: int = 2) -> Tensor:
    """(h, w) bool grown by some pixels to every side."""
    square = np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)
    return torch.from_numpy(import_cv2().dilate(mask.to(torch.uint8).numpy(), square)).bool()
