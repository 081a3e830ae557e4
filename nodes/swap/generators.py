"""The pictures and masks that ComfyUI's own nodes for Wan-Animate, VACE and SCAIL-2 take, from the layers of a clip."""

from comfy_api.latest import io

from ..host.types import Crop, Layers, PoseKeypoint
from ..inputs.video import clip_input
from .reference import CATEGORY

NAMES = {name: f"Swap Inputs for {name}" for name in ("Wan-Animate", "VACE", "SCAIL-2")}
LAYERS = (
    "The decomposed clip, best from Fill Scene Behind Person: without the filled scene a rim of the old person may stay "
    "around the area that is generated."
)
CROP = "The crop of Crop to Subject, if the person is generated larger than in the clip. Without it the whole frames are used."
SIZES = (
    ("width", "Width of the pictures"),
    ("height", "Height of the pictures"),
    ("length", "Number of frames, 4 n + 1"),
)


def layers_input() -> Layers.Input:
    return Layers.Input("layers", tooltip=LAYERS)


def reference_input() -> io.Image.Input:
    return io.Image.Input(
        "reference_image", tooltip="The character in the size and place of the person, from Fit Reference to Person."
    )


def reference_mask_input(tooltip: str) -> io.Mask.Input:
    return io.Mask.Input("reference_mask", optional=True, tooltip=tooltip)


def pose_inputs(use: str) -> list:
    return [
        PoseKeypoint.Input(
            "keypoints", optional=True,
            tooltip=f"The pose by any detector, {use}: of the clip, or of the pictures of Crop to Subject. Of several people the one "
            "within the person's mask is taken.",
        ),
        clip_input(
            "pose_images", optional=True,
            tooltip="Pose pictures of the clip or of the pictures of Crop to Subject, in their size, if you have them already. Used in place "
            "of drawn keypoints.",
        ),
    ]  # fmt: skip


def area_inputs(grow: int, block: int) -> list:
    return [
        io.Int.Input(
            "grow_mask", default=grow, min=0, max=256, step=1,
            tooltip="Pixels around the person that are generated too. Raise it for a larger character, long hair or wide clothes.",
        ),
        io.Int.Input(
            "block_size", default=block, min=0, max=256, step=8,
            tooltip="Side in pixels of the squares in which the area is generated, so that its shape does not follow the old "
            "person. 0 follows the outline.",
        ),
    ]  # fmt: skip


def area_mask_input() -> io.Mask.Input:
    return io.Mask.Input(
        "area_mask", optional=True,
        tooltip="White where the new person will be, in place of the old one's mask, such as body_mask of Draw Body from keypoints of "
        "the new body. Any size, one mask or one for each frame of the clip.",
    )  # fmt: skip


def crop_input() -> Crop.Input:
    return Crop.Input("crop", optional=True, tooltip=CROP)


def size_outputs(node: str) -> list:
    return [
        io.Int.Output(display_name=name, is_output_list=True, tooltip=f"{text}, for {node}.") for name, text in SIZES
    ]


def pictures_output(name: str, tooltip: str) -> io.Image.Output:
    return io.Image.Output(display_name=name, is_output_list=True, tooltip=tooltip)


def mask_output(name: str, tooltip: str) -> io.Mask.Output:
    return io.Mask.Output(display_name=name, is_output_list=True, tooltip=tooltip)


FACE = 3 * 512 * 512  # numbers of the picture of a face
AREA = "White where the new person is generated, frame by frame, wider than the person."
REPORT = "Size, frames and area of each cropped clip, and what to change."


class WanAnimateInputs(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetWanAnimateInputs",
            display_name=NAMES["Wan-Animate"],
            category=CATEGORY,
            description="Makes the pictures and masks that WanAnimateToVideo takes to replace a person: the clip, black where the "
            "person is generated, the mask of that area, the drawn pose, and the face. Objects in front stay visible.",
            search_aliases=[
                "Wan Animate", "WanAnimateToVideo", "Wan2.2 Animate", "character replacement", "replace person", "character swap", "mix mode",
                "background_video", "character_mask", "face_video", "pose_video",
            ],
            is_input_list=True,
            inputs=[
                layers_input(), reference_input(), *area_inputs(10, 32), crop_input(),
                *pose_inputs("drawn with hands and used to find the face"), area_mask_input(),
            ],
            outputs=[
                pictures_output("reference_image", "The character, in the size of the pictures, for CLIP Vision Encode as well."),
                pictures_output("pose_video", "The skeleton with hands, black around it."),
                pictures_output("face_video", "The face, 512 x 512, cut out of the whole frames. Black where no face was found."),
                pictures_output("background_video", "The clip, black where the person is generated."),
                mask_output(
                    "character_mask",
                    "White where the person is generated, in the order in which the network reads masks: the first frame four times.",
                ),
                *size_outputs("WanAnimateToVideo"),
                mask_output("area_mask", AREA),
                io.String.Output(display_name="report", tooltip=REPORT),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, layers, reference_image, grow_mask, block_size, crop=None, keypoints=None, pose_images=None, area_mask=None
    ) -> io.NodeOutput:
        from . import inputs, outputs

        parts = inputs.read_parts(NAMES["Wan-Animate"], layers[0], first(crop), 16, 8, FACE)
        keypoints = inputs.read_keypoints(keypoints, parts)
        poses = inputs.read_pose(keypoints, pose_images, parts)
        area = inputs.read_area(first(area_mask), grow_mask[0], block_size[0], parts[0].layers)
        references = inputs.read_references(reference_image, None, parts)
        given = zip(parts, references, poses, keypoints, strict=True)
        return outputs.results([outputs.animate(*one, area) for one in given])


class VaceInputs(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetVaceInputs",
            display_name=NAMES["VACE"],
            category=CATEGORY,
            description="Makes the pictures and masks that WanVaceToVideo takes to replace a person: the clip, with the pose or grey "
            "where the person is generated, the mask of that area, and the character on white. Objects in front stay visible.",
            search_aliases=[
                "VACE", "WanVaceToVideo", "Wan2.1 VACE", "character replacement", "replace person", "character swap", "swap anything",
                "inpaint video", "control_video", "control_masks",
            ],
            is_input_list=True,
            inputs=[
                layers_input(), reference_input(), *area_inputs(20, 0), crop_input(),
                *pose_inputs("drawn with hands where the person is generated"), area_mask_input(),
                reference_mask_input(
                    "White where the character is in reference_image. The rest becomes white, as VACE was trained with it. Not needed "
                    "where the picture has alpha or is on white."
                ),
            ],
            outputs=[
                pictures_output("control_video", "The clip, and where the person is generated the pose on black, or grey without one."),
                mask_output("control_masks", "White where the person is generated, wider than the person."),
                pictures_output("reference_image", "The character on white, in the size of the pictures."),
                *size_outputs("WanVaceToVideo"),
                io.String.Output(display_name="report", tooltip=REPORT),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, layers, reference_image, grow_mask, block_size, crop=None, keypoints=None, pose_images=None, area_mask=None,
        reference_mask=None,
    ) -> io.NodeOutput:  # fmt: skip
        from . import inputs, outputs

        parts = inputs.read_parts(NAMES["VACE"], layers[0], first(crop), 16, 8)
        poses = inputs.read_pose(inputs.read_keypoints(keypoints, parts), pose_images, parts)
        area = inputs.read_area(first(area_mask), grow_mask[0], block_size[0], parts[0].layers)
        references = inputs.read_references(reference_image, reference_mask, parts)
        return outputs.results([outputs.vace(*one, area) for one in zip(parts, references, poses, strict=True)])


class ScailInputs(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetScailInputs",
            display_name=NAMES["SCAIL-2"],
            category=CATEGORY,
            description="Makes the pictures and masks that WanSCAILToVideo takes to replace people: the clip, each person in a color of "
            "its own on white, the character, and its mask in the same color on black. Turn replacement_mode of that node on.",
            search_aliases=[
                "SCAIL", "SCAIL-2", "WanSCAILToVideo", "SCAIL2ColoredMask", "character replacement", "replace person", "character swap",
                "pose_video_mask", "reference_image_mask", "identity mask",
            ],
            is_input_list=True,
            inputs=[
                layers_input(), reference_input(), crop_input(),
                reference_mask_input(
                    "White where the character is in reference_image, or where each of several people is, one mask after the other. "
                    "Not needed where the picture has alpha."
                ),
                io.Mask.Input(
                    "other_person_masks", optional=True,
                    tooltip="Masks of more people to replace, as many for each as the clip has frames, one person after the other. Each needs "
                    "a mask in reference_mask.",
                ),
            ],
            outputs=[
                pictures_output("pose_video", "The clip, which SCAIL-2 reads the motion from."),
                pictures_output("pose_video_mask", "Each person to replace in a color of its own, white around them."),
                pictures_output("reference_image", "The character, in the size of the pictures, for CLIP Vision Encode as well."),
                pictures_output("reference_image_mask", "The character in the color of its person, black around it."),
                *size_outputs("WanSCAILToVideo"),
                io.String.Output(display_name="report", tooltip=REPORT),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, layers, reference_image, crop=None, reference_mask=None, other_person_masks=None) -> io.NodeOutput:
        from . import inputs, outputs

        parts = inputs.read_parts(NAMES["SCAIL-2"], layers[0], first(crop), 32, 8)
        others = inputs.read_others(first(other_person_masks), len(parts[0].layers.images))
        references = inputs.read_references(reference_image, reference_mask, parts)
        for _, masks in references:
            inputs.check_people(masks, 1 + len(others))
        return outputs.results([outputs.scail(*one, others) for one in zip(parts, references, strict=True)])


def first(values):
    """The one value of an input that is given as a list, or None."""
    return values[0] if values else None
