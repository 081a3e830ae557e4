"""Checks of pictures and masks; each error says what was expected, what came and what to do.

Letters: N frames, H and W pixels.
"""

import torch
from torch import Tensor

from ..host.progress import stop_if_cancelled

COLOUR = 0.1  # of the brightness that may be colour in a grey picture: a decoder leaves a little


def rgb(images: Tensor, name: str = "images") -> Tensor:
    """Finite (N, H, W, 1, 3 or 4) pictures to (N, H, W, 3) in 0..1; alpha is dropped, grey repeated, HDR cut off at 1."""
    ends = limits(images := pictures(images, name))
    return images.clamp(0, 1) if ends.min() < 0 or ends.max() > 1 else images


def pictures(images: Tensor, name: str = "images") -> Tensor:
    """Finite (N, H, W, 1, 3 or 4) pictures to (N, H, W, 3), the same memory where it can be; HDR stays, 0..255 is refused."""
    colours = picture(images, name)
    largest = finite(images[..., :3], name).abs().max().item()
    if largest > 2 and are_bytes(colours):
        raise ValueError(f"{name}: expected values from 0 to 1, got up to {largest:g} (0..255?): divide them first.")
    return colours


def are_bytes(images: Tensor) -> bool:
    """Most of what is not black is above 2: numbers from 0 to 255. In HDR pictures only the lights are."""
    bright = sum(int((frame.abs() > 2).sum()) for frame in images)
    return 2 * bright > sum(int((frame != 0).sum()) for frame in images)


def depth(images: Tensor, name: str = "depth") -> Tensor:
    """(N, H, W, 3) grey pictures of any range, NaN allowed, to (N, H, W); a coloured heat map is refused."""
    images = picture(images, name)
    refuse_colours(images, name)
    out = images.new_empty(images.shape[:3])
    for plane, frame in zip(out, images, strict=True):
        stop_if_cancelled()
        red, green, blue = frame.unbind(-1)
        if torch.equal(red, green) and torch.equal(red, blue):
            plane.copy_(red)
        else:  # the mean of three equal floats may be another
            plane.copy_(torch.where((red == green) & (red == blue), red, frame.mean(-1)))
    return out


def refuse_colours(images: Tensor, name: str) -> None:
    """Refuses (N, H, W, 3) depth whose pixels have colour, by those alone that are not nearly black: there it is noise."""
    number = torch.nan_to_num(some_pixels(images), 0.0, 0.0, 0.0)
    spread, brightness = number.amax(-1) - number.amin(-1), number.abs().amax(-1)
    visible = brightness > COLOUR * brightness.max()
    if spread[visible].double().sum() > COLOUR * brightness[visible].double().sum():
        raise ValueError(f"{name}: expected a grey depth picture, got colours: put Heat Map to Depth in front of it.")


def some_pixels(images: Tensor, frames: int = 16, side: int = 256) -> Tensor:
    """Some frames of (N, H, W, 3) and some of their pixels, evenly spread: enough to see that a clip is painted."""
    step = max(1, min(images.shape[1:3]) // side)
    return images[:: -(-len(images) // frames), ::step, ::step]


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
    mask_values(mask, name)
    if frames is not None and len(mask) not in (1, frames):
        raise ValueError(
            f"{name}: expected 1 or {frames} masks for {frames} frames, got {len(mask)}: trim or repeat them."
        )
    if size is not None and mask.shape[1:] != tuple(size):
        mask = torch.nn.functional.interpolate(mask[:, None], size=tuple(size), mode="nearest-exact")[:, 0]
    return mask.clamp(0, 1).expand(frames or len(mask), -1, -1)


def large_enough(images: Tensor, name: str, side: int) -> None:
    """Refuses pictures (N, H, W, ...) with a side of fewer pixels than a model can read."""
    height, width = images.shape[1:3]
    if min(height, width) < side:
        raise ValueError(
            f"{name}: expected pictures of at least {side} x {side}, got {width} x {height}: put Upscale Image in front of it."
        )


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


def mask_values(mask: Tensor, name: str) -> None:
    """Refuses (N, H, W) masks that are not finite, or from 0 to 255."""
    if (largest := finite(mask, name).max().item()) > 2:
        raise ValueError(f"{name}: expected values from 0 to 1, got up to {largest:g} (0..255?): divide them first.")


def finite(values: Tensor, name: str) -> Tensor:
    """The limits() of (N, ...); NaN and infinity are refused, with how many there are and the first frame that has one."""
    if torch.isfinite(ends := limits(values)).all():
        return ends
    bad = [int((~torch.isfinite(frame)).sum()) for frame in values]
    first = next(index for index, count in enumerate(bad) if count)
    raise ValueError(
        f"{name}: expected finite numbers, got {sum(bad)} NaN or infinite values, the first in frame {first}: "
        "the node that generated them failed, often by half precision."
    )


def limits(values: Tensor) -> Tensor:
    """(N, 2) smallest and largest of each frame of (N, ...), NaN where there is one; frame by frame, so nothing is copied."""
    ends = [torch.zeros(2)]
    for frame in values if values.numel() else ():
        ends.append(torch.stack(frame.aminmax()).float().cpu())
        stop_if_cancelled()
    return torch.stack(ends[1:] or ends)


def describe(value: object) -> str:
    """The name of a value in an error."""
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__


def several_frames(images: Tensor, node: str) -> None:
    """Refuses a single frame."""
    if len(images) < 2:
        raise ValueError(f"images: {node} needs at least 2 frames, got 1: connect a whole clip.")
