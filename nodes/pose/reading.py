"""Keypoints read from pictures of skeletons."""

import logging

from comfy_api.latest import io

from ..host.types import PoseKeypoint
from ..inputs.memory import check_clip_memory
from ..inputs.video import clip_input

CATEGORY = "Duet/pose"


class PoseToKeypoints(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetPoseToKeypoints",
            display_name="Pose Pictures to Keypoints",
            category=CATEGORY,
            description="Reads the joints from pictures of skeletons in the colours of OpenPose, such as drawn poses or the second "
            "clip of UnityVideo, for nodes that take keypoints. The report says by how many pixels they may be off.",
            search_aliases=[
                "openpose to keypoints", "skeleton to keypoints", "read pose", "pose picture", "pose image to keypoints",
                "POSE_KEYPOINT", "UnityVideo", "second clip to keypoints", "decode pose", "extract keypoints", "stick figure",
                "pose map to json", "retarget",
            ],
            inputs=[
                clip_input(
                    "images", tooltip="Pictures of skeletons on black, limbs and joints in the colours of OpenPose. Hands and faces are not read."
                ),
                io.Int.Input(
                    "max_people", default=1, min=1, max=10, step=1,
                    tooltip="Number of people to read at most. Each takes about as long as the first.",
                ),
                io.Float.Input(
                    "confidence_threshold", default=0.6, min=0.0, max=1.0, step=0.01, advanced=True,
                    tooltip="Confidence below which a joint counts as missing and gets 0. Raise it against wrong joints, lower it if "
                    "joints are missing.",
                ),
            ],
            outputs=[
                PoseKeypoint.Output(
                    display_name="keypoints",
                    tooltip="The 18 joints of the body in the format of SDPose; a joint that cannot be read has confidence 0.",
                ),
                io.String.Output(
                    display_name="report", tooltip="How many joints were read, by how many pixels they may be off, and what is missing."
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, images, max_people, confidence_threshold) -> io.NodeOutput:
        from ...models.pose.reading import read_clip
        from ..host.notice import show_warning
        from ..host.progress import progress
        from ..inputs import clips

        check_clip_memory("Pose Pictures to Keypoints", images, 0, for_one=120)
        images = clips.pictures(images)
        reading = read_clip(images, max_people, confidence_threshold, progress(len(images)))
        logging.info(reading.text)
        show_warning(reading.advice, "The skeletons were read.")
        return io.NodeOutput(reading.keypoints, " ".join(filter(None, (reading.text, reading.advice))))
