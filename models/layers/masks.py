"""Masks of any size and count and the tracks of SAM3, read one frame at a time so that a long clip is not copied.

Letters: N frames, K objects, H and W pixels, h and w the size of the masks as given.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate


def mask_frame(mask: Tensor, index: int, size: tuple[int, int]) -> Tensor:
    """(H, W) in 0..1 of one frame of (N or 1, h, w) masks; another size takes the nearest pixel."""
    one = mask[index if len(mask) > 1 else 0]
    one = one if one.dtype == torch.float32 else one.float()
    return fit(one, size, "nearest-exact").clamp(0, 1)


def fit(plane: Tensor, size: tuple[int, int], mode: str) -> Tensor:
    """(h, w) at another size; the same size is the same tensor."""
    if tuple(plane.shape) == tuple(size):
        return plane
    smooth = {"align_corners": False} if mode == "bilinear" else {}
    return interpolate(plane[None, None], size=tuple(size), mode=mode, **smooth)[0, 0]


def count_objects(objects: Tensor | None) -> int:
    """K of masks (K, N, h, w) or of packed tracks (N, K, h, w / 8)."""
    if objects is None:
        return 0
    return objects.shape[1] if objects.dtype == torch.uint8 else objects.shape[0]


def object_frame(objects: Tensor, k: int, index: int, size: tuple[int, int]) -> Tensor:
    """(H, W) in 0..1: object k in one frame, from masks (K, N or 1, h, w) or packed tracks (N, K, h, w / 8)."""
    if objects.dtype != torch.uint8:
        return mask_frame(objects[k], index, size)
    return fit(unpack(objects[index, k]).float(), size, "bilinear")


def pack(mask: Tensor) -> Tensor:
    """(h, w) bool to (h, ceil(w / 8)) bytes, the first pixel in the lowest bit, as SAM3 keeps its tracks."""
    return torch.from_numpy(np.packbits(mask.cpu().numpy(), axis=-1, bitorder="little")).to(mask.device)


def unpack(packed: Tensor) -> Tensor:
    """(h, w / 8) bytes to (h, w) bool."""
    bits = np.unpackbits(packed.cpu().numpy(), axis=-1, bitorder="little")
    return torch.from_numpy(bits).bool().to(packed.device)


def objects_from_masks(masks: Tensor, frames: int) -> Tensor:
    """(M, h, w) masks to (K, N or 1, h, w): one for the clip, one a frame, or those of K objects one after the other."""
    count = len(masks)
    if frames == 1 or count == 1:
        return masks[:, None]
    if count % frames:
        raise ValueError(
            f"object_masks: expected 1 mask, {frames} masks for {frames} frames, or {frames} for each of several objects "
            f"one after the other, got {count}: trim or repeat them."
        )
    return masks.unflatten(0, (count // frames, frames))


def objects_from_track(track: dict, frames: int) -> Tensor | None:
    """SAM3_TRACK_DATA to packed tracks (N, K, h, w / 8), or None where it holds no object."""
    packed = track.get("packed_masks") if isinstance(track, dict) else None
    if packed is None or 0 in packed.shape:
        if isinstance(track, dict) and "n_frames" in track:
            return None
        raise ValueError(
            "object_masks: expected masks or the track of Run SAM3 Video Track, got something else: connect one of them."
        )
    if packed.ndim != 4 or packed.dtype != torch.uint8:
        raise ValueError(
            f"object_masks: expected a track with packed masks (N, K, h, w / 8) of bytes, got {tuple(packed.shape)} of "
            f"{packed.dtype}: connect Run SAM3 Video Track."
        )
    if len(packed) != frames:
        raise ValueError(
            f"object_masks: expected a track of {frames} frames like the clip, got {len(packed)}: track the same frames."
        )
    return packed
