"""Pictures and latents moved along a flow."""

from comfy_api.latest import io

from ..host.types import Flow

CATEGORY = "Duet/flow"
MOVES = ("move one picture", "to next frame", "to previous frame")


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
        from ...models.flow.fields import moved
        from ..inputs import flows as fields

        sources, field = source_of(fields.planes(pictures, "pictures"), flow, mode)
        field = fields.fitted(field, sources.shape[-2:])
        if fill is not None:
            fill = filling(fields.planes(fill, "fill"), sources)
        out, holes = moved(sources, field.to(sources.device), fill)
        return io.NodeOutput(fields.like(pictures, out), holes)


def source_of(planes, flow, mode: str) -> tuple:
    """(N, C, H, W) that each frame of the result is fetched from, and the field by which."""
    from ..inputs import flows as fields

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
    from ..inputs.flows import repeated

    if fill.shape[1:] != sources.shape[1:]:
        raise ValueError(
            f"fill: expected frames of shape {tuple(sources.shape[1:])} like the pictures, got {tuple(fill.shape[1:])}: "
            "scale it, or encode it with the same VAE."
        )
    return repeated(fill, len(sources), "fill").to(sources)
