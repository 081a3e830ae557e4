"""Depth as conditioning of a model with a depth channel."""

from comfy_api.latest import io

from ...models.choices import CHANNEL_RANGES


def grey(depth, depth_range: str):
    """(N, H, W, 3) depth pictures to (N, H, W); used unchanged they must lie in 0..1."""
    from ..inputs import checks

    depth = checks.depth(depth)
    checks.finite(depth, "depth")
    if depth_range == "unchanged" and (largest := depth.abs().max().item()) > 1.5:
        raise ValueError(
            f"depth: expected values from 0 to 1 to be used unchanged, got up to {largest:g}: put Normalize Depth in "
            "front, or set depth_range to per clip."
        )
    return depth


class EncodeDepthCondition(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetEncodeDepthCondition",
            display_name="Encode Depth Condition",
            category="Duet/conditioning",
            description="Tells a model with a depth channel, such as Stable Diffusion 2 with depth, how far everything is: "
            "the depth joins the noise as a fifth channel, in clips and in still pictures.",
            search_aliases=["depth2img", "SD2 depth", "depth channel", "depth map", "depth conditioning", "MiDaS"],
            inputs=[
                io.Conditioning.Input("positive", tooltip="The prompt, from the CLIP of the same checkpoint."),
                io.Conditioning.Input("negative", tooltip="The negative prompt; it gets the same depth."),
                io.Image.Input(
                    "depth",
                    tooltip="Grey inverse depth, near is white, as from MiDaS or Normalize Depth: one picture for the "
                    "whole clip, or one for each frame, in the shape of the video.",
                ),
                io.Combo.Input(
                    "depth_range", options=list(CHANNEL_RANGES), default=CHANNEL_RANGES[0],
                    tooltip="per clip: the nearest and farthest of all frames become the ends, so still things keep their "
                    "depth. per frame: of each frame by itself, as the model was trained on pictures. unchanged: black and "
                    "white are the ends, so that Remap Depth in front of it counts.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="The positive with the depth."),
                io.Conditioning.Output(display_name="negative", tooltip="The negative with the same depth."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, positive, negative, depth, depth_range) -> io.NodeOutput:
        from ..host.oneshot.conditioning import with_depth

        depth = grey(depth, depth_range)
        return io.NodeOutput(*(with_depth(conditioning, depth, depth_range) for conditioning in (positive, negative)))
