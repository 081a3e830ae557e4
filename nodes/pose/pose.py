"""Pose keypoints: one picture and one converter for the three formats that detectors write."""

from comfy_api.latest import io

from ...models.choices import POSE_FORMATS
from ..host.types import PoseKeypoint
from ..inputs.memory import check_frames_memory

CATEGORY = "Duet/pose"
KEYPOINTS = "Keypoints of SDPose, DWPose or OpenPose; the format is detected."


def confidence_threshold(tooltip: str) -> io.Float.Input:
    return io.Float.Input(
        "confidence_threshold", default=0.3, min=0.0, max=1.0, step=0.01, advanced=True, tooltip=tooltip
    )


def part(name: str, default: bool, tooltip: str) -> io.Boolean.Input:
    return io.Boolean.Input(name, default=default, advanced=True, tooltip=tooltip)


class DrawPose(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetDrawPose",
            display_name="Draw Pose",
            category=CATEGORY,
            description="Draws keypoints as OpenPose pictures of any size, for pose ControlNets. Joints move by fractions "
            "of a pixel, so that slow motion does not jump in small pictures.",
            search_aliases=[
                "openpose", "dwpose", "sdpose", "skeleton", "draw skeleton", "draw keypoints", "render keypoints",
                "pose picture", "pose image", "controlnet pose", "pose controlnet",
            ],
            inputs=[
                PoseKeypoint.Input("keypoints", tooltip=KEYPOINTS),
                io.Int.Input(
                    "width", default=0, min=0, max=16384, step=1,
                    tooltip="Width of the pictures in pixels, to which the pose is scaled; 0 keeps the width of the clip "
                    "that the pose comes from. Set it to the width of the video to generate.",
                ),
                io.Int.Input(
                    "height", default=0, min=0, max=16384, step=1,
                    tooltip="Height of the pictures in pixels, to which the pose is scaled; 0 keeps the height of the clip "
                    "that the pose comes from.",
                ),
                io.Float.Input(
                    "stick_width", default=0.0, min=0.0, max=64.0, step=0.25, advanced=True,
                    tooltip="Width of limbs and radius of joints in pixels. 0 follows the size: 4 at 512, 1 at 128.",
                ),
                part("draw_body", True, "Draws the body with nose, eyes and ears."),
                part("draw_hands", True, "Draws the fingers where they were detected."),
                part("draw_face", True, "Draws the points of the face where they were detected."),
                part("draw_feet", False, "Draws toes and heels. Most pose ControlNets were trained without them."),
                confidence_threshold(
                    "Confidence below which a point is not drawn. Raise it against wrong limbs, lower it if limbs are missing."
                ),
            ],
            outputs=[io.Image.Output(display_name="pose", tooltip="OpenPose pictures on black.")],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, keypoints, width, height, stick_width, draw_body, draw_hands, draw_face, draw_feet, confidence_threshold
    ) -> io.NodeOutput:
        from ...models.pose.drawing import draw
        from ...models.pose.formats import as_clip, parse
        from ..host.progress import progress

        first = parse(keypoints)[0]
        size = (height or first.height, width or first.width)
        check_frames_memory("Draw Pose", frames := len(as_clip(keypoints)), size, 3, for_one=8)
        parts = {"body": draw_body, "hands": draw_hands, "face": draw_face, "feet": draw_feet}
        how = {"threshold": confidence_threshold, "report": progress(frames)}
        return io.NodeOutput(draw(keypoints, *size, stick_width, **parts, **how))


class ConvertPose(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetConvertPose",
            display_name="Convert Pose Keypoints",
            category=CATEGORY,
            description="Converts keypoints between the formats of SDPose, DWPose and OpenPose, which share one socket but "
            "not the meaning of its numbers.",
            search_aliases=[
                "POSE_KEYPOINT", "convert pose", "convert keypoints", "dwpose to sdpose", "openpose json", "pose format",
                "normalize keypoints",
            ],
            inputs=[
                PoseKeypoint.Input("keypoints", tooltip=KEYPOINTS),
                io.Combo.Input(
                    "pose_format", options=list(POSE_FORMATS), default=POSE_FORMATS[0],
                    tooltip="Format of the output. SDPose: pixels with confidence, for the nodes of ComfyUI. DWPose: pixels, "
                    "and OpenPose: fractions of the picture, both for the ControlNet preprocessor pack.",
                ),
                confidence_threshold(
                    "Confidence below which a point counts as missing in DWPose and OpenPose, which store no confidence. "
                    "SDPose keeps every point."
                ),
            ],
            outputs=[PoseKeypoint.Output(display_name="keypoints", tooltip="The same people in the chosen format.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, keypoints, pose_format, confidence_threshold) -> io.NodeOutput:
        from ...models.pose.formats import convert

        return io.NodeOutput(convert(keypoints, pose_format, confidence_threshold))
