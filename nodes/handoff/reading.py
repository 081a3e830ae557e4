"""A clip out of depth files, written in place frame by frame.

Letters: N frames, K objects, H and W pixels, C colours.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ...models.handoff.channels import MOTION, OBJECT
from ...models.handoff.names import DISTANCE, METRES
from ...models.handoff.note import DepthNote
from ...models.handoff.opening import DepthFile, Frame
from ...models.handoff.stored import ends_in_metres, grey_of_distance, read_distance, turned
from ..host.notice import blocked

MOST_OBJECTS = 255


@dataclass
class LoadedClip:
    """What was read."""

    depth: Tensor  # (N, H, W, 3)
    known: Tensor  # (N, H, W)
    images: Tensor | None  # (N, H, W, C)
    motion: dict[str, Tensor]  # "forward", "forward_valid", ...: N frames each
    objects: Tensor | None  # (N, H, W) numbers
    near: float = 0.0
    far: float = 0.0
    frame_rate: float = 0.0
    field_of_view: float = 0.0

    def outputs(self) -> tuple:
        """The outputs of Load Depth up to its report."""
        lacks = lambda what, names: blocked(
            f"Load Depth: the files hold no {what}: expected an EXR with the channels {names}."
        )
        images = lacks("pictures", "R, G, B beside the depth") if self.images is None else self.images
        flow = self.flow() or lacks(
            "motion of at least two frames", "forward.u and forward.v, or backward.u and backward.v"
        )
        objects = self.object_masks()
        objects = lacks(f"objects numbered up to {MOST_OBJECTS}", OBJECT) if objects is None else objects
        return self.depth, images, flow, objects, self.known, self.near, self.far, self.frame_rate, self.field_of_view

    def flow(self) -> dict[str, Tensor]:
        """A DUET_FLOW: the last frame has no next one, the first no previous one."""
        if len(self.depth) < 2:
            return {}
        between = {"forward": slice(None, -1), "backward": slice(1, None)}
        return {name: values[between[name.removesuffix("_valid")]] for name, values in self.motion.items()}

    def object_masks(self) -> Tensor | None:
        """(K N, H, W), None where the file numbers no objects."""
        from ..host.memory import bytes_of, check_memory

        if self.objects is None or not 1 <= (count := int(self.objects.max())) <= MOST_OBJECTS:
            return None
        check_memory(bytes_of(count, *self.objects.shape), f"Masks of {count} objects", "lower frame_count")
        return torch.cat([(self.objects == k + 1).float() for k in range(count)])


def meaning(file: DepthFile, depth_type: dict) -> DepthNote:
    """What the numbers of files mean: by the artist, else by their note, else by the name of the channel."""
    kind = depth_type["depth_type"]
    if kind != "auto":
        ends = depth_type.get("near_depth", 0.0), depth_type.get("far_depth", 0.0)
        return DepthNote(kind, depth_type.get("depth_scale", "linear"), *ends, depth_type.get("units", METRES))
    if file.note is not None:
        return file.note
    if file.channel.lower().endswith("z"):
        return DepthNote(DISTANCE)
    raise ValueError(
        f"depth_type: {file.path.name} does not say what its numbers mean, and there is no note of Save Depth beside it: set "
        "depth_type to near is white, far is white or distance."
    )


def read_clip(file: DepthFile, note: DepthNote, output_depth_type: str) -> LoadedClip:
    """All frames of depth files, with the depth in the numbers of the output."""
    from ..host.progress import progress

    check_room(file)
    report, clip = progress(file.frames), empty_clip(file, note)
    for index, frame in enumerate(file):
        keep(clip, index, frame, note, output_depth_type)
        report(index + 1)
    finish(clip, note, output_depth_type)
    return clip


def check_room(file: DepthFile) -> None:
    """Refuses a clip for which there is no memory, before a pixel is read."""
    from ..inputs.memory import check_frames_memory

    numbers = 3 + 1 + 4 * file.has(*"RGB") + 3 * sum(file.has(f"{name}.u") for name in MOTION) + file.has(OBJECT)
    check_frames_memory("Load Depth", file.frames, file.size, numbers, 24, "lower frame_count")


def empty_clip(file: DepthFile, note: DepthNote) -> LoadedClip:
    """Room for everything that the files hold."""
    shape = (file.frames, *file.size)
    motion = {}
    for name in MOTION:
        if file.has(f"{name}.u", f"{name}.v"):
            motion |= {name: torch.empty(*shape, 2), f"{name}_valid": torch.empty(shape)}
    pictures = file.has(*"RGB") and not file.is_picture
    return LoadedClip(
        torch.empty(*shape, 3), torch.ones(shape), torch.empty(*shape, 3 + file.has("A")) if pictures else None, motion,
        torch.empty(shape) if file.has(OBJECT) else None, *ends_in_metres(note), file.frame_rate or note.frame_rate,
        note.field_of_view,
    )  # fmt: skip


def keep(clip: LoadedClip, index: int, frame: Frame, note: DepthNote, output_depth_type: str) -> None:
    """One frame into its place in the clip; distances stay distances until the whole clip's ends are known."""
    values = plane_of(frame)
    if note.depth_type == DISTANCE or output_depth_type == DISTANCE:
        values = read_distance(values, note)
        known = torch.isfinite(values) if frame.known is None else torch.isfinite(values) & (frame.known > 0.5)
        values, clip.known[index] = values.where(known, 0.0), known.float()
    else:
        values = turned(torch.nan_to_num(values).clamp(0, 1), note.depth_type, output_depth_type)
        clip.known[index] = 1.0 if frame.known is None else frame.known
    clip.depth[index] = values[..., None]
    if clip.images is not None:
        clip.images[index] = frame.picture
    for name, (offset, valid) in (frame.motion or {}).items():
        clip.motion[name][index], clip.motion[f"{name}_valid"][index] = offset, valid
    if clip.objects is not None:
        clip.objects[index] = frame.objects.round()


def plane_of(frame: Frame) -> Tensor:
    """(H, W) depth; a coloured picture is refused."""
    from ..inputs import checks

    if frame.depth.ndim == 2:
        return frame.depth
    checks.refuse_colours(frame.depth[None], "depth_file")
    return frame.depth[..., 0]


def finish(clip: LoadedClip, note: DepthNote, output_depth_type: str) -> None:
    """Distances to greys between the ends of the note, else of the clip; alpha that hides nothing is dropped."""
    if (
        clip.images is not None
        and clip.images.shape[-1] == 4
        and all((frame[..., 3] == 1).all() for frame in clip.images)
    ):
        clip.images = clip.images[..., :3]
    if note.depth_type != DISTANCE:
        return
    if not clip.far:
        clip.near, clip.far = ends_of(clip)
    if output_depth_type == DISTANCE:
        return
    for depth, known in zip(clip.depth, clip.known, strict=True):
        metres = depth[..., 0].where(known > 0.5, torch.nan)
        depth.copy_(grey_of_distance(metres, clip.near, clip.far, output_depth_type)[..., None])


def ends_of(clip: LoadedClip) -> tuple[float, float]:
    """The nearest and the farthest distance of a clip."""
    ends = [(plane[plane > 0].min().item(), plane.max().item()) for plane in clip.depth[..., 0] if (plane > 0).any()]
    if not ends:
        raise ValueError(
            "depth_file: expected distances above 0, got none in any frame: set depth_type, or channel_name to another channel."
        )
    return min(near for near, _ in ends), max(far for _, far in ends)
