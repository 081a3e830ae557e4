"""A pose on the proportions of another body."""

from comfy_api.latest import io

from ..host.types import PoseKeypoint

CATEGORY = "Duet/pose"
ANCHORS = ("feet", "hips", "neck")
PLACES = ("the character's", "the pose's")


class AlignPose(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetAlignPoseToCharacter",
            display_name="Align Pose to Character",
            category=CATEGORY,
            description="Moves and scales a pose so that it fits a new character: as large as the character in its "
            "picture, standing where it stands. This keeps a child from being stretched to its dancer's size.",
            search_aliases=["retarget", "pose align", "rescale pose", "proportion", "pose transfer", "AnimateAnyone"],
            inputs=[
                PoseKeypoint.Input("keypoints", tooltip="The pose that moves the character, one person for each frame."),
                PoseKeypoint.Input("reference", tooltip="The pose of the new character in its picture."),
                io.Combo.Input(
                    "anchor", options=list(ANCHORS), default=ANCHORS[0],
                    tooltip="What comes to lie on the same place, over the clip on average. Where it is not seen, the next "
                    "one counts.",
                ),
                io.Boolean.Input(
                    "limbs", default=False,
                    tooltip="On: each limb gets the length it has in the reference. Off: the pose is scaled as a whole.",
                ),
                io.Combo.Input(
                    "place", options=list(PLACES), default=PLACES[0], optional=True,
                    tooltip="Where it then acts: on the place and canvas of the character's picture, or on those of the "
                    "pose itself, as for a character that takes somebody's place in a clip.",
                ),
            ],
            outputs=[PoseKeypoint.Output(display_name="keypoints", tooltip="The pose on the canvas of that place.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, keypoints, reference, anchor, limbs, place=PLACES[0]) -> io.NodeOutput:
        from ...models.character.align import align

        return io.NodeOutput(align(keypoints, reference, anchor, limbs, place))
