"""The latent of a latent flow model (LFDM), decoded to a flow."""

import torch
from comfy_api.latest import io

from ..host.types import Flow


class DecodeFlow(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetDecodeFlow",
            display_name="Decode Flow Latent",
            category="Duet/animate a still",
            description="Turns a sampled flow latent into a flow: for every frame, the position of each point in the still "
            "image, and whether it is visible there. Animate Still by Flow renders it.",
            search_aliases=["latent to flow", "decode latent", "flow field", "optical flow", "LFDM", "animate image"],
            inputs=[
                io.Latent.Input("latent", tooltip="The latent that KSampler gave with a flow model."),
                io.Int.Input(
                    "batch_index", default=0, min=0, max=63, step=1, advanced=True,
                    tooltip="Which clip of the batch to decode, counted from 0.",
                ),
            ],
            outputs=[
                Flow.Output(display_name="flow", tooltip="The flow, a quarter as wide and high as the still image."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, latent, batch_index) -> io.NodeOutput:
        from ...models.flow.fields import from_grid
        from ...models.lfdm.state import motion_of

        state = sampled(latent["samples"], batch_index)
        offset, valid = from_grid(*(part[0] for part in motion_of(state)))
        return io.NodeOutput({"to_picture": offset, "to_picture_valid": valid.clamp(0, 1)})


def sampled(samples: torch.Tensor, batch_index: int) -> torch.Tensor:
    """(1, 3, F, h, w) of one clip of a flow latent."""
    from ..inputs import checks

    if getattr(samples, "is_nested", False) or samples.ndim != 5 or samples.shape[1] != 3:
        raise ValueError(
            f"latent: expected a flow latent (clips, 3, frames, height, width), got {checks.describe(samples)}: connect "
            "a KSampler with a flow model."
        )
    if batch_index >= len(samples):
        raise ValueError(
            f"batch_index: expected a number below {len(samples)}, the clips of the latent, got {batch_index}: lower it."
        )
    checks.finite(samples[batch_index].transpose(0, 1), "latent")
    return samples[batch_index : batch_index + 1].float()
