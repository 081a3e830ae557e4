"""What an EXR holds beside depth: pictures, motion, object numbers, and where depth is known.

Pictures are stored linear with premultiplied colours, as EXR files are; the nodes' pictures are sRGB with colours that are
not premultiplied. Letters: H and W pixels, C colours.
"""

import numpy as np
import torch
from torch import Tensor

from ..srgb import to_linear, to_srgb
from .names import GREY

COLOURS = ("R", "G", "B", "A")
FORWARD, BACKWARD = MOTION = ("forward", "backward")
PARTS = ("u", "v", "valid")  # u pixels to the right, v pixels up
OBJECT = "object.id"  # 0: no object
KNOWN = "valid.A"  # 1 where depth is known
DEPTH_NAMES = ("z", "depth.z", "depth.v", "depth.y", "depth.r", "depth")


def picture_channels(picture: Tensor) -> dict[str, np.ndarray]:
    """(H, W, 1, 3 or 4) as R, G, B and A."""
    light = to_linear(picture[..., :3].float()).expand(*picture.shape[:2], 3)
    alpha = picture[..., 3].clamp(0, 1).float() if picture.shape[-1] == 4 else torch.ones(picture.shape[:2])
    planes = [*(light * alpha[..., None]).unbind(-1), alpha]
    return {name: plane.numpy() for name, plane in zip(COLOURS, planes, strict=True)}


def picture_of(channels: dict[str, np.ndarray]) -> Tensor:
    """(H, W, 3 or 4) from R, G, B and, where the file has it, A; a number that is none becomes 0."""
    channels = {name: np.nan_to_num(channels[name], posinf=0.0, neginf=0.0) for name in COLOURS if name in channels}
    light = torch.stack([torch.from_numpy(channels[name]) for name in COLOURS[:3]], -1)
    if "A" not in channels:
        return to_srgb(light)
    alpha = torch.from_numpy(channels["A"])[..., None]
    colours = torch.where(alpha > 0, light / alpha.where(alpha > 0, 1.0), light)
    return torch.cat((to_srgb(colours), alpha), -1)


def depth_channels(values: np.ndarray, channel: str) -> dict[str, np.ndarray]:
    """(H, W) as Z, as depth.Z, or as a grey picture."""
    return dict.fromkeys(COLOURS[:3] if channel == GREY else (channel,), values)


def motion_channels(flow: dict[str, Tensor], index: int) -> dict[str, np.ndarray]:
    """The motion of frame `index` from a DUET_FLOW: forward leads to the next frame, backward to the previous.

    A clip's last frame has no next one, its first no previous one: there both are 0 and not valid.
    """
    channels = {}
    for name, here in ((FORWARD, index), (BACKWARD, index - 1)):
        if name not in flow:
            continue
        offsets, there = flow[name], 0 <= here < len(flow[name])
        frame = offsets[here] if there else torch.zeros_like(offsets[0])
        valid = flow[f"{name}_valid"][here] if there else torch.zeros(frame.shape[:2])
        planes = frame[..., 0], -frame[..., 1], valid
        channels |= {f"{name}.{part}": plane.float().numpy() for part, plane in zip(PARTS, planes, strict=True)}
    return channels


def motion_of(channels: dict[str, np.ndarray], name: str) -> tuple[Tensor, Tensor]:
    """(H, W, 2) offsets and (H, W) where they are valid, of "forward" or "backward"."""
    u, v = (torch.from_numpy(channels[f"{name}.{part}"]) for part in PARTS[:2])
    known, valid = torch.isfinite(u) & torch.isfinite(v), channels.get(f"{name}.valid")
    valid = torch.ones_like(u) if valid is None else torch.from_numpy(valid)
    return torch.stack((u, 0 - v), -1).where(known[..., None], 0.0), valid.where(known, 0.0)


def find_depth(names: list[str], asked: str = "") -> str:
    """The channel of a file that is its depth: the one asked for, else Z of any layer, else the one grey."""
    if asked:
        if asked in names:
            return asked
        raise ValueError(f"channel_name: expected one of {', '.join(names)}, got {asked!r}: choose one of these.")
    low = {name.lower(): name for name in reversed(names)}
    exact = next((low[name] for name in DEPTH_NAMES if name in low), None)
    of_layer = next((name for name in names if name.lower().endswith(".z")), None)
    grey = "Y" if "Y" in names else "R" if "R" in names else names[0] if len(names) == 1 else None
    if exact or of_layer or grey:
        return exact or of_layer or grey
    raise ValueError(
        f"Expected a depth channel such as Z or depth.Z, got {', '.join(names)}: set channel_name to one of these."
    )
