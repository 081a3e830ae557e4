"""Keypoints cleaned over time."""

import logging

from comfy_api.latest import io

from ..host.types import PoseKeypoint
from .pose import CATEGORY, KEYPOINTS


class FilterKeypoints(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetFilterKeypoints",
            display_name="Filter Keypoints",
            category=CATEGORY,
            description="Cleans the keypoints of a clip: each person keeps the same number, joints that jump away and come back "
            "are removed, short gaps are filled, and motion is smoothed without a delay.",
            search_aliases=[
                "smooth keypoints", "smooth pose", "pose jitter", "stabilize pose", "steady pose", "one euro filter", "denoise pose",
                "fill missing joints", "interpolate keypoints", "track people", "choose person", "select person", "multi person",
                "POSE_KEYPOINT", "pose filter",
            ],
            inputs=[
                PoseKeypoint.Input("keypoints", tooltip=KEYPOINTS),
                io.Int.Input(
                    "keep_person", default=0, min=0, max=64, step=1,
                    tooltip="Which person to keep. 0 keeps all, each in the same place of the list in every frame. 1 is who is "
                    "largest and longest in the clip, 2 the next; the report says where each of them is.",
                ),
                io.Float.Input(
                    "smoothing", default=0.5, min=0.0, max=1.0, step=0.01,
                    tooltip="How much the motion is smoothed: 0 not at all, 0.5 takes out what shakes within 5 frames, 1 within 16. "
                    "Fast gestures become smaller at high values; nothing comes later than it was.",
                ),
                io.Boolean.Input(
                    "remove_outliers", default=True,
                    tooltip="Removes joints that jump away and come back within 5 frames, such as a left and a right wrist that were "
                    "mistaken for each other.",
                ),
                io.Int.Input(
                    "fill_frames", default=8, min=0, max=256, step=1,
                    tooltip="Longest gap in frames over which a missing joint is placed between those around it. 0 fills nothing; "
                    "joints that are missing for longer stay missing.",
                ),
                io.Float.Input(
                    "confidence_threshold", default=0.3, min=0.0, max=1.0, step=0.01, advanced=True,
                    tooltip="Confidence below which a joint counts as missing. A person with fewer than 5 joints above it is left out "
                    "of that frame.",
                ),
            ],
            outputs=[
                PoseKeypoint.Output(
                    display_name="keypoints",
                    tooltip="The cleaned keypoints in the format of SDPose. A person who is missing in a frame has only points of "
                    "confidence 0 there.",
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="Each person's frames and place, how many joints were removed and filled, and the jitter before and after.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, keypoints, keep_person, smoothing, remove_outliers, fill_frames, confidence_threshold
    ) -> io.NodeOutput:
        from ...models.pose.filter import Settings, filter_clip
        from ..host.notice import show_warning

        settings = Settings(confidence_threshold, remove_outliers, fill_frames, smoothing)
        filtered = filter_clip(keypoints, settings, keep_person)
        logging.info(filtered.text)
        show_warning(filtered.advice, "People were found.")
        return io.NodeOutput(filtered.keypoints, " ".join(filter(None, (filtered.text, filtered.advice))))
