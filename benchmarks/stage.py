"""Frames a second of the stage: python3 scripts/host.py bench stage [--json]

The floor: a 128 px clip writes 38 floats a pixel (pictures, layers, depth, masks, body, flow), 2.5 MB a frame; at
5 GB/s of memory traffic that is 2000 frames a second. What is left is arithmetic on about 10,000 ray-capsule pairs a
frame at pixel centres and four times as many at the samples.
"""

import argparse
import json
import statistics
import time

import _pack  # noqa: F401
import torch
from pack.models.stage import render, sample_scene
from pack.models.stage.clip import GROUPS

CASES = (
    ("128 px, soft edges", {"height": 128, "width": 128, "frames": 96}, 2),
    ("128 px, hard edges", {"height": 128, "width": 128, "frames": 96}, 1),
    ("128 px, moving camera", {"height": 128, "width": 128, "frames": 48, "camera": "orbit"}, 2),
    ("512 px, soft edges", {"height": 512, "width": 512, "frames": 8}, 2),
)


def frames_a_second(size: dict, samples: int, runs: int) -> list[float]:
    """Every output of the clip, a new scene in each run, after one run to warm up."""
    figures = []
    for seed in range(runs + 1):
        scene = sample_scene(seed, **size)
        begin = time.perf_counter()
        render(scene, samples).compute(*GROUPS)
        figures.append(scene.frames / (time.perf_counter() - begin))
    return figures[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = []
    for name, size, samples in CASES:
        figures = frames_a_second(size, samples, options.runs)
        rows.append(
            {"case": name, "median": statistics.median(figures), "lowest": min(figures), "highest": max(figures)}
        )
    if options.json:
        print(json.dumps({"threads": options.threads, "torch": torch.__version__, "rows": rows}, indent=2))
        return
    print(f"{'case':<24}{'median':>9}{'lowest':>9}{'highest':>9}   frames a second, {options.threads} threads")
    for row in rows:
        print(f"{row['case']:<24}{row['median']:>9.0f}{row['lowest']:>9.0f}{row['highest']:>9.0f}")


if __name__ == "__main__":
    main()
