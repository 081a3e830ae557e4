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
    from . import checks

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
    checks.finite(offset, "flow")
    checks.finite(valid, "validity of the flow")
    return Field(offset, valid.to(offset.device).clamp(0, 1))


def field_to_still(flow):
    """The field from each of N frames to the still image; flow between neighbouring frames is accumulated."""
    from ...models.flow.fields import accumulated

    if "to_picture" in parts_of(flow):
        return field_of(flow, "to still")
    return accumulated(field_of(flow, "to previous frame"))


def as_flow(direction: str, field) -> dict:
    """A DUET_FLOW of one part."""
    name = PARTS[direction]
    return {name: field.offset, f"{name}_valid": field.valid}


def fitted(field, size: tuple[int, int], name: str = "the image"):
    """A field scaled to images of (H, W), which must have its shape."""
    from ...models.flow.fields import proportional, scaled

    if not proportional(field.size, size):
        (height, width), (tall, wide) = field.size, size
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
        checks.finite(images, name)
        return images.movedim(-1, 1)
    samples = images["samples"]
    if getattr(samples, "is_nested", False) or samples.ndim not in (4, 5) or (samples.ndim == 5 and len(samples) != 1):
        raise ValueError(
            f"{name}: expected a latent of pictures (frames, channels, height, width) or of one clip, got "
            f"{checks.describe(samples)}: split it first."
        )
    checks.finite(samples, name)
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
