"""The swap by the model of video and depth, for bench character_swap: the workflow swap_with_depth through the pack's own nodes.

Its conditions are the new character, the completed scene and the source's skeleton in the new body's proportions. It
generates the character with its depth, sampled as the model's file recommends; that depth, in the greys of the clip, gives
the mask and what is in front. No position of the new body in space is used: the skeleton is flat.
"""

import torch
from _pack import ROOT
from pack.models.choices import DEPTH_TYPES, KEYPOINT_SOURCES
from pack.models.files import open_controlnet
from pack.nodes.character.align import AlignPose
from pack.nodes.character.body import DrawBody
from pack.nodes.depth.edit import BlendDepth
from pack.nodes.depth.heat_map import HeatMapToDepth
from pack.nodes.depth.match import MaskByDepth, MatchDepth
from pack.nodes.host.unet.controlnet import native_controlnet
from pack.nodes.layers.composite import CompositeLayers
from pack.nodes.pair.conditioning import EncodePairCharacter, EncodePairScene
from pack.nodes.pair.latent import EmptyLatent, SplitPair
from pack.nodes.pair.sampler import ALL, AUTO, SampleLatent
from pack.nodes.pose.pose import DrawPose
from pack.nodes.unet.loaders import open_video_model

import nodes as host

WEIGHTS = ROOT / "weights"


def open_pair() -> dict:
    """The pack's own model of video and depth and its pose ControlNet."""
    config, state, _ = open_controlnet(WEIGHTS / "controlnet/duet_dance_128_pose.safetensors")
    model = open_video_model(str(WEIGHTS / "diffusion_models/duet_dance_128.safetensors"))[0]
    return {"model": model, "pose": native_controlnet(config, state)}


def fit_pose(keypoints, character) -> list:
    """The old actor's pose with the limbs of the new one, at the same place."""
    return AlignPose.execute(keypoints, character, True, "clip", "feet").result[0]


def draw_pose(keypoints) -> tuple[torch.Tensor, torch.Tensor]:
    """A pose as pictures (F, H, W, 3) and as the silhouette of its body (F, H, W)."""
    pictures = DrawPose.execute(keypoints, 0, 0, 0.0, True, True, True, False, 0.3).result[0]
    return pictures, DrawBody.execute(keypoints, 0, 0, DEPTH_TYPES[0], None, KEYPOINT_SOURCES[1]).result[2]


def generate_character(pair: dict, vae, swap, poses: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Video and heat maps of depth, both (F, H, W, 3), of the new character in the completed scene."""
    frames, height, width = poses.shape[:3]
    positive, negative = EncodePairCharacter.execute(swap.reference, vae=vae).result
    positive, negative = EncodePairScene.execute(positive, negative, vae, swap.scene).result
    apply = host.NODE_CLASS_MAPPINGS["ControlNetApplyAdvanced"]().apply_controlnet
    positive, negative = apply(positive, negative, pair["pose"], poses, 1.0, 0.0, 1.0, vae=vae)
    empty = EmptyLatent.execute(pair["model"], width, height, frames, 1).result[0]
    sampled = SampleLatent.execute(
        pair["model"], positive, negative, empty, swap.seed, ALL, 0, 0.0, AUTO, AUTO, 1.0
    ).result[0]
    return tuple(vae.decode(half["samples"]).clamp(0, 1) for half in SplitPair.execute(sampled).result)


def composite_character(
    swap, video: torch.Tensor, heat: torch.Tensor, body: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The character among the layers by its generated depth: pictures (F, H, W, 3) and their depth (F, H, W)."""
    depth = MatchDepth.execute(HeatMapToDepth.execute(heat, "hot").result[0], swap.far).result[0]
    matte = MaskByDepth.execute(depth, swap.far, 0.02, 1.5).result[0]
    depth = BlendDepth.execute(depth, swap.far, "nearest", 1.0).result[0]
    matte = (matte + body).clamp(0, 1)
    images, depth, _ = CompositeLayers.execute(
        swap.layers, False, False, "by depth", 0.0,
        character=video, character_mask=matte, character_depth=depth,
    ).result  # fmt: skip
    return images, depth[..., 0]


def swap_jointly(pair: dict, vae, swap) -> tuple[torch.Tensor, torch.Tensor]:
    """The swapped clip (F, H, W, 3) and its depth (F, H, W) in the greys of the source's depth."""
    poses, body = draw_pose(fit_pose(swap.source.keypoints, swap.character))
    video, heat = generate_character(pair, vae, swap, poses)
    return composite_character(swap, video, heat, body)
