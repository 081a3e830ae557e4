"""Flow drawn as pictures."""

from comfy_api.latest import io

from ..host.types import Flow
from ..inputs.flows import AUTO, PARTS
from ..inputs.video import clip_input
from .painted import wheel_input

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
                clip_input(
                    "images", optional=True,
                    tooltip="Background for arrows, one picture or one for each frame. The drawing takes its size.",
                ),
                wheel_input(
                    "The colours of drawing_style color wheel. Choose RAFT for the flow that UnityVideo reads.", "Duet",
                    optional=True, advanced=True,
                ),
            ],
            outputs=[io.Image.Output(display_name="images", tooltip="One picture for each frame of the flow.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, flow, drawing_style, direction, scale, images=None, color_wheel="Duet") -> io.NodeOutput:
        from ...models.flow.frames import frame_by_frame
        from ..host.progress import progress
        from ..inputs import clips
        from ..inputs import flows as fields

        field = fields.field_of(flow, direction)
        images = None if images is None else clips.pictures(images)
        size = tuple(scale * side for side in field.size) if images is None else tuple(images.shape[1:3])
        fields.fitted(field.frame(0), size, "images")
        advice = "lower scale, connect smaller images, or draw fewer frames"
        lengths = 4 * 4 * field.valid.numel()  # of the offsets, sorted
        fields.check_room("Drawing a flow", advice, len(field.valid), size, result=3, work=16, kept=lengths)
        report = progress(len(field.valid))
        if drawing_style["drawing_style"] == COLORS:
            draw = colours(field, size, drawing_style["max_motion"], color_wheel)
        else:
            draw = arrows(field, size, images, drawing_style["arrow_spacing"], report)
        return io.NodeOutput(*frame_by_frame(draw, len(field.valid), report))


def colours(field, size: tuple[int, int], max_motion: float, color_wheel: str):
    """A function that draws one frame as (H, W, 3) colours."""
    from ...models.flow.drawing import max_motion_of, wheel
    from ...models.flow.fields import scaled

    if not max_motion:
        ratio = field.offset.new_tensor([size[1] / field.size[1], size[0] / field.size[0]])
        max_motion = max_motion_of(field.offset if field.size == size else field.offset * ratio)
    return lambda i: (wheel(*scaled(field.frame(i), size), max_motion, color_wheel)[0],)


def arrows(field, size: tuple[int, int], images, spacing: int, report):
    """A function that draws one frame as (H, W, 3) arrows over its picture."""
    from ...models.flow.drawing import one_of_arrows
    from ...models.flow.fields import scaled

    pictures = canvas_of(images, field, size)

    def draw(i: int) -> tuple:
        offset, valid = scaled(field.frame(i), size)
        return (one_of_arrows(offset[0], valid[0], pictures[i], spacing, 1.0, lambda: report(i)),)

    return draw


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


def canvas_of(images, field, size: tuple[int, int]):
    """(N, H, W, 3) to draw on, dark without images; of a clip one frame longer than the flow the last is dropped."""
    from ..inputs.flows import repeated

    frames = len(field.valid)
    if images is None:
        return field.offset.new_full((1, *size, 3), 0.15).expand(frames, -1, -1, -1)
    return repeated(images[:frames] if len(images) == frames + 1 else images, frames, "images")
