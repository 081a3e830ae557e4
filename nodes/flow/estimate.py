"""Flow estimated from a clip."""

from comfy_api.latest import io

from ..host.types import Flow, FlowCodec

CATEGORY = "Duet/flow"


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
        from ..inputs import checks

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
    from ...models.flow.estimate import picture_flow
    from ...models.flow.fields import Field
    from ..host.progress import progress
    from ..inputs.flows import as_flow

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
    from ...models.flow.estimate import neighbours_flow
    from ..host.progress import progress
    from ..inputs.flows import as_flow

    pairs = len(images) - 1
    if codec is None:
        return neighbours_flow(images, progress(pairs))
    report = progress(2 * pairs)
    there = codec.estimate_pairs(images[1:], images[:-1], report)
    back = codec.estimate_pairs(images[:-1], images[1:], lambda done: report(pairs + done))
    return as_flow("to next", there) | as_flow("to previous", back)
