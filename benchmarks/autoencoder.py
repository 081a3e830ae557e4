"""What an auto-encoder returns of held-out clips: python3 scripts/host.py bench autoencoder [--vae FILE] [--json]

Encoded and decoded by the host, as Load VAE, VAE Encode and VAE Decode do. Clips of the stage that no run trains on; those of
--first-seed 900, the default, are also what runs are compared by while they train. Figures are means over clips.
"""

import argparse
import json
from pathlib import Path

import _host  # noqa: F401
import comfy.sd
import comfy.utils
import torch
from _dance import means, truth_of
from _pack import ROOT
from pack.models.depth.colormap import decode
from pack.models.depth.colormap import encode as heat
from pack.models.evaluate.metrics import depth_errors, psnr


def measure(vae, truth: dict) -> dict[str, float]:
    """The figures of one clip; NaN on the person where it has none."""
    there_and_back = lambda pictures: vae.decode(vae.encode(pictures)).clamp(0, 1)
    video, depth = there_and_back(truth["video"]), decode(there_and_back(heat(truth["depth"], "hot")), "hot")
    here = truth["mask"] > 0.5
    person = psnr(video[here], truth["video"][here]) if here.any() else float("nan")
    return {
        "psnr": psnr(video, truth["video"]),
        "psnr_person": person,
        **depth_errors(depth, truth["depth"], truth["mask"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="with the figures of each clip")
    parser.add_argument("--vae", type=Path, default=ROOT / "weights" / "vae" / "duet_vae_128.safetensors")
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--first-seed", type=int, default=900)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--size", type=int, default=128)
    options = parser.parse_args()
    vae = comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(options.vae)))
    with torch.inference_mode():
        seeds = range(options.first_seed, options.first_seed + options.clips)
        rows = [measure(vae, truth_of(seed, options.size, options.frames)) for seed in seeds]
    found = {"channels": vae.latent_channels, "clips": len(rows), "first_seed": options.first_seed, **means(rows)}
    if options.json:
        print(json.dumps({**found, "each": rows}, indent=2))
        return
    for name, value in found.items():
        print(f"{name:>12} {value:.4f}" if isinstance(value, float) else f"{name:>12} {value}")


if __name__ == "__main__":
    main()
