"""Sampling a pair with one modality given: depth from a video, a video from depth, or both together."""

import torch
from comfy_api.latest import io

from ..host.choices import SAMPLERS, SCHEDULERS

JOINT, TO_DEPTH, TO_VIDEO = "joint", "video to depth", "depth to video"


def keep_given(pair: dict, mode: str, mask: torch.Tensor | None) -> dict:
    """The pair with a noise mask (2F, 1, H, W) that leaves the given half as it is; `mask` narrows the other half."""
    from ...models.pair.layout import pair_frames
    from ..inputs import checks

    frames = pair_frames(pair["samples"])
    if mode == JOINT and mask is None:
        return pair
    size = pair["samples"].shape[-2:] if mask is None else mask.shape[-2:]
    part = torch.ones(frames, *size) if mask is None else checks.mask(mask, "mask", frames)
    given = torch.zeros_like(part)
    video, depth = (given if mode == TO_DEPTH else part), (given if mode == TO_VIDEO else part)
    return {**pair, "noise_mask": torch.cat((video, depth))[:, None]}


class ModalityConditionedSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetModalityConditionedSampler",
            display_name="Modality-Conditioned Sampler",
            category="Duet/sampling",
            description="KSampler for a pair: makes video and depth together, or one of them from the other. "
            "With a mask only that part is made anew.",
            search_aliases=["video to depth", "depth to video", "joint sampler", "depth estimation", "KSampler pair"],
            inputs=[
                io.Model.Input("model", tooltip="A model of video and depth, from Load Video Model."),
                io.Int.Input(
                    "seed", default=0, min=0, max=0xFFFFFFFFFFFFFFFF, step=1, control_after_generate=True,
                    tooltip="The noise to start from; video and depth each get their own.",
                ),
                io.Int.Input("steps", default=20, min=1, max=10000, step=1, tooltip="Steps from noise to picture."),
                io.Float.Input(
                    "cfg", default=1.5, min=0.0, max=100.0, step=0.1, round=0.01,
                    tooltip="How strongly to follow the positive. Pairs made from a person want 1.5 to 3.",
                ),
                io.Combo.Input("sampler_name", options=SAMPLERS, default="ddim", tooltip="The sampling method."),
                io.Combo.Input("scheduler", options=SCHEDULERS, default="ddim_uniform", tooltip="How noise falls over the steps."),
                io.Conditioning.Input("positive", tooltip="What to make: a person, a room, a prompt."),
                io.Conditioning.Input("negative", tooltip="What to move away from."),
                io.Latent.Input("pair", tooltip="Video frames, then as many depth frames: empty, or with one half given."),
                io.Combo.Input(
                    "mode", options=[JOINT, TO_DEPTH, TO_VIDEO], default=JOINT,
                    tooltip="joint makes both. video to depth keeps the video of the pair and makes its depth. "
                    "depth to video keeps the depth and makes a video for it.",
                ),
                io.Float.Input(
                    "denoise", default=1.0, min=0.0, max=1.0, step=0.01,
                    tooltip="Below 1 what is made starts from the pair instead of from noise alone.",
                ),
                io.Mask.Input(
                    "mask", optional=True,
                    tooltip="White where something may change: one mask for all frames, or one for each.",
                ),
            ],
            outputs=[io.Latent.Output(display_name="pair", tooltip="The sampled pair, for Split Video and Depth.")],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, model, seed, steps, cfg, sampler_name, scheduler, positive, negative, pair, mode, denoise, mask=None
    ) -> io.NodeOutput:
        from ..host.pair.sampling import sample

        pair = keep_given(pair, mode, mask)
        return io.NodeOutput(
            sample(model, seed, steps, cfg, sampler_name, scheduler, positive, negative, pair, denoise)
        )
