"""The paper's ablation on the stage: python3 scripts/host.py bench ablation [--steps N] [--seeds 0 1] [--json]

Every row is a network of its own, trained from nothing by training/launch.py with the recipe idol_video for the same
steps on the same clips, then sampled on clips that none of them saw, through the pack's nodes, as bench demo does. The runs train
one thread each, as many at once as asked for; the clips are encoded once for all of them.
Frechet distances are on features of the demo's auto-encoder (64 means of its last layer; for video also 64 of how they
change from frame to frame): they compare rows of one table with equal counts, and nothing else.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import demo
import torch
from _pack import ROOT
from pack.models.metrics import frechet
from pack.training.encoders import open_vae

SEPARATE = {"streams": "separate", "label": False, "cross_modal": "none"}
NO_LOSS = {"motion": 0.0, "maps": 0.0}
ROWS = {  # fields of the network, and the weights of the losses beside denoising (the paper's: 0.01)
    "separate": (SEPARATE, NO_LOSS),
    "shared": ({"cross_modal": "none"}, NO_LOSS),
    "+ cross-modal attention": ({}, NO_LOSS),
    "+ cross-attention loss": ({}, {"motion": 0.0}),
    "+ motion loss": ({}, {}),
    "shared maps, mean": ({"cross_modal": "none", "shared_maps": "avg"}, NO_LOSS),
    "shared maps, video's": ({"cross_modal": "none", "shared_maps": "video"}, NO_LOSS),
}
PAPER = {"separate": 0.0822, "shared": 0.0369, "+ cross-modal attention": 0.0360, "+ cross-attention loss": 0.0351,
         "+ motion loss": 0.0336, "shared maps, mean": 0.0706, "shared maps, video's": 0.0718}  # fmt: skip


def train(row: str, seed: int, options) -> Path:
    """The run folder of a row; one that is finished is taken as it is, one that was stopped goes on."""
    fields, losses = ROWS[row]
    template = ROOT / "training" / "runs"
    run = json.loads((template / "demo_video.json").read_text(encoding="utf-8"))
    shape = json.loads((template / "demo_image.json").read_text(encoding="utf-8"))["model"]["config"]
    name = f"{list(ROWS).index(row)}_seed{seed}_{options.steps}"
    kept = str(options.folder.resolve() / f"clips_{options.clips_to_train}.safetensors")
    model = {"vae": str(options.vae.resolve()), "config": {**shape, **fields}, "kept": kept}
    changes = {"model": model, "losses": losses}
    data = {**run["data"], "clips": options.clips_to_train}
    run |= {**changes, "data": data, "folder": name, "steps": options.steps, "lr": 6e-4, "seed": seed, "warmup": options.steps // 20,
            "checkpoint_every": max(1, options.steps // 4), "keep": 1, "sample_every": 0}  # fmt: skip
    options.folder.mkdir(parents=True, exist_ok=True)
    file = options.folder / f"{name}.json"
    file.write_text(json.dumps(run, indent=1), encoding="utf-8")
    if not (options.folder / name / "model" / "pose.safetensors").exists():
        command = [sys.executable, str(ROOT / "training" / "launch.py"), str(file)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
    return options.folder / name / "model"


def train_all(options) -> dict[tuple[str, int], Path]:
    """The folder of each row and seed; the first run goes alone and leaves the encoded clips to the others."""
    runs = [(row, seed) for row in options.rows for seed in options.seeds]
    done = {runs[0]: train(*runs[0], options)}
    with ThreadPoolExecutor(options.at_once) as pool:
        rest = pool.map(lambda run: train(*run, options), runs[1:])
        return done | dict(zip(runs[1:], rest, strict=True))


def features(vae, pictures: torch.Tensor) -> torch.Tensor:
    """(F, H, W, 3) pictures to (F, 64) means of what the encoder sees before its last layer."""
    return vae.taesd_encoder[:-1](pictures.permute(0, 3, 1, 2)).mean((2, 3))


def evaluate(model: Path, options, truths: list[dict]) -> dict[str, float]:
    models = demo.open_models(model / "model.safetensors", model / "pose.safetensors", options.vae)
    vae, rows, seen = open_vae(options.vae)[0], [], {"made": [], "true": []}
    with torch.inference_mode():
        for seed, truth in enumerate(truths):
            video, depth = demo.make(models, truth, options, seed)
            rows.append(demo.score(video, depth, truth, models["vae"]))
            for name, pictures in (("made", video), ("true", truth["video"])):
                seen[name].append(features(vae, pictures))
    clips = {n: torch.stack([torch.cat((f.mean(0), f.diff(dim=0).abs().mean(0))) for f in v]) for n, v in seen.items()}
    frames = {name: torch.cat(values) for name, values in seen.items()}
    return demo.means(rows) | {"frechet_picture": frechet(frames["made"], frames["true"]),
                               "frechet_video": frechet(clips["made"], clips["true"])}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--folder", type=Path, default=ROOT / "output" / "ablation", help="where the runs are kept")
    parser.add_argument("--vae", type=Path, default=ROOT / "weights/vae/duet_vae_128.safetensors")
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--steps", type=int, default=600, help="of training")
    parser.add_argument("--at-once", type=int, default=2, help="runs that train beside each other")
    parser.add_argument("--clips-to-train", type=int, default=512)
    parser.add_argument("--clips", type=int, default=32, help="never seen, to judge by")
    parser.add_argument("--sampling-steps", type=int, default=20)
    parser.add_argument("--cfg", type=float, default=1.0)
    options = parser.parse_args()
    models = train_all(options)
    truths = [demo.truth_of(seed) for seed in range(options.clips)]
    table = {}
    for row in options.rows:
        found = [evaluate(models[row, seed], options, truths) for seed in options.seeds]
        table[row] = {name: [values[name] for values in found] for name in found[0]}
        if not options.json:
            print(line(row, table[row]), flush=True)
    if options.json:
        about = {"steps": options.steps, "seeds": options.seeds, "clips": options.clips, "paper_depth_l2": PAPER}
        print(json.dumps({**about, "rows": table}, indent=2))


def line(row: str, values: dict[str, list[float]]) -> str:
    """The mean over seeds and half their spread, and the paper's depth L2 beside ours."""
    parts = [f"{name} {statistics.fmean(v):.4f} ± {(max(v) - min(v)) / 2:.4f}" for name, v in values.items()]
    return f"{row:>24}: {', '.join(parts)} (paper's depth L2 {PAPER[row]})"


if __name__ == "__main__":
    main()
