"""Depth from files of any program."""

from comfy_api.latest import io

from ...models.choices import DEPTH_POLARITIES, DEPTH_SCALES, DEPTH_TYPES
from ...models.handoff.names import READ_ENDINGS, UNITS
from ..host.files.folders import input_path, list_input, list_output
from ..host.types import Flow

CATEGORY = "Duet/depth"


def listed() -> list[str]:
    """The first file of each series and each video in the input and the output folder."""
    from ...models.handoff.series import firsts

    return firsts(list_input(READ_ENDINGS)) + firsts(list_output(READ_ENDINGS))


def meaning_input() -> io.DynamicCombo.Input:
    option = io.DynamicCombo.Option
    units = io.Combo.Input(
        "units", options=list(UNITS), default=UNITS[0],
        tooltip="Unit of the numbers in the file, or of near_depth and far_depth. relative: no real unit.",
    )  # fmt: skip
    greys = [
        io.Float.Input(
            "near_depth", default=1.0, min=0.001, max=1000000.0, step=0.01,
            tooltip="Distance of the nearest grey, in units.",
        ),
        io.Float.Input(
            "far_depth", default=10.0, min=0.001, max=1000000.0, step=0.01,
            tooltip="Distance of the farthest grey, in units.",
        ),
        io.Combo.Input(
            "depth_scale", options=list(DEPTH_SCALES), default="linear",
            tooltip="How the greys were made from distances. linear: in proportion to the distance. inverse: in proportion to "
            "1 / distance.",
        ),
        units,
    ]  # fmt: skip
    return io.DynamicCombo.Input(
        "depth_type",
        options=[option("auto", []), *(option(name, greys) for name in DEPTH_POLARITIES), option("distance", [units])],
        tooltip="What the numbers in the file mean. auto: as Save Depth noted beside and in its files; an EXR of another program "
        "with a channel Z holds distances in metres. near is white, far is white: greys from 0 to 1. distance: 0 is unknown.",
    )  # fmt: skip


class LoadDepth(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetLoadDepth",
            display_name="Load Depth",
            category=CATEGORY,
            description="Reads depth from EXR or PNG sequences and video of Save Depth or any other program, with the pictures, "
            "motion and object masks that lie in the same EXR.",
            search_aliases=[
                "import depth", "EXR", "OpenEXR", "load exr", "image sequence", "z pass", "z depth", "depth.Z", "16 bit png",
                "ProRes", "FFV1", "load depth video", "motion vectors",
            ],
            inputs=[
                io.Combo.Input(
                    "depth_file", options=listed(), default="",  # no file is a better guess than another
                    tooltip="The first file of a sequence, or a video, in the input or output folder, or depth_path of Save Depth. "
                    "The name of a folder with one sequence serves too.",
                ),
                meaning_input(),
                io.Combo.Input(
                    "output_depth_type", options=list(DEPTH_TYPES), default=DEPTH_TYPES[0],
                    tooltip="What the numbers of the output mean. near is white: as in this pack and for ControlNet. far is white: "
                    "as in compositing. distance: metres, 0 is unknown, for nodes with depth_type distance.",
                ),
                io.Int.Input(
                    "start_frame", default=0, min=0, max=1000000, step=1,
                    tooltip="First frame to read, counted from 0 at the chosen file.",
                ),
                io.Int.Input(
                    "frame_count", default=0, min=0, max=1000000, step=1,
                    tooltip="How many frames to read. 0: all that follow; a number that is missing among them is refused.",
                ),
                io.String.Input(
                    "channel_name", default="", advanced=True,
                    tooltip="Channel of an EXR that holds the depth. Empty: Z, depth.Z or the Z of any layer, else Y or a grey R.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="depth", tooltip="The depth, in the numbers of output_depth_type."),
                io.Image.Output(display_name="images", tooltip="The pictures of an EXR with R, G, B beside the depth, with alpha where A of the file hides something."),
                Flow.Output(display_name="flow", tooltip="The motion of an EXR with forward.u and forward.v or backward.u and backward.v."),
                io.Mask.Output(display_name="object_masks", tooltip="The objects of an EXR with object.id: N masks an object, one object after the other."),
                io.Mask.Output(display_name="valid_mask", tooltip="White where the depth is known."),
                io.Float.Output(display_name="near_depth", tooltip="Distance of the nearest grey in metres; of distances the nearest of the clip."),
                io.Float.Output(display_name="far_depth", tooltip="Distance of the farthest grey in metres; of distances the farthest of the clip."),
                io.Float.Output(display_name="frame_rate", tooltip="Frames a second, 0 where the files do not name it."),
                io.Float.Output(display_name="field_of_view", tooltip="Horizontal field of view in degrees, 0 where the files do not name it."),
                io.String.Output(display_name="report", tooltip="What was read, what its numbers mean, and the channels of an EXR."),
            ],
        )  # fmt: skip

    @classmethod
    def validate_inputs(cls, depth_file=None, depth_type=None) -> bool | str:  # the host gives it depth_type too
        try:
            return depth_file is None or bool(depth_path(depth_file))
        except ValueError as error:
            return str(error)

    @classmethod
    def fingerprint_inputs(cls, depth_file, start_frame=0, frame_count=0, **others) -> str:
        from ...models.handoff.note import sidecar_of
        from ...models.handoff.series import chosen_frames

        try:
            path = depth_path(depth_file)
            files = [*chosen_frames(path, start_frame, frame_count), sidecar_of(path)]
        except (ValueError, AttributeError):  # linked: its name is not known yet
            return ""
        return " ".join(f"{file.stat().st_mtime_ns}-{file.stat().st_size}" for file in files if file.is_file())

    @classmethod
    def execute(
        cls, depth_file, depth_type, output_depth_type, start_frame, frame_count, channel_name=""
    ) -> io.NodeOutput:
        from ...models.handoff.opening import open_depth
        from .reading import meaning, read_clip

        file = open_depth(depth_path(depth_file), start_frame, frame_count, channel_name.strip())
        note = meaning(file, depth_type)
        clip = read_clip(file, note, output_depth_type)
        return io.NodeOutput(*clip.outputs(), said(file, note, clip))


def depth_path(name: str):
    """The first file behind a name, of a folder the first of its one series."""
    from ...models.handoff.series import only_series

    path = input_path(name)
    path = only_series(path, READ_ENDINGS) if path.is_dir() else path
    if path.suffix.lower() not in READ_ENDINGS:
        raise ValueError(f"Expected a file that ends in {', '.join(READ_ENDINGS)}, got {name!r}: choose another.")
    return path


def said(file, note, clip) -> str:
    """The report."""
    kind = f"{note.depth_type}, {note.depth_scale}" if note.depth_type != "distance" else f"distance in {note.units}"
    what = f"{file.frames} frames of {file.size[1]} x {file.size[0]} from {file.path.name}. The numbers in the file: {kind}"
    channels = f" in the channel {file.channel}. Channels: {', '.join(file.names)}" if file.names else ""
    return f"{what}{channels}. Nearest {clip.near:.4g}, farthest {clip.far:.4g} {'metres' if note.units != 'relative' else 'without a unit'}."
