"""Pose keypoints: one picture and one converter for the three forms that detectors write."""

from comfy_api.latest import io

from ...models.choices import POSE_DIALECTS
from ..host.types import PoseKeypoint

CATEGORY = "Duet/pose"
KEYPOINTS = "Keypoints of SDPose, DWPose or OpenPose; which of them is found out by itself."
THRESHOLD = "Points that the detector is less sure of than this count as not seen."


class DrawPose(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetDrawPose",
            display_name="Draw Pose",
            category=CATEGORY,
            description="Draws keypoints of any detector as OpenPose pictures at any size. Edges are smooth and joints "
            "move by fractions of a pixel, so slow motion does not jump in small pictures.",
            search_aliases=["openpose", "dwpose", "skeleton", "render keypoints", "pose picture", "controlnet pose"],
            inputs=[
                PoseKeypoint.Input("keypoints", tooltip=KEYPOINTS),
                io.Int.Input(
                    "width", default=0, min=0, max=16384, step=1,
                    tooltip="Width of the pictures; the pose is scaled to it. 0 keeps the width of the detected picture.",
                ),
                io.Int.Input(
                    "height", default=0, min=0, max=16384, step=1,
                    tooltip="Height of the pictures; the pose is scaled to it. 0 keeps the height of the detected picture.",
                ),
                io.Float.Input(
                    "stick_width", default=0.0, min=0.0, max=64.0, step=0.25,
                    tooltip="Thickness of limbs and joints in pixels. 0 fits it to the size: 4 at 512, 1 at 128.",
                ),
                io.Boolean.Input("body", default=True, tooltip="Draw the body with nose, eyes and ears."),
                io.Boolean.Input("hands", default=True, tooltip="Draw the fingers where the detector found them."),
                io.Boolean.Input("face", default=True, tooltip="Draw the points of the face where the detector found them."),
                io.Boolean.Input(
                    "feet", default=False,
                    tooltip="Draw toes and heels. Most pose ControlNets were trained without them.",
                ),
                io.Float.Input("threshold", default=0.3, min=0.0, max=1.0, step=0.01, tooltip=THRESHOLD),
            ],
            outputs=[io.Image.Output(display_name="pose", tooltip="OpenPose pictures on black.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, keypoints, width, height, stick_width, body, hands, face, feet, threshold) -> io.NodeOutput:
        from ...models.pose.drawing import draw

        return io.NodeOutput(draw(keypoints, height, width, stick_width, body, hands, face, feet, threshold))


class ConvertPoseKeypoints(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetConvertPoseKeypoints",
            display_name="Convert Pose Keypoints",
            category=CATEGORY,
            description="Makes keypoints of one detector fit nodes that were made for another: the three detectors "
            "share a socket, but not the numbers in it.",
            search_aliases=["POSE_KEYPOINT", "dwpose to sdpose", "openpose json", "normalize keypoints"],
            inputs=[
                PoseKeypoint.Input("keypoints", tooltip=KEYPOINTS),
                io.Combo.Input(
                    "to", options=list(POSE_DIALECTS), default="native",
                    tooltip="native: for ComfyUI's own SDPose nodes. dwpose and openpose: for the ControlNet "
                    "preprocessor pack; dwpose counts in pixels, openpose in shares of the picture.",
                ),
                io.Float.Input(
                    "threshold", default=0.3, min=0.0, max=1.0, step=0.01,
                    tooltip=f"{THRESHOLD} Only used towards dwpose and openpose, which know no degrees of certainty.",
                ),
            ],
            outputs=[PoseKeypoint.Output(display_name="keypoints", tooltip="The same people in the chosen form.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, keypoints, to, threshold) -> io.NodeOutput:
        from ...models.pose.dialects import convert

        return io.NodeOutput(convert(keypoints, to, threshold))
