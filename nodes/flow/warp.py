"""Images and latents moved along a flow."""

from comfy_api.latest import io

from ..host.types import Flow
from ..inputs.flows import AUTO

CATEGORY = "Duet/flow"
FROM_STILL, TO_NEXT, TO_PREVIOUS = "from still", "to next frame", "to previous frame"
DIRECTIONS = (AUTO, FROM_STILL, TO_NEXT, TO_PREVIOUS)


class WarpByFlow(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        either = io.MatchType.Template("images", [io.Image, io.Latent])
        return io.Schema(
            node_id="DuetWarpByFlow",
            display_name="Warp by Flow",
            category=CATEGORY,
            description="Moves images, or latents of any model, along a flow, and gives a mask of the holes that appear. "
            "Good for animating a picture with pixels of its own, or for starting a sampler from a moved latent.",
            search_aliases=[
                "warp latent", "warp image", "apply optical flow", "displace", "displacement map", "remap", "advect",
                "motion transfer", "animate still", "animate picture", "noise warping",
            ],
            inputs=[
                io.MatchType.Input(
                    "images", either,
                    tooltip="An IMAGE or a LATENT: one picture, or a clip of one frame more than the flow between its "
                    "neighbouring frames.",
                ),
                Flow.Input("flow", tooltip="A flow of the same shape. A flow of another size is scaled."),
                io.Combo.Input(
                    "warp_mode", options=list(DIRECTIONS), default=AUTO,
                    tooltip="auto: from still for one picture, to next frame for a clip. from still: one picture becomes "
                    "a clip; flow between neighbouring frames is added up. to next frame, to previous frame: each frame "
                    "of a clip is moved onto the frame after or before it.",
                ),
                io.MatchType.Input(
                    "fill", either, optional=True,
                    tooltip="Content for the holes, of the same kind and size: a clean scene, or the frames of Animate "
                    "Still by Flow. Without it the image is stretched over them.",
                ),
            ],
            outputs=[
                io.MatchType.Output(either, display_name="warped", tooltip="The moved frames."),
                io.Mask.Output(
                    display_name="hole_mask",
                    tooltip="White where the source has no content, for Set Latent Noise Mask or an inpainting model.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, images, flow, warp_mode, fill=None) -> io.NodeOutput:
        from ...models.flow.fields import moved
        from ...models.flow.frames import frame_by_frame
        from ..host.progress import progress
        from ..inputs import flows as fields

        sources, field = source_of(fields.as_planes(images, "images"), flow, warp_mode)
        frames, channels, *size = sources.shape
        fields.fitted(field.frame(0), tuple(size))
        advice = "use smaller images, or fewer frames"
        fields.check_room("Warping", advice, frames, tuple(size), result=channels + 1, work=2 * channels + 14)
        fill = None if fill is None else filling(fields.as_planes(fill, "fill"), sources)

        def warp(i: int) -> tuple:
            here = fields.fitted(field.frame(i), tuple(size)).to(sources.device)
            return tuple(part[0] for part in moved(sources[i : i + 1], here, None if fill is None else fill[i : i + 1]))

        out, holes = frame_by_frame(warp, frames, progress(frames))
        return io.NodeOutput(fields.from_planes(out, images), holes)


def source_of(planes, flow, warp_mode: str) -> tuple:
    """(N, C, H, W) that each frame of the result is fetched from, and the field by which."""
    from ..inputs import flows as fields

    if warp_mode == AUTO:
        only_still = fields.parts_of(flow) == ["to_picture"]
        warp_mode = FROM_STILL if len(planes) == 1 or only_still else TO_NEXT
    if warp_mode == FROM_STILL:
        check_still(planes)
        field = fields.field_to_still(flow)
        return planes.expand(len(field.valid), *planes.shape[1:]), field
    # Fetching backwards: a frame is moved to the next one by the flow that leads from there to it.
    field = fields.field_of(flow, TO_PREVIOUS if warp_mode == TO_NEXT else TO_NEXT)
    if len(planes) != len(field.valid) + 1:
        raise ValueError(
            f"images: a flow between neighbours of {len(field.valid) + 1} frames moves a clip of as many, got "
            f"{len(planes)}: trim one of them, or connect one picture and set warp_mode to {FROM_STILL}."
        )
    return planes[:-1] if warp_mode == TO_NEXT else planes[1:], field


def check_still(planes) -> None:
    """A whole clip fetched by a flow to its first frame would be moved twice and dissolve."""
    if len(planes) != 1:
        raise ValueError(
            f"images: {FROM_STILL} moves one picture, got {len(planes)} frames: put Get Image from Batch (or Get Latent From "
            f"Batch) in between, or set warp_mode to {TO_NEXT} for a clip."
        )


def filling(fill, sources):
    """(1 or N, C, H, W) as large as the sources."""
    from ..inputs.flows import repeated

    if fill.shape[1:] != sources.shape[1:]:
        raise ValueError(
            f"fill: expected frames of shape {tuple(sources.shape[1:])} like the images, got {tuple(fill.shape[1:])}: "
            "scale it, or encode it with the same VAE."
        )
    return repeated(fill, len(sources), "fill").to(sources)
