"""One person of several in a mask."""

import logging

import torch
from comfy_api.latest import io

from ..inputs.memory import check_clip_memory
from ..inputs.video import clip_input
from .decompose import CATEGORY

MOST_PEOPLE = 32  # whose masks are given


def person_choice() -> io.DynamicCombo.Input:
    option = io.DynamicCombo.Option
    number = io.Int.Input(
        "person_number", default=0, min=0, max=MOST_PEOPLE - 1, step=1,
        tooltip="Number of the person, as in the preview; 0 is the largest over the clip.",
    )  # fmt: skip
    point = [
        io.Int.Input(
            "person_x",
            default=0,
            min=0,
            max=16384,
            step=1,
            tooltip="Pixels from the left side of the mask to the person.",
        ),
        io.Int.Input(
            "person_y",
            default=0,
            min=0,
            max=16384,
            step=1,
            tooltip="Pixels from the upper side of the mask to the person.",
        ),
        io.Int.Input(
            "person_frame", default=0, min=0, max=100000, step=1, tooltip="The frame that the point is in, from 0."
        ),
    ]
    return io.DynamicCombo.Input(
        "select_by", options=[option("number", [number]), option("point", point)],
        tooltip="How the person is chosen. number: a number from the preview. point: a pixel on the person in one frame; "
        "beside all people it is the nearest.",
    )  # fmt: skip


class SelectPerson(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetSelectPerson",
            display_name="Select Person in Mask",
            category=CATEGORY,
            description="Separates the people in one mask and gives the mask of one of them, and those of the others as "
            "objects. People are followed through the clip, also while two of them cross. For removing or replacing one "
            "person of several.",
            search_aliases=[
                "choose person", "one person of several", "two people", "several people", "crowd", "separate people",
                "split mask", "split people", "instance mask", "track people", "tracking", "person id", "remove one person",
                "connected components", "pick subject",
            ],
            inputs=[
                io.Mask.Input(
                    "mask",
                    tooltip="White where people are, one mask for each frame, from Mask by Motion or Remove Background.",
                ),
                clip_input(
                    "images", optional=True,
                    tooltip="The frames of the clip. With them people who meet and part are also recognised by their colours.",
                ),
                person_choice(),
                io.Float.Input(
                    "min_area_percent", default=0.2, min=0.0, max=50.0, step=0.05,
                    tooltip="Percent of the picture that a person covers at least in each frame. Raise it if specks of the mask "
                    "become people, lower it for people far away.",
                ),
            ],
            outputs=[
                io.Mask.Output(display_name="person_mask", tooltip="The chosen person, for Decompose into Layers."),
                io.Mask.Output(
                    display_name="other_masks",
                    tooltip="The other people, one clip after the other, as object_masks of Decompose into Layers takes them. "
                    "Black where there are none.",
                ),
                io.Int.Output(display_name="person_count", tooltip="Number of people that were found."),
                io.Image.Output(
                    display_name="preview", tooltip="The frame of each person in which it is largest, with the numbers."
                ),
                io.String.Output(
                    display_name="report", tooltip="For each person how large it is, and the frames that it is in."
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, mask, select_by, min_area_percent, images=None) -> io.NodeOutput:
        from ...models.layers.people import find_people
        from ..host.notice import show_warning
        from ..host.progress import progress
        from ..inputs import clips

        masks = clips.masks(mask, "mask")
        frames = len(masks)
        if images is not None:
            images = clips.pictures(images)
            masks = clips.masks(mask, "mask", len(images))
            check_pictures(images, masks)
        people = find_people(masks, images, min_area_percent / 100, progress(frames))
        lines = sentences(people)
        logging.info("\n".join(lines))
        show_warning(lines[0] if not people.count else None, "There are people in the mask.")
        chosen = chosen_person(people, select_by, masks)
        return io.NodeOutput(
            *masks_of(people, masks, chosen), people.count, preview(people, masks, images), "\n".join(lines)
        )


def check_pictures(images: torch.Tensor, masks: torch.Tensor) -> None:
    """Refuses pictures (N, H, W, 3) of another size than the masks (N, h, w)."""
    if tuple(images.shape[:3]) != tuple(masks.shape):
        raise ValueError(
            f"images: expected {len(masks)} pictures of {masks.shape[2]} x {masks.shape[1]} like the mask, got {len(images)} of "
            f"{images.shape[2]} x {images.shape[1]}: connect the clip that the mask was made of."
        )


def sentences(people) -> list[str]:
    """How many people there are, and for each its size and frames."""
    frames = len(people.labels)
    if not people.count:
        return [f"No person in {frames} frames: check the mask, or lower min_area_percent."]
    lines = [f"{people.count} {'person' if people.count == 1 else 'people'} in {frames} frames."]
    for number in range(people.count):
        seen = people.frames_of(number)
        share = 100 * (people.labels[seen] == number + 1).mean()
        lines.append(
            f"Person {number}: {share:.1f} % of the picture, in {len(seen)} frames from {seen[0]} to {seen[-1]}."
        )
    return lines


def chosen_person(people, select_by: dict, masks: torch.Tensor) -> int | None:
    """The number of the chosen person, or None where the clip shows no person."""
    if not people.count:
        return None
    if select_by["select_by"] == "number":
        number = select_by["person_number"]
        if number >= people.count:
            raise ValueError(
                f"person_number: expected a number below {people.count}, got {number}: take it from the preview or the "
                f"report. {' '.join(sentences(people))}"
            )
        return number
    x, y, frame = (select_by[f"person_{name}"] for name in ("x", "y", "frame"))
    (frames, height, width) = masks.shape
    if frame >= frames or x >= width or y >= height:
        raise ValueError(
            f"point: expected a pixel in {width} x {height} and a frame below {frames}, got pixel {x}, {y} in frame {frame}: "
            "count both from 0."
        )
    number = people.at(frame, y, x)
    if number is None:
        raise ValueError(
            f"person_frame: expected a frame that shows a person, got {frame}: take another one. {' '.join(sentences(people))}"
        )
    return number


def masks_of(people, masks: torch.Tensor, chosen: int | None) -> tuple[torch.Tensor, torch.Tensor]:
    """The chosen person (N, H, W), and the others one after the other ((K - 1) N, H, W); black where there is none."""
    others = [number for number in range(min(people.count, MOST_PEOPLE)) if number != chosen]
    check_clip_memory("Select Person in Mask", masks, max(2, len(others) + 1))
    of = lambda number: torch.stack([people.mask(masks, number, frame) for frame in range(len(masks))])
    black = torch.zeros_like(masks)
    return black if chosen is None else of(chosen), torch.cat([of(number) for number in others]) if others else black


def preview(people, masks: torch.Tensor, images: torch.Tensor | None) -> torch.Tensor:
    """(P, H, W, 3) frames in which each person is largest, at most four, with outlines and numbers."""
    from ...models.layers.preview import MAX_PICTURES, draw_labels

    areas = [(people.labels == number + 1).sum((1, 2)).argmax() for number in range(people.count)] or [len(masks) // 2]
    frames = sorted(dict.fromkeys(int(frame) for frame in areas[:MAX_PICTURES]))
    picture = lambda frame: 0.5 * masks[frame][..., None].expand(-1, -1, 3) if images is None else images[frame]
    labels = lambda frame: [
        (people.mask(masks, number, frame), str(number), (1.0, 1.0, 1.0)) for number in range(people.count)
    ]
    return torch.stack([draw_labels(picture(frame), labels(frame)) for frame in frames])
