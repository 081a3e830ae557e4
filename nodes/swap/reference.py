"""The picture of a character, framed as the person it replaces."""

from comfy_api.latest import io

from ..host.types import PoseKeypoint
from ..inputs.video import clip_input
from ..layers.crop import planes
from ..layers.decompose import CATEGORY

PLAIN = {"grey": 0.5, "white": 1.0, "black": 0.0}
BACKGROUNDS = (*PLAIN, "scene", "own background")


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
                    tooltip="The pose of the person in the same pictures. Shows in which frame the person is upright, and gives the whole "
                    "height where the person is hidden in every frame.",
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

    @classmethod
    def execute(
        cls, character, images, person_mask, background, person_frame, character_mask=None, hidden_mask=None, keypoints=None,
        scene=None,
    ) -> io.NodeOutput:  # fmt: skip
        from ...models.choices import check_choice
        from ...models.swap.reference import fit_character
        from ..host.notice import show_warning
        from ..inputs import clips

        check_choice(background, BACKGROUNDS)
        picture, mask, warnings = read_character(character, character_mask)
        images = clips.pictures(images)
        size = tuple(images.shape[1:3])
        place = read_person(len(images), size, person_mask, hidden_mask, keypoints, person_frame)
        fitted = fit_character(picture, mask, place, size)
        result = fitted.picture
        if background != BACKGROUNDS[-1]:
            result = fitted.over(read_background(background, scene, place.frame, images))
        warnings += place_warnings(place, fitted, size)
        show_warning(" ".join(warnings) or None, "The character fits the person.")
        lines = [describe_place(place, len(images)), describe_fit(fitted, place), *warnings]
        return io.NodeOutput(result[None].clone(), fitted.mask[None], "\n".join(lines))


def read_character(character, character_mask) -> tuple:
    """The first picture (H, W, 3), its mask (H, W) and what is worth a warning."""
    from ...models.layers.masks import mask_frame
    from ...models.swap.reference import check_character
    from ..inputs import checks, clips

    picture = checks.rgb(character, "character")[0]
    if character_mask is not None:
        mask = mask_frame(clips.masks(character_mask, "character_mask"), 0, tuple(picture.shape[:2]))
    elif character.shape[-1] == 4:
        mask = character[0, ..., 3].float().clamp(0, 1)
    else:
        raise ValueError(
            "character_mask: expected a mask of the character, or a picture with alpha, got neither: put Remove Background or "
            "SAM3 in front of it."
        )
    return picture, mask, check_character(mask)


def read_person(frames: int, size: tuple[int, int], person_mask, hidden_mask, keypoints, person_frame: int):
    """The place of the person to replace."""
    from ...models.swap.person import place_person
    from ..inputs import clips

    if person_frame >= frames:
        raise ValueError(
            f"person_frame: expected a number from 0 to {frames - 1} for {frames} frames, got {person_frame}: lower it, or set -1."
        )
    person = clips.masks(person_mask, "person_mask", frames)
    hidden = None if hidden_mask is None else clips.masks(hidden_mask, "hidden_mask", frames)
    return place_person(planes(person, size), planes(hidden, size), frames, size, person_frame, keypoints)


def read_background(background: str, scene, frame: int, images):
    """The background (H, W, 3) of a frame."""
    from ..inputs import clips

    if background in PLAIN:
        return images.new_full(images.shape[1:], PLAIN[background])
    if scene is None:
        raise ValueError(
            "scene: expected the scene without the person for background scene, got nothing: connect Fill Scene Behind "
            "Person, or choose another background."
        )
    scene = clips.same_size("scene", clips.pictures(scene, "scene"), tuple(images.shape[1:3]), len(images))
    return scene[frame if len(scene) > 1 else 0]


def place_warnings(place, fitted, size: tuple[int, int]) -> list[str]:
    """What may be wrong with the place of a character."""
    out = []
    if place.source == "visible part only":
        out.append(
            "The person is hidden or cut off by the picture in every frame, so the height is that of the visible part: connect "
            "hidden_mask or keypoints, or use more of the clip."
        )
    inside = place.bounds[1] >= 0 and place.bounds[3] <= size[0]
    if inside and fitted.outside > 0.02:
        out.append(
            f"{100 * fitted.outside:.0f} % of the character lies outside the picture: raise padding in Crop to Subject, or use a "
            "picture with the arms down."
        )
    return out


def describe_place(place, frames: int) -> str:
    """A sentence on the person."""
    return (
        f"Frame {place.frame} of {frames}: the person is {place.height:.0f} pixels tall ({place.source}), the feet at row "
        f"{place.bounds[3]:.0f}, the middle at column {place.middle:.0f}."
    )


def describe_fit(fitted, place) -> str:
    """A sentence on the character."""
    return f"The character was scaled by {fitted.scale:.3f}, from {fitted.height:.0f} to {place.height:.0f} pixels."
