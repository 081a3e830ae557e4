"""What Save Depth takes, read one frame at a time so that no clip is copied.

Letters: N frames, K objects, H and W pixels.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ...models.handoff.channels import KNOWN, OBJECT, motion_channels, picture_channels
from ...models.handoff.names import Form
from ...models.handoff.note import IN_METRES, DepthNote
from ...models.handoff.stored import DEPTH_SCALE_OF, stored_distance, turned
from ...models.layers.masks import count_objects, object_frame
from ..inputs.distance import focal_length, known_distances, metres_of, one_frame
from ..layers.decompose import read_objects


@dataclass(frozen=True)
class DepthSource:
    """Depth as it is connected, and what its numbers mean."""

    depth: Tensor | dict
    depth_type: dict

    def __post_init__(self) -> None:
        from ..inputs import checks

        if self.is_grey:
            checks.refuse_colours(checks.picture(self.depth, "depth"), "depth")
            checks.finite(self.depth[..., :3], "depth")
        self.metres(0)  # refuses what is no depth at all

    def __len__(self) -> int:
        return len(self.depth["depth"]) if isinstance(self.depth, dict) else len(self.depth)

    @property
    def is_grey(self) -> bool:
        return not isinstance(self.depth, dict) and self.depth_type["depth_type"] != "distance"

    @cached_property
    def size(self) -> tuple[int, int]:
        return tuple(self.metres(0).shape)

    def metres(self, index: int) -> Tensor:
        """(H, W) distances of a frame, NaN where not known."""
        return metres_of(one_frame(self.depth, index), self.depth_type)[0].cpu()

    def grey(self, index: int) -> Tensor:
        """(H, W) greys of a frame of a depth picture."""
        from ..inputs.depth import grey

        return grey(one_frame(self.depth, index))[0].cpu()

    def ends(self, report: Callable[[int], None]) -> tuple[float, float, bool]:
        """The nearest and the farthest distance of the clip in metres, and whether all are known; a frame without any is refused."""
        near, far, whole = math.inf, 0.0, True
        for index in range(len(self)):
            metres = self.metres(index)
            known = known_distances(metres, index)
            near, far = min(near, known.min().item()), max(far, known.max().item())
            whole &= len(known) == metres.numel()
            report(index + 1)
        return near, far, whole

    def field_of_view(self, asked: float) -> float:
        """Degrees by the artist, else by the geometry, else 0."""
        if asked or not (isinstance(self.depth, dict) and isinstance(self.depth.get("intrinsics"), Tensor)):
            return asked
        width = self.size[1]
        return math.degrees(2 * math.atan(width / 2 / focal_length(self.depth, 0.0, width)))


@dataclass(frozen=True)
class Beside:
    """What goes into the same EXR file beside the depth, checked against it."""

    images: Tensor | None
    flow: dict | None
    objects: Tensor | None  # (K, N or 1, h, w), or packed as SAM3 does
    size: tuple[int, int]

    @property
    def names(self) -> list[str]:
        given = {"images": self.images, "flow": self.flow, "object_masks": self.objects}
        return [name for name, value in given.items() if value is not None]

    def channels(self, source: DepthSource, index: int, whole: bool) -> dict[str, np.ndarray]:
        """The further channels of a frame; where depth is known only if it is not known everywhere."""
        channels = {} if whole else {KNOWN: torch.isfinite(source.metres(index)).numpy()}
        if self.images is not None:
            channels |= picture_channels(self.images[index].cpu())
        if self.flow is not None:
            channels |= motion_channels(self.flow, index)
        if self.objects is not None:
            numbers = torch.zeros(self.size)
            for k in range(count_objects(self.objects)):
                numbers[object_frame(self.objects, k, index, self.size) > 0.5] = k + 1
            channels[OBJECT] = numbers.numpy()
        return channels


def read_beside(source: DepthSource, images, flow, object_masks) -> Beside:
    """The optional inputs of Save Depth; other frames and sizes than those of the depth are refused."""
    from ..inputs import checks

    frames, like = len(source), {"depth": torch.empty(1, *source.size)}
    if images is not None:
        checks.pictures(images, "images")
        checks.same_frames(depth=range(frames), images=images)
        checks.same_size(**like, images=images)
    if flow is not None:
        flow = read_flow(flow, frames)
        checks.same_size(**like, flow=next(iter(flow.values()))[..., 0])
    if object_masks is not None:
        object_masks = read_objects(object_masks, frames)
    return Beside(images, flow, object_masks, source.size)


def read_flow(flow, frames: int) -> dict[str, Tensor]:
    """The parts of a flow between neighbouring frames of a clip."""
    from ..inputs.flows import PARTS, field_of, parts_of

    parts = {}
    for direction, name in PARTS.items():
        if name in parts_of(flow) and name != "to_picture":
            field = field_of(flow, direction)
            parts |= {name: field.offset.cpu(), f"{name}_valid": field.valid.cpu()}
    count = len(next(iter(parts.values()), ()))
    if count != frames - 1:
        came = f"a flow of {count} pairs of frames" if parts else "a flow to one still image"
        raise ValueError(
            f"flow: expected motion between the {frames} frames of the depth, got {came}: connect Estimate Flow of the same "
            "clip, or leave flow unconnected."
        )
    return parts


class Stored(NamedTuple):
    """What is stored of a clip."""

    note: DepthNote
    depth_of: Callable[[int], np.ndarray]  # (H, W) numbers of a frame
    whole: bool  # every pixel has a depth


def to_store(source: DepthSource, form: Form, note: dict, report: Callable[[int], None]) -> Stored:
    """The numbers of a form, and the note on them; greys that stay greys keep their scale."""
    kind, metres = source.depth_type, IN_METRES[form.units]
    note = note | {
        "units": form.units, "width": source.size[1], "height": source.size[0], "frames": len(source),
        "file_format": form.file_format, "depth_channel": form.channel if form.is_exr else "",
    }  # fmt: skip
    if source.is_grey and form.depth_type != "distance":
        ends = kind["near_depth"] / metres, kind["far_depth"] / metres
        said = DepthNote(form.depth_type, kind["depth_scale"], *ends, **note)
        return Stored(said, lambda i: turned(source.grey(i), kind["depth_type"], form.depth_type).numpy(), True)
    near, far, whole = source.ends(report)
    scale = DEPTH_SCALE_OF.get(form.depth_type, "linear")
    said = DepthNote(form.depth_type, scale, near / metres, far / metres, **note)
    return Stored(said, lambda i: stored_distance(source.metres(i), said).numpy(), whole)
