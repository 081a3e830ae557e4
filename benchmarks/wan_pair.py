"""A small pair on Wan 2.2 beside the small U-Net pair, on held-out clips: host.py bench wan_pair --wan FILE [--json]

Both are sampled through the pack's own nodes with what their files recommend, on the same clips. For "depth from video" the
true video is given, for "video from depth" the true depth; the Wan pair has words or an empty prompt, the U-Net pair always
has a picture of the person and of the empty room, and no poses. Each figure has the half-width of its 95 % interval.
"""

import argparse
import json
import statistics
import time
from functools import partial
from pathlib import Path

import _host  # noqa: F401
import torch
from _dance import SIZE, score, truth_of
from _pack import ROOT
from demo import make as make_unet
from demo import open_models, roundtrip
from pack.models.depth.colormap import encode as heat
from pack.models.pair.layout import join
from pack.nodes.depth.heat_map import HeatMapToDepth
from pack.nodes.host.unet.words import word_encoder
from pack.nodes.pair.latent import EmptyLatent, SplitPair
from pack.nodes.pair.sampler import ALL, AUTO, DEPTH_FROM_VIDEO, VIDEO_FROM_DEPTH, SampleLatent
from pack.nodes.wan.loaders import open_pair
from pack.nodes.wan.prompts import EncodeWanPrompt

SHOWN = ("depth_l2", "person_mae", "video_psnr", "video_to_depth_px")
CASES = {  # name: (task, network, whether it has words)
    "depth from video, Wan, no words": (DEPTH_FROM_VIDEO, "wan", False),
    "depth from video, Wan, words": (DEPTH_FROM_VIDEO, "wan", True),
    "depth from video, U-Net": (DEPTH_FROM_VIDEO, "unet", False),
    "video from depth, Wan, no words": (VIDEO_FROM_DEPTH, "wan", False),
    "video from depth, Wan, words": (VIDEO_FROM_DEPTH, "wan", True),
    "video from depth, U-Net": (VIDEO_FROM_DEPTH, "unet", False),
    "both from noise, Wan, words": (ALL, "wan", True),
}


def make_wan(models: dict, truth: dict, task: str, words: bool, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Video (F, H, W, 3) and depth (F, H, W) from words and the half that the task keeps."""
    model, vae, clip = (models[name] for name in ("wan", "vae", "words"))
    positive, negative = (
        EncodeWanPrompt.execute(clip, text, "depth").result[0] for text in (truth["caption"] if words else "", "")
    )
    latent = EmptyLatent.execute(model, SIZE, SIZE, len(truth["video"]), 1).result[0]
    video, depth = (half["samples"] for half in SplitPair.execute(latent).result)
    video = vae.encode(truth["video"]) if task == DEPTH_FROM_VIDEO else video
    depth = vae.encode(heat(truth["depth"], "hot")) if task == VIDEO_FROM_DEPTH else depth
    latent = {**latent, "samples": join(video, depth)}
    how = (models["steps"], models["cfg"], AUTO, AUTO, 1.0)
    sampled = SampleLatent.execute(model, positive, negative, latent, seed, task, *how).result[0]
    video, depth = (vae.decode(half["samples"]) for half in SplitPair.execute(sampled).result)
    return video.clamp(0, 1), HeatMapToDepth.execute(depth.clamp(0, 1), "hot").result[0][..., 0]


def interval(values: list[float]) -> list[float]:
    """The mean of the finite values and the half-width of its 95 % interval."""
    values = [value for value in values if value == value]
    spread = 1.96 * statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return [statistics.fmean(values), spread] if values else [float("nan"), 0.0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--wan", type=Path, required=True, help="a model that the recipe wan_pair trained")
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--first-seed", type=int, default=300)
    parser.add_argument("--frames", type=int, default=8, help="of each clip; the U-Net pair was trained on 8")
    parser.add_argument("--steps", type=int, default=0, help="of the Wan pair; 0: what its file recommends")
    parser.add_argument("--cfg", type=float, default=0.0, help="of the Wan pair; 0: what its file recommends")
    parser.add_argument("--cases", default="", help="only cases whose name has this")
    parser.add_argument("--pictures", type=Path, help="a folder for the first clips of each case")
    options = parser.parse_args()
    weights = ROOT / "weights"
    models = open_models(
        weights / "diffusion_models/duet_dance_128.safetensors",
        weights / "controlnet/duet_dance_128_pose.safetensors",
        weights / "vae/duet_vae_128.safetensors",
    )
    models["wan"], _ = open_pair(str(options.wan))
    models["words"] = word_encoder(models["wan"].model.notes.words)
    models |= {"steps": options.steps, "cfg": options.cfg}
    unet = argparse.Namespace(poses=False, sampling_steps=0, cfg=0.0, sampler=AUTO, scheduler=AUTO)
    rows, seconds = {}, {}
    with torch.inference_mode():
        for seed in range(options.first_seed, options.first_seed + options.clips):
            truth = truth_of(seed, frames=options.frames)
            for name, (task, network, words) in CASES.items():
                if options.cases not in name or (network == "unet" and options.frames != 8):
                    continue
                begin, unet.task = time.perf_counter(), task
                made = (
                    make_wan(models, truth, task, words, seed)
                    if network == "wan"
                    else make_unet(models, truth, unet, seed)
                )
                seconds.setdefault(name, []).append(time.perf_counter() - begin)
                rows.setdefault(name, []).append(score(*made, truth, partial(roundtrip, models["vae"])))
                if options.pictures and seed < options.first_seed + 4:
                    save(options.pictures / f"{name} {seed}.png", truth, *made)
    found = {name: {figure: interval([row[figure] for row in part]) for figure in SHOWN} for name, part in rows.items()}
    if options.json:
        print(json.dumps(found | {"seconds": {name: statistics.median(s) for name, s in seconds.items()}}, indent=2))
        return
    print(f"{'':34}" + "".join(f"{figure:>24}" for figure in SHOWN) + f"{'seconds':>10}")
    for name, figures in found.items():
        cells = "".join(f"{mean:>15.4f} ±{half:>7.4f}" for mean, half in figures.values())
        print(f"{name:34}{cells}{statistics.median(seconds[name]):>10.1f}")


def save(path: Path, truth: dict, video: torch.Tensor, depth: torch.Tensor) -> None:
    """Four frames: true video, video, true depth, depth."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    grey = lambda depth: depth[..., None].expand(-1, -1, -1, 3)
    rows = [torch.cat(list(clip[:: max(1, len(clip) // 4)]), 1) for clip in
            (truth["video"], video, grey(truth["depth"]), grey(depth))]  # fmt: skip
    Image.fromarray((torch.cat(rows) * 255).byte().numpy()).save(path)


if __name__ == "__main__":
    main()
