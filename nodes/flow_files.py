"""Flow in files, and as the plain tensors of other packs."""

import torch
from comfy_api.latest import io

from .flow_fields import AUTO, PARTS
from .host.folders import input_file, list_input, output_file, output_name
from .host.types import Flow

CATEGORY = "Duet/flow"
ENDINGS = (".npz", ".flo")
FORMATS = ("npz", "flo")
LAYOUTS = ("frames, height, width, 2", "frames, 2, height, width")
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
        from ..models.flow_files import write_flo, write_npz
        from .flow_fields import held, part

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
        from ..models.flow_files import following

        try:
            files = following(input_file(flow_file, ENDINGS), frames)
        except (ValueError, AttributeError):  # linked: its name is not known yet
            return ""
        return " ".join(f"{file.stat().st_mtime_ns}-{file.stat().st_size}" for file in files)

    @classmethod
    def execute(cls, flow_file, way, frames) -> io.NodeOutput:
        from ..models.flow_fields import Field
        from ..models.flow_files import following, read_flo, read_npz
        from .flow_fields import as_flow

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


class FlowToTensor(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetFlowToTensor",
            display_name="Flow to Tensor",
            category=CATEGORY,
            description="One way of a flow as the plain tensor of offsets in pixels that nodes of other packs take.",
            search_aliases=["flow adapter", "RAFT flow", "convert flow", "optical flow tensor"],
            inputs=[
                Flow.Input("flow", tooltip="The flow."),
                way_input("Which way. as it is takes the one from a picture, else to the next.", (AUTO, *WAYS)),
                io.Combo.Input(
                    "layout", options=list(LAYOUTS), default=LAYOUTS[0],
                    tooltip="The order of the numbers that the other node wants.",
                ),
            ],
            outputs=[
                io.AnyType.Output(display_name="tensor", tooltip="Offsets (dx, dy) in pixels."),
                io.Mask.Output(display_name="valid", tooltip="White where the offset leads to what is seen there."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, flow, way, layout) -> io.NodeOutput:
        from .flow_fields import part

        field = part(flow, way)
        tensor = field.offset if layout == LAYOUTS[0] else field.offset.movedim(-1, 1)
        return io.NodeOutput(tensor.contiguous().clone(), field.share.clone())


class FlowFromTensor(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetFlowFromTensor",
            display_name="Flow from Tensor",
            category=CATEGORY,
            description="Takes the flow of a node of another pack: a plain tensor of offsets in pixels.",
            search_aliases=["flow adapter", "RAFT flow", "convert flow", "optical flow tensor"],
            inputs=[
                io.AnyType.Input(
                    "tensor",
                    tooltip="Offsets (dx, dy) in pixels, as (frames, height, width, 2) or (frames, 2, height, width).",
                ),
                way_input("Where it leads. to picture: from each frame to one picture. to next, to previous: between "
                          "neighbouring frames."),
                io.Combo.Input(
                    "layout", options=[AUTO, *LAYOUTS], default=AUTO,
                    tooltip="The order of its numbers. as it is finds out by itself where that is possible.",
                ),
                io.Mask.Input(
                    "valid", optional=True, tooltip="White where the offset can be trusted: one, or one for each frame.",
                ),
            ],
            outputs=[Flow.Output(display_name="flow", tooltip="The same offsets as a flow of Duet.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, tensor, way, layout, valid=None) -> io.NodeOutput:
        from ..models.flow_fields import Field
        from . import checks
        from .flow_fields import as_flow

        offset = offsets(tensor, layout)
        checks.finite(offset, "tensor")
        share = offset.new_ones(offset.shape[:3])
        if valid is not None:
            share = checks.mask(valid, "valid", len(offset), tuple(offset.shape[1:3])).to(offset.device).clone()
        return io.NodeOutput(as_flow(way, Field(offset, share)))


def offsets(value, layout: str) -> torch.Tensor:
    """A tensor, an array or a list of them as (N, H, W, 2) float; one frame or one clip may lack or have a dimension."""
    try:
        value = torch.stack([torch.as_tensor(one) for one in value]) if isinstance(value, (list, tuple)) else value
        value = torch.as_tensor(value).float()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"tensor: expected offsets in pixels, got a {type(value).__name__}: connect a flow."
        ) from error
    value = value[0] if value.ndim == 5 and len(value) == 1 else value[None] if value.ndim == 3 else value
    fits = [value.ndim == 4 and value.shape[axis] == 2 and value.numel() > 0 for axis in (-1, 1)]
    first = fits[0] if layout == AUTO else layout == LAYOUTS[0]
    if (layout == AUTO and all(fits)) or not fits[0 if first else 1]:
        wanted = " or ".join(f"({name})" for name in (LAYOUTS if layout == AUTO else [layout]))
        also = " which may be either: choose its layout" if all(fits) else ": connect a flow in pixels"
        raise ValueError(f"tensor: expected {wanted}, got {tuple(value.shape)}{also}.")
    return (value if first else value.movedim(1, -1)).contiguous().clone()


NODES = [SaveFlow, LoadFlow, FlowToTensor, FlowFromTensor]
