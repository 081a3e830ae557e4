"""The picture of a character, framed as the person it replaces."""

from comfy_api.latest import io

from ..host.types import PoseKeypoint
from ..inputs.video import clip_input

CATEGORY = "Duet/swap"
BACKGROUNDS = ("grey", "white", "black", "scene", "own background")


class FitReference(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetFitReference",
            display_name="Fit Reference to Person",
            category=CATEGORY,
            description="Scales and moves the picture of a character to the height and the feet of the person it replaces. "
            "Wan-Animate, SCAIL-2 and VACE keep the size of their reference picture, so the new person gets the right height.",
            search_aliases=[
                "reference image", "fit reference", "reference size", "character swap", "Wan Animate", "Animate replace", "SCAIL", "VACE", "resize character",
                "scale to person", "align reference", "outpaint reference", "same height",
            ],
            inputs=[
                clip_input(
                    "character", tooltip="The picture of the character, the whole body from head to feet. The first frame of a clip."
                ),
                clip_input(
                    "images", tooltip="The clip with the person to replace, or the pictures of Crop to Subject. The result has their size."
                ),
                io.Mask.Input(
                    "person_mask",
                    tooltip="White where the person to replace is, in the same pictures: masks of Crop to Subject, or person_mask "
                    "of Decompose into Layers.",
                ),
                io.Combo.Input(
                    "background", options=list(BACKGROUNDS), default=BACKGROUNDS[0],
                    tooltip="What is around the character. grey, white, black: a plain color. scene: the input scene. own "
                    "background: that of the character's picture, its border repeated.",
                ),
                io.Int.Input(
                    "person_frame", default=-1, min=-1, max=100000, step=1, advanced=True,
                    tooltip="Number of the frame whose person gives height and place, from 0. -1 takes one in which the person is wholly "
                    "visible and upright.",
                ),
                io.Mask.Input(
                    "character_mask", optional=True,
                    tooltip="White where the character is in its picture. Not needed where the picture has alpha.",
                ),
                io.Mask.Input(
                    "hidden_mask", optional=True,
                    tooltip="White where something is in front of the person, such as occluder_mask of Decompose into Layers. The height "
                    "then counts what is hidden too.",
                ),
                PoseKeypoint.Input(
                    "keypoints", optional=True,
                    tooltip="The pose of the person in the same pictures. Gives the whole height where the person is hidden in every "
                    "frame.",
                ),
                clip_input(
                    "scene", optional=True,
                    tooltip="The scene without the person, of the same size, such as scene of Fill Scene Behind Person. One frame, or as "
                    "many as images.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="reference_image", tooltip="The character in the size and place of the person, one picture."),
                io.Mask.Output(display_name="reference_mask", tooltip="White where the character is in it."),
                io.String.Output(
                    display_name="report", tooltip="The frame that was chosen, both heights in pixels, the scale, and what is cut off."
                ),
            ],
        )  # fmt: skip
