"""Checks of pictures and masks; each error says what was expected, what came and what to do.

Letters: N frames, H and W pixels.
"""

import torch
from torch import Tensor


def rgb(images: Tensor, name: str = "images") -> Tensor:
    """Finite (N, H, W, 1, 3 or 4) pictures in about 0..1 to (N, H, W, 3); alpha is dropped, grey repeated."""
    images = picture(images, name)
    finite(images, name)
    if (largest := images.abs().max().item()) > 1.5:
        raise ValueError(f"{name}: expected values from 0 to 1, got up to {largest:g} (0..255?): divide them first.")
    return images


def depth(images: Tensor, name: str = "depth") -> Tensor:
    """(N, H, W, 3) grey pictures of any range, NaN allowed, to (N, H, W); a coloured heat map is refused."""
    images = picture(images, name)
    spread = images.amax(-1) - images.amin(-1)
    number = lambda values: torch.nan_to_num(values, 0.0, 0.0, 0.0)
    if number(spread).mean() > 0.1 * number(images.abs()).amax():
        raise ValueError(f"{name}: expected a grey depth picture, got colours: put Heat Map to Depth in front of it.")
    return torch.where(spread == 0, images[..., 0], images.mean(-1))  # the mean of three equal floats may be another


def picture(images: Tensor, name: str) -> Tensor:
    """(N, H, W, 1, 3 or 4) of any range to (N, H, W, 3) float."""
    if not isinstance(images, Tensor) or images.ndim != 4 or images.shape[-1] not in (1, 3, 4):
        raise ValueError(
            f"{name}: expected an IMAGE batch (N, H, W, 3), got {describe(images)}: connect an image output."
        )
    if 0 in images.shape:
        raise ValueError(
            f"{name}: expected at least one frame with pixels, got {describe(images)}: check what feeds it."
        )
    return images.expand(*images.shape[:3], 3).float() if images.shape[-1] == 1 else images[..., :3].float()


def mask(mask: Tensor, name: str = "mask", frames: int | None = None, size: tuple[int, int] | None = None) -> Tensor:
    """(N, H, W) or (H, W) to (frames, *size) in 0..1; one mask serves all frames, other sizes take the nearest pixel."""
    if not isinstance(mask, Tensor) or mask.ndim not in (2, 3):
        raise ValueError(f"{name}: expected a MASK batch (N, H, W), got {describe(mask)}: connect a mask output.")
    mask = mask.reshape(-1, *mask.shape[-2:]).float() if 0 not in mask.shape else mask
    if 0 in mask.shape:
        raise ValueError(f"{name}: expected at least one mask with pixels, got {describe(mask)}: check what feeds it.")
    finite(mask, name)
    if frames is not None and len(mask) not in (1, frames):
        raise ValueError(
            f"{name}: expected 1 or {frames} masks for {frames} frames, got {len(mask)}: trim or repeat them."
        )
    if size is not None and mask.shape[1:] != tuple(size):
        mask = torch.nn.functional.interpolate(mask[:, None], size=tuple(size), mode="nearest-exact")[:, 0]
    return mask.clamp(0, 1).expand(frames or len(mask), -1, -1)


def same_frames(**clips: Tensor | list | None) -> int:
    """The number of frames that all clips share; a clip that is None is left out."""
    counts = {name: len(clip) for name, clip in clips.items() if clip is not None}
    if len(set(counts.values())) > 1:
        came = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise ValueError(f"Expected the same number of frames everywhere, but {came}: trim the longer ones.")
    return next(iter(counts.values()), 0)


def same_size(**clips: Tensor) -> None:
    """Refuses clips (N, H, W, ...) of different width or height."""
    sizes = {name: f"{clip.shape[2]} x {clip.shape[1]}" for name, clip in clips.items()}
    if len(set(sizes.values())) > 1:
        came = ", ".join(f"{name} is {size}" for name, size in sizes.items())
        raise ValueError(
            f"Expected pictures of one size, but {came}: put Upscale Image in front of one of these inputs."
        )


def finite(values: Tensor, name: str) -> None:
    """Refuses NaN and infinity, naming how many there are and the first frame that holds one."""
    if torch.isfinite(values).all():
        return
    bad = (~torch.isfinite(values)).flatten(1).sum(1)
    first = int(bad.nonzero()[0])
    raise ValueError(
        f"{name}: expected finite numbers, got {int(bad.sum())} NaN or infinite values, the first in frame {first}: "
        "the node that generated them failed, often by half precision."
    )


def describe(value: object) -> str:
    """The name of a value in an error."""
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__


def several_frames(images: Tensor, node: str) -> None:
    """Refuses a single frame."""
    if len(images) < 2:
        raise ValueError(f"images: {node} needs at least 2 frames, got 1: connect a whole clip.")
