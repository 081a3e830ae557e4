"""Flow from every frame of a clip to one picture, put together of the flows between neighbouring frames.

Far apart, an estimator loses what has moved by more than it searches; between neighbours it loses little. The errors of
the single flows would add up, so what is left after each of them is estimated too. A point that was hidden for a while is
lost between neighbours, so each frame is compared with the picture directly as well, for what is not trusted yet. The
picture is one of the clip, or much like one of them. Letters: N frames, H and W pixels.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .estimate import Estimate, dis_flow, trusted
from .fields import resized
from .frames import Report, silent
from .warp import warp

SAME_COLOUR = 0.1  # what a point may differ from the picture, beyond what the whole frame does
WINDOW = 5  # pixels a side over which colours are compared
THUMBNAIL = 64  # pixels a side at which the frame that is most like the picture is searched


class Link(NamedTuple):
    """The flow from a frame to the picture and back, (H, W, 2) each."""

    there: Tensor
    back: Tensor


def chained_to_still(
    picture: Tensor, images: Tensor, report: Report = silent, estimate: Estimate = dis_flow
) -> tuple[Tensor, Tensor]:
    """From each pixel of (N, H, W, 3) to the picture (H, W, 3): flow (N, H, W, 2) and where it is trusted, (N, H, W)."""
    nearest, done = most_alike(picture, images), 0
    begin = direct(picture, images[nearest], estimate)
    flow, valid = begin.there.new_empty(*images.shape[:3], 2), begin.there.new_empty(images.shape[:3])
    for frames in (range(nearest, len(images)), range(nearest, -1, -1)):
        link = begin
        for i in frames:
            if i != nearest:
                link = onward(link, images[i - frames.step], images[i], picture, estimate)
            flow[i], valid[i] = link.there, reliable(link, images[i], picture).float()
            done += i != nearest
            report(done + 1)
    return flow, valid


def most_alike(picture: Tensor, images: Tensor) -> int:
    """Which of the frames (N, H, W, 3) is most like the picture (H, W, 3)."""
    small = lambda image: resized(image[None].movedim(-1, 1).float(), (THUMBNAIL, THUMBNAIL))
    wanted = small(picture)
    errors = [(small(image) - wanted).abs().mean().item() for image in images]
    return min(range(len(errors)), key=errors.__getitem__)


def direct(picture: Tensor, frame: Tensor, estimate: Estimate) -> Link:
    """The link of a frame (H, W, 3), without others between."""
    return Link(estimate(frame, picture), estimate(picture, frame))


def onward(link: Link, before: Tensor, frame: Tensor, picture: Tensor, estimate: Estimate) -> Link:
    """The link of a frame from that of its neighbour `before`."""
    there = joined(estimate(frame, before), link.there)
    back = joined(link.back, estimate(before, frame))
    link = Link(corrected(there, frame, picture, estimate), corrected(back, picture, frame, estimate))
    return completed(link, direct(picture, frame, estimate), frame, picture)


def joined(first: Tensor, second: Tensor) -> Tensor:
    """Two flows (H, W, 2), the second from where the first leads, as one."""
    return first + warp(second[None], first[None])[0]


def corrected(flow: Tensor, start: Tensor, end: Tensor, estimate: Estimate) -> Tensor:
    """A flow (H, W, 2) with what it misses estimated, where the colours of both pictures then fit better."""
    closer = joined(estimate(start, warp(end[None], flow[None])[0]), flow)
    fits = colour_error(closer, start, end) < colour_error(flow, start, end)
    return torch.where(fits[..., None], closer, flow)


def completed(link: Link, other: Link, frame: Tensor, picture: Tensor) -> Link:
    """A link with the flow of another one where only that is trusted."""
    swapped = lambda one: Link(one.back, one.there)
    there = reliable(other, frame, picture) & ~reliable(link, frame, picture)
    back = reliable(swapped(other), picture, frame) & ~reliable(swapped(link), picture, frame)
    return Link(
        torch.where(there[..., None], other.there, link.there), torch.where(back[..., None], other.back, link.back)
    )


def reliable(link: Link, frame: Tensor, picture: Tensor) -> Tensor:
    """(H, W) bool: the flow leads to a point of the same colour, from which the flow back leads to the start."""
    return (trusted(link.there, link.back) > 0) & (colour_error(link.there, frame, picture) < SAME_COLOUR)


def colour_error(flow: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """(H, W) how far colours differ along a flow, around each pixel; a change of the whole light does not count."""
    change = warp(end[None], flow.to(end)[None])[0] - start
    error = (change - change.flatten(0, 1).median(0).values).abs().mean(-1)
    return F.avg_pool2d(error[None, None], WINDOW, 1, WINDOW // 2, count_include_pad=False)[0, 0]
