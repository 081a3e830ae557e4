"""Flow as the plain tensors of other packs."""

import torch
from comfy_api.latest import io

from ..host.types import Flow
from ..inputs.flows import AUTO, PARTS

CATEGORY = "Duet/flow"
LAYOUTS = ("frames, height, width, 2", "frames, 2, height, width")


class FlowToTensor(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetFlowToTensor",
            display_name="Flow to Tensor",
            category=CATEGORY,
            description="One direction of a flow as a plain tensor of offsets in pixels, for nodes of other packs that "
            "take optical flow.",
            search_aliases=["flow adapter", "convert flow", "RAFT flow", "optical flow tensor", "export flow"],
            inputs=[
                Flow.Input("flow", tooltip="The flow."),
                io.Combo.Input(
                    "direction", options=[AUTO, *PARTS], default=AUTO,
                    tooltip="Which direction to take. auto: the flow to the still image if there is one, else to the next "
                    "frame.",
                ),
                io.Combo.Input(
                    "layout", options=list(LAYOUTS), default=LAYOUTS[0],
                    tooltip="Order of the tensor's dimensions, as the other node expects them.",
                ),
            ],
            outputs=[
                io.AnyType.Output(display_name="tensor", tooltip="Offsets (dx, dy) in pixels."),
                io.Mask.Output(display_name="valid_mask", tooltip="White where the offset leads to a visible point."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, flow, direction, layout) -> io.NodeOutput:
        from ..inputs.flows import check_room, field_of

        field = field_of(flow, direction)
        check_room("The tensor of a flow", "use fewer frames", len(field.valid), field.size, result=4, work=0)
        tensor = field.offset if layout == LAYOUTS[0] else field.offset.movedim(-1, 1)
        return io.NodeOutput(tensor.clone(memory_format=torch.contiguous_format), field.valid.clone())


class TensorToFlow(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetTensorToFlow",
            display_name="Tensor to Flow",
            category=CATEGORY,
            description="Makes a flow from the tensor of another pack's optical flow node: offsets in pixels.",
            search_aliases=["flow adapter", "convert flow", "RAFT flow", "optical flow tensor", "import flow"],
            inputs=[
                io.AnyType.Input(
                    "tensor",
                    tooltip="Offsets (dx, dy) in pixels, as (frames, height, width, 2) or (frames, 2, height, width).",
                ),
                io.Combo.Input(
                    "direction", options=list(PARTS), default=next(iter(PARTS)),
                    tooltip="Where the offsets lead. to still: from each frame to one still image. to next frame, to "
                    "previous frame: between neighbouring frames.",
                ),
                io.Combo.Input(
                    "layout", options=[AUTO, *LAYOUTS], default=AUTO,
                    tooltip="Order of the tensor's dimensions. auto: found from its shape. Choose one if that is refused.",
                ),
                io.Mask.Input(
                    "valid_mask", optional=True,
                    tooltip="White where the offset is reliable, one mask or one for each frame. Without it every offset "
                    "counts.",
                ),
            ],
            outputs=[Flow.Output(display_name="flow", tooltip="The same offsets as a flow of Duet.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, tensor, direction, layout, valid_mask=None) -> io.NodeOutput:
        from ...models.flow.fields import Field
        from ..inputs import checks
        from ..inputs.flows import as_flow, finite

        offset = offsets(tensor, layout)
        finite(offset, "tensor")
        valid = offset.new_ones(offset.shape[:3])
        if valid_mask is not None:
            size = tuple(offset.shape[1:3])
            valid = checks.mask(valid_mask, "valid_mask", len(offset), size).to(offset.device).clone()
        return io.NodeOutput(as_flow(direction, Field(offset, valid)))


def offsets(value, layout: str) -> torch.Tensor:
    """A tensor, an array or a list of them as (N, H, W, 2) float; a single frame or a batch of one clip is accepted."""
    from ..host.memory import check_memory

    try:
        parts = [torch.as_tensor(one) for one in (value if isinstance(value, (list, tuple)) else [value])]
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"tensor: expected offsets in pixels, got a {type(value).__name__}: connect a flow."
        ) from error
    check_memory(8 * sum(part.numel() for part in parts), "The flow of this tensor", "use fewer frames")
    try:
        value = (torch.stack(parts) if isinstance(value, (list, tuple)) else parts[0]).float()
    except RuntimeError as error:
        raise ValueError("tensor: expected frames of one size: connect a flow.") from error
    value = value[0] if value.ndim == 5 and len(value) == 1 else value[None] if value.ndim == 3 else value
    fits = [value.ndim == 4 and value.shape[axis] == 2 and value.numel() > 0 for axis in (-1, 1)]
    first = fits[0] if layout == AUTO else layout == LAYOUTS[0]
    if (layout == AUTO and all(fits)) or not fits[0 if first else 1]:
        wanted = " or ".join(f"({name})" for name in (LAYOUTS if layout == AUTO else [layout]))
        also = " which may be either: choose its layout" if all(fits) else ": connect a flow in pixels"
        raise ValueError(f"tensor: expected {wanted}, got {tuple(value.shape)}{also}.")
    return (value if first else value.movedim(1, -1)).clone(memory_format=torch.contiguous_format)
