"""Flow as the plain tensors of other packs."""

import torch
from comfy_api.latest import io

from ..host.types import Flow
from ..inputs.flows import AUTO
from .files import WAYS, way_input

CATEGORY = "Duet/flow"
LAYOUTS = ("frames, height, width, 2", "frames, 2, height, width")


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
        from ..inputs.flows import part

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
        from ...models.flow.fields import Field
        from ..inputs import checks
        from ..inputs.flows import as_flow

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
