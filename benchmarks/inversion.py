"""A step of inversion beside a step of the stock euler: python3 scripts/host.py bench inversion [--json]

Both are samplers of the real host on the same pair model, taken in turn; medians of the ratios. `paper` asks the network
once a step as euler does, so all that it adds is arithmetic on latents; `exact` asks it as often as said.
"""

import argparse
import importlib.util
import json
import os
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, os.environ["COMFYUI_PATH"])
import torch  # noqa: E402
from comfy.cli_args import args  # noqa: E402

args.cpu = not torch.cuda.is_available()
import comfy.samplers  # noqa: E402
import comfy.utils  # noqa: E402

import nodes  # noqa: E402, F401  (before ours of that name)

spec = importlib.util.spec_from_file_location("pack", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
sys.modules["pack"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["pack"])
from pack.models.config import IDOL, TINY  # noqa: E402
from pack.models.video_unet import VideoUNet  # noqa: E402
from pack.nodes.host.inversion import inversion_sampler, sample  # noqa: E402
from pack.nodes.host.model import native_model  # noqa: E402

SIZES = {"tiny": ({**TINY, "cross_modal": "deep"}, 128, 8), "sd1": ({}, 256, 2)}  # fields, pixels, frames
WIDTH = 768  # of the tokens


def seconds(model, positive, sampler, sigmas, latent) -> float:
    """Of one step."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    begin = time.perf_counter()
    sample(model, positive, sampler, sigmas, latent)  # its answer is on the CPU, so nothing is left to wait for
    return (time.perf_counter() - begin) / (len(sigmas) - 1)


def compared(model, positive, latent, options) -> dict:
    """Median seconds of a step of euler and of both ways to invert, and the medians of the ratios."""
    schedule = model.get_model_object("model_sampling")
    sigmas = comfy.samplers.calculate_sigmas(schedule, "ddim_uniform", options.steps).cpu()
    exact = f"exact_{options.iterations}"
    samplers = {
        "euler": comfy.samplers.sampler_object("euler"),
        "paper": inversion_sampler(1),
        exact: inversion_sampler(options.iterations),
    }
    for sampler in samplers.values():
        seconds(model, positive, sampler, sigmas, latent)
    runs = [
        {name: seconds(model, positive, sampler, sigmas, latent) for name, sampler in samplers.items()}
        for _ in range(options.runs)
    ]
    middle = lambda value: statistics.median(value(run) for run in runs)
    return {
        **{f"{name}_s": middle(lambda run, name=name: run[name]) for name in samplers},
        "paper_to_euler": middle(lambda run: run["paper"] / run["euler"]),
        f"{exact}_to_euler": middle(lambda run: run[exact] / run["euler"]),
    }


def measure(size: str, prediction: str, options) -> dict:
    fields, pixels, frames = SIZES[size]
    config = replace(IDOL, **{**fields, "foreground_width": 0, "prediction": prediction})
    torch.manual_seed(0)
    model = native_model(config, VideoUNet(config).state_dict())
    latent = {"samples": torch.randn(2 * frames, 4, pixels // 8, pixels // 8)}
    return {
        "size": size,
        "prediction": prediction,
        "latents": 2 * frames,
        "pixels": pixels,
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        **compared(model, [[torch.zeros(1, 77, WIDTH), {}]], latent, options),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sizes", nargs="+", default=["tiny"], choices=list(SIZES))
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--iterations", type=int, default=3)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    comfy.utils.PROGRESS_BAR_ENABLED = False
    rows = [measure(size, prediction, options) for size in options.sizes for prediction in ("eps", "v")]
    if options.json:
        print(json.dumps({"threads": options.threads, "torch": torch.__version__, "rows": rows}, indent=2))
        return
    for row in rows:
        shown = (
            f"{name} {value:.3f}" if isinstance(value, float) else f"{name} {value}" for name, value in row.items()
        )
        print(", ".join(shown))


if __name__ == "__main__":
    main()
