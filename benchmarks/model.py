"""One step of the dual-modal U-Net beside diffusers' 2-D U-Net: python3 scripts/host.py bench model [--json]

Same pictures, same process, taken in turn; medians of the ratios. The floor by arithmetic (256 px, 8 + 8 frames, 2 FLOPs
a multiply-add): 2-D 3.025T, with temporal layers 3.400T, with cross-modal attention 3.626T, so 1.20 x. A joint step
against two single-modality steps saves nothing and adds cross-modal attention: 1.07 x.

tiny  TINY_IDOL, the network of the tests: every block as in Stable Diffusion 1.5, with fewer and narrower levels
demo  the network of the shipped weights at its 128 px; reported here, not bounded
sd1   IDOL on Stable Diffusion 1.5
"""

import argparse
import json
import resource
import statistics
import time

import torch
from _pack import ROOT
from diffusers import UNet2DConditionModel
from pack.models.files.opening import open_model
from pack.models.unet.config import IDOL, TINY_IDOL, VideoUNetConfig
from pack.models.unet.network import VideoUNet


def shipped() -> VideoUNetConfig:
    return open_model(ROOT / "weights" / "diffusion_models" / "duet_dance_128.safetensors")[0]


# The network, pixels and frames of each modality, runs: every size at its usual clips.
SIZES = {
    "tiny": (lambda: TINY_IDOL, 256, 8, 40),
    "demo": (shipped, 128, 8, 60),
    "sd1": (lambda: IDOL, 256, 2, 7),
}


def seconds(step, device: torch.device) -> float:
    begin = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begin


def measure(size: str, options) -> dict:
    """Median seconds of the 2-D net, the joint step and a single-modality step, and the ratios pair by pair."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    network, pixels, frames, runs = SIZES[size]
    config = network()
    pixels, frames = options.pixels or pixels, options.frames or frames
    side = pixels // 8
    make = lambda *shape: torch.randn(*shape, device=device, dtype=dtype)
    x, context = make(2 * frames, 4, side, side), make(2 * frames, options.tokens, config.cross_attention_dim)
    t = torch.tensor([500], device=device)
    labels = torch.zeros(frames, dtype=torch.long, device=device)
    with torch.device(device):
        plain = UNet2DConditionModel(**{**config.base(), "num_class_embeds": None}).to(dtype).eval()
        joint = VideoUNet(config).to(dtype).eval()
    steps = {
        "plain": lambda: plain(x, t, context),
        "joint": lambda: joint(x, t, context),
        "single": lambda: joint(x[:frames], t, context[:frames], modalities=1, labels=labels),
    }
    with torch.inference_mode():
        for step in steps.values():
            step()
        runs = [{name: seconds(step, device) for name, step in steps.items()} for _ in range(options.runs or runs)]
    middle = lambda values: statistics.median(list(values))
    return {
        "size": size,
        "pictures": 2 * frames,
        "pixels": pixels,
        "device": device.type,
        **{f"{name}_s": middle(run[name] for run in runs) for name in steps},
        "joint_to_plain": middle(run["joint"] / run["plain"] for run in runs),
        "joint_to_two_singles": middle(run["joint"] / (2 * run["single"]) for run in runs),
        "peak_gb": peak(device),
    }


def peak(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sizes", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--frames", type=int, help="frames of each modality")
    parser.add_argument("--pixels", type=int)
    parser.add_argument("--tokens", type=int, default=257)
    parser.add_argument("--runs", type=int)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = [measure(size, options) for size in options.sizes]
    if options.json:
        print(json.dumps({"threads": options.threads, "torch": torch.__version__, "rows": rows}, indent=2))
        return
    for row in rows:
        print(
            ", ".join(
                f"{name} {value:.3f}" if isinstance(value, float) else f"{name} {value}" for name, value in row.items()
            )
        )


if __name__ == "__main__":
    main()
