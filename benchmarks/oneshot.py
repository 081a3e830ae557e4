"""One-shot tuning, inversion and length: python3 scripts/host.py bench oneshot [--sizes tiny sd2] [--json]

tuning     real runs of training/launch.py, each a process of its own: steps a second (median after the first three) and
           peak memory of the process, with features computed twice (gradient checkpointing) and without
inversion  a step of it beside a step of the stock euler, on the real host, as bench inversion does; at most 1.05 x
frames     a step of the network for 8, 16, 32 and 64 frames: seconds a frame, which should not grow

tiny is the demo's depth-to-image model at 128 pixels, sd2 is Stable Diffusion 2 with depth at 512 pixels. Weights are random.
--sizes tiny sd2 --steps 10 --runs 5 runs all of it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import _host  # noqa: F401
import comfy.utils
import inversion
import torch
from _pack import ROOT
from pack.models.files import save_model
from pack.models.unet.config import ONE_SHOT_FIELDS, SD1, SD2_DEPTH
from pack.models.unet.network import VideoUNet
from pack.models.unet.small_vae import SmallVAE
from pack.models.unet.switches import with_switches
from pack.nodes.host.oneshot.conditioning import with_depth
from pack.nodes.host.unet.model import native_model
from pack.training.encode.tokens import write_tokens
from pack.training.recipes.depth_words import SHAPE
from safetensors.torch import save_file

SIZES = {"tiny": (with_switches(SD1, **SHAPE), 128), "sd2": (SD2_DEPTH, 512)}  # the picture model, pixels
FRAMES, LENGTHS, WARM = 8, (8, 16, 32, 64), 3
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def tuning(size: str, twice: bool, options, folder: Path) -> dict:
    """A shortened run of the recipe on a random base; sample pictures are left out."""
    config, pixels = SIZES[size]
    if not (folder / f"{size}.safetensors").exists():
        torch.manual_seed(0)
        save_model(folder / f"{size}.safetensors", VideoUNet(config).half().state_dict(), config)
        save_file(SmallVAE().state_dict(), folder / "vae.safetensors")
    text = write_tokens(folder, torch.randn(1, 77, config.cross_attention_dim))
    run = {
        "recipe": "one_shot", "folder": f"{size}_{twice}", "steps": options.steps + WARM, "batch": 1, "warmup": 0,
        "data": {"kind": "stage", "clips": 1, "size": pixels, "frames": FRAMES},
        "model": {"init": f"{size}.safetensors", "vae": "vae.safetensors", "text": text.name, "frames": FRAMES},
        "precision": "bf16", "gradient_checkpointing": twice, "threads": options.threads,
        "checkpoint_every": 10**6, "sample_every": 0, "keep": 1,
    }  # fmt: skip
    file = folder / f"{size}_{twice}.json"
    file.write_text(json.dumps(run), encoding="utf-8")
    command = [sys.executable, str(ROOT / "training" / "launch.py"), str(file)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
    log = [json.loads(line) for line in (folder / run["folder"] / "log.jsonl").read_text("utf-8").splitlines()]
    seconds = statistics.median(entry["seconds"] for entry in [e for e in log if "loss" in e][WARM:])
    peak = next(entry["peak_gb"] for entry in log if entry.get("event") == "finished")
    return {"part": "tuning", "features_twice": twice, "steps_a_second": 1 / seconds, "peak_gb": peak}


def tuned_config(size: str):
    """Configuration of a model with attention over time, for the host."""
    return replace(SIZES[size][0], **ONE_SHOT_FIELDS)


def inverting(size: str, options) -> dict:
    """bench inversion's comparison on a one-shot model with its depth."""
    config, side = tuned_config(size), SIZES[size][1] // 8
    torch.manual_seed(0)
    model = native_model(config, VideoUNet(config).state_dict())
    words = [[torch.zeros(1, 77, config.cross_attention_dim), {}]]
    positive = with_depth(words, torch.rand(FRAMES, side, side), "per clip")
    latent = {"samples": torch.randn(FRAMES, 4, side, side)}
    compared = inversion.compare(model, positive, latent, options.steps, options.iterations, 3 * options.runs)
    return {"part": "inversion", **compared}


def lengths(size: str, options) -> list[dict]:
    """Seconds a frame at every length, taken in turn, and beside the shortest."""
    dtype = torch.bfloat16 if DEVICE.type == "cuda" else torch.float32
    config, side = tuned_config(size), SIZES[size][1] // 8
    with torch.device(DEVICE):
        net = VideoUNet(config).to(dtype).eval()

    def seconds_a_frame(frames: int) -> float:
        x = torch.randn(frames, 5, side, side, device=DEVICE, dtype=dtype)
        context = torch.randn(1, 77, config.cross_attention_dim, device=DEVICE, dtype=dtype).expand(frames, -1, -1)
        begin = time.perf_counter()
        net(x, torch.full((frames,), 500, device=DEVICE), context)
        if DEVICE.type == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - begin) / frames

    with torch.inference_mode():
        runs = [{frames: seconds_a_frame(frames) for frames in LENGTHS} for _ in range(options.runs + 1)][1:]
    middle = lambda value: statistics.median(value(run) for run in runs)
    return [
        {"part": "frames", "frames": frames, "a_frame_s": middle(lambda run, n=frames: run[n]),
         "to_shortest": middle(lambda run, n=frames: run[n] / run[LENGTHS[0]])} for frames in LENGTHS
    ]  # fmt: skip


def measure(size: str, options) -> Iterator[dict]:
    if "tuning" in options.parts:
        with tempfile.TemporaryDirectory() as folder:
            for twice in (False, True):
                yield tuning(size, twice, options, Path(folder))
    if "inversion" in options.parts:
        yield inverting(size, options)
    if "frames" in options.parts:
        yield from lengths(size, options)


def rows(options) -> Iterator[dict]:
    for size in options.sizes:
        for row in measure(size, options):
            yield {"size": size, "pixels": SIZES[size][1], "device": DEVICE.type, **row}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sizes", nargs="+", default=["tiny"], choices=list(SIZES))
    parts = ("tuning", "inversion", "frames")
    parser.add_argument("--parts", nargs="+", default=list(parts), choices=parts)
    parser.add_argument("--steps", type=int, default=5, help="of tuning that are timed, and of sampling")
    parser.add_argument("--iterations", type=int, default=3, help="of exact inversion")
    parser.add_argument("--runs", type=int, default=3, help="of each length, and a third of the pairs of inversion")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    comfy.utils.PROGRESS_BAR_ENABLED = False
    if options.json:
        about = {"threads": options.threads, "torch": torch.__version__}
        print(json.dumps({**about, "rows": list(rows(options))}, indent=2))
        return
    for row in rows(options):
        shown = (f"{name} {v:.3f}" if isinstance(v, float) else f"{name} {v}" for name, v in row.items())
        print(", ".join(shown), flush=True)


if __name__ == "__main__":
    main()
