"""How much of a flow is reliable, as a sentence for each of its directions.

Letters: N frames, h and w of a flow.
"""

import math

import torch
from torch import Tensor

HALF = 50  # percent below which the report says what to do
LEADS = {"forward": "To the next frame", "backward": "To the previous frame", "to_picture": "To the still image"}
FIRST = {"forward": 0, "backward": 1, "to_picture": 0}  # the frame that the first flow of a direction begins in


def trust_report(flow: dict, mask: Tensor | None = None) -> str:
    """Percent of the pixels whose flow is reliable, whole and in a mask (1 or N, H, W) of the clip's frames."""
    parts = [name for name in LEADS if name in flow]
    lines = [sentence(name, flow[f"{name}_valid"], mask) for name in parts]
    if any(flow[f"{name}_valid"].float().mean() < HALF / 100 for name in parts):
        lines.append(
            "Less than half is reliable: use a clip of a higher frame rate or without cuts, a still image that is one of its "
            "frames, or an optical flow model."
        )
    return "\n".join(lines)


def sentence(name: str, valid: Tensor, mask: Tensor | None) -> str:
    """What is reliable of one direction (N, h, w)."""
    text = f"{LEADS[name]}: {worded(valid, FIRST[name])}"
    if mask is None:
        return f"{text}."
    return f"{text}; in the mask {worded(valid, FIRST[name], mask)}."


def worded(valid: Tensor, first: int, mask: Tensor | None = None) -> str:
    """The share of all frames and that of the frame with the lowest, with the number of that frame."""
    whole, frames = shares(valid, first, mask)
    if math.isnan(whole):
        return "no pixel is white"
    lowest = min((share, index) for index, share in frames.items())
    return f"{whole:.1f} % of the pixels are reliable, {lowest[0]:.1f} % in frame {lowest[1]}, the lowest"


def shares(valid: Tensor, first: int, mask: Tensor | None = None) -> tuple[float, dict[int, float]]:
    """Percent of the pixels that count in (N, h, w), and of each frame where some count; NaN where none does."""
    frames, total, count = {}, 0.0, 0.0
    for index, plane in enumerate(valid, first):
        here = counted(mask, index, plane)
        if (pixels := here.sum().item()) > 0:
            good = (plane.float() * here).sum().item()
            frames[index], total, count = 100 * good / pixels, total + good, count + pixels
    return (100 * total / count if count else math.nan), frames


def counted(mask: Tensor | None, index: int, plane: Tensor) -> Tensor:
    """(h, w) 1 where a mask (1 or N, H, W) lets the pixels of a frame's flow count."""
    if mask is None:
        return torch.ones_like(plane, dtype=torch.float32)
    one = mask[index if len(mask) > 1 else 0][None, None].to(plane.device, torch.float32)
    return (torch.nn.functional.interpolate(one, tuple(plane.shape), mode="nearest-exact")[0, 0] > 0.5).float()
