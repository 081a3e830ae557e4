"""A subject cut out of a clip with a box that follows it, and put back."""

from comfy_api.latest import io

from ..host.types import Crop
from .decompose import CATEGORY


class CropToSubject(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetCropToSubject",
            display_name="Crop to Subject",
            category=CATEGORY,
            description="Cuts a person or an object out of a clip with a box that glides along with it, so that a model "
            "works on what matters at its best size. Paste Back puts the result into the clip again.",
            search_aliases=["ROI", "inpaint crop", "moving crop", "zoom", "face crop", "track crop", "stitch"],
            inputs=[
                io.Image.Input("images", tooltip="The frames of the clip."),
                io.Mask.Input("mask", tooltip="White where the subject is, for example human of Decompose Layers."),
                io.Int.Input(
                    "width", default=0, min=0, max=8192, step=8,
                    tooltip="Width of the cut pictures. 0 keeps the pixels of the clip, which is exact and cannot blur.",
                ),
                io.Int.Input(
                    "height", default=0, min=0, max=8192, step=8,
                    tooltip="Height of the cut pictures. 0 keeps the pixels of the clip.",
                ),
                io.Float.Input(
                    "padding", default=0.1, min=0.0, max=4.0, step=0.01,
                    tooltip="Room around the subject on every side, as a share of its size.",
                ),
                io.Int.Input(
                    "smooth", default=9, min=1, max=1001, step=2,
                    tooltip="Frames over which the way of the box is averaged. More glides more and needs a larger box.",
                ),
                io.Int.Input(
                    "longest", default=0, min=0, max=100000, step=1,
                    tooltip="The most frames of one clip, for models with a limit. 0 does not split by length.",
                ),
                io.Int.Input(
                    "overlap", default=4, min=0, max=256, step=1,
                    tooltip="Frames that two clips share; Paste Back cross-fades over them.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="images", is_output_list=True,
                    tooltip="The cut clips: usually one, more where the subject becomes much smaller or larger. What "
                    "follows runs once for each.",
                ),
                io.Mask.Output(display_name="masks", is_output_list=True, tooltip="The mask, cut in the same way."),
                Crop.Output(display_name="crop", tooltip="Where the cut pictures come from, for Paste Back."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, images, mask, width, height, padding, smooth, longest, overlap) -> io.NodeOutput:
        from dataclasses import asdict

        from ...models.layers.crop import Framing, plan
        from ...models.layers.masks import mask_frame
        from ..inputs import clips

        images = clips.pictures(images)
        mask, size = clips.masks(mask, "mask", len(images)), tuple(images.shape[1:3])
        if longest and longest <= 2 * overlap:
            raise ValueError(
                f"longest: expected more than twice the overlap of {overlap}, got {longest}: lower the overlap."
            )
        framing = Framing(padding, smooth, longest, overlap, picture=picture_size(width, height))
        crop = plan(lambda index: mask_frame(mask, index, size), len(images), size, framing)
        pictures, masks = cut_clips(images, mask, crop)
        return io.NodeOutput(pictures, masks, asdict(crop))


def picture_size(width: int, height: int) -> tuple[int, int] | None:
    """Height and width that were asked for, or None for the clip's own pixels."""
    if bool(width) != bool(height):
        raise ValueError(f"Expected both width and height or neither, got {width} x {height}: set the other one.")
    return (height, width) if width else None


def cut_clips(images, mask, crop) -> tuple[list, list]:
    """Pictures (n, h, w, 3) and masks (n, h, w) of each clip."""
    import torch

    from ...models.layers.crop import cut
    from ...models.layers.masks import mask_frame
    from ..host.progress import progress

    report, done = progress(sum(len(clip.boxes) for clip in crop.clips)), 0
    pictures, masks = [], []
    for clip in crop.clips:
        parts = []
        for index, box in zip(range(clip.start, clip.stop), clip.boxes, strict=True):
            both = torch.cat((images[index], mask_frame(mask, index, crop.size)[..., None]), -1)
            parts.append(cut(both, box, crop.picture))
            report(done := done + 1)
        whole = torch.stack(parts)
        pictures.append(whole[..., :3].contiguous())
        masks.append(whole[..., 3].contiguous())
    return pictures, masks


class PasteBack(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetPasteBack",
            display_name="Paste Back",
            category=CATEGORY,
            description="Puts what was cut out by Crop to Subject back into the clip, with soft edges that do not fade "
            "where the picture itself ends. Pixels that nobody changed stay the clip's own.",
            search_aliases=["ROI", "stitch", "uncrop", "inpaint stitch", "paste crop"],
            is_input_list=True,
            inputs=[
                io.Image.Input("source", tooltip="The clip that was cropped."),
                io.Image.Input("images", tooltip="The cut clips after your work, with as many frames as they had."),
                Crop.Input("crop", tooltip="From Crop to Subject."),
                io.Float.Input(
                    "feather", default=16.0, min=0.0, max=512.0, step=1.0,
                    tooltip="Over how many pixels the edge of the box fades into the clip.",
                ),
                io.Mask.Input(
                    "keep", optional=True,
                    tooltip="White where the clip stays in front, for example occluder of Decompose Layers.",
                ),
            ],
            outputs=[io.Image.Output(display_name="images", tooltip="The clip with the cut clips in it.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, source, images, crop, feather, keep=None) -> io.NodeOutput:
        from ...models.layers.crop import split_clips
        from ..inputs import clips

        source, crop = clips.pictures(source[0], "source"), read_crop(crop[0])
        clips.same_size("source", source, crop.size, crop.frames)
        if len(source) != crop.frames:
            raise ValueError(f"source: expected the {crop.frames} frames that were cropped, got {len(source)}.")
        made = split_clips([clips.pictures(batch) for batch in images], crop)
        keep = None if keep is None else clips.masks(keep[0], "keep", crop.frames)
        return io.NodeOutput(pasted(source, made, crop, feather[0], keep))


def read_crop(value):
    """The value of the socket to a crop."""
    from ...models.layers.crop import Clip
    from ...models.layers.crop import Crop as Plan

    if not isinstance(value, dict) or not {"frames", "size", "picture", "clips"} <= value.keys():
        raise ValueError(f"crop: expected DUET_CROP, got {type(value).__name__}: connect Crop to Subject.")
    clips = [Clip(clip["start"], clip["boxes"]) for clip in value["clips"]]
    return Plan(value["frames"], tuple(value["size"]), value["picture"], clips)


def pasted(source, made: list, crop, feather: float, keep):
    """The clip (N, H, W, 3) with the made clips in it."""
    import torch

    from ...models.layers.crop import paste_frame
    from ...models.layers.masks import mask_frame
    from ..host.progress import progress

    out, report = torch.empty_like(source), progress(len(source))
    for index in range(len(source)):
        front = None if keep is None else mask_frame(keep, index, crop.size)
        out[index] = paste_frame(source[index], made, crop, index, feather, front)
        report(index + 1)
    return out
