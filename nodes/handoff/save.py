"""Depth into files of other programs."""

from comfy_api.latest import io

from ...models.choices import DEPTH_TYPES
from ...models.handoff.names import (
    COMPRESSIONS,
    CUSTOM,
    DEPTH_CHANNELS,
    DISTANCE,
    FILE_FORMATS,
    PROGRAMS,
    UNITS,
    UNKNOWN,
    Form,
)  # fmt: skip
from ..host.types import Flow, SAM3TrackData
from ..inputs.distance import distance_inputs
from ..inputs.video import clip_input

CATEGORY = "Duet/depth"


def program_input() -> io.DynamicCombo.Input:
    option = io.DynamicCombo.Option
    custom = [
        io.Combo.Input(
            "depth_format", options=list(FILE_FORMATS), default=FILE_FORMATS[0],
            tooltip="EXR float keeps every number exactly, EXR half to 3 digits in half the space. PNG and FFV1 keep 65,536 "
            "greys, ProRes about 900.",
        ),
        io.Combo.Input(
            "saved_depth_type", options=list(DEPTH_TYPES), default=DISTANCE,
            tooltip="What the numbers in the file mean. distance: in saved_units, EXR only. near is white, far is white: greys "
            "from 0 to 1.",
        ),
        io.Combo.Input(
            "saved_units", options=list(UNITS), default=UNITS[0],
            tooltip="Unit of distances in the file. centimetres multiplies them by 100. relative: the numbers of metres, but noted "
            "as no real unit, for depth that no camera or model has measured.",
        ),
        io.Combo.Input(
            "depth_channel", options=list(DEPTH_CHANNELS), default=DEPTH_CHANNELS[0],
            tooltip="Channel of the depth in an EXR: Z for Fusion, depth.Z for Nuke and Blender. R, G, B stores it as a grey picture; with "
            "images connected it becomes Z.",
        ),
        io.Combo.Input(
            "compression", options=list(COMPRESSIONS), default=COMPRESSIONS[0],
            tooltip="Compression of EXR files. ZIP, PIZ and none keep every number. DWAA is smaller, but changes the numbers.",
        ),
    ]  # fmt: skip
    return io.DynamicCombo.Input(
        "program", options=[*(option(name, []) for name in PROGRAMS), option(CUSTOM, custom)],
        tooltip="Where the files go, which sets format, meaning, unit and channel. Nuke, Blender: EXR, metres in depth.Z. After "
        "Effects: EXR, grey picture, far is white. ControlNet: 16-bit PNG, near is white. Unreal: EXR half, centimetres as a "
        "grey picture.",
    )  # fmt: skip


class SaveDepth(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetSaveDepth",
            display_name="Save Depth",
            category=CATEGORY,
            description="Writes depth for compositing: EXR, 16-bit PNG or video, with pictures, motion and object numbers in the "
            "same EXR, and a note of near, far, unit and polarity.",
            search_aliases=[
                "export depth", "EXR", "OpenEXR", "z pass", "z depth", "depth.Z", "Nuke", "After Effects", "Blender", "Unreal",
                "DaVinci Resolve", "Fusion", "16 bit png", "ProRes", "FFV1", "motion vectors", "cryptomatte", "save image exr",
            ],
            inputs=[
                *distance_inputs(),
                io.String.Input(
                    "filename_prefix", default="duet/depth",
                    tooltip="Folder and name inside the output folder. A number is added, nothing is overwritten.",
                ),
                program_input(),
                io.Float.Input(
                    "frame_rate", default=24.0, min=0.01, max=1000.0, step=0.01,
                    tooltip="Frames a second, of the video or noted in the files.",
                ),
                io.Combo.Input(
                    "unknown_depth", options=list(UNKNOWN), default=UNKNOWN[0], advanced=True,
                    tooltip="What pixels without a depth get, such as sky: the farthest depth of the clip, or 0. In an EXR the "
                    "channel valid.A is 0 there.",
                ),
                clip_input(
                    "images", optional=True,
                    tooltip="The frames of the clip, with or without alpha: R, G, B and A of the same EXR, in linear light.",
                ),
                Flow.Input(
                    "flow", optional=True,
                    tooltip="Motion between neighbouring frames: forward.u and forward.v (backward.u and backward.v) of the same "
                    "EXR, pixels to the right and upwards.",
                ),
                io.MultiType.Input(
                    "object_masks", types=[io.Mask, SAM3TrackData], optional=True,
                    tooltip="Masks of objects, or the track of SAM3. Their numbers from 1 go into object.id of the same EXR. As many "
                    "masks as frames are one object; masks of several objects follow one after the other. Where they overlap, "
                    "the later one counts.",
                ),
            ],
            outputs=[
                io.Combo.Output(display_name="depth_path", tooltip="The first file, for Load Depth."),
                io.String.Output(display_name="report", tooltip="What was written, and what its numbers mean."),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            is_output_node=True,
        )  # fmt: skip

    @classmethod
    def execute(
        cls, depth, depth_type, field_of_view, filename_prefix, program, frame_rate, unknown_depth, images=None, flow=None,
        object_masks=None,
    ) -> io.NodeOutput:  # fmt: skip
        from ...models.handoff.forms import check_form
        from ...models.handoff.saving import DepthClip, save_clip
        from ..host.files.folders import claimed_file, output_name
        from ..host.files.metadata import pack_version, saved_workflow
        from ..host.progress import progress
        from .source import DepthSource, read_beside, to_store

        source = DepthSource(depth, depth_type)
        beside = read_beside(source, images, flow, object_masks)
        form = check_form(form_of(program), beside.names)
        warn_of_loss(form)
        report, frames = progress(2 * len(source)), len(source)
        about = {"unknown_depth": unknown_depth, "frame_rate": frame_rate, "software": pack_version()}
        stored = to_store(source, form, about | {"field_of_view": source.field_of_view(field_of_view)}, report)
        clip = DepthClip(frames, stored.depth_of, lambda i: beside.channels(source, i, stored.whole))
        with claimed_file(filename_prefix, ".json") as sidecar:
            done = lambda count: report(frames + count)
            first = save_clip(sidecar, clip, form, stored.note, saved_workflow(cls.hidden), done)
        return io.NodeOutput(output_name(first), said(first, stored.note), ui={"text": (f"Saved {first.name}",)})


def form_of(program: dict) -> Form:
    """What the chosen program expects, or the artist's own choice."""
    if program["program"] != CUSTOM:
        return PROGRAMS[program["program"]]
    names = ("depth_format", "saved_depth_type", "saved_units", "depth_channel", "compression")
    return Form(*(program[name] for name in names))


def warn_of_loss(form) -> None:
    """Shows a warning where the compression changes numbers."""
    from ..host.notice import show_warning

    lossy = form.is_exr and form.compression == "DWAA"
    warning = (
        "DWAA changes the depth, most at edges: set compression to ZIP for depth that other programs calculate with."
    )
    show_warning(warning if lossy else None, "The compression keeps every number.")


def said(first, note) -> str:
    """The report: what was written, and what its numbers mean."""
    ends = f"from {note.near_depth:.4g} to {note.far_depth:.4g} {note.units}"
    if note.depth_type == "distance":
        numbers = f"The numbers are distances {ends}"
    else:
        numbers = f"The numbers are greys, {note.depth_type}, {note.depth_scale} in the distance {ends}"
    channel = f" in the channel {note.depth_channel}" if note.depth_channel else ""
    return (
        f"{first.name}: {note.frames} frames of {note.width} x {note.height} as {note.file_format}. {numbers}{channel}. "
        f"{first.name.split('.')[0]}.json holds the same for other programs."
    )
