"""Sampling with the settings that a model's file recommends; of a pair both halves, or one from the other."""

import torch
from comfy_api.latest import io

from ..host.choices import SAMPLERS, SCHEDULERS

AUTO = "auto"
ALL, DEPTH_FROM_VIDEO, VIDEO_FROM_DEPTH = "all", "depth from video", "video from depth"
TASKS = (ALL, DEPTH_FROM_VIDEO, VIDEO_FROM_DEPTH)


def with_noise_mask(latent: dict, task: str, change_mask: torch.Tensor | None, modalities: int) -> dict:
    """The latent with a noise mask (m F, 1, H, W): what its own mask, the task and `change_mask` all allow to change."""
    from ..inputs import checks
    from ..inputs.latents import pair_frames, repeated_mask

    if task != ALL and modalities != 2:
        raise ValueError(
            f"task: {task} needs a model that samples video and depth together, but this one samples one kind of "
            "picture: set task to all, or load a model of video and depth without Select Video or Depth."
        )
    if task == ALL and change_mask is None:
        return latent
    samples = latent["samples"]
    if modalities == 2 and samples.ndim == 5:
        from ..host.pair.wan_latent import with_stream_mask

        return with_stream_mask(latent, (task != DEPTH_FROM_VIDEO, task != VIDEO_FROM_DEPTH), change_mask)
    frames = pair_frames(latent, "latent") if modalities == 2 else samples.shape[0 if samples.ndim == 4 else 2]
    size = samples.shape[-2:]
    part = torch.ones(frames, *size) if change_mask is None else checks.mask(change_mask, "change_mask", frames).cpu()
    kept = torch.zeros_like(part)
    halves = (kept if task == DEPTH_FROM_VIDEO else part, kept if task == VIDEO_FROM_DEPTH else part)
    mask = torch.cat(halves[:modalities])[:, None]
    if latent.get("noise_mask") is not None:
        mask = both_allow(mask, repeated_mask(latent["noise_mask"].float().cpu(), frames, modalities, "latent"))
    return {**latent, "noise_mask": mask}


def check_latent(latent: dict, modalities: int) -> None:
    """Refuses frames and noise masks that a model of m modalities would sample as those of other frames."""
    from ..inputs.latents import check_noise_mask, model_frames

    samples, mask = latent["samples"], latent.get("noise_mask")
    frames = samples.shape[2] if samples.ndim == 5 else model_frames(latent, modalities, "latent")
    if mask is not None:
        check_noise_mask(mask, frames, modalities, "latent")


def both_allow(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The lower of two masks (N, 1, H, W) in each pixel, as large as the larger of them."""
    size = [max(sides) for sides in zip(a.shape[-2:], b.shape[-2:], strict=True)]
    scaled = (torch.nn.functional.interpolate(mask, size=size, mode="bilinear") for mask in (a, b))
    return torch.minimum(*scaled)


class SampleLatent(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetSampleLatent",
            display_name="KSampler (Auto Settings)",
            category="Duet/sampling",
            description="Samples a latent with any model, with the steps, cfg, sampler and scheduler that the model's file "
            "recommends. For a model of video and depth it also makes depth from a video, or a video from depth.",
            search_aliases=[
                "dance", "dancing person", "pose video", "video with depth", "KSampler", "duet sampler", "auto sampler",
                "video to depth", "depth to video", "depth from video", "joint sampler", "flow sampler", "KSampler pair",
                "Modality-Conditioned Sampler",
            ],
            inputs=[
                io.Model.Input("model", tooltip="The model to sample with: any model of Duet or of ComfyUI."),
                io.Conditioning.Input("positive", tooltip="What the clip should show: a prompt, a character, a scene."),
                io.Conditioning.Input("negative", tooltip="What the clip should not show. Only used with a cfg above 1."),
                io.Latent.Input(
                    "latent",
                    tooltip="The latent to sample: from Empty Latent for Model, or from Join Video and Depth with the half "
                    "that you have.",
                ),
                io.Int.Input(
                    "seed", default=0, min=0, max=0xFFFFFFFFFFFFFFFF, step=1, control_after_generate=True,
                    tooltip="Number of the noise that sampling begins from. Another seed gives another clip.",
                ),
                io.Combo.Input(
                    "task", options=list(TASKS), default=ALL,
                    tooltip="What is generated. 'depth from video' keeps the video half of the latent and makes its depth, "
                    "'video from depth' keeps the depth half and makes its video; both need a model of video and depth.",
                ),
                io.Int.Input(
                    "steps", default=0, min=0, max=10000, step=1, advanced=True,
                    tooltip="Sampling steps. 0 is the number that the model's file recommends.",
                ),
                io.Float.Input(
                    "cfg", default=0.0, min=0.0, max=100.0, step=0.1, round=0.01, advanced=True,
                    tooltip="How strongly the positive is followed. 0 is the value that the model's file recommends; higher "
                    "values follow it more closely and can burn the colours.",
                ),
                io.Combo.Input(
                    "sampler_name", options=[AUTO, *SAMPLERS], default=AUTO, advanced=True,
                    tooltip="The sampling method. 'auto' is the one that the model's file recommends.",
                ),
                io.Combo.Input(
                    "scheduler", options=[AUTO, *SCHEDULERS], default=AUTO, advanced=True,
                    tooltip="How the noise falls over the steps. 'auto' is the one that the model's file recommends.",
                ),
                io.Float.Input(
                    "denoise", default=1.0, min=0.0, max=1.0, step=0.01, advanced=True,
                    tooltip="How much of the latent is replaced. Below 1 the result keeps the structure of the latent.",
                ),
                io.Mask.Input(
                    "change_mask", optional=True,
                    tooltip="White where the clip may change, one mask for all frames or one for each. Where the latent "
                    "has a noise mask too, only pixels that are white in both change.",
                ),
            ],
            outputs=[
                io.Latent.Output(
                    display_name="latent",
                    tooltip="The sampled latent, for VAE Decode, Split Video and Depth, or Decode Flow Latent.",
                )
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, model, positive, negative, latent, seed, task, steps, cfg, sampler_name, scheduler, denoise,
        change_mask=None,
    ) -> io.NodeOutput:  # fmt: skip
        from ..host.pair.sampling import is_ours, modalities_of, sample, settings_for

        sampler = None if sampler_name == AUTO else sampler_name
        settings = settings_for(model, steps, cfg, sampler, None if scheduler == AUTO else scheduler)
        modalities = modalities_of(model)
        if is_ours(model):
            check_latent(latent, modalities)
        latent = with_noise_mask(latent, task, change_mask, modalities)
        return io.NodeOutput(sample(model, seed, settings, positive, negative, latent, denoise))
