"""Flows of several objects put together."""

from comfy_api.latest import io

from ..host.types import Flow
from ..inputs.flows import PARTS

CATEGORY = "Duet/flow"
MASKS = ("picture", "frames")


class ComposeFlows(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        side = {"default": 0, "min": 0, "max": 16384, "step": 1}
        return io.Schema(
            node_id="DuetComposeFlows",
            display_name="Compose Flows",
            category=CATEGORY,
            description="Gives one object of a picture its own motion and everything else another, or none. For several "
            "objects put one node behind the other.",
            search_aliases=["combine flows", "multiple objects", "mask flow", "merge motion", "two people"],
            inputs=[
                Flow.Input("over", tooltip="The motion of the object."),
                io.Mask.Input(
                    "mask", tooltip="White where the object is, as large as the whole picture or in its shape."
                ),
                Flow.Input("below", optional=True, tooltip="The motion of everything else. Without it all else rests."),
                io.Combo.Input(
                    "mask_of", options=list(MASKS), default=MASKS[0],
                    tooltip="picture: one mask, of the still picture; it moves with its object, and where the object was "
                    "is a hole. frames: the mask shows where the object is in every frame.",
                ),
                io.Int.Input("x", **side, tooltip="Left edge of the part of the picture that over was made for."),
                io.Int.Input("y", **side, tooltip="Upper edge of that part, in pixels of the mask."),
                io.Int.Input("width", **side, tooltip="Width of that part. 0: over was made for the whole picture."),
                io.Int.Input("height", **side, tooltip="Height of that part. 0: over was made for the whole picture."),
            ],
            outputs=[Flow.Output(display_name="flow", tooltip="Both motions in one flow.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, over, mask, below=None, mask_of=MASKS[0], x=0, y=0, width=0, height=0) -> io.NodeOutput:
        from ..inputs import checks
        from ..inputs import flows as fields

        mask = checks.mask(mask)
        box = (x, y, width or mask.shape[2], height or mask.shape[1])
        still, out = mask_of == MASKS[0], {}
        for way in shared(over, below, mask if still else None):
            out |= fields.as_flow(way, joined(over, below, way, mask, still, box))
        return io.NodeOutput(out)


def shared(over, below, still) -> list[str]:
    """Which parts both flows have; a mask of the still picture is one and needs flows that fetch from it."""
    from ..inputs.flows import MEANS, held

    both = [name for name in held(over) if below is None or name in held(below)]
    if still is not None and len(still) != 1:
        raise ValueError(
            f"mask: of the picture one was expected, got {len(still)}: trim them, or set mask_of to {MASKS[1]}."
        )
    ways = [way for way, name in PARTS.items() if name in both and (still is None or name == "to_picture")]
    if not ways:
        leads = [MEANS[held(flow)[0]] for flow in (over, below) if flow is not None]
        raise ValueError(
            f"A mask of the {MASKS[0] if still is not None else MASKS[1]} cannot join flows that lead "
            f"{' and '.join(leads)}: estimate both the same way, or set mask_of to {MASKS[1]} for flow between neighbours."
        )
    return ways


def joined(over, below, way: str, mask, of_picture: bool, box: tuple):
    """One part of both flows, the object's in its box, by a mask (1 or N, H, W)."""
    from ...models.flow.fields import composed, placed, proportional, rest
    from ..inputs import checks
    from ..inputs import flows as fields

    top = fields.part(over, way)
    bottom = None if below is None else fields.part(below, way)
    checks.same_frames(over=top.share, below=None if bottom is None else bottom.share)
    size = canvas(top, mask, box) if bottom is None else bottom.size
    bottom = rest(len(top.share), size, top.share) if bottom is None else bottom
    if not proportional(size, mask.shape[1:]):
        raise ValueError(
            f"mask: expected the shape of the flow, {size[1]} x {size[0]}, got {mask.shape[2]} x {mask.shape[1]}: crop it."
        )
    box = in_points(box, mask, size)
    top, here = placed(fields.fitted(top, box[3:1:-1], "its part of the picture"), box, size)
    mask = checks.mask(for_frames(mask, way, len(top.share)), frames=None, size=size)
    return composed(top, bottom, mask, of_picture, here)


def for_frames(mask, way: str, frames: int):
    """Masks of N frames are those of the frames that the offsets start in: all but the last, or all but the first."""
    if len(mask) == frames + 1 and way != "to picture":
        return mask[:-1] if way == "to next" else mask[1:]
    if len(mask) not in (1, frames):
        raise ValueError(f"mask: expected 1 or {frames} masks for {frames} frames of flow, got {len(mask)}: trim them.")
    return mask


def canvas(field, mask, box: tuple) -> tuple[int, int]:
    """(h, w) of a flow of the whole picture, as fine as one made for a box of it."""
    return tuple(
        max(1, round(side * points / of))
        for side, points, of in zip(mask.shape[1:], field.size, box[3:1:-1], strict=True)
    )


def in_points(box: tuple, mask, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """A box in pixels of the mask as one in points of a flow; one that leaves the picture is refused."""
    (tall, wide), (height, width) = mask.shape[1:], size
    x, y, w, h = box
    if x + w > wide or y + h > tall:
        raise ValueError(
            f"The part at {x}, {y} of {w} x {h} pixels leaves the picture, whose mask is {wide} x {tall}: lower the "
            "numbers, or set width and height to 0 for the whole picture."
        )
    left, top = round(x * width / wide), round(y * height / tall)
    return left, top, max(1, round((x + w) * width / wide) - left), max(1, round((y + h) * height / tall) - top)
