"""Two clips in one picture: a clip and its depth, or two versions of a clip.

Letters: N frames, H and W pixels.
"""

from collections.abc import Callable

from comfy_api.latest import io
from torch import Tensor

from ...models.choices import EDGE_COLOURS, WIPE_DIRECTIONS
from ..inputs.memory import check_clip_memory
from ..inputs.video import clip_input
from .frames import CATEGORY

BESIDE, ABOVE, WIPE, EDGES, ERROR = "side by side", "over-under", "wipe", "depth edges", "error"
Drawer = Callable[[Tensor], Tensor]
FACTORS = {BESIDE: (1, 2), ABOVE: (2, 1)}  # height and width of the result in those of a frame


def comparison_input() -> io.DynamicCombo.Input:
    """The ways in which two clips become one, each with its settings."""
    option = io.DynamicCombo.Option
    part = lambda name, default, when: io.Float.Input(
        name, default=default, min=0.0, max=1.0, step=0.01,
        tooltip=f"Part of the picture that images cover in the {when} frame: 0 is none of it, 1 all. Set it to the other one for "
        "a line that stays.",
    )  # fmt: skip
    wipe = [
        part("start_position", 0.0, "first"),
        part("end_position", 1.0, "last"),
        io.Combo.Input(
            "wipe_direction", options=list(WIPE_DIRECTIONS), default=WIPE_DIRECTIONS[0],
            tooltip="left to right: images are on the left. top to bottom: images are at the top.",
        ),
    ]  # fmt: skip
    edges = [
        io.Float.Input(
            "edge_threshold", default=0.04, min=0.001, max=1.0, step=0.001,
            tooltip="Greys by which the depth of neighbouring pixels must differ to count as an edge. Raise it if surfaces are "
            "full of lines, lower it if outlines are missing.",
        ),
        io.Combo.Input(
            "edge_color", options=list(EDGE_COLOURS), default="yellow",
            tooltip="Colour of the edges. Choose one that is rare in the clip.",
        ),
    ]  # fmt: skip
    gain = io.Float.Input(
        "error_gain", default=4.0, min=0.1, max=100.0, step=0.1,
        tooltip="Factor for the brightness of the error. Raise it to show small errors.",
    )  # fmt: skip
    return io.DynamicCombo.Input(
        "comparison",
        options=[
            option(BESIDE, []),
            option(ABOVE, []),
            option(WIPE, wipe),
            option(EDGES, edges),
            option(ERROR, [gain]),
        ],
        tooltip="side by side, over-under: both whole. wipe: one up to a line, the other one beyond it. depth edges: where the "
        "greys of other_images jump, drawn over images; they should lie on the outlines of things. error: how far both differ, "
        "black where they are equal.",
    )


def label(name: str, whose: str) -> io.String.Input:
    return io.String.Input(
        name, default="", optional=True,
        tooltip=f"Text in the corner of {whose}, in Latin letters. Empty: no text.",
    )  # fmt: skip


class ComparePair(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetComparePair",
            display_name="Compare Video and Depth",
            category=CATEGORY,
            description="Shows a clip and its depth, or two versions of a clip, in one picture: beside each other, with a wipe "
            "that may move, as edges of the depth over the clip, or how far both differ.",
            search_aliases=[
                "side by side", "split screen", "before after", "before and after", "wipe", "A/B", "compare clips", "overlay",
                "depth overlay", "outline", "stack images", "over under", "top bottom", "check depth", "slider",
            ],
            inputs=[
                clip_input("images", tooltip="The clip."),
                clip_input(
                    "other_images",
                    tooltip="Depth of the clip as grey pictures, or another clip: as many frames. Another size is fitted to that "
                    "of images, with black borders where its shape is another.",
                ),
                comparison_input(),
                label("first_label", "images"),
                label("second_label", "other_images"),
            ],
            outputs=[
                io.Image.Output(display_name="images", tooltip="One picture for each frame, for Frames to Video."),
                io.String.Output(display_name="report", tooltip="Frames and size, and what was fitted."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, images, other_images, comparison, first_label="", second_label="") -> io.NodeOutput:
        from ..inputs import checks
        from ..inputs.depth import by_frames

        high, wide = FACTORS.get(comparison["comparison"], (1, 1))
        check_clip_memory("Compare Video and Depth", images, 3 * high * wide + 1, for_one=40)
        images, other = checks.rgb(images), checks.rgb(other_images, "other_images")
        checks.same_frames(images=images, other_images=other)
        size = tuple(images.shape[1:3])
        first, second = labels(comparison, size, first_label, second_label)
        join = joined(comparison, len(images), first, second)
        pair = lambda index: (images[index], fitted(other[index], size).to(images))
        like = images[:1, :1, :1, 0].expand(len(images), high * size[0], wide * size[1])
        return io.NodeOutput(by_frames(like, lambda i: join(*pair(i), i)), report(len(images), size, other))


def joined(comparison: dict, frames: int, first: Drawer, second: Drawer) -> Callable[[Tensor, Tensor, int], Tensor]:
    """A function that makes one picture of two (H, W, 3) and the number of the frame, with their labels drawn."""
    import torch

    from ...models.video import compare

    def wiped(picture: Tensor, other: Tensor, index: int) -> Tensor:
        start, end = comparison["start_position"], comparison["end_position"]
        position = start + (end - start) * index / max(1, frames - 1)
        return compare.wipe(first(picture), second(other), position, comparison["wipe_direction"])

    def edged(picture: Tensor, other: Tensor, index: int) -> Tensor:
        colour = EDGE_COLOURS[comparison["edge_color"]]
        return second(first(compare.draw_edges(picture, other, comparison["edge_threshold"], colour)))

    return {
        BESIDE: lambda picture, other, index: torch.cat((first(picture), second(other)), 1),
        ABOVE: lambda picture, other, index: torch.cat((first(picture), second(other)), 0),
        WIPE: wiped,
        EDGES: edged,
        ERROR: lambda picture, other, index: second(first(compare.error(picture, other, comparison["error_gain"]))),
    }[comparison["comparison"]]


def labels(comparison: dict, size: tuple[int, int], first: str, second: str) -> tuple[Drawer, Drawer]:
    """Functions that draw each label: the first at the top left, the second at the right where both clips share a picture."""
    from ...models.video.compare import label_mask, labelled

    shared, downwards = comparison["comparison"] not in FACTORS, comparison.get("wipe_direction") == WIPE_DIRECTIONS[1]

    def drawer(text: str, name: str, right: bool, bottom: bool) -> Drawer:
        text = latin(text, name)
        mask = label_mask(text, size) if text else None
        return lambda picture: picture if mask is None else labelled(picture, mask, right, bottom)

    return drawer(first, "first_label", False, False), drawer(second, "second_label", shared, downwards)


def latin(text: str, name: str) -> str:
    """A label whose letters can be drawn."""
    text = " ".join(text.split())
    if not text.isascii():
        raise ValueError(
            f"{name}: expected Latin letters without accents, got {text!r}: write it in these, or leave it empty."
        )
    return text


def fitted(picture: Tensor, size: tuple[int, int]) -> Tensor:
    from ...models.video.compare import fit

    return fit(picture, size)


def report(frames: int, size: tuple[int, int], other: Tensor) -> str:
    """What was compared, and what was fitted."""
    from ...models.video.compare import inner_size

    text, came = f"{frames} frames of {size[1]} x {size[0]}.", tuple(other.shape[1:3])
    if came == size:
        return text
    height, width = inner_size(came, size)
    border = "" if (height, width) == size else ", with black borders because its shape is another"
    return f"{text} other_images of {came[1]} x {came[0]} were scaled to {width} x {height}{border}."
