"""Flow estimated from a clip."""

from comfy_api.latest import io

from ..host.types import Flow, FlowAutoencoder
from ..inputs.video import clip_input

CATEGORY = "Duet/flow"


class EstimateFlow(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetEstimateFlow",
            display_name="Estimate Flow",
            category=CATEGORY,
            description="Finds the motion between the frames of a clip, or from a still image to every frame. Without an "
            "autoencoder OpenCV's DIS does it, which needs no model.",
            search_aliases=[
                "optical flow", "DIS", "DIS flow", "motion estimation", "motion vectors", "driving video", "LFAE",
                "motion transfer", "track motion",
            ],
            inputs=[
                clip_input("images", tooltip="The clip, or a single frame together with still_image."),
                io.Image.Input(
                    "still_image", optional=True,
                    tooltip="The picture that every frame is compared with, as large as the clip, such as its first frame. "
                    "Without it the motion between neighbouring frames is found, in both directions.",
                ),
                FlowAutoencoder.Input(
                    "autoencoder", optional=True,
                    tooltip="A flow autoencoder in place of DIS: for larger motion of what it was trained on, with hidden "
                    "parts marked. Released ones take multiples of 128 pixels.",
                ),
            ],
            outputs=[
                Flow.Output(
                    display_name="flow",
                    tooltip="The motion and where it is reliable. From an autoencoder it is a quarter as wide and high as "
                    "the clip.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, images, still_image=None, autoencoder=None) -> io.NodeOutput:
        from ..inputs import clips
        from ..inputs.flows import check_room

        images = clips.pictures(images)
        if still_image is None and len(images) < 2:
            raise ValueError(
                "images: expected at least 2 frames, or one and a still_image, got 1 frame: connect a whole clip."
            )
        size, numbers = tuple(images.shape[1:3]), 6 if still_image is None else 3
        if autoencoder is None:
            check_room("A flow", "use a smaller clip, or fewer frames", len(images), size, result=numbers, work=60)
        if still_image is not None:
            return io.NodeOutput(from_still(images, clips.pictures(still_image, "still_image"), autoencoder))
        return io.NodeOutput(between_neighbours(images, autoencoder))


def from_still(images, still_image, autoencoder) -> dict:
    """DUET_FLOW between (1, H, W, 3) and every frame (N, H, W, 3)."""
    from ...models.flow.estimate import flow_to_still
    from ...models.flow.fields import Field
    from ..host.progress import progress
    from ..inputs.flows import as_flow

    if len(still_image) != 1 or still_image.shape[1:3] != images.shape[1:3]:
        raise ValueError(
            f"still_image: expected one of {images.shape[2]} x {images.shape[1]} pixels like the clip, got "
            f"{len(still_image)} of {still_image.shape[2]} x {still_image.shape[1]}: put Upscale Image or Get Image from "
            "Batch in between."
        )
    report = progress(len(images))
    if autoencoder is None:
        return as_flow("to still", Field(*flow_to_still(still_image[0], images, report)))
    return as_flow("to still", autoencoder.estimate(still_image, images, report))


def between_neighbours(images, autoencoder) -> dict:
    """DUET_FLOW between neighbouring frames of (N, H, W, 3)."""
    from ...models.flow.estimate import neighbours_flow
    from ..host.progress import progress
    from ..inputs.flows import as_flow

    pairs = len(images) - 1
    if autoencoder is None:
        return neighbours_flow(images, progress(pairs))
    report = progress(2 * pairs)
    forward = autoencoder.estimate_pairs(images[1:], images[:-1], report)
    backward = autoencoder.estimate_pairs(images[:-1], images[1:], lambda done: report(pairs + done))
    return as_flow("to next frame", forward) | as_flow("to previous frame", backward)
