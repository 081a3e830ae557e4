"""The flow model beside its usual formulation: python3 scripts/host.py bench lfdm [--json]

One step of the U-Net at the released size (40 frames, 32 x 32) against the same weights written in the usual form
(models/lfdm/reference.py), rendering a frame with the picture encoded once against encoding it for every frame, and a
warp against a plain grid_sample. Same process, taken in turn; medians, and the medians of the ratios pair by pair.
"""

import argparse
import json
import statistics
import time

import _pack  # noqa: F401
import torch
import torch.nn.functional as F
from pack.models.lfdm.autoencoder import FlowAutoencoder
from pack.models.lfdm.config import FRAMES, MUG_AUTOENCODER, MUG_UNET
from pack.models.lfdm.reference import as_reference
from pack.models.lfdm.unet import FlowUNet
from pack.models.lfdm.warp import Motion, warp

SIDE = 32  # of the flow; a picture is four times as wide


def seconds(call, device: torch.device, repeat: int) -> float:
    begin = time.perf_counter()
    for _ in range(repeat):
        call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - begin) / repeat


def compare(name: str, ours, theirs, device: torch.device, runs: int, repeat: int = 1) -> dict:
    """Median seconds of two calls that take turns, and of the ratio of each pair."""
    with torch.inference_mode():
        ours(), theirs()
        pairs = [(seconds(ours, device, repeat), seconds(theirs, device, repeat)) for _ in range(runs)]
    middle = lambda values: statistics.median(list(values))
    return {
        "what": name,
        "device": device.type,
        "ours_s": middle(a for a, _ in pairs),
        "reference_s": middle(b for _, b in pairs),
        "ratio": middle(a / b for a, b in pairs),
    }


def step(options, device: torch.device) -> dict:
    """One network call, the picture's part computed beforehand as in a whole run."""
    with torch.device(device):
        fast = FlowUNet(MUG_UNET).eval()
        usual = as_reference(fast)
        state, time_, text = torch.randn(1, 3, options.frames, SIDE, SIDE), torch.tensor([500]), torch.randn(1, 768)
        features = torch.randn(1, MUG_UNET.feature_width, SIDE, SIDE).relu()
    with torch.inference_mode():
        part = fast.still_part(features)
    ours = lambda: fast(state, time_, text=text, still_part=part)
    theirs = lambda: usual(state, time_, features, text)
    return compare("step", ours, theirs, device, options.runs or 5)


def rendering(options, device: torch.device) -> dict:
    """A frame of 128 pixels."""
    with torch.device(device):
        generator = FlowAutoencoder(MUG_AUTOENCODER).eval().generator
        picture, grid = torch.rand(1, 3, 4 * SIDE, 4 * SIDE), torch.rand(1, SIDE, SIDE, 2) * 2 - 1
        occlusion = torch.rand(1, 1, SIDE, SIDE)
    with torch.inference_mode():
        encoded = generator.encode(picture)
    ours = lambda: generator.decode(encoded, Motion(grid, occlusion))
    theirs = lambda: generator.decode(generator.encode(picture), Motion(grid, occlusion))
    return compare("frame", ours, theirs, device, options.runs or 15, 3)


def warping(options, device: torch.device) -> dict:
    """Eight pictures of 128 pixels, 64 channels: the features of a piece of a clip."""
    with torch.device(device):
        x = torch.rand(8, 64, 4 * SIDE, 4 * SIDE)
        grid = torch.rand(8, SIDE, SIDE, 2) * 2 - 1
    large = F.interpolate(grid.permute(0, 3, 1, 2), scale_factor=4, mode="bilinear").permute(0, 2, 3, 1).contiguous()
    ours = lambda: warp(x, grid)
    theirs = lambda: F.grid_sample(x, large, align_corners=False)
    return compare("warp", ours, theirs, device, options.runs or 15)


CASES = {"step": step, "frame": rendering, "warp": warping}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--frames", type=int, default=FRAMES)
    parser.add_argument("--runs", type=int)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    rows = [CASES[name](options, device) for name in options.cases]
    if options.json:
        print(json.dumps({"threads": options.threads, "torch": torch.__version__, "rows": rows}, indent=2))
        return
    for row in rows:
        print(f"{row['what']}: {row['ours_s']:.4f} s, reference {row['reference_s']:.4f} s, ratio {row['ratio']:.3f}")


if __name__ == "__main__":
    main()
