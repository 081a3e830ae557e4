"""Flow read from pictures that are painted with a color wheel."""

import logging

from comfy_api.latest import io

from ...models.choices import FLOW_WHEELS
from ..host.types import Flow
from ..inputs.flows import PARTS
from ..inputs.video import clip_input

CATEGORY = "Duet/flow"
STILL, NEXT, PREVIOUS = PARTS


def wheel_input(tooltip: str, default: str, **more) -> io.Combo.Input:
    wheels = (
        " RAFT: white is no motion, as RAFT, torchvision and the Middlebury benchmark paint it. Duet: white is no motion, as Draw "
        "Flow paints it by default. HSV: black is no motion, as in OpenCV's examples."
    )
    return io.Combo.Input("color_wheel", options=list(FLOW_WHEELS), default=default, tooltip=tooltip + wheels, **more)


class ColorWheelToFlow(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetColorWheelToFlow",
            display_name="Color Wheel to Flow",
            category=CATEGORY,
            description="Reads optical flow that is painted in the colours of a wheel, such as the second clip of UnityVideo, as a "
            "flow for Warp by Flow and the other flow nodes. The report says how well the wheel fits.",
            search_aliases=[
                "flow image to flow", "painted flow", "RAFT", "raft to flow", "optical flow picture", "UnityVideo", "decode flow",
                "second clip to flow", "motion vectors", "motion vector pass", "flow color wheel", "Middlebury", "HSV flow",
                "colors to motion",
            ],
            inputs=[
                clip_input("flow_images", tooltip="Painted flow: the colour is the direction, its strength the distance."),
                wheel_input("The wheel that was painted with; another one gives wrong directions.", "RAFT"),
                io.Float.Input(
                    "max_motion", default=0.0, min=0.0, max=4096.0, step=0.5,
                    tooltip="Motion in pixels of flow_images that full colour stands for, which no picture says. 0: measured by "
                    "the motion of images.",
                ),
                io.Combo.Input(
                    "direction", options=list(PARTS), default=NEXT,
                    tooltip="Where the painted motion leads. to next frame, to previous frame: between neighbouring frames. to "
                    "still: from each frame to the first one.",
                ),
                io.Boolean.Input(
                    "remove_noise", default=True, advanced=True,
                    tooltip="Takes the median colour of 5 x 5 pixels around each, which keeps edges. Turn it off for painted flow "
                    "without noise: parts thinner than 3 pixels stay then.",
                ),
                clip_input(
                    "images", optional=True,
                    tooltip="The clip whose motion is painted, such as the video that was made with it. Needed for max_motion 0. "
                    "Where it has as many frames as the painted flow, the frame without a neighbour is left out.",
                ),
            ],
            outputs=[
                Flow.Output(
                    display_name="flow",
                    tooltip="The motion in pixels of flow_images, between frames with the opposite direction computed from it. Not "
                    "valid where it leads out of the picture, and where a wheel on white is painted dark.",
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="How far the colours lie beside the wheel, which one fits better if that is far, and the motion of full "
                    "colour.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, flow_images, color_wheel, max_motion, direction, remove_noise, images=None) -> io.NodeOutput:
        from ...models.flow.painted import read_painted, wheel_residual, without_noise
        from ..host.progress import progress, stop_if_cancelled
        from ..inputs import clips
        from ..inputs.flows import check_room

        painted = clips.pictures(flow_images, "flow_images")
        size = tuple(painted.shape[1:3])
        check_room("Reading a flow", "use fewer or smaller pictures", len(painted), size, result=9, work=60)
        painted, starts, ends = pairs_of(painted, direction, images)
        painted = without_noise(painted, lambda done: stop_if_cancelled()) if remove_noise else painted
        fit = wheel_residual(painted, color_wheel)
        measured = None if max_motion else measure(painted, color_wheel, starts, ends)
        motion = max_motion or measured.max_motion
        field = read_painted(painted, color_wheel, motion, progress(len(painted)))
        return io.NodeOutput(both_directions(direction, field), reported(fit, measured, motion))


def both_directions(direction: str, field) -> dict:
    """DUET_FLOW of the painted direction, between frames with the other one, which carries a frame along."""
    from ...models.flow.reverse import reverse
    from ..host.progress import progress
    from ..inputs.flows import as_flow

    if direction == STILL:
        return as_flow(direction, field)
    other = PREVIOUS if direction == NEXT else NEXT
    return as_flow(direction, field) | as_flow(other, reverse(field, progress(len(field.valid))))


def reported(fit, measured, motion: float) -> str:
    """The residual, the measured motion, and how fine the colours of a file are, in the log; advice also on the node."""
    from ..host.notice import show_warning

    advice = [part.advice for part in (fit, measured) if part and part.advice]
    show_warning(" ".join(advice) or None, "The color wheel fits.")
    parts = [fit.sentence, measured and measured.sentence, *advice]
    text = " ".join(filter(None, (*parts, f"One step of 8 bits is {motion / 255:.2f} pixels of motion.")))
    logging.info(text)
    return text


def measure(painted, wheel: str, starts, ends):
    """The motion of full colour by the clip."""
    from ...models.flow.motion_scale import measure_motion
    from ..host.progress import stop_if_cancelled

    if starts is None:
        raise ValueError(
            "max_motion: expected the pixels of motion at full colour, or images to measure them by, got 0 without images: "
            "connect the clip whose motion is painted, or set max_motion."
        )
    return measure_motion(painted, wheel, starts, ends, lambda done: stop_if_cancelled())


def pairs_of(painted, direction: str, images):
    """The painted pictures (P, H, W, 3) that have two frames, with the frames (P, h, w, 3) that they lead from and to."""
    from ...models.flow.fields import proportional
    from ..inputs import clips

    if images is None:
        return painted, None, None
    images = clips.pictures(images)
    frames, (height, width), (tall, wide) = len(images), painted.shape[1:3], images.shape[1:3]
    if not proportional((height, width), (tall, wide)):
        raise ValueError(
            f"images: expected the shape of flow_images, {width} x {height}, got {wide} x {tall}: connect the clip that belongs to "
            "the painted flow."
        )
    if direction == STILL:
        check_count(len(painted), (frames,), frames)
        return painted, images, images[:1].expand_as(images)
    check_count(len(painted), (frames, frames - 1), frames)
    if frames < 2:
        raise ValueError("images: expected at least 2 frames for a motion between frames, got 1: connect a whole clip.")
    if direction == NEXT:
        return painted[: frames - 1], images[:-1], images[1:]
    return painted[-(frames - 1) :], images[1:], images[:-1]


def check_count(painted: int, wanted: tuple[int, ...], frames: int) -> None:
    if painted not in wanted:
        raise ValueError(
            f"flow_images: expected {' or '.join(map(str, wanted))} pictures for {frames} frames of images, got {painted}: trim "
            "the longer ones."
        )
