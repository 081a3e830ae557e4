"""Flows of several objects in one."""

from comfy_api.latest import io

from ..host.types import Flow
from ..inputs.flows import PARTS

CATEGORY = "Duet/flow"
STILL, FRAMES = "still image", "every frame"


class ComposeFlows(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        box = {"default": 0, "min": 0, "max": 16384, "step": 1, "advanced": True}
        return io.Schema(
            node_id="DuetComposeFlows",
            display_name="Compose Flows",
            category=CATEGORY,
            description="Gives one object of a picture a motion of its own and everything else another motion, or none. "
            "Chain one node for each further object.",
            search_aliases=[
                "combine flows", "merge flows", "multiple objects", "mask flow", "merge motion", "two people",
                "two characters",
            ],
            inputs=[
                Flow.Input("object_flow", tooltip="The motion of the object."),
                io.Mask.Input(
                    "object_mask", tooltip="White where the object is, as large as the whole picture or in its shape."
                ),
                Flow.Input(
                    "scene_flow", optional=True,
                    tooltip="The motion of everything else. Without it everything else stands still.",
                ),
                io.Combo.Input(
                    "mask_frames", options=[STILL, FRAMES], default=STILL, advanced=True,
                    tooltip="still image: object_mask is one mask of the still image and moves with the object, which "
                    "leaves a hole behind. every frame: object_mask shows where the object is in each frame.",
                ),
                io.Int.Input("x", **box, tooltip="Left edge, in pixels of the mask, of the crop that object_flow covers."),
                io.Int.Input("y", **box, tooltip="Top edge of that crop, in pixels of the mask."),
                io.Int.Input("width", **box, tooltip="Width of that crop. 0: object_flow covers the whole picture."),
                io.Int.Input("height", **box, tooltip="Height of that crop. 0: object_flow covers the whole picture."),
            ],
            outputs=[Flow.Output(display_name="flow", tooltip="Both motions in one flow.")],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, object_flow, object_mask, scene_flow=None, mask_frames=STILL, x=0, y=0, width=0, height=0
    ) -> io.NodeOutput:
        from ..inputs import checks
        from ..inputs import flows as fields

        mask = checks.mask(object_mask, "object_mask")
        box = (x, y, width or mask.shape[2], height or mask.shape[1])
        of_still, out = mask_frames == STILL, {}
        for direction in shared_directions(object_flow, scene_flow, mask if of_still else None):
            out |= fields.as_flow(direction, joined(object_flow, scene_flow, direction, mask, of_still, box))
        return io.NodeOutput(out)


def shared_directions(object_flow, scene_flow, still_mask) -> list[str]:
    """The directions that both flows have; a mask of the still image must be one and needs flow to that image."""
    from ..inputs.flows import MEANINGS, parts_of

    both = [name for name in parts_of(object_flow) if scene_flow is None or name in parts_of(scene_flow)]
    if still_mask is not None and len(still_mask) != 1:
        raise ValueError(
            f"object_mask: expected one mask of the {STILL}, got {len(still_mask)}: trim them, or set mask_frames to "
            f"{FRAMES}."
        )
    found = [way for way, name in PARTS.items() if name in both and (still_mask is None or name == "to_picture")]
    if not found:
        leads = [MEANINGS[parts_of(flow)[0]] for flow in (object_flow, scene_flow) if flow is not None]
        raise ValueError(
            f"A mask of the {STILL if still_mask is not None else 'frames'} cannot join flows that lead "
            f"{' and '.join(leads)}: estimate both the same way, or set mask_frames to {FRAMES} for flow between "
            "neighbours."
        )
    return found


def joined(object_flow, scene_flow, direction: str, mask, of_still: bool, box: tuple):
    """One part of both flows, the object's in its box, by a mask (1 or N, H, W)."""
    from ...models.flow.fields import Field, composed, placed, proportional, zero_flow
    from ...models.flow.frames import frame_by_frame
    from ..host.progress import progress
    from ..inputs import checks
    from ..inputs import flows as fields

    field = fields.field_of(object_flow, direction)
    scene = None if scene_flow is None else fields.field_of(scene_flow, direction)
    frames = checks.same_frames(object_flow=field.valid, scene_flow=None if scene is None else scene.valid)
    size = whole_size(field, mask, box) if scene is None else scene.size
    if not proportional(size, mask.shape[1:]):
        raise ValueError(
            f"object_mask: expected the shape of the flow, {size[1]} x {size[0]}, got {mask.shape[2]} x {mask.shape[1]}: "
            "crop it."
        )
    fields.check_room("Composing flows", "use smaller flows, or fewer frames", frames, size, result=5, work=24)
    box, mask = in_points(box, mask, size), for_frames(mask, direction, frames)
    still = zero_flow(1, size, field.valid) if scene is None else None

    def compose(i: int) -> tuple:
        part = fields.fitted(field.frame(i), box[3:1:-1], "its crop of the picture")
        own, box_mask = placed(part, box, size)
        one = checks.mask(mask[i : i + 1] if len(mask) > 1 else mask, frames=1, size=size)
        return tuple(part[0] for part in composed(own, still or scene.frame(i), one, of_still, box_mask))

    return Field(*frame_by_frame(compose, frames, progress(frames)))


def for_frames(mask, direction: str, frames: int):
    """Masks of N frames are those of the frames where the offsets start: all but the last, or all but the first."""
    if len(mask) == frames + 1 and direction != "to still":
        return mask[:-1] if direction == "to next frame" else mask[1:]
    if len(mask) not in (1, frames):
        raise ValueError(
            f"object_mask: expected 1 or {frames} masks for {frames} frames of flow, got {len(mask)}: trim them."
        )
    return mask


def whole_size(field, mask, box: tuple) -> tuple[int, int]:
    """(h, w) of a flow of the whole picture, as fine as the one of a box of it."""
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
            f"The crop at {x}, {y} of {w} x {h} pixels leaves the picture, whose mask is {wide} x {tall}: lower x, y, "
            "width or height, or set width and height to 0 for the whole picture."
        )
    left, top = round(x * width / wide), round(y * height / tall)
    return left, top, max(1, round((x + w) * width / wide) - left), max(1, round((y + h) * height / tall) - top)
