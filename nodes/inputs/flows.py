"""What the flow nodes ask of a DUET_FLOW and of the pictures beside it; each refusal says what helps.

Letters: N frames, P = N - 1 pairs of neighbours, C channels, H and W pixels, h and w of a flow.
"""

import torch
from torch import Tensor

PARTS = {"to picture": "to_picture", "to next": "forward", "to previous": "backward"}
AUTO = "as it is"
MEANS = {
    "to_picture": "from every frame to one picture",
    "forward": "from every frame to the next",
    "backward": "from every frame to the one before",
}


def held(flow) -> list[str]:
    """Which parts a DUET_FLOW has, the one from a picture first."""
    names = [name for name in PARTS.values() if isinstance(flow, dict) and name in flow]
    if not names:
        raise ValueError("flow: expected a flow, got nothing of its kind: connect Decode Flow or Estimate Flow.")
    return names


def part(flow, way: str = AUTO):
    """One part of a flow as a Field, sound and of one shape."""
    from ...models.flow.fields import Field
    from . import checks

    names = held(flow)
    name = names[0] if way == AUTO else PARTS[way]
    if name not in names:
        there = " and ".join(MEANS[other] for other in names)
        raise ValueError(f"The flow leads {there}, not {MEANS[name]}: choose what it has, or estimate it that way.")
    offset, share = flow[name].float(), flow.get(f"{name}_valid")
    share = torch.ones(offset.shape[:-1]) if share is None else share.float()
    if offset.ndim != 4 or offset.shape[-1] != 2 or share.shape != offset.shape[:3] or 0 in offset.shape:
        raise ValueError(
            f"flow: expected (frames, height, width, 2) with at least one frame and its validity, got "
            f"{tuple(offset.shape)} and {tuple(share.shape)}: a clip needs two frames to have a flow between them."
        )
    checks.finite(offset, "flow")
    checks.finite(share, "validity of the flow")
    return Field(offset, share.to(offset.device).clamp(0, 1))


def from_picture(flow):
    """The field by which N frames are fetched from one picture; steps between neighbours are added up for it."""
    from ...models.flow.fields import accumulated

    return part(flow, "to picture") if "to_picture" in held(flow) else accumulated(part(flow, "to previous"))


def as_flow(way: str, field) -> dict:
    """A DUET_FLOW of one part."""
    name = PARTS[way]
    return {name: field.offset, f"{name}_valid": field.share}


def fitted(field, size: tuple[int, int], name: str = "the picture"):
    """A field scaled to pictures of (H, W), which must have its shape."""
    from ...models.flow.fields import proportional, scaled

    if not proportional(field.size, size):
        (height, width), (tall, wide) = field.size, size
        raise ValueError(
            f"The flow is {width} x {height} and {name} {wide} x {tall}, which is another shape: give the picture that "
            "the flow was made for, or crop it to that shape."
        )
    return scaled(field, size)


def planes(pictures, name: str) -> Tensor:
    """An IMAGE, or a LATENT of any model, as (N, C, H, W); a clip in one latent is taken apart into its frames."""
    from . import checks

    if not isinstance(pictures, dict):
        rgb = checks.picture(pictures, name)
        images = pictures.float() if pictures.shape[-1] == 4 else rgb  # a cut-out keeps its alpha
        checks.finite(images, name)
        return images.movedim(-1, 1)
    samples = pictures["samples"]
    if getattr(samples, "is_nested", False) or samples.ndim not in (4, 5) or (samples.ndim == 5 and len(samples) != 1):
        raise ValueError(
            f"{name}: expected a latent of pictures (frames, channels, height, width) or of one clip, got "
            f"{checks.describe(samples)}: split it first."
        )
    checks.finite(samples, name)
    return samples[0].transpose(0, 1) if samples.ndim == 5 else samples


def like(pictures, moved: Tensor):
    """(N, C, H, W) in the form that planes() took apart; masks and numbers of a latent's frames no longer hold."""
    if not isinstance(pictures, dict):
        return moved.movedim(1, -1)
    samples = moved.transpose(0, 1)[None] if pictures["samples"].ndim == 5 else moved
    return {key: value for key, value in pictures.items() if key not in ("noise_mask", "batch_index", "duet")} | {
        "samples": samples
    }


def repeated(pictures: Tensor, frames: int, name: str) -> Tensor:
    """One picture for all frames, or one for each."""
    if len(pictures) not in (1, frames):
        raise ValueError(f"{name}: expected 1 or {frames} for {frames} frames of flow, got {len(pictures)}: trim them.")
    return pictures.expand(frames, *pictures.shape[1:])
