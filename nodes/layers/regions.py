"""Masks of painted regions, such as the second clip of UnityVideo as segmentation."""

import logging

import torch
from comfy_api.latest import io

from ...models.choices import REGION_BACKGROUNDS
from ..inputs.memory import check_clip_memory
from ..inputs.video import clip_input
from .decompose import CATEGORY


class ColorsToMasks(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetColorsToMasks",
            display_name="Colored Regions to Masks",
            category=CATEGORY,
            description="Makes a mask clip of every colour in a clip of painted regions, such as the second clip of UnityVideo as "
            "segmentation. Noise, blur and the losses of a video file or a VAE change the masks little. For Decompose into Layers.",
            search_aliases=[
                "segmentation to mask", "segmentation map", "color to mask", "color mask", "mask from color", "mask by color",
                "ID matte", "object ID pass", "cryptomatte", "semantic segmentation", "UnityVideo", "second clip to masks",
                "split mask by color", "region masks", "colour to mask", "key color",
            ],
            inputs=[
                clip_input("images", tooltip="A clip of painted regions, every object in one colour in all frames."),
                io.Combo.Input(
                    "background_color", options=list(REGION_BACKGROUNDS), default="black",
                    tooltip="The colour that is no object. black, white: the colour nearest to it, also a grey or bluish one. largest "
                    "region: the colour of the largest area. none: every colour is an object.",
                ),
                io.Int.Input(
                    "person_number", default=0, min=-1, max=63, step=1,
                    tooltip="Number of the region that is the person, as in the preview; 0 is the largest over the clip. Its mask goes to "
                    "person_mask, all others to object_masks. -1: all go to object_masks.",
                ),
                io.Float.Input(
                    "min_area_percent", default=0.2, min=0.0, max=50.0, step=0.05,
                    tooltip="Percent of the picture that a piece of a region must cover. Smaller pieces join what is around them. Raise "
                    "it against specks, lower it for small objects.",
                ),
                io.Float.Input(
                    "color_difference", default=12.0, min=2.0, max=60.0, step=0.5, advanced=True,
                    tooltip="How far the colours of two regions lie apart at least, in percent of black to white. Lower it if two "
                    "objects of similar colours become one, raise it if one object becomes two.",
                ),
            ],
            outputs=[
                io.Mask.Output(display_name="person_mask", tooltip="White in the region of person_number, for Decompose into Layers."),
                io.Mask.Output(
                    display_name="object_masks",
                    tooltip="The other regions, one clip after the other, as object_masks of Decompose into Layers takes them. Black "
                    "where there are none.",
                ),
                io.Int.Output(display_name="region_count", tooltip="Number of regions that were found, without the background."),
                io.Image.Output(display_name="preview", tooltip="The frame of each region in which it is largest, with the numbers."),
                io.String.Output(
                    display_name="report",
                    tooltip="Colour, area and frames of every region, and how far the pixels lie beside these colours.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, images, background_color, person_number, min_area_percent, color_difference) -> io.NodeOutput:
        from ...models.layers.regions import find_regions
        from ..host.notice import show_warning
        from ..host.progress import progress
        from ..inputs import clips

        check_clip_memory("Colored Regions to Masks", images, 1, for_one=240)
        images = clips.pictures(images)
        report = progress(2 * len(images))
        regions = find_regions(images, background_color, color_difference, min_area_percent / 100, report)
        text = "\n".join((summary(regions), *regions.sentences()))
        logging.info(text)
        show_warning(regions.advice, "The pictures are painted regions.")
        masks = masks_of(regions, person_number)
        return io.NodeOutput(*masks, regions.count, preview(images, regions), text)


def summary(regions) -> str:
    """How many regions there are, and how well their colours fit."""
    fit = f"{regions.count} regions; the colours lie {regions.residual:.1f} % beside those of their regions on average."
    return f"{fit} {regions.advice}" if regions.advice else fit


def masks_of(regions, person_number: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The person (N, H, W), and the other regions one after the other ((K - 1) N, H, W); black where there is none."""
    if regions.count and person_number >= regions.count:
        raise ValueError(
            f"person_number: expected a number below {regions.count}, got {person_number}: take it from the report, "
            f"{'; '.join(regions.sentences())}"
        )
    numbers = range(regions.count)
    check_clip_memory("Colored Regions to Masks", regions.labels, max(1, regions.count))
    black = torch.zeros(regions.labels.shape)
    person = regions.mask(person_number) if person_number in numbers else black
    others = [regions.mask(number) for number in numbers if number != person_number]
    return person, torch.cat(others) if others else black


def preview(images, regions) -> torch.Tensor:
    """(P, H, W, 3) frames in which each region is largest, at most four, with outlines and numbers."""
    from ...models.layers.preview import MAX_PICTURES, draw_labels

    areas = torch.stack(
        [(regions.labels == number + 1).flatten(1).sum(1) for number in range(regions.count)]
        or [torch.ones(len(images))]
    )
    frames = sorted(dict.fromkeys(areas.argmax(1).tolist()[:MAX_PICTURES]))
    labels = lambda index: [
        (regions.labels[index] == number + 1, str(number), (1.0, 1.0, 1.0)) for number in range(regions.count)
    ]
    return torch.stack([draw_labels(images[index], labels(index)) for index in frames])
