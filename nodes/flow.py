"""Flow as nodes: estimated, painted and shown."""

from comfy_api.latest import io

from .flow_fields import AUTO, PARTS
from .host.types import Flow, FlowCodec

CATEGORY = "Duet/flow"
WAYS = (AUTO, *PARTS)
DRAWINGS = ("colour wheel", "arrows")


class EstimateFlow(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetEstimateFlow",
            display_name="Estimate Flow",
            category=CATEGORY,
            description="Finds the motion between the frames of a clip, or from one picture to every frame. Without a "
            "codec OpenCV's DIS does it, which needs no model.",
            search_aliases=["optical flow", "DIS", "motion estimation", "motion vectors", "driving video", "LFAE"],
            inputs=[
                io.Image.Input("images", tooltip="The clip, or a second picture."),
                io.Image.Input(
                    "picture", optional=True,
                    tooltip="The still picture that every frame shall be fetched from, as large as the clip. Without it "
                    "the motion between neighbouring frames is found, in both directions.",
                ),
                FlowCodec.Input(
                    "codec", optional=True,
                    tooltip="A flow codec does it in place of DIS: it follows what it was trained on, over larger "
                    "motions, and knows what is hidden. Released ones take multiples of 128 pixels.",
                ),
            ],
            outputs=[
                Flow.Output(
                    display_name="flow",
                    tooltip="The motion with where it can be trusted. Of a codec it is a quarter as large as the clip.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, images, picture=None, codec=None) -> io.NodeOutput:
        from . import checks

        images = checks.rgb(images)
        if picture is None and len(images) < 2:
            raise ValueError(
                "images: expected at least 2 frames, or a picture beside one, got 1: connect a whole clip."
            )
        if picture is not None:
            return io.NodeOutput(from_one(images, checks.rgb(picture, "picture"), codec))
        return io.NodeOutput(between(images, codec))


def from_one(images, picture, codec) -> dict:
    """DUET_FLOW from (1, H, W, 3) to every frame (N, H, W, 3)."""
    from ..models.flow_estimate import picture_flow
    from ..models.flow_fields import Field
    from .flow_fields import as_flow
    from .host.progress import progress

    if len(picture) != 1 or picture.shape[1:3] != images.shape[1:3]:
        raise ValueError(
            f"picture: expected one of {images.shape[2]} x {images.shape[1]} pixels like the clip, got {len(picture)} of "
            f"{picture.shape[2]} x {picture.shape[1]}: put Upscale Image or Get Image from Batch in front."
        )
    report = progress(len(images))
    if codec is None:
        return as_flow("to picture", Field(*picture_flow(picture[0], images, report)))
    return as_flow("to picture", codec.estimate(picture, images, report))


def between(images, codec) -> dict:
    """DUET_FLOW between neighbours of (N, H, W, 3)."""
    from ..models.flow_estimate import neighbours_flow
    from .flow_fields import as_flow
    from .host.progress import progress

    pairs = len(images) - 1
    if codec is None:
        return neighbours_flow(images, progress(pairs))
    report = progress(2 * pairs)
    there = codec.estimate_pairs(images[1:], images[:-1], report)
    back = codec.estimate_pairs(images[:-1], images[1:], lambda done: report(pairs + done))
    return as_flow("to next", there) | as_flow("to previous", back)


class RenderFlowVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetRenderFlowVideo",
            display_name="Render Flow Video",
            category=CATEGORY,
            description="Paints a picture moved by a flow: what is seen in the picture is taken from it, what comes into "
            "sight is painted by the codec.",
            search_aliases=["decode flow", "flow to video", "LFDM decoder", "animate picture", "motion transfer"],
            inputs=[
                FlowCodec.Input("codec", tooltip="The codec of the flow model, or one that knows such pictures."),
                io.Image.Input(
                    "picture", tooltip="The still picture, the same that the flow was made for. It is encoded once."
                ),
                Flow.Input(
                    "flow", tooltip="From Decode Flow, Estimate Flow or Compose Flows. Steps between neighbours are "
                    "added up.",
                ),
            ],
            outputs=[io.Image.Output(display_name="images", tooltip="One frame for each of the flow.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, codec, picture, flow) -> io.NodeOutput:
        from . import checks
        from . import flow_fields as fields
        from .host.flow_codec import feature_size
        from .host.progress import progress

        picture = checks.rgb(picture, "picture")
        if len(picture) != 1:
            raise ValueError(f"picture: expected one picture, got {len(picture)}: put Get Image from Batch in front.")
        field = fields.fitted(fields.from_picture(flow), feature_size(codec, picture))
        return io.NodeOutput(codec.render(picture, field, progress(len(field.share))))


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
        from ..models.flow_draw import arrows, largest_of, wheel
        from . import checks
        from . import flow_fields as fields

        field = fields.part(flow, way)
        size = [scale * side for side in field.size] if images is None else checks.rgb(images).shape[1:3]
        field = fields.fitted(field, tuple(size), "images")
        if drawing == DRAWINGS[0]:
            return io.NodeOutput(wheel(*field, largest or largest_of(field.offset)))
        return io.NodeOutput(arrows(*field, canvas_of(images, field), spacing, 1.0))


def canvas_of(images, field):
    """(N, H, W, 3) to draw on: dark where there are no pictures; a clip one frame longer than the flow loses its last."""
    from . import checks
    from .flow_fields import repeated

    frames = len(field.share)
    if images is None:
        return field.offset.new_full((frames, *field.size, 3), 0.15)
    images = checks.rgb(images)
    return repeated(images[:frames] if len(images) == frames + 1 else images, frames, "images")


NODES = [EstimateFlow, RenderFlowVideo, FlowToPicture]
