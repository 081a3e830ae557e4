"""MIMO's ablation on the stage: python3 scripts/host.py bench swap_ablation [--steps N] [--clips N] [--json]

Every row is a network of its own, trained from new weights by training/launch.py with the recipe mimo, for the same steps on
the same clips, then swapped into held-out clips and scored against the true re-render of the new character,
as bench character_swap does. The runs train one thread each, two at once, without motion modules (the first stage).
"""

import argparse
import json
import statistics
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import character_swap as swap
import comfy.utils
import torch
from _pack import ROOT
from _runs import as_folder, committed_settings, train_run
from pack.nodes.unet.loaders import open_video_model

ROWS = {  # what differs: fields of the network, and the pictures of the motion
    "ours": ({}, "code"),
    "2-D skeleton in place of the motion code": ({}, "skeleton"),
    "no decomposition": ({"in_channels": 4}, "code"),
    "no reference attention": ({"reference": False}, "code"),
}
MOTION = {"code": "joints", "skeleton": "skeleton"}  # pictures of the new body's motion, by their name in the swap


def train(row: str, options) -> Path:
    """The model of a row; a finished run is reused, a stopped one is resumed."""
    fields, motion = ROWS[row]
    run = committed_settings("demo_character")
    name, folder = as_folder(row), options.folder.resolve()
    kept = str(folder / f"clips_{motion}_{options.clips_to_train}.safetensors")
    model = {"vae": str(options.vae.resolve()), "frames": 2, "config": fields, "motion": motion, "kept": kept}
    run |= {"folder": name, "model": model, "data": {**run["data"], "clips": options.clips_to_train}, "batch": 8,
            "steps": options.steps, "warmup": options.steps // 14, "ema": 0.99, "keep": 1, "sample_every": 0,
            "checkpoint_every": max(1, options.steps // 4)}  # fmt: skip
    return train_run(run, folder) / "model.safetensors"


def train_all(options) -> dict[str, Path]:
    """Two rows at once; the first two leave the encoded clips of either motion to the others."""
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(ROWS, pool.map(lambda row: train(row, options), ROWS), strict=True))


def evaluate(files: dict[str, Path], options) -> list[dict]:
    vae = comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(options.vae)))
    models = {row: open_video_model(str(file))[0] for row, file in files.items()}
    found = {row: [] for row in ROWS}
    for seed in range(options.clips):
        clip = swap.swap_of(seed)
        for row, (_, motion) in ROWS.items():
            layers = models[row].model.video.layer_codes > 0
            result = swap.swap_character(models[row], vae, clip, MOTION[motion], layers, options)
            found[row].append(swap.score(result, None, clip))
    means = lambda each: {name: statistics.fmean(one[name] for one in each) for name in each[0]}
    return [{"row": row, **means(each)} for row, each in found.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "output" / "swap_ablation", help="where the runs are kept"
    )
    parser.add_argument("--vae", type=Path, default=ROOT / "weights/vae/duet_vae_128.safetensors")
    parser.add_argument("--steps", type=int, default=700, help="of training")
    parser.add_argument("--clips-to-train", type=int, default=768)
    parser.add_argument("--clips", type=int, default=24, help="held out, to evaluate on")
    parser.add_argument("--sampling-steps", type=int, default=20)
    parser.add_argument("--cfg", type=float, default=1.0)
    options = parser.parse_args()
    files = train_all(options)
    comfy.utils.PROGRESS_BAR_ENABLED = False
    with torch.inference_mode():
        rows = evaluate(files, options)
    if options.json:
        print(json.dumps({"steps": options.steps, "clips": options.clips, "rows": rows}, indent=2))
        return
    print(f"{options.steps} steps of 8 pairs of frames, {options.clips} clips of {swap.FRAMES} frames, {swap.SIZE} px")
    for row in rows:
        print(f"{row['row']:<44}{row['psnr']:>8.2f}{row['person_psnr']:>9.2f}{row['ssim']:>8.3f}")


if __name__ == "__main__":
    main()
