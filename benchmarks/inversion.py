"""A step of inversion beside a step of the stock euler: python3 scripts/host.py bench inversion [--json]

steps   both are samplers of the real host on the same pair model with random weights, one after the other in turns that
        change places; medians of the ratios. `fast` evaluates the network once a step as euler does, so it adds only
        arithmetic on latents; `exact` evaluates it --iterations times, and is timed once.
flow    the same on ComfyUI's own models of flow matching, with random weights and narrow enough for a step of tens of
        milliseconds on one core
return  relative error of a clip of the stage that is inverted and sampled again by the stock euler, on the shipped
        depth-to-image model: by both rules, and by the stock FlipSigmas with euler

--sizes tiny sd1 --predictions eps v --steps 10 --runs 7 runs all of it.
"""

import argparse
import json
import statistics
import sys
import time

import _host  # noqa: F401
import comfy.samplers
import comfy.sd
import comfy.utils
import torch
from _pack import ROOT
from comfy_extras.nodes_custom_sampler import FlipSigmas
from pack.models.depth.range import normalize_clip
from pack.models.oneshot.inversion import reconstruction_error
from pack.models.stage import render, sample_scene
from pack.models.unet.config import IDOL, TINY
from pack.models.unet.network import VideoUNet
from pack.models.unet.switches import with_switches
from pack.models.unet.words import word_tokens
from pack.nodes.host.oneshot.conditioning import with_depth
from pack.nodes.host.oneshot.inversion import inversion_sampler, sample
from pack.nodes.host.unet.model import native_model
from pack.nodes.unet.loaders import open_video_model

sys.path.insert(0, str(ROOT / "tests"))
from tiny.flow_matching import KINDS, prompt, wide  # noqa: E402

SIZES = {"tiny": (TINY, 128, 8), "sd1": ({}, 256, 2)}  # fields, pixels, frames
WIDTH = 768  # of the tokens
WORDS = ROOT / "weights" / "diffusion_models" / "duet_words_128.safetensors"
VAE = ROOT / "weights" / "vae" / "duet_vae_128.safetensors"
PARTS = ["steps", "flow", "return"]
SEED, FRAMES, PIXELS = 3, 2, 128  # of a clip below the seeds of training


def seconds(model, positive, sampler, sigmas, latent) -> float:
    """Of one step."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    begin = time.perf_counter()
    sample(model, positive, sampler, sigmas, latent)  # its result is on the CPU, so no synchronisation is needed
    return (time.perf_counter() - begin) / (len(sigmas) - 1)


def compare(model, positive, latent, steps: int, iterations: int, runs: int, scheduler="ddim_uniform") -> dict:
    """Median seconds of a step of euler and of both inversions, and the medians of the ratios."""
    schedule = model.get_model_object("model_sampling")
    sigmas = comfy.samplers.calculate_sigmas(schedule, scheduler, steps).cpu()
    samplers = {"euler": comfy.samplers.sampler_object("euler"), "fast": inversion_sampler(1)}
    timed = lambda sampler: seconds(model, positive, sampler, sigmas, latent)
    for sampler in samplers.values():
        timed(sampler)
    pairs, order = [], list(samplers)
    for _ in range(runs):
        pairs.append({name: timed(samplers[name]) for name in order})
        order.reverse()  # so that a machine that slows down favours neither
    a_step, exact = statistics.median(pair["euler"] for pair in pairs), timed(inversion_sampler(iterations))
    return {
        "euler_s": a_step,
        "fast_s": statistics.median(pair["fast"] for pair in pairs),
        "fast_to_euler": statistics.median(pair["fast"] / pair["euler"] for pair in pairs),
        f"exact_{iterations}_s": exact,
        f"exact_{iterations}_to_euler": exact / a_step,
    }


def measure(size: str, prediction: str, options) -> dict:
    fields, pixels, frames = SIZES[size]
    config = with_switches(IDOL, **fields, foreground_width=0, prediction=prediction)
    torch.manual_seed(0)
    model = native_model(config, VideoUNet(config).state_dict())
    latent = {"samples": torch.randn(2 * frames, 4, pixels // 8, pixels // 8)}
    return {
        "part": "steps",
        "size": size,
        "prediction": prediction,
        "latents": 2 * frames,
        "pixels": pixels,
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        **compare(model, [[torch.zeros(1, 77, WIDTH), {}]], latent, options.steps, options.iterations, options.runs),
    }


def measure_flow(kind: str, options) -> dict:
    model, latent = wide(kind)
    return {
        "part": "flow",
        "model": kind,
        "latent": list(latent["samples"].shape),
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        **compare(model, prompt(kind, 1), latent, options.steps, options.iterations, options.runs, "simple"),
    }


def measure_return(steps: int) -> dict:
    """Errors of a clip that went to noise and back on the shipped depth-to-image model, with its depth and its caption."""
    model = open_video_model(str(WORDS))[0]
    vae = comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(VAE)))
    clip = render(sample_scene(SEED, frames=FRAMES, height=PIXELS, width=PIXELS, frame_rate=8.0, objects=0))
    depth = normalize_clip(clip.depth, depth_type="distance", depth_scale="inverse")[0]
    positive = with_depth([[word_tokens(clip.caption, model.model.video.words)[None], {}]], depth, "per clip")
    with torch.no_grad():
        latent = {"samples": vae.encode(clip.rgb)}
    sigmas = comfy.samplers.calculate_sigmas(model.get_model_object("model_sampling"), "ddim_uniform", steps).cpu()
    euler = comfy.samplers.sampler_object("euler")
    flipped = FlipSigmas.execute(sigmas).result[0]
    samplers = {
        "exact_5": (inversion_sampler(5), sigmas),
        "fast": (inversion_sampler(1), sigmas),
        "flip": (euler, flipped),
    }
    errors = {}
    for name, (sampler, levels) in samplers.items():
        noise = sample(model, positive, sampler, levels, latent)
        reproduced = sample(model, positive, euler, sigmas, noise)
        errors[f"{name}_error"] = reconstruction_error(reproduced["samples"], latent["samples"])[0]
    return {"part": "return", "model": WORDS.name, "steps": steps, "frames": FRAMES, **errors}


def rows(options):
    """Rows of the table, each when it is measured."""
    if "steps" in options.parts:
        for size in options.sizes:
            for prediction in options.predictions:
                yield measure(size, prediction, options)
    if "flow" in options.parts:
        yield from (measure_flow(kind, options) for kind in KINDS)
    if "return" in options.parts and WORDS.exists():
        yield measure_return(options.return_steps)


def format_row(row: dict) -> str:
    """A row as one line; errors in powers of ten."""
    form = lambda name, value: f"{value:.1e}" if name.endswith("error") else f"{value:.3f}"
    return ", ".join(f"{name} {form(name, v) if isinstance(v, float) else v}" for name, v in row.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--sizes", nargs="+", default=["tiny"], choices=list(SIZES))
    parser.add_argument("--predictions", nargs="+", default=["eps", "v"], choices=["eps", "v"])
    parser.add_argument("--steps", type=int, default=4, help="of each run that is timed")
    parser.add_argument("--iterations", type=int, default=3, help="of exact inversion, where it is timed")
    parser.add_argument("--runs", type=int, default=9, help="pairs of runs")
    parser.add_argument("--return-steps", type=int, default=50, help="there and back on the model of words")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    comfy.utils.PROGRESS_BAR_ENABLED = False
    if options.json:
        about = {"threads": options.threads, "torch": torch.__version__}
        print(json.dumps({**about, "rows": list(rows(options))}, indent=2))
        return
    for row in rows(options):
        print(format_row(row), flush=True)


if __name__ == "__main__":
    main()
