"""How good a dual-modal model is on clips of the stage that it never saw: python3 scripts/host.py bench demo [--json]

Sampled through the pack's own nodes on the real host, as the workflow joint_dance does: the person in A-pose, the empty
room and the pose are given; video and depth are made, and the stage knows the truth of both. Beside the model stands a
baseline without any: the person of the first frame, pasted still on the room; once as it is, so that the room is the
true one to the last bit, and once through the auto-encoder, as everything that a model makes.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import _host  # noqa: F401
import comfy.sd
import comfy.utils
import torch
from _pack import ROOT
from pack.models.checkpoint import open_controlnet
from pack.models.colormap import encode as heat
from pack.models.depth import normalize_clip
from pack.models.metrics import depth_errors, edge_distance, psnr, silhouette
from pack.models.stage import render, render_character, sample_scene
from pack.nodes.conditioning import EncodeBackground, EncodeForeground
from pack.nodes.depth import HeatMapToDepth
from pack.nodes.host.controlnet import native_controlnet
from pack.nodes.joint import JOINT, ModalityConditionedSampler
from pack.nodes.latent import EmptyVideoDepthLatent, SplitVideoDepth
from pack.nodes.loaders import AS_IN_FILE, open_video_model

import nodes as host

SIZE, FRAMES, FPS = 128, 8, 8.0
AWAY = 0.12  # how far a pixel must be from the empty room, of 1, to belong to the silhouette


def truth_of(seed: int) -> dict:
    """A clip below the seeds of training: pictures, depth, the person, the room and the pose."""
    scene = sample_scene(seed, frames=FRAMES, height=SIZE, width=SIZE, fps=FPS, objects=0)
    clip = render(scene)
    inverse = normalize_clip(clip.depth, source="distance", space="inverse")[0]
    # The empty room in the range of the clip.
    low, high = (1 / clip.depth).amin(), (1 / clip.depth).amax()
    empty = ((1 / clip.plate_depth - low) / (high - low)).clamp(0, 1)
    return {"video": clip.rgb, "depth": inverse, "empty": empty, "person": render_character(scene)[0], "clip": clip}


def make(models: dict, truth: dict, options, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Video (F, H, W, 3) and depth (F, H, W) from the person, the room and the pose."""
    vae, clip = models["vae"], truth["clip"]
    positive, negative = EncodeForeground.execute(truth["person"], vae=vae).result
    positive, negative = EncodeBackground.execute(positive, negative, vae, clip.plate[:1]).result
    apply = host.NODE_CLASS_MAPPINGS["ControlNetApplyAdvanced"]().apply_controlnet
    positive, negative = apply(positive, negative, models["pose"], clip.pose, 1.0, 0.0, 1.0, vae=vae)
    pair = EmptyVideoDepthLatent.execute(SIZE, SIZE, FRAMES).result[0]
    sampled = ModalityConditionedSampler.execute(
        models["model"],
        seed,
        options.sampling_steps,
        options.cfg,
        "ddim",
        "ddim_uniform",
        positive,
        negative,
        pair,
        JOINT,
        1.0,
    ).result[0]
    video, depth = (vae.decode(half["samples"]) for half in SplitVideoDepth.execute(sampled).result)
    return video.clamp(0, 1), HeatMapToDepth.execute(depth.clamp(0, 1), "hot").result[0][..., 0]


def open_models(model: Path, pose: Path, vae: Path) -> dict:
    config, state, _ = open_controlnet(pose)
    return {
        "model": open_video_model(str(model), AS_IN_FILE)[0],
        "pose": native_controlnet(config, state),
        "vae": comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(vae))),
    }


def means(rows: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each figure over the clips that have one."""
    known = {name: [row[name] for row in rows if row[name] == row[name]] for name in rows[0]}
    return {name: statistics.fmean(values) if values else float("nan") for name, values in known.items()}


def through(vae, pictures: torch.Tensor) -> torch.Tensor:
    """(F, H, W, 3) pictures as the auto-encoder gives them back."""
    return vae.decode(vae.encode(pictures)).clamp(0, 1)


def score(video, depth, truth: dict, vae) -> dict[str, float]:
    """Silhouettes are what differs from the empty room as the auto-encoder shows it, or its blur would count."""
    clip = truth["clip"]
    empty = HeatMapToDepth.execute(through(vae, heat(truth["empty"], "hot")), "hot").result[0][..., 0]
    outlines = (silhouette(video, through(vae, clip.plate), AWAY), silhouette(depth, empty, AWAY))
    still = clip.plate.lerp(clip.rgb[:1], clip.human[:1, ..., None])
    return {
        **depth_errors(depth, truth["depth"], clip.human),
        "video_psnr": psnr(video, truth["video"]),
        "still_psnr": psnr(still, truth["video"]),
        "still_through_vae_psnr": psnr(through(vae, still), truth["video"]),
        "video_to_depth_px": edge_distance(*outlines),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--model", type=Path, default=ROOT / "weights/diffusion_models/duet_dance_128.safetensors")
    parser.add_argument("--pose", type=Path, default=ROOT / "weights/controlnet/duet_dance_128_pose.safetensors")
    parser.add_argument("--vae", type=Path, default=ROOT / "weights/vae/duet_vae_128.safetensors")
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--sampling-steps", type=int, default=20)
    parser.add_argument("--cfg", type=float, default=1.0)
    options = parser.parse_args()
    models = open_models(options.model, options.pose, options.vae)
    rows, seconds = [], []
    with torch.inference_mode():
        for seed in range(options.clips):
            truth, begin = truth_of(seed), time.perf_counter()
            video, depth = make(models, truth, options, seed)
            seconds.append(time.perf_counter() - begin)
            rows.append(score(video, depth, truth, models["vae"]))
    outlines = sum(row["video_to_depth_px"] == row["video_to_depth_px"] for row in rows)
    found = {"clips": len(rows), **means(rows), "outlines": outlines, "seconds_a_clip": statistics.median(seconds)}
    if options.json:
        print(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        print(f"{name:>20} {value:.4f}" if isinstance(value, float) else f"{name:>20} {value}")


if __name__ == "__main__":
    main()
