"""Metrics of a model of video and depth on held-out clips of the stage: python3 scripts/host.py bench demo [--json]

Sampled through the pack's own nodes on the real host, with the settings of the workflow joint_dance by default: the
person in A-pose, the empty scene and the pose are given; video and depth are generated and compared with the stage's.
With --task one half is the true one and the other is generated; with --no-poses no poses are given.
Beside the model stands a baseline without any: the person of the first frame, pasted still on the room; once unchanged, so
that the scene is exact, and once through the auto-encoder, as every output of a model.
"""

import argparse
import json
import statistics
import time
from functools import partial
from pathlib import Path

import _host  # noqa: F401
import comfy.sd
import comfy.utils
import torch
from _dance import FRAMES, SIZE, means, score, truth_of
from _pack import ROOT
from pack.models.depth.colormap import encode as heat
from pack.models.files import open_controlnet
from pack.models.pair.layout import join
from pack.nodes.depth.heat_map import HeatMapToDepth
from pack.nodes.host.unet.controlnet import native_controlnet
from pack.nodes.pair.conditioning import EncodePairCharacter, EncodePairScene
from pack.nodes.pair.latent import EmptyLatent, SplitPair
from pack.nodes.pair.sampler import ALL, AUTO, DEPTH_FROM_VIDEO, TASKS, VIDEO_FROM_DEPTH, SampleLatent
from pack.nodes.unet.loaders import open_video_model

import nodes as host


def make(models: dict, truth: dict, options, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Video (F, H, W, 3) and depth (F, H, W) from the person, the room, the pose and the half that the task keeps."""
    vae = models["vae"]
    positive, negative = EncodePairCharacter.execute(truth["person"], vae=vae).result
    positive, negative = EncodePairScene.execute(positive, negative, vae, truth["room"]).result
    if options.poses:
        apply = host.NODE_CLASS_MAPPINGS["ControlNetApplyAdvanced"]().apply_controlnet
        positive, negative = apply(positive, negative, models["pose"], truth["pose"], 1.0, 0.0, 1.0, vae=vae)
    latent = given_pair(models["model"], vae, truth, options.task)
    how = (options.sampling_steps, options.cfg, options.sampler, options.scheduler)
    sampled = SampleLatent.execute(models["model"], positive, negative, latent, seed, options.task, *how, 1.0).result[0]
    video, depth = (vae.decode(half["samples"]) for half in SplitPair.execute(sampled).result)
    return video.clamp(0, 1), HeatMapToDepth.execute(depth.clamp(0, 1), "hot").result[0][..., 0]


def given_pair(model, vae, truth: dict, task: str) -> dict:
    """An empty pair, with the true half that the task keeps."""
    pair = EmptyLatent.execute(model, SIZE, SIZE, FRAMES, 1).result[0]
    video, depth = (half["samples"] for half in SplitPair.execute(pair).result)
    if task == DEPTH_FROM_VIDEO:
        video = vae.encode(truth["video"])
    if task == VIDEO_FROM_DEPTH:
        depth = vae.encode(heat(truth["depth"], "hot"))
    return {**pair, "samples": join(video, depth)}


def open_models(model: Path, pose: Path, vae: Path) -> dict:
    config, state, _ = open_controlnet(pose)
    return {
        "model": open_video_model(str(model))[0],
        "pose": native_controlnet(config, state),
        "vae": comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(vae))),
    }


def roundtrip(vae, pictures: torch.Tensor) -> torch.Tensor:
    """(F, H, W, 3) pictures through the auto-encoder."""
    return vae.decode(vae.encode(pictures)).clamp(0, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--model", type=Path, default=ROOT / "weights/diffusion_models/duet_dance_128.safetensors")
    parser.add_argument("--pose", type=Path, default=ROOT / "weights/controlnet/duet_dance_128_pose.safetensors")
    parser.add_argument("--vae", type=Path, default=ROOT / "weights/vae/duet_vae_128.safetensors")
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--sampling-steps", type=int, default=0, help="0: what the file of the model recommends")
    parser.add_argument("--cfg", type=float, default=0.0, help="0: what the file of the model recommends")
    parser.add_argument("--sampler", default=AUTO)
    parser.add_argument("--scheduler", default=AUTO)
    parser.add_argument("--task", choices=TASKS, default=ALL)
    parser.add_argument("--no-poses", dest="poses", action="store_false")
    parser.add_argument("--first-seed", type=int, default=0)
    options = parser.parse_args()
    models = open_models(options.model, options.pose, options.vae)
    rows, seconds = [], []
    with torch.inference_mode():
        for seed in range(options.first_seed, options.first_seed + options.clips):
            truth, begin = truth_of(seed), time.perf_counter()
            video, depth = make(models, truth, options, seed)
            seconds.append(time.perf_counter() - begin)
            rows.append(score(video, depth, truth, partial(roundtrip, models["vae"])))
    outlines = sum(row["video_to_depth_px"] == row["video_to_depth_px"] for row in rows)
    found = {"clips": len(rows), **means(rows), "outlines": outlines, "seconds_a_clip": statistics.median(seconds)}
    if options.json:
        print(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        print(f"{name:>20} {value:.4f}" if isinstance(value, float) else f"{name:>20} {value}")


if __name__ == "__main__":
    main()
