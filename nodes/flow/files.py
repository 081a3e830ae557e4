"""Flow in files."""

import torch
from comfy_api.latest import io

from ..host.files.folders import input_file, list_input, output_file, output_name
from ..host.types import Flow
from ..inputs.flows import AUTO, PARTS

CATEGORY = "Duet/flow"
ENDINGS = (".npz", ".flo")
FORMATS = ("npz", "flo")
WAYS = tuple(PARTS)


def way_input(words: str, options=WAYS) -> io.Combo.Input:
    return io.Combo.Input("way", options=list(options), default=options[0], tooltip=words)


class SaveFlow(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetSaveFlow",
            display_name="Save Flow",
            category=CATEGORY,
            description="Writes a flow into the output folder: all of it as one .npz, or one way of it as a .flo file for "
            "each frame, which other programs read.",
            search_aliases=["export flow", "flo", "Middlebury", "npz", "optical flow file"],
            inputs=[
                Flow.Input("flow", tooltip="The flow to keep."),
                io.String.Input(
                    "filename_prefix", default="duet/flow",
                    tooltip="Where to write inside the output folder; a number is added and nothing is overwritten.",
                ),
                io.Combo.Input(
                    "format", options=list(FORMATS), default=FORMATS[0],
                    tooltip="npz keeps every way and where it is valid. flo holds the offsets of one way, one file a frame.",
                ),
                way_input("For flo: which way. as it is takes the one from a picture, else to the next.", (AUTO, *WAYS)),
            ],
            outputs=[
                io.Combo.Output(display_name="flow_file", tooltip="The file, or the first of them, for Load Flow."),
            ],
            is_output_node=True,
        )  # fmt: skip

    @classmethod
    def execute(cls, flow, filename_prefix, format, way) -> io.NodeOutput:
        from ...models.flow.files import write_flo, write_npz
        from ..inputs.flows import held, part

        if format == FORMATS[0]:
            for name in held(flow):
                part({name: flow[name], f"{name}_valid": flow.get(f"{name}_valid")})  # what is unsound is not written
            file = write_npz(output_file(filename_prefix, ".npz"), flow)
        else:
            offset, file = part(flow, way).offset, output_file(filename_prefix, "_0000.flo")
            for i, frame in enumerate(offset):
                write_flo(file.with_name(file.name.replace("_0000.flo", f"_{i:04}.flo")), frame)
        return io.NodeOutput(output_name(file), ui={"text": (f"Saved {file.name}",)})


class LoadFlow(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetLoadFlow",
            display_name="Load Flow",
            category=CATEGORY,
            description="Reads a flow from the input folder: an .npz of Save Flow, or .flo files of any program.",
            search_aliases=["import flow", "flo", "Middlebury", "npz", "optical flow file"],
            inputs=[
                io.Combo.Input(
                    "flow_file", options=list_input(ENDINGS),
                    tooltip="An .npz or .flo file in the input folder, or what Save Flow wrote. Of numbered .flo files "
                    "choose the first.",
                ),
                way_input("For .flo: where it leads. to picture: from each frame to one picture. to next, to previous: "
                          "between neighbouring frames. An .npz knows it by itself."),
                io.Int.Input(
                    "frames", default=0, min=0, max=4096, step=1,
                    tooltip="For .flo: how many numbered files to read at most. 0 reads all that follow.",
                ),
            ],
            outputs=[Flow.Output(display_name="flow", tooltip="The flow. Pixels that a .flo does not know are holes.")],
        )  # fmt: skip

    @classmethod
    def validate_inputs(cls, flow_file=None) -> bool | str:
        try:
            return flow_file is None or bool(input_file(flow_file, ENDINGS))
        except ValueError as error:
            return str(error)

    @classmethod
    def fingerprint_inputs(cls, flow_file, way, frames) -> str:
        from ...models.flow.files import following

        try:
            files = following(input_file(flow_file, ENDINGS), frames)
        except (ValueError, AttributeError):  # linked: its name is not known yet
            return ""
        return " ".join(f"{file.stat().st_mtime_ns}-{file.stat().st_size}" for file in files)

    @classmethod
    def execute(cls, flow_file, way, frames) -> io.NodeOutput:
        from ...models.flow.fields import Field
        from ...models.flow.files import following, read_flo, read_npz
        from ..inputs.flows import as_flow

        path = input_file(flow_file, ENDINGS)
        if path.suffix.lower() == ENDINGS[0]:
            return io.NodeOutput(read_npz(path))
        files = following(path, frames)
        found = [read_flo(file) for file in files]
        check_one_size(files, [offset for offset, _ in found])
        return io.NodeOutput(as_flow(way, Field(*(torch.stack(parts) for parts in zip(*found, strict=True)))))


def check_one_size(files, flows) -> None:
    for file, flow in zip(files, flows, strict=True):
        if flow.shape != flows[0].shape:
            raise ValueError(
                f"Numbered .flo files of one size were expected, but {files[0].name} is {flows[0].shape[1]} x "
                f"{flows[0].shape[0]} and {file.name} {flow.shape[1]} x {flow.shape[0]}: lower frames, or renumber them."
            )
