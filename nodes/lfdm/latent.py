"""The latent of a latent flow model (LFDM), decoded to a flow."""

import torch
from comfy_api.latest import io

from ..host.types import Flow

CATEGORY = "Duet/flow"


class DecodeFlow(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetDecodeFlow",
            display_name="Decode Flow",
            category=CATEGORY,
            description="Reads the motion out of a sampled flow latent: for every frame, where in the picture each point "
            "comes from, and whether it is seen there.",
            search_aliases=["latent to flow", "flow field", "LFDM", "optical flow"],
            inputs=[
                io.Latent.Input("flow_latent", tooltip="What a flow model sampled."),
                io.Int.Input(
                    "clip", default=0, min=0, max=63, step=1, tooltip="Which clip of the batch, counted from 0."
                ),
            ],
            outputs=[Flow.Output(display_name="flow", tooltip="A quarter as large as the picture.")],
        )

    @classmethod
    def execute(cls, flow_latent, clip) -> io.NodeOutput:
        from ...models.flow.fields import from_grid
        from ...models.lfdm.state import motion_of

        state = sampled(flow_latent["samples"], clip)
        offset, share = from_grid(*(part[0] for part in motion_of(state)))
        return io.NodeOutput({"to_picture": offset, "to_picture_valid": share.clamp(0, 1)})


def sampled(samples: torch.Tensor, clip: int) -> torch.Tensor:
    """(1, 3, F, h, w) of one clip of a flow latent."""
    from ..inputs import checks

    if getattr(samples, "is_nested", False) or samples.ndim != 5 or samples.shape[1] != 3:
        raise ValueError(
            f"flow_latent: expected a flow latent (clips, 3, frames, height, width), got {checks.describe(samples)}: "
            "connect a KSampler with a flow model."
        )
    if clip >= len(samples):
        raise ValueError(
            f"clip: expected a number below {len(samples)}, as many clips are there, got {clip}: lower it."
        )
    checks.finite(samples[clip].transpose(0, 1), "flow_latent")
    return samples[clip : clip + 1].float()
