"""A pose fitted to the proportions of a character."""

from comfy_api.latest import io

from ..host.types import PoseKeypoint

CATEGORY = "Duet/pose"
ANCHORS = ("feet", "hips", "neck")
CANVASES = ("character", "clip")


class AlignPose(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetAlignPose",
            display_name="Align Pose to Character",
            category=CATEGORY,
            description="Scales and moves a pose so that it fits a character: as large as the character, standing in the same "
            "place. Keeps a child from being stretched to the size of an adult.",
            search_aliases=[
                "retarget pose", "retarget", "pose align", "rescale pose", "pose transfer", "proportions", "character swap",
                "AnimateAnyone",
            ],
            inputs=[
                PoseKeypoint.Input("keypoints", tooltip="The pose of the clip, one person in each frame."),
                PoseKeypoint.Input("character_keypoints", tooltip="The pose of the character in its picture."),
                io.Boolean.Input(
                    "match_limbs", default=False,
                    tooltip="On: each limb gets the length of the character's limb. Off: the pose is scaled as a whole. Turn "
                    "it on if the proportions differ and the character faces the camera.",
                ),
                io.Combo.Input(
                    "canvas", options=list(CANVASES), default=CANVASES[0],
                    tooltip="Size and place of the result. character: those of the character's picture. clip: those of the "
                    "pose, for a character in place of the person in a clip.",
                ),
                io.Combo.Input(
                    "anchor", options=list(ANCHORS), default=ANCHORS[0], advanced=True,
                    tooltip="Part of the body that is brought to the same place, over the clip on average. Where it is not "
                    "visible, the next one in the list is used.",
                ),
            ],
            outputs=[PoseKeypoint.Output(display_name="keypoints", tooltip="The fitted pose.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, keypoints, character_keypoints, match_limbs, canvas, anchor) -> io.NodeOutput:
        from ...models.character.align import align_pose

        return io.NodeOutput(align_pose(keypoints, character_keypoints, anchor, match_limbs, canvas))
