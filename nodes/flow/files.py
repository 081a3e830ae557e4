"""Flow in files."""

import torch
from comfy_api.latest import io

from ..host.files.folders import input_file, list_input, output_file, output_name
from ..host.types import Flow
from ..inputs.flows import AUTO, PARTS

CATEGORY = "Duet/flow"
ENDINGS = (".npz", ".flo")
FORMATS = ("npz", "flo")
DIRECTIONS = tuple(PARTS)


class SaveFlow(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetSaveFlow",
            display_name="Save Flow",
            category=CATEGORY,
            description="Writes a flow into the output folder: all of it as one .npz file, or one direction as a .flo file for "
            "each frame, which other programs read.",
            search_aliases=["export flow", "write flow", "flo file", "Middlebury", "npz", "optical flow file"],
            inputs=[
                Flow.Input("flow", tooltip="The flow to save."),
                io.String.Input(
                    "filename_prefix", default="duet/flow",
                    tooltip="Folder and name inside the output folder. A number is added, nothing is overwritten.",
                ),
                io.Combo.Input(
                    "file_format", options=list(FORMATS), default=FORMATS[0],
                    tooltip="npz: every direction and where it is valid, in one file. flo: one direction, one file for each "
                    "frame, for other programs.",
                ),
                io.Combo.Input(
                    "direction", options=[AUTO, *DIRECTIONS], default=AUTO, advanced=True,
                    tooltip="Which direction .flo files get; .npz has all. auto: the flow to the still image if there is "
                    "one, else to the next frame.",
                ),
            ],
            outputs=[
                io.Combo.Output(display_name="flow_path", tooltip="The file, or the first of them, for Load Flow."),
            ],
            is_output_node=True,
        )  # fmt: skip

    @classmethod
    def execute(cls, flow, filename_prefix, file_format, direction) -> io.NodeOutput:
        from ...models.flow.files import FIRST, write_npz, write_series
        from ..host.progress import progress
        from ..inputs.flows import field_of, parts_of

        if file_format == FORMATS[0]:
            parts = parts_of(flow)
            for name in parts:
                field_of({name: flow[name], f"{name}_valid": flow.get(f"{name}_valid")})  # refuses NaN before writing
            report = progress(sum(len(value) for value in flow.values() if isinstance(value, torch.Tensor)))
            file = write_npz(output_file(filename_prefix, ".npz"), flow, report)
        else:
            offset = field_of(flow, direction).offset
            file = write_series(output_file(filename_prefix, FIRST), offset, progress(len(offset)))
        return io.NodeOutput(output_name(file), ui={"text": (f"Saved {file.name}",)})


class LoadFlow(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetLoadFlow",
            display_name="Load Flow",
            category=CATEGORY,
            description="Reads a flow from the input folder: an .npz of Save Flow, or .flo files of any other program.",
            search_aliases=["import flow", "read flow", "flo file", "Middlebury", "npz", "optical flow file"],
            inputs=[
                io.Combo.Input(
                    "flow_file", options=list_input(ENDINGS), default="",  # no file is a better guess than another
                    tooltip="An .npz or .flo file in the input folder, or flow_path of Save Flow. Of numbered .flo files "
                    "choose the first.",
                ),
                io.Combo.Input(
                    "direction", options=list(DIRECTIONS), default=DIRECTIONS[0], advanced=True,
                    tooltip="Where the flow of .flo files leads, which is not stored in them. to still: from each frame to "
                    "one still image. to next frame, to previous frame: between neighbouring frames. An .npz has its own.",
                ),
                io.Int.Input(
                    "max_frames", default=0, min=0, max=4096, step=1, advanced=True,
                    tooltip="Largest number of numbered .flo files to read. 0: all that follow the first; a missing number is refused.",
                ),
            ],
            outputs=[Flow.Output(display_name="flow", tooltip="The flow. Pixels that a .flo file marks as unknown are holes.")],
        )  # fmt: skip

    @classmethod
    def validate_inputs(cls, flow_file=None) -> bool | str:
        try:
            return flow_file is None or bool(input_file(flow_file, ENDINGS))
        except ValueError as error:
            return str(error)

    @classmethod
    def fingerprint_inputs(cls, flow_file, direction, max_frames) -> str:
        from ...models.flow.files import numbered_series

        try:
            files = numbered_series(input_file(flow_file, ENDINGS), max_frames)
        except (ValueError, AttributeError):  # linked: its name is not known yet
            return ""
        return " ".join(f"{file.stat().st_mtime_ns}-{file.stat().st_size}" for file in files)

    @classmethod
    def execute(cls, flow_file, direction, max_frames) -> io.NodeOutput:
        path = input_file(flow_file, ENDINGS)
        return io.NodeOutput(
            from_npz(path) if path.suffix.lower() == ENDINGS[0] else from_flo(path, direction, max_frames)
        )


def from_npz(path) -> dict:
    """A DUET_FLOW from one file."""
    from ...models.flow.files import npz_frames, npz_headers, read_npz
    from ..host.memory import bytes_of, check_memory
    from ..host.progress import progress

    headers = npz_headers(path)
    needed = sum(bytes_of(*header.shape) for header in headers.values())
    needed += max((bytes_of(*header.shape[1:], copies=3) for header in headers.values()), default=0)
    check_memory(needed, f"The flow in {path.name}", "save fewer frames, or a smaller flow")
    return read_npz(path, progress(npz_frames(headers)))


def from_flo(path, direction: str, max_frames: int) -> dict:
    """A DUET_FLOW of one direction from numbered files."""
    from ...models.flow.fields import Field
    from ...models.flow.files import check_whole, flo_size, numbered_series, read_series
    from ..host.memory import bytes_of, check_memory
    from ..host.progress import progress
    from ..inputs.flows import as_flow

    files = numbered_series(path, max_frames)
    check_whole(files, max_frames)
    height, width = check_one_size(files, [flo_size(file) for file in files])
    needed = bytes_of(len(files), height, width, 3) + bytes_of(height, width, 2, copies=4)
    check_memory(needed, f"A flow of {len(files)} frames of {width} x {height}", "lower max_frames")
    return as_flow(direction, Field(*read_series(files, progress(len(files)))))


def check_one_size(files, sizes) -> tuple[int, int]:
    """(H, W) that all files share."""
    for file, (height, width) in zip(files, sizes, strict=True):
        if (height, width) != sizes[0]:
            raise ValueError(
                f"Numbered .flo files of one size were expected, but {files[0].name} is {sizes[0][1]} x "
                f"{sizes[0][0]} and {file.name} {width} x {height}: lower max_frames, or renumber them."
            )
    return sizes[0]
