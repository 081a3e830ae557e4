"""The latent of a latent flow model (LFDM): empty, and decoded to a flow."""

import torch
from comfy_api.latest import io

from ..host.types import Flow

CATEGORY = "Duet/flow"
SHRINK = 4  # pixels of a picture for one point of its flow


class EmptyFlowLatent(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetEmptyFlowLatent",
            display_name="Empty Flow Latent",
            category=CATEGORY,
            description="An empty latent that a flow model fills with the motion of a picture.",
            search_aliases=["empty latent", "LFDM", "frames"],
            inputs=[
                io.Int.Input(
                    "width", default=128, min=16, max=4096, step=32,
                    tooltip="Width of the picture in pixels. Released models take multiples of 32 and know 128.",
                ),
                io.Int.Input(
                    "height", default=128, min=16, max=4096, step=32, tooltip="Height of the picture in pixels."
                ),
                io.Int.Input(
                    "frames", default=40, min=1, max=1024, step=1,
                    tooltip="How many frames the clip has, the picture itself among them. Released models know 40.",
                ),
                io.Int.Input(
                    "batch_size", default=1, min=1, max=64, step=1, tooltip="How many clips to dream up in one go."
                ),
            ],
            outputs=[io.Latent.Output(display_name="flow_latent", tooltip="For KSampler with a flow model.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, width, height, frames, batch_size) -> io.NodeOutput:
        from ...models.lfdm.codec import check_picture

        check_picture(torch.empty(height, width, device="meta"), SHRINK, "the picture")
        samples = torch.zeros(batch_size, 3, frames, height // SHRINK, width // SHRINK)
        return io.NodeOutput({"samples": samples, "downscale_ratio_spacial": SHRINK})


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
