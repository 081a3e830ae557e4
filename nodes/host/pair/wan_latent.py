"""The latents of a pair on Wan 2.2: empty, joined, split, and masked by stream.

Letters: C channels, T h w latent frames and pixels, n H W masks as pictures.
"""

import logging

import comfy.model_management as memory
import comfy.utils
import torch
from torch import Tensor

from ..memory import bytes_of, check_memory

FRAMES, SIDE = 4, 16  # frames and pixels that one latent stands for
WHOLE = ("noise_mask", "batch_index", "duet")
DUET = {"modalities": ["video", "depth"], "frames": 1}


def is_video(latent: dict) -> bool:
    """Whether a LATENT is of a model of videos, (B, C, T, h, w)."""
    samples = latent["samples"]
    return not getattr(samples, "is_nested", False) and samples.ndim == 5


def empty_pair(channels: int, width: int, height: int, frames: int) -> dict:
    """Zeros (2, C, T, h, w); sizes off the grid are snapped to it and said in the log."""
    snapped = [SIDE * max(1, round(width / SIDE)), SIDE * max(1, round(height / SIDE)), snap_frames(frames)]
    if snapped != [width, height, frames]:
        logging.warning(
            "[Duet] Empty Latent for Model: Wan 2.2 has sizes in steps of 16 pixels and lengths of 4 k + 1 frames; made "
            "%d x %d with %d frames in place of %d x %d with %d.", *snapped, width, height, frames,
        )  # fmt: skip
    width, height, frames = snapped
    shape = (2, channels, 1 + (frames - 1) // FRAMES, height // SIDE, width // SIDE)
    check_memory(bytes_of(*shape), f"An empty latent of {width} x {height}", "lower width, height or frames")
    samples = torch.zeros(shape, device=memory.intermediate_device())
    return {"samples": samples, "downscale_ratio_spacial": SIDE, "duet": dict(DUET)}


def snap_frames(frames: int) -> int:
    """The nearest length of 4 k + 1 frames."""
    return 1 + FRAMES * max(0, round((frames - 1) / FRAMES))


def join_streams(video: dict, modality: dict) -> dict:
    """Two latents (1, C, T, h, w) as one pair; each keeps its noise mask."""
    parts = {"video_latent": video, "depth_latent": modality}
    for name, latent in parts.items():
        if not is_video(latent) or latent["samples"].shape[0] != 1:
            came = tuple(latent["samples"].shape)
            raise ValueError(
                f"{name}: expected one clip (1, channels, frames, height, width), got {came}: encode both with the VAE of Wan 2.2."
            )
    a, b = (latent["samples"] for latent in parts.values())
    if a.shape != b.shape:
        raise ValueError(
            f"Expected a video and a second clip of the same length and size, got {tuple(a.shape)} and {tuple(b.shape)}: trim or "
            "resize one of the clips before it is encoded."
        )
    pair = {key: value for key, value in video.items() if key not in WHOLE}
    pair |= {"samples": torch.cat((a, b.to(a))), "duet": dict(DUET)}
    if any("noise_mask" in latent for latent in parts.values()):
        pair["noise_mask"] = torch.cat([stream_mask(latent) for latent in parts.values()])
    return pair


def stream_mask(latent: dict) -> Tensor:
    """The noise mask of one stream, (1, 1, T, h, w); white where it has none."""
    shape = (1, 1, *latent["samples"].shape[2:])
    mask = latent.get("noise_mask")
    return torch.ones(shape) if mask is None else comfy.utils.reshape_mask(mask.float().cpu(), shape)


def split_streams(pair: dict) -> tuple[dict, dict]:
    """The video and the modality of a pair (2, C, T, h, w), each as a latent of its own."""
    samples, mask = pair["samples"], pair.get("noise_mask")
    if len(samples) != 2:
        raise ValueError(
            f"video_depth_latent: expected one video and its second clip, 2 latents, got {len(samples)}: remove nodes that cut, "
            "repeat or join batches in front of Split Video and Depth."
        )
    keep = {key: value for key, value in pair.items() if key not in WHOLE}
    halves = []
    for index, name in enumerate(DUET["modalities"]):
        half = {**keep, "samples": samples[index : index + 1], "duet": {"modalities": [name]}}
        if mask is not None:
            half["noise_mask"] = mask[index : index + 1] if mask.ndim == 5 and len(mask) == 2 else mask
        halves.append(half)
    return tuple(halves)


def with_stream_mask(latent: dict, changes: tuple[bool, bool], change_mask: Tensor | None) -> dict:
    """The pair with a noise mask (2, 1, T, h, w): streams that change do so where `change_mask` (n, H, W) and its own mask allow."""
    shape = (2, 1, *latent["samples"].shape[2:])
    allowed = torch.ones(1, 1, *shape[2:])
    if change_mask is not None:
        allowed = comfy.utils.reshape_mask(change_mask.float().cpu(), allowed.shape)
    mask = torch.cat([allowed if change else torch.zeros_like(allowed) for change in changes])
    if latent.get("noise_mask") is not None:
        mask = torch.minimum(mask, comfy.utils.reshape_mask(latent["noise_mask"].float().cpu(), shape))
    return {**latent, "noise_mask": mask}
