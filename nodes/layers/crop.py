"""A subject cropped out of a clip with a box that follows it, and pasted back."""

from math import prod

from comfy_api.latest import io

from ..host.types import Crop
from ..inputs.memory import check_clip_memory, check_frames_memory
from ..inputs.video import clip_input
from .decompose import CATEGORY

FRAME_RULES = {"any": 1, "4n+1": 4}  # frames from one number that a model takes to the next
BOX_MOTIONS = ("follow subject", "still")


class CropToSubject(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetCropToSubject",
            display_name="Crop to Subject",
            category=CATEGORY,
            description="Crops a person or an object out of a clip with a box that follows it smoothly, so that a model works "
            "on it at its best size. Paste Crop Back puts the result into the clip again.",
            search_aliases=[
                "crop person", "crop to mask", "inpaint crop", "moving crop", "track crop", "face crop", "zoom", "stitch", "ROI",
            ],
            inputs=[
                clip_input("images", tooltip="The frames of the clip."),
                io.Mask.Input(
                    "subject_mask",
                    tooltip="White where the subject is, for example person_mask of Decompose into Layers.",
                ),
                io.Int.Input(
                    "width", default=0, min=0, max=8192, step=8,
                    tooltip="Width of the cropped pictures in pixels. 0 keeps the pixels of the clip without scaling.",
                ),
                io.Int.Input(
                    "height", default=0, min=0, max=8192, step=8,
                    tooltip="Height of the cropped pictures in pixels. 0 keeps the pixels of the clip without scaling.",
                ),
                io.Float.Input(
                    "padding", default=0.1, min=0.0, max=4.0, step=0.01,
                    tooltip="Space around the subject on every side, as a fraction of its size. Raise it for motion or hair "
                    "outside the mask.",
                ),
                io.Int.Input(
                    "smoothing_frames", default=9, min=1, max=1001, step=2, advanced=True,
                    tooltip="Frames over which the path of the box is averaged. Raise it if the box shakes; the box becomes "
                    "larger.",
                ),
                io.Int.Input(
                    "max_frames", default=0, min=0, max=100000, step=1, advanced=True,
                    tooltip="Most frames of one cropped clip, for models with a limit. 0 does not split by length.",
                ),
                io.Int.Input(
                    "overlap_frames", default=4, min=0, max=256, step=1, advanced=True,
                    tooltip="Frames that two cropped clips share, over which Paste Crop Back fades from one to the other.",
                ),
                io.Int.Input(
                    "size_multiple", default=8, min=1, max=256, step=1, optional=True, advanced=True,
                    tooltip="Width and height of the box are multiples of this many pixels: 16 for Wan, 32 for SCAIL-2. If width and "
                    "height are set, they must be multiples of it.",
                ),
                io.Combo.Input(
                    "frame_rule", options=list(FRAME_RULES), default="any", optional=True, advanced=True,
                    tooltip="Numbers of frames that the model takes. any: no rule. 4n+1: 5, 9, 13, ..., as Wan takes; the last frame of a clip "
                    "is repeated up to the next such number, and Paste Crop Back leaves the repeated frames out.",
                ),
                io.Combo.Input(
                    "box_motion", options=list(BOX_MOTIONS), default=BOX_MOTIONS[0], optional=True, advanced=True,
                    tooltip="follow subject: the box moves with the subject. still: one box for the whole cropped clip, large enough for "
                    "every frame, so that a still scene stays still in the crop.",
                ),
                io.Mask.Input(
                    "hidden_mask", optional=True,
                    tooltip="White where something is in front of the subject, such as occluder_mask of Decompose into Layers. A subject "
                    "that is partly hidden keeps its size, and the box too.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="images", is_output_list=True,
                    tooltip="The cropped clips: usually one, more if the subject becomes much smaller or larger. Connected "
                    "nodes run once for each.",
                ),
                io.Mask.Output(
                    display_name="masks", is_output_list=True, tooltip="The subject mask, cropped in the same way."
                ),
                Crop.Output(display_name="crop", tooltip="The places of the cropped pictures, for Paste Crop Back."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, images, subject_mask, width, height, padding, smoothing_frames, max_frames, overlap_frames, size_multiple=8,
        frame_rule="any", box_motion=BOX_MOTIONS[0], hidden_mask=None,
    ) -> io.NodeOutput:  # fmt: skip
        from ...models.flow.cuts import find_cuts
        from ...models.layers.crop import Framing, plan_crop
        from ..host.notice import show_warning
        from ..inputs import clips

        images = clips.pictures(images)
        mask, size = clips.masks(subject_mask, "subject_mask", len(images)), tuple(images.shape[1:3])
        hidden = None if hidden_mask is None else clips.masks(hidden_mask, "hidden_mask", len(images))
        output_size, step = read_size(width, height, size_multiple), frame_step(frame_rule)
        check_overlap(max_frames, overlap_frames, step)
        cuts = find_cuts(images)
        framing = Framing(
            padding, smoothing_frames, max_frames, overlap_frames, size_multiple, output_size, step, is_still(box_motion),
            tuple(cuts),
        )  # fmt: skip
        crop = plan_crop(planes(mask, size), len(images), size, framing, planes(hidden, size))
        check_crop_memory(crop)
        show_warning(crop_warning(mask, size, cuts), "The mask fits the clip.")
        pictures, masks = cut_clips(images, mask, crop)
        return io.NodeOutput(pictures, masks, as_socket(crop, masks))


def crop_warning(mask, size: tuple[int, int], cuts: list[int]) -> str | None:
    """A sentence on a mask that looks wrong, and on cuts."""
    from ...models.flow.cuts import describe_cuts
    from ..inputs import clips

    lines = [clips.mask_warning("subject_mask", mask, size)]
    if cuts:
        lines.append(
            f"{describe_cuts(cuts)}: the box follows the subject in each shot on its own, but a generator takes them for one. "
            "Put Trim Video in front and generate each shot alone."
        )
    return " ".join(filter(None, lines)) or None


def planes(mask, size: tuple[int, int]):
    """A function that gives the mask (H, W) of a frame, or None without masks."""
    from ...models.layers.masks import mask_frame

    return None if mask is None else lambda index: mask_frame(mask, index, size)


def as_socket(crop, masks: list) -> dict:
    """The value of the socket: the plan with the cropped masks, which are not copied."""
    from dataclasses import asdict

    value = asdict(crop)
    for clip, mask in zip(value["clips"], masks, strict=True):
        clip["mask"] = mask
    return value


def frame_step(frame_rule: str) -> int:
    """The step of a rule for numbers of frames."""
    from ...models.choices import check_choice

    check_choice(frame_rule, tuple(FRAME_RULES))
    return FRAME_RULES[frame_rule]


def is_still(box_motion: str) -> bool:
    """Whether the box stays in one place."""
    from ...models.choices import check_choice

    check_choice(box_motion, BOX_MOTIONS)
    return box_motion == BOX_MOTIONS[1]


def check_crop_memory(crop) -> None:
    """Refuses boxes whose pictures and masks do not fit in memory."""
    sizes = [crop.output_size or box_size(clip.boxes[0]) for clip in crop.clips]
    frames, largest = sum(clip.pictures for clip in crop.clips), max(sizes, key=prod)
    advice = "set a smaller width and height, or use fewer frames"
    check_frames_memory("Crop to Subject", frames, largest, 4, advice=advice)


def box_size(box) -> tuple[int, int]:
    """Height and width of one box."""
    left, top, right, bottom = box.tolist()
    return bottom - top, right - left


def check_overlap(max_frames: int, overlap_frames: int, step: int = 1) -> None:
    """Refuses clips so short that three of them would share a frame."""
    from ...models.layers.crop import allowed_frames

    most = allowed_frames(max_frames, step)
    if most and most <= 2 * overlap_frames:
        rule = f" ({most} by frame_rule)" if most != max_frames else ""
        raise ValueError(
            f"max_frames: expected more than twice the overlap_frames of {overlap_frames}, got {max_frames}{rule}: lower "
            "overlap_frames."
        )


def read_size(width: int, height: int, multiple: int = 8) -> tuple[int, int] | None:
    """Height and width of the cropped pictures, or None for the clip's own pixels."""
    if bool(width) != bool(height):
        raise ValueError(f"Expected both width and height or neither, got {width} x {height}: set the other one.")
    for name, side in (("width", width), ("height", height)):
        if (
            multiple > 8 and side % multiple
        ):  # the page gives multiples of 8 only, other sizes come from older workflows
            low = side - side % multiple
            raise ValueError(
                f"{name}: expected a multiple of size_multiple {multiple}, got {side}: set {low or multiple} or "
                f"{low + multiple}, or another size_multiple."
            )
    return (height, width) if width else None


def cut_clips(images, mask, crop) -> tuple[list, list]:
    """Pictures (n, h, w, 3) and masks (n, h, w) of each clip."""
    import torch

    from ...models.layers.crop import cut_box
    from ...models.layers.masks import mask_frame
    from ..host.progress import progress

    report, done = progress(sum(len(clip.boxes) for clip in crop.clips)), 0
    pictures, masks = [], []
    for clip in crop.clips:
        size = crop.output_size or box_size(clip.boxes[0])
        pictures.append(torch.empty(clip.pictures, *size, 3))
        masks.append(torch.empty(clip.pictures, *size))
        for place, box in enumerate(clip.boxes):
            index = clip.start + place
            both = torch.cat((images[index], mask_frame(mask, index, crop.size)[..., None]), -1)
            part = cut_box(both, box, crop.output_size)
            pictures[-1][place], masks[-1][place] = part[..., :3], part[..., 3]
            report(done := done + 1)
        pictures[-1][len(clip.boxes) :], masks[-1][len(clip.boxes) :] = pictures[-1][place], masks[-1][place]
    return pictures, masks


class PasteCrop(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetPasteCrop",
            display_name="Paste Crop Back",
            category=CATEGORY,
            description="Pastes the pictures of Crop to Subject back into the clip after they were edited, with soft edges. "
            "Unchanged pixels stay those of the clip.",
            search_aliases=["paste back", "uncrop", "stitch", "inpaint stitch", "paste crop", "crop person", "ROI"],
            is_input_list=True,
            inputs=[
                clip_input("original_images", tooltip="The clip that was cropped."),
                clip_input("images", tooltip="The cropped clips after editing, with the same numbers of frames."),
                Crop.Input("crop", tooltip="The places of the cropped pictures, from Crop to Subject."),
                io.Mask.Input(
                    "protect_mask", optional=True,
                    tooltip="White where the original clip stays, for example occluder_mask of Decompose into Layers.",
                ),
                io.Float.Input(
                    "feather", default=16.0, min=0.0, max=512.0, step=1.0,
                    tooltip="Pixels over which the edge of the box fades into the clip. Raise it if a border is visible.",
                ),
                io.Mask.Input(
                    "subject_mask", optional=True,
                    tooltip="White where the subject is in the edited pictures. If connected, only the subject is pasted; without it the "
                    "whole box is.",
                ),
                io.Float.Input(
                    "subject_feather", default=3.0, min=0.0, max=512.0, step=1.0, optional=True,
                    tooltip="Pixels of the clip over which the edge of the subject fades. Has an effect with subject_mask.",
                ),
                io.Int.Input(
                    "defringe", default=2, min=0, max=64, step=1, optional=True,
                    tooltip="Pixels of the clip along the edge of the subject that get the colors from inside it, so that no rim of the "
                    "generated background is left. 0 leaves the colors unchanged. Has an effect with subject_mask.",
                ),
                io.Float.Input(
                    "color_match_strength", default=0.0, min=0.0, max=1.0, step=0.01, optional=True,
                    tooltip="How much the edited pictures get the colors of the original, measured around the subject. 0 leaves them "
                    "unchanged.",
                ),
                io.Int.Input(
                    "smoothing_frames", default=9, min=1, max=1001, step=2, optional=True, advanced=True,
                    tooltip="Frames over which the correction of the colors is averaged. Raise it if the brightness trembles.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="images", tooltip="The clip with the edited pictures in it."),
                io.String.Output(
                    display_name="report",
                    tooltip="How tall the subject is against that of the original, where it touches the box, and the correction of "
                    "colors.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, original_images, images, crop, feather, protect_mask=None, subject_mask=None, subject_feather=(3.0,),
        defringe=(2,), color_match_strength=(0.0,), smoothing_frames=(9,),
    ) -> io.NodeOutput:  # fmt: skip
        from ...models.layers.crop import split_clips
        from ...models.layers.paste import Paste
        from ..host.notice import show_warning
        from ..inputs import clips

        check_clip_memory("Paste Crop Back", original_images[0], 3, for_one=40 if subject_mask else 6)
        original, crop = read_original(original_images[0], read_crop(crop[0]))
        edited = split_clips([clips.pictures(batch) for batch in images], crop)
        protect = None if protect_mask is None else clips.masks(protect_mask[0], "protect_mask", crop.frames)
        subjects = None if subject_mask is None else read_subjects(subject_mask, crop)
        paste = Paste(
            original, edited, crop, protect, subjects, feather[0], subject_feather[0], defringe[0],
            color_match_strength[0], smoothing_frames[0],
        )  # fmt: skip
        result = paste_clips(paste)
        lines, warning = paste.report()
        show_warning(warning, "The subject fits into the box.")
        return io.NodeOutput(result, "\n".join(lines))


def read_original(images, crop) -> tuple:
    """The clip that was cropped, as the crop expects it, and the crop."""
    from ..inputs import clips

    original = clips.pictures(images, "original_images")
    clips.same_size("original_images", original, crop.size, crop.frames)
    if len(original) != crop.frames:
        raise ValueError(
            f"original_images: expected the {crop.frames} frames that were cropped, got {len(original)}: connect "
            "the clip that went into Crop to Subject."
        )
    return original, crop


def read_subjects(masks: list, crop) -> list:
    """The masks of the subject, one batch for each cropped clip."""
    from ...models.layers.crop import split_clips
    from ..inputs import clips

    batches = [clips.masks(batch, "subject_mask") for batch in masks]
    if all(len(batch) == 1 for batch in batches) and len(batches) in (1, len(crop.clips)):
        return batches * (len(crop.clips) // len(batches))
    return split_clips(batches, crop, "subject_mask")


def read_crop(value):
    """The value of the socket to a crop."""
    from ...models.layers.crop import Clip
    from ...models.layers.crop import Crop as Plan

    if not isinstance(value, dict) or not {"frames", "size", "output_size", "clips"} <= value.keys():
        raise ValueError(f"crop: expected DUET_CROP, got {type(value).__name__}: connect Crop to Subject.")
    clips = [
        Clip(clip["start"], clip["boxes"], clip.get("repeated", 0), clip.get("subject"), clip.get("mask"))
        for clip in value["clips"]
    ]
    return Plan(value["frames"], tuple(value["size"]), value["output_size"], clips)


def paste_clips(paste):
    """The clip (N, H, W, 3) with the edited clips in it."""
    import torch

    from ..host.progress import progress

    frames = len(paste.original)
    report = progress(frames * (2 if paste.matches_colours else 1))
    paste.measure_colours(report)
    out = torch.empty_like(paste.original)
    for index in range(frames):
        out[index] = paste.frame(index)
        report(frames * paste.matches_colours + index + 1)
    return out
