"""Checks and conversions of a DUET_FLOW and of the images that are moved by it.

Letters: N frames, P = N - 1 pairs of neighbours, C channels, H and W pixels, h and w of a flow.
"""

import torch
from torch import Tensor

PARTS = {"to still": "to_picture", "to next frame": "forward", "to previous frame": "backward"}
AUTO = "auto"
MEANINGS = {
    "to_picture": "from every frame to the still image",
    "forward": "from every frame to the next",
    "backward": "from every frame to the previous",
}


def parts_of(flow) -> list[str]:
    """Which parts a DUET_FLOW has, the one to the still image first."""
    names = [name for name in PARTS.values() if isinstance(flow, dict) and name in flow]
    if not names:
        raise ValueError("flow: expected a flow, got something else: connect Decode Flow Latent or Estimate Flow.")
    return names


def field_of(flow, direction: str = AUTO):
    """One part of a flow as a Field, sound and of one shape."""
    from ...models.flow.fields import Field

    names = parts_of(flow)
    name = names[0] if direction == AUTO else PARTS[direction]
    if name not in names:
        found = " and ".join(MEANINGS[other] for other in names)
        raise ValueError(
            f"The flow leads {found}, not {MEANINGS[name]}: choose another direction, or estimate the flow that way."
        )
    offset, valid = flow[name].float(), flow.get(f"{name}_valid")
    valid = torch.ones(offset.shape[:-1]) if valid is None else valid.float()
    if offset.ndim != 4 or offset.shape[-1] != 2 or valid.shape != offset.shape[:3] or 0 in offset.shape:
        raise ValueError(
            f"flow: expected (frames, height, width, 2) with at least one frame and its validity, got "
            f"{tuple(offset.shape)} and {tuple(valid.shape)}: a clip needs two frames to have a flow between them."
        )
    finite(offset, "flow")
    finite(valid, "validity of the flow")
    return Field(offset, valid.to(offset.device).clamp(0, 1))


def finite(values: Tensor, name: str) -> None:
    """Refuses NaN and infinity in (N, ...) values, looking at one frame at a time so that nothing is copied."""
    from . import checks

    for frame in values:
        if not all(torch.isfinite(extreme) for extreme in frame.aminmax()):
            checks.finite(values, name)


def field_to_still(flow):
    """The field from each of N frames to the still image; flow between neighbouring frames is accumulated."""
    from ...models.flow.fields import accumulated
    from ..host.progress import progress

    if "to_picture" in parts_of(flow):
        return field_of(flow, "to still")
    back = field_of(flow, "to previous frame")
    check_room("Adding up a flow", "use fewer frames", len(back.valid) + 1, back.size, result=3, work=20)
    return accumulated(back, progress(len(back.valid)))


def check_room(
    what: str, advice: str, frames: int, size: tuple[int, int], *, result: float, work: float, kept: int = 0
):
    """Refuses work that needs more memory than is free, before it is filled.

    result and work are numbers of 4 bytes for each pixel, of the result in every frame and of what one frame takes beside
    it; kept are further bytes.
    """
    from ..host.memory import bytes_of, check_memory

    needed = bytes_of(frames, *size, copies=result) + bytes_of(*size, copies=work) + kept
    check_memory(needed, f"{what} of {frames} frames of {size[1]} x {size[0]}", advice)


def as_flow(direction: str, field) -> dict:
    """A DUET_FLOW of one part."""
    name = PARTS[direction]
    return {name: field.offset, f"{name}_valid": field.valid}


def fitted(field, size: tuple[int, int], name: str = "the image", pixels: tuple[int, int] | None = None):
    """A field scaled to images of (H, W), which must have its shape; `pixels` is their size where it is another."""
    from ...models.flow.fields import proportional, scaled

    if not proportional(field.size, size):
        (height, width), (tall, wide) = field.size, pixels or size
        raise ValueError(
            f"The flow is {width} x {height} and {name} {wide} x {tall}, which is another shape: use the image that "
            "belongs to the flow, or crop it to that shape."
        )
    return scaled(field, size)


def as_planes(images, name: str) -> Tensor:
    """An IMAGE, or a LATENT of any model, as (N, C, H, W); a clip in one latent becomes its frames."""
    from . import checks

    if not isinstance(images, dict):
        rgb = checks.pictures(images, name)
        images = images.float() if images.shape[-1] == 4 else rgb  # a cut-out keeps its alpha
        finite(images, name)
        return images.movedim(-1, 1)
    samples = images["samples"]
    if getattr(samples, "is_nested", False) or samples.ndim not in (4, 5) or (samples.ndim == 5 and len(samples) != 1):
        raise ValueError(
            f"{name}: expected a latent of pictures (frames, channels, height, width) or of one clip, got "
            f"{checks.describe(samples)}: split it first."
        )
    finite(samples, name)
    return samples[0].transpose(0, 1) if samples.ndim == 5 else samples


def from_planes(planes: Tensor, images):
    """(N, C, H, W) in the form of the input of as_planes(); masks and numbers of a latent's frames no longer fit."""
    if not isinstance(images, dict):
        return planes.movedim(1, -1)
    samples = planes.transpose(0, 1)[None] if images["samples"].ndim == 5 else planes
    return {key: value for key, value in images.items() if key not in ("noise_mask", "batch_index", "duet")} | {
        "samples": samples
    }


def repeated(images: Tensor, frames: int, name: str) -> Tensor:
    """One image for all frames, or one for each."""
    if len(images) not in (1, frames):
        raise ValueError(f"{name}: expected 1 or {frames} for {frames} frames of flow, got {len(images)}: trim them.")
    return images.expand(frames, *images.shape[1:])
