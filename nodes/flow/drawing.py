"""Flow drawn as pictures."""

from comfy_api.latest import io

from ..host.types import Flow
from ..inputs.flows import AUTO, PARTS

CATEGORY = "Duet/flow"
DIRECTIONS = (AUTO, *PARTS)
COLORS, ARROWS = "color wheel", "arrows"


class DrawFlow(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetDrawFlow",
            display_name="Draw Flow",
            category=CATEGORY,
            description="Draws a flow as pictures to look at: its directions as colours, or as arrows over a clip.",
            search_aliases=[
                "visualize flow", "preview flow", "show flow", "flow to image", "flow color wheel", "motion vectors",
                "optical flow image", "arrows",
            ],
            inputs=[
                Flow.Input("flow", tooltip="The flow to draw."),
                style_input(),
                io.Combo.Input(
                    "direction", options=list(DIRECTIONS), default=AUTO, advanced=True,
                    tooltip="Which part of the flow to draw. auto: the flow to the still image if there is one, else to "
                    "the next frame.",
                ),
                io.Int.Input(
                    "scale", default=1, min=1, max=16, step=1, advanced=True,
                    tooltip="Size of the drawing as a multiple of the flow's size, where no images are connected.",
                ),
                io.Image.Input(
                    "images", optional=True,
                    tooltip="Background for arrows, one picture or one for each frame. The drawing takes its size.",
                ),
            ],
            outputs=[io.Image.Output(display_name="images", tooltip="One picture for each frame of the flow.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, flow, drawing_style, direction, scale, images=None) -> io.NodeOutput:
        from ...models.flow.drawing import arrows, max_motion_of, wheel
        from ..inputs import checks
        from ..inputs import flows as fields

        field = fields.field_of(flow, direction)
        size = [scale * side for side in field.size] if images is None else checks.rgb(images).shape[1:3]
        field = fields.fitted(field, tuple(size), "images")
        if drawing_style["drawing_style"] == COLORS:
            return io.NodeOutput(wheel(*field, drawing_style["max_motion"] or max_motion_of(field.offset)))
        return io.NodeOutput(arrows(*field, canvas_of(images, field), drawing_style["arrow_spacing"], 1.0))


def style_input() -> io.DynamicCombo.Input:
    max_motion = io.Float.Input(
        "max_motion", default=0.0, min=0.0, max=4096.0, step=0.5,
        tooltip="Motion in pixels that gets full colour. 0: the largest of this flow, without the top hundredth. Set it to "
        "compare the colours of two flows.",
    )  # fmt: skip
    spacing = io.Int.Input(
        "arrow_spacing", default=16, min=2, max=256, step=1, tooltip="Distance between arrows in pixels."
    )
    return io.DynamicCombo.Input(
        "drawing_style",
        options=[io.DynamicCombo.Option(COLORS, [max_motion]), io.DynamicCombo.Option(ARROWS, [spacing])],
        tooltip="color wheel: red moves right, white does not move, dark is hidden. arrows: from each point to where the "
        "flow leads.",
    )


def canvas_of(images, field):
    """(N, H, W, 3) to draw on, dark without images; of a clip one frame longer than the flow the last is dropped."""
    from ..inputs import checks
    from ..inputs.flows import repeated

    frames = len(field.valid)
    if images is None:
        return field.offset.new_full((frames, *field.size, 3), 0.15)
    images = checks.rgb(images)
    return repeated(images[:frames] if len(images) == frames + 1 else images, frames, "images")
