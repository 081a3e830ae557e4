"""Depth as conditioning of a model with a depth channel."""

from comfy_api.latest import io

from ...models.choices import CHANNEL_RANGES
from ..inputs.video import clip_input


def grey(depth, depth_range: str):
    """(N, H, W, 3) depth pictures to (N, H, W); unchanged they must lie in 0..1."""
    from ..inputs import checks

    depth = checks.depth(depth)
    checks.finite(depth, "depth")
    if depth_range == "unchanged" and (largest := depth.abs().max().item()) > 1.5:
        raise ValueError(
            f"depth: expected values from 0 to 1 for depth_range unchanged, got up to {largest:g}: connect "
            "Normalize Depth first, or set depth_range to per clip."
        )
    return depth


class EncodeDepth(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetEncodeDepth",
            display_name="Encode Depth (Depth-to-Image Model)",
            category="Duet/edit a clip",
            description="Adds a depth map or a depth clip to the conditioning of a model with a depth channel, such as Stable "
            "Diffusion 2 with depth: the result keeps that depth. Other models need a depth ControlNet instead.",
            search_aliases=[
                "depth2img", "depth to image", "SD2 depth", "depth channel", "depth conditioning",
                "depth condition", "encode depth", "depth control", "MiDaS", "keep structure",
            ],
            inputs=[
                io.Conditioning.Input(
                    "positive", tooltip="The prompt, from CLIP Text Encode with the CLIP of the same model.",
                ),
                io.Conditioning.Input("negative", tooltip="The negative prompt; the same depth is added to it."),
                clip_input(
                    "depth",
                    tooltip="Depth as grey pictures, near is white, as from MiDaS or Normalize Depth: one picture for the "
                    "whole clip or one for each frame, in the proportions of the clip.",
                ),
                io.Combo.Input(
                    "depth_range", options=list(CHANNEL_RANGES), default=CHANNEL_RANGES[0],
                    tooltip="Depth that becomes black and white. per clip: nearest and farthest of all frames, so that still "
                    "things keep their depth. per frame: those of each frame, as in the training on pictures. unchanged: "
                    "the greys as they are; choose it after Remap Depth and other depth edits.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="The positive conditioning with the depth."),
                io.Conditioning.Output(display_name="negative", tooltip="The negative conditioning with the same depth."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, positive, negative, depth, depth_range) -> io.NodeOutput:
        from ..host.oneshot.conditioning import with_depth

        depth = grey(depth, depth_range)
        return io.NodeOutput(*(with_depth(conditioning, depth, depth_range) for conditioning in (positive, negative)))
