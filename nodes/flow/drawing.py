"""Flow shown as a picture."""

from comfy_api.latest import io

from ..host.types import Flow
from ..inputs.flows import AUTO, PARTS

CATEGORY = "Duet/flow"
WAYS = (AUTO, *PARTS)
DRAWINGS = ("colour wheel", "arrows")


class FlowToPicture(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetFlowToPicture",
            display_name="Flow to Picture",
            category=CATEGORY,
            description="Shows a flow: its directions as colours, or as arrows over a clip.",
            search_aliases=["visualize flow", "flow colour wheel", "motion vectors", "preview flow", "arrows"],
            inputs=[
                Flow.Input("flow", tooltip="The flow to show."),
                io.Combo.Input(
                    "drawing", options=list(DRAWINGS), default=DRAWINGS[0],
                    tooltip="colour wheel: red leads to the right, white rests, dark is not seen. arrows: from each point "
                    "to where the flow leads.",
                ),
                io.Combo.Input(
                    "way", options=list(WAYS), default=AUTO,
                    tooltip="Which part of the flow to show. as it is takes the one from a picture, else to the next.",
                ),
                io.Float.Input(
                    "largest", default=0.0, min=0.0, max=4096.0, step=0.5,
                    tooltip="How many pixels have full colour. 0: what all but a few pixels of this flow stay below.",
                ),
                io.Int.Input(
                    "spacing", default=16, min=2, max=256, step=1, tooltip="How many pixels arrows are apart."
                ),
                io.Int.Input(
                    "scale", default=1, min=1, max=16, step=1,
                    tooltip="How many times larger than the flow to draw, where no images are connected.",
                ),
                io.Image.Input(
                    "images", optional=True,
                    tooltip="What arrows are drawn on, one picture or one for each frame; the drawing takes its size.",
                ),
            ],
            outputs=[io.Image.Output(display_name="images", tooltip="One picture for each frame of the flow.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, flow, drawing, way, largest, spacing, scale, images=None) -> io.NodeOutput:
        from ...models.flow.drawing import arrows, largest_of, wheel
        from ..inputs import checks
        from ..inputs import flows as fields

        field = fields.part(flow, way)
        size = [scale * side for side in field.size] if images is None else checks.rgb(images).shape[1:3]
        field = fields.fitted(field, tuple(size), "images")
        if drawing == DRAWINGS[0]:
            return io.NodeOutput(wheel(*field, largest or largest_of(field.offset)))
        return io.NodeOutput(arrows(*field, canvas_of(images, field), spacing, 1.0))


def canvas_of(images, field):
    """(N, H, W, 3) to draw on: dark where there are no pictures; a clip one frame longer than the flow loses its last."""
    from ..inputs import checks
    from ..inputs.flows import repeated

    frames = len(field.share)
    if images is None:
        return field.offset.new_full((frames, *field.size, 3), 0.15)
    images = checks.rgb(images)
    return repeated(images[:frames] if len(images) == frames + 1 else images, frames, "images")
