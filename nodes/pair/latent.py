"""The video-depth pair as a LATENT: empty, joined, split."""

import torch
from comfy_api.latest import io

from ...models.choices import MODALITIES

CATEGORY = "Duet/latent"


def pair_masks(video: dict, depth: dict, frames: int) -> torch.Tensor | None:
    """One noise mask (2F, 1, H, W) from the masks of both halves; a half without a mask is wholly repainted."""
    masks = [latent.get("noise_mask") for latent in (video, depth)]
    if masks[0] is None and masks[1] is None:
        return None
    size = next(mask.shape[-2:] for mask in masks if mask is not None)
    halves = []
    for name, mask in zip(MODALITIES, masks, strict=True):
        if mask is None:
            halves.append(torch.ones(frames, 1, *size))
            continue
        mask = mask.reshape(-1, 1, *mask.shape[-2:]).float().cpu()
        if mask.shape[0] not in (1, frames):
            raise ValueError(
                f"The {name} latent has {frames} frames but its noise mask has {mask.shape[0]}: use 1 or {frames}."
            )
        mask = torch.nn.functional.interpolate(mask, size=size, mode="bilinear")
        halves.append(mask.expand(frames, -1, -1, -1))
    return torch.cat(halves)


def half(pair: dict, index: int) -> dict:
    """The video (0) or the depth (1) of a pair, as a latent of its own."""
    from ...models.pair.layout import pair_frames, split

    frames = pair_frames(pair["samples"])
    keep = {key: value for key, value in pair.items() if key not in ("noise_mask", "batch_index", "duet")}
    keep["samples"] = split(pair["samples"])[index]
    mask = pair.get("noise_mask")
    if mask is not None:
        keep["noise_mask"] = split(mask)[index] if mask.shape[0] == 2 * frames else mask
    if index == 1 and "range" in pair.get("duet", {}):
        keep["duet"] = {"range": pair["duet"]["range"]}
    return keep


class EmptyVideoDepthLatent(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetEmptyVideoDepthLatent",
            display_name="Empty Video-Depth Latent",
            category=CATEGORY,
            description="An empty latent that a video-depth model fills with a clip and its depth in one go. "
            "It holds all video frames and then as many depth frames.",
            search_aliases=["empty pair", "joint latent", "dual modal latent", "IDOL latent"],
            inputs=[
                io.Int.Input("width", default=512, min=64, max=4096, step=8, tooltip="Width of the clip in pixels."),
                io.Int.Input("height", default=512, min=64, max=4096, step=8, tooltip="Height of the clip in pixels."),
                io.Int.Input(
                    "frames", default=16, min=1, max=1024, step=1,
                    tooltip="How many frames the video has; the depth gets as many, so the batch is twice as long.",
                ),
            ],
            outputs=[io.Latent.Output(display_name="pair", tooltip="Video frames first, depth frames after them.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, width, height, frames) -> io.NodeOutput:
        return io.NodeOutput(
            {
                "samples": torch.zeros(2 * frames, 4, height // 8, width // 8),
                "downscale_ratio_spacial": 8,
                "duet": {"frames": frames, "modalities": list(MODALITIES)},
            }
        )


class JoinVideoDepth(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetJoinVideoDepth",
            display_name="Join Video and Depth",
            category=CATEGORY,
            description="Puts the latents of a clip and of its depth into one pair that a video-depth model samples together. "
            "A noise mask on one half keeps the other: mask only the depth to get depth from a video.",
            search_aliases=["pair", "joint latent", "combine video depth", "concat latent"],
            inputs=[
                io.Latent.Input("video", tooltip="The encoded frames of the clip."),
                io.Latent.Input("depth", tooltip="The encoded depth pictures, one for each frame of the clip."),
                io.Float.Input(
                    "near", default=0.0, min=-1000000.0, max=1000000.0, step=0.01, optional=True,
                    tooltip="Distance of the nearest point, from Normalize Depth Clip. It travels with the pair; 0 with far 0 means unknown.",
                ),
                io.Float.Input(
                    "far", default=0.0, min=-1000000.0, max=1000000.0, step=0.01, optional=True,
                    tooltip="Distance of the farthest point, from Normalize Depth Clip. It travels with the pair.",
                ),
            ],
            outputs=[io.Latent.Output(display_name="pair", tooltip="Video frames first, depth frames after them.")],
        )  # fmt: skip

    @classmethod
    def execute(cls, video, depth, near=0.0, far=0.0) -> io.NodeOutput:
        from ...models.pair.layout import join

        pair = {key: value for key, value in video.items() if key not in ("noise_mask", "batch_index")}
        pair["samples"] = join(video["samples"], depth["samples"])
        frames = video["samples"].shape[0]
        pair["duet"] = {"frames": frames, "modalities": list(MODALITIES)}
        if near or far:
            pair["duet"]["range"] = [near, far]
        mask = pair_masks(video, depth, frames)
        if mask is not None:
            pair["noise_mask"] = mask
        return io.NodeOutput(pair)


class SplitVideoDepth(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetSplitVideoDepth",
            display_name="Split Video and Depth",
            category=CATEGORY,
            description="Takes a video-depth pair apart into the clip and its depth, ready for VAE Decode.",
            search_aliases=["unpair", "separate video depth", "split joint latent"],
            inputs=[io.Latent.Input("pair", tooltip="A pair: video frames first, as many depth frames after them.")],
            outputs=[
                io.Latent.Output(display_name="video", tooltip="The first half: the frames of the clip."),
                io.Latent.Output(display_name="depth", tooltip="The second half: the depth of each frame."),
            ],
        )

    @classmethod
    def execute(cls, pair) -> io.NodeOutput:
        return io.NodeOutput(half(pair, 0), half(pair, 1))
