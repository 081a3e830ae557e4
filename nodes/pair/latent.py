"""The latents of a clip: empty for any model, and video and depth joined to a pair and split again."""

import torch
from comfy_api.latest import io

from ...models.choices import MODALITIES

CATEGORY = "Duet/video and depth"


def joined_masks(video: dict, depth: dict, frames: int) -> torch.Tensor | None:
    """One noise mask (2F, 1, H, W) from the masks of both halves; a half without a mask may change everywhere."""
    from ..inputs.latents import repeated_mask

    masks = {
        f"{name}_latent": latent.get("noise_mask") for name, latent in zip(MODALITIES, (video, depth), strict=True)
    }
    sizes = [mask.shape[-2:] for mask in masks.values() if mask is not None]
    if not sizes:
        return None
    halves = []
    for name, mask in masks.items():
        mask = torch.ones(1, *sizes[0]) if mask is None else mask
        mask = repeated_mask(mask.float().cpu(), frames, 1, name)
        halves.append(torch.nn.functional.interpolate(mask, size=sizes[0], mode="bilinear"))
    return torch.cat(halves)


def half(pair: dict, index: int, frames: int) -> dict:
    """The video (0) or the depth (1) of a pair of F frames, as a latent of its own."""
    from ...models.pair.layout import split
    from ..inputs.latents import repeated_mask

    keep = {key: value for key, value in pair.items() if key not in ("noise_mask", "batch_index", "duet")}
    keep["samples"] = split(pair["samples"])[index]
    keep["duet"] = {"modalities": [MODALITIES[index]]}
    mask = pair.get("noise_mask")
    if mask is not None:
        keep["noise_mask"] = split(repeated_mask(mask, frames, 2, "video_depth_latent"))[index]
    if index == 1 and "range" in pair.get("duet", {}):
        keep["duet"]["range"] = pair["duet"]["range"]
    return keep


def clips(**latents: dict) -> list[torch.Tensor]:
    """The samples (F, C, h, w) of two halves; a pair and numbers that are not finite are refused."""
    from ..inputs import checks
    from ..inputs.latents import clip_frames

    for name, latent in latents.items():
        clip_frames(latent, name, "put Split Video and Depth in front of it")
        checks.finite(latent["samples"], name)
    return [latent["samples"] for latent in latents.values()]


class EmptyLatent(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetEmptyLatent",
            display_name="Empty Latent for Model",
            category="Duet/sampling",
            description="Makes the empty latent that a model samples, in the size and length it was trained on: video with "
            "depth, a clip, or the motion of a still image.",
            search_aliases=[
                "empty latent", "empty video depth latent", "empty pair", "empty flow latent", "video latent",
                "latent size", "IDOL latent", "LFDM latent",
            ],
            inputs=[
                io.Model.Input("model", tooltip="The model that the latent is for, from any loader of Duet."),
                io.Int.Input(
                    "width", default=0, min=0, max=4096, step=8,
                    tooltip="Width of the clip in pixels. 0 is the width that the model was trained on. A flow model needs "
                    "the width of its still image.",
                ),
                io.Int.Input(
                    "height", default=0, min=0, max=4096, step=8,
                    tooltip="Height of the clip in pixels. 0 is the height that the model was trained on.",
                ),
                io.Int.Input(
                    "frames", default=0, min=0, max=1024, step=1,
                    tooltip="Length of the clip in frames. 0 is the length that the model was trained on. Set it to the "
                    "number of pose or depth pictures. A longer clip of video and depth needs Context Windows.",
                ),
                io.Int.Input(
                    "batch_size", default=1, min=1, max=64, step=1, advanced=True,
                    tooltip="How many clips a flow model samples at once. Other models sample one clip at a time.",
                ),
            ],
            outputs=[
                io.Latent.Output(
                    display_name="latent",
                    tooltip="The empty latent, for KSampler (Auto Settings) or KSampler. For a model of video and depth it "
                    "holds all video frames and then as many depth frames.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, model, width, height, frames, batch_size) -> io.NodeOutput:
        from ..host.pair.latent import empty_latent

        return io.NodeOutput(empty_latent(model, width, height, frames, batch_size))


class JoinPair(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetJoinPair",
            display_name="Join Video and Depth",
            category=CATEGORY,
            description="Joins the latents of a clip and of its depth into one latent, which a model of video and depth "
            "samples together. Use it to get depth for a clip, a clip for depth, or to change a part of both.",
            search_aliases=[
                "pair", "join video depth", "combine video and depth", "video to depth", "depth to video", "concat latent",
                "joint latent",
            ],
            inputs=[
                io.Latent.Input(
                    "video_latent", tooltip="The clip from VAE Encode. A noise mask on it limits what changes in the video."
                ),
                io.Latent.Input(
                    "depth_latent",
                    tooltip="The depth pictures from VAE Encode, one for each frame of the clip, or an empty latent of the "
                    "same length. A noise mask on it limits what changes in the depth.",
                ),
                io.Float.Input(
                    "near_depth", default=0.0, min=-1000000.0, max=1000000.0, step=0.01, optional=True, advanced=True,
                    tooltip="Depth of the nearest point, from Normalize Depth, stored with the latent. 0 in both means "
                    "unknown.",
                ),
                io.Float.Input(
                    "far_depth", default=0.0, min=-1000000.0, max=1000000.0, step=0.01, optional=True, advanced=True,
                    tooltip="Depth of the farthest point, from Normalize Depth, stored with the latent. 0 in both means "
                    "unknown.",
                ),
            ],
            outputs=[
                io.Latent.Output(
                    display_name="video_depth_latent", tooltip="All video frames, then all depth frames, for KSampler (Auto Settings)."
                )
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, video_latent, depth_latent, near_depth=0.0, far_depth=0.0) -> io.NodeOutput:
        from ...models.pair.layout import join
        from ..host.pair.wan_latent import is_video, join_streams

        if is_video(video_latent) and is_video(depth_latent):
            return io.NodeOutput(join_streams(video_latent, depth_latent))
        pair = {key: value for key, value in video_latent.items() if key not in ("noise_mask", "batch_index")}
        pair["samples"] = join(*clips(video_latent=video_latent, depth_latent=depth_latent))
        frames = video_latent["samples"].shape[0]
        pair["duet"] = {"frames": frames, "modalities": list(MODALITIES)}
        if near_depth or far_depth:
            pair["duet"]["range"] = [near_depth, far_depth]
        mask = joined_masks(video_latent, depth_latent, frames)
        if mask is not None:
            pair["noise_mask"] = mask
        return io.NodeOutput(pair)


class SplitPair(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetSplitPair",
            display_name="Split Video and Depth",
            category=CATEGORY,
            description="Splits a latent of video and depth into the latent of the clip and that of its depth, each for a "
            "VAE Decode of its own.",
            search_aliases=["split pair", "unpair", "separate video and depth", "split joint latent", "depth from latent"],
            inputs=[
                io.Latent.Input(
                    "video_depth_latent", tooltip="A latent of video and depth, from KSampler (Auto Settings) or Join Video and Depth."
                )
            ],
            outputs=[
                io.Latent.Output(display_name="video_latent", tooltip="The frames of the clip, for VAE Decode."),
                io.Latent.Output(
                    display_name="depth_latent",
                    tooltip="The depth of each frame, for VAE Decode. Models of the pack paint it as a heat map: Heat Map "
                    "to Depth turns it grey.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, video_depth_latent) -> io.NodeOutput:
        from ..host.pair.wan_latent import is_video, split_streams
        from ..inputs.latents import pair_frames

        if is_video(video_depth_latent):
            return io.NodeOutput(*split_streams(video_depth_latent))
        frames = pair_frames(video_depth_latent, "video_depth_latent")
        return io.NodeOutput(*(half(video_depth_latent, index, frames) for index in range(len(MODALITIES))))
