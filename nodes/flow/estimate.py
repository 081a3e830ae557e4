"""Flow estimated from a clip."""

from comfy_api.latest import io

from ..host.types import Flow, FlowAutoencoder, OpticalFlow
from ..inputs.video import clip_input

CATEGORY = "Duet/flow"


class EstimateFlow(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetEstimateFlow",
            display_name="Estimate Flow",
            category=CATEGORY,
            description="Finds the motion between the frames of a clip, or from a still image to every frame. OpenCV's DIS "
            "does it, which needs no model, or a model that is connected.",
            search_aliases=[
                "optical flow", "DIS", "DIS flow", "RAFT", "motion estimation", "motion vectors", "driving video", "LFAE",
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
                OpticalFlow.Input(
                    "optical_flow", optional=True,
                    tooltip="RAFT from Load Optical Flow Model in place of DIS. Slow without a GPU; clips of more than 1024 "
                    "pixels a side are estimated at 1024.",
                ),
                io.Mask.Input(
                    "mask", optional=True,
                    tooltip="White where the report counts separately, such as on the person: one mask for the whole clip, "
                    "or one for each frame. The flow stays the same.",
                ),
            ],
            outputs=[
                Flow.Output(
                    display_name="flow",
                    tooltip="The motion and where it is reliable. From an autoencoder it is a quarter as wide and high as "
                    "the clip.",
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="Percentage of the pixels whose motion is reliable, in all frames and in the worst one, and of "
                    "those in the mask.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, images, still_image=None, autoencoder=None, optical_flow=None, mask=None) -> io.NodeOutput:
        from ..inputs import checks, clips
        from .trust import trust_report

        images = clips.pictures(images)
        mask = None if mask is None else checks.mask(mask, "mask", len(images))
        check_request(images, still_image, autoencoder, optical_flow)
        estimate = estimator(images, optical_flow)
        if still_image is None:
            flow = between_neighbours(images, autoencoder, estimate)
        else:
            flow = from_still(images, clips.pictures(still_image, "still_image"), autoencoder, estimate)
        return io.NodeOutput(flow, trust_report(flow, mask))


def check_request(images, still_image, autoencoder, optical_flow) -> None:
    """Refuses inputs that do not go together, and a clip (N, H, W, 3) that is too large."""
    from ..inputs.flows import check_room

    if still_image is None and len(images) < 2:
        raise ValueError(
            "images: expected at least 2 frames, or one and a still_image, got 1 frame: connect a whole clip."
        )
    if autoencoder is not None and optical_flow is not None:
        raise ValueError(
            "autoencoder and optical_flow: expected one of them, got both: disconnect the one that should not be used."
        )
    if autoencoder is None:
        size, numbers = tuple(images.shape[1:3]), 6 if still_image is None else 3
        check_room("A flow", "use a smaller clip, or fewer frames", len(images), size, result=numbers, work=60)


def estimator(images, optical_flow):
    """What finds the flow between two pictures of a clip (N, H, W, 3)."""
    from ...models.flow.estimate import dis_flow
    from ..host.flow.raft import raft_estimator

    return dis_flow if optical_flow is None else raft_estimator(optical_flow, tuple(images.shape[1:3]))


def from_still(images, still_image, autoencoder, estimate) -> dict:
    """DUET_FLOW between (1, H, W, 3) and every frame (N, H, W, 3)."""
    from ...models.flow.chained import chained_to_still
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
        return as_flow("to still", Field(*chained_to_still(still_image[0], images, report, estimate)))
    return as_flow("to still", autoencoder.estimate(still_image, images, report))


def between_neighbours(images, autoencoder, estimate) -> dict:
    """DUET_FLOW between neighbouring frames of (N, H, W, 3)."""
    from ...models.flow.estimate import neighbours_flow
    from ..host.progress import progress
    from ..inputs.flows import as_flow

    pairs = len(images) - 1
    if autoencoder is None:
        return neighbours_flow(images, progress(pairs), estimate)
    report = progress(2 * pairs)
    forward = autoencoder.estimate_pairs(images[1:], images[:-1], report)
    backward = autoencoder.estimate_pairs(images[:-1], images[1:], lambda done: report(pairs + done))
    return as_flow("to next frame", forward) | as_flow("to previous frame", backward)
