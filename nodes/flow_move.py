"""Pictures and latents moved along a flow, and flows of several objects put together."""

from comfy_api.latest import io

from .flow_fields import PARTS
from .host.types import Flow

CATEGORY = "Duet/flow"
MOVES = ("move one picture", "to next frame", "to previous frame")
MASKS = ("picture", "frames")


class WarpByFlow(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        either = io.MatchType.Template("pictures", [io.Image, io.Latent])
        return io.Schema(
            node_id="DuetWarpByFlow",
            display_name="Warp by Flow",
            category=CATEGORY,
            description="Moves pictures, or latents of any model, along a flow. What nobody sees in the source becomes a "
            "hole that a plate fills or a mask shows.",
            search_aliases=["warp latent", "apply optical flow", "displace", "remap", "motion transfer", "advect"],
            inputs=[
                io.MatchType.Input(
                    "pictures", either,
                    tooltip="An IMAGE or a LATENT: one picture, or as many as the flow has frames.",
                ),
                Flow.Input("flow", tooltip="A flow of the same shape; another size is scaled."),
                io.Combo.Input(
                    "mode", options=list(MOVES), default=MOVES[0],
                    tooltip="move one picture: every frame is fetched from it; a flow between neighbours is added up. to "
                    "next frame: of a clip, each frame is moved to where the next one is. to previous frame: backwards.",
                ),
                io.MatchType.Input(
                    "fill", either, optional=True,
                    tooltip="What shows in the holes, of the same kind and size: a clean plate, or the frames of Render "
                    "Flow Video. Without it the picture is stretched over them.",
                ),
            ],
            outputs=[
                io.MatchType.Output(either, display_name="moved", tooltip="The moved frames."),
                io.Mask.Output(
                    display_name="holes",
                    tooltip="White where the source shows nothing: for Set Latent Noise Mask or an inpainting model.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, pictures, flow, mode, fill=None) -> io.NodeOutput:
        from ..models.flow_fields import moved
        from . import flow_fields as fields

        sources, field = source_of(fields.planes(pictures, "pictures"), flow, mode)
        field = fields.fitted(field, sources.shape[-2:])
        if fill is not None:
            fill = filling(fields.planes(fill, "fill"), sources)
        out, holes = moved(sources, field.to(sources.device), fill)
        return io.NodeOutput(fields.like(pictures, out), holes)


def source_of(planes, flow, mode: str) -> tuple:
    """(N, C, H, W) that each frame of the result is fetched from, and the field by which."""
    from . import flow_fields as fields

    if mode == MOVES[0]:
        field = fields.from_picture(flow)
        return fields.repeated(planes, len(field.share), "pictures"), field
    field = fields.part(flow, "to previous" if mode == MOVES[1] else "to next")
    if len(planes) != len(field.share) + 1:
        raise ValueError(
            f"pictures: a flow between neighbours of {len(field.share) + 1} frames moves a clip of as many, got "
            f"{len(planes)}: trim one of them, or set mode to {MOVES[0]}."
        )
    return planes[:-1] if mode == MOVES[1] else planes[1:], field


def filling(fill, sources):
    """(1 or N, C, H, W) as large as the sources, which may be one frame longer for a clip."""
    from .flow_fields import repeated

    if fill.shape[1:] != sources.shape[1:]:
        raise ValueError(
            f"fill: expected frames of shape {tuple(sources.shape[1:])} like the pictures, got {tuple(fill.shape[1:])}: "
            "scale it, or encode it with the same VAE."
        )
    return repeated(fill, len(sources), "fill").to(sources)


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
        from . import checks
        from . import flow_fields as fields

        mask = checks.mask(mask)
        box = (x, y, width or mask.shape[2], height or mask.shape[1])
        still, out = mask_of == MASKS[0], {}
        for way in shared(over, below, mask if still else None):
            out |= fields.as_flow(way, joined(over, below, way, mask, still, box))
        return io.NodeOutput(out)


def shared(over, below, still) -> list[str]:
    """Which parts both flows have; a mask of the still picture is one and needs flows that fetch from it."""
    from .flow_fields import MEANS, held

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
    from ..models.flow_fields import composed, placed, proportional, rest
    from . import checks
    from . import flow_fields as fields

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


NODES = [WarpByFlow, ComposeFlows]
