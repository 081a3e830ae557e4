"""Frames a second and peak memory of the layers: python3 scripts/host.py bench layers [--json]

Decomposition is given masks and depth. Memory is measured in a process of its own for each length of clip, as the
peak beyond the input and the returned pictures; a figure that stays while the clip grows tenfold
is flat. It runs on Linux only.
"""

import argparse
import ctypes
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import _pack  # noqa: F401
import torch
from pack.models.choices import DEPTH_TYPES
from pack.models.layers.composite import Addition, Changes, composite_frame
from pack.models.layers.decompose import decompose, layer_masks
from pack.models.layers.fill import FillSettings, fill_scene
from pack.models.stage import render, sample_scene

STEPS = ("decompose", "complete, still camera", "complete, moving camera", "composite")


def clip(frames: int, height: int, width: int, camera: str):
    """A stage clip in a loop, as pictures, person, objects (1, N, H, W) and nearness."""
    few = min(frames, 24)
    scene = sample_scene(
        7, frames=few, height=height, width=width, frame_rate=8, action="walk", objects=1, camera=camera
    )
    rendered = render(scene, samples=1)
    again = torch.arange(frames) % few
    parts = (rendered.rgb, rendered.person_mask, rendered.layers[1, ..., 3], 1 / rendered.depth)
    images, person, object_, near = (part if frames == few else part[again] for part in parts)
    return images, person, object_[None], near


def measured(step: str, frames: int, height: int, width: int) -> dict:
    images, person, objects, near = clip(frames, height, width, "sway" if "moving" in step else "still")
    layers = decompose(images, person, near, DEPTH_TYPES[0], objects)
    if step == "composite":
        layers, _ = fill_scene(layers, FillSettings(grow_mask=2))
    ctypes.CDLL(None).malloc_trim(0)  # else memory freed by rendering is reused and not measured
    with Watch() as watch:
        begin = time.perf_counter()
        output_mb = work(step, layers, (images, person, near, objects))
        seconds = time.perf_counter() - begin
    return {"step": step, "frames": frames, "fps": frames / seconds, "working_mb": watch.grown - output_mb}


def work(step: str, layers, inputs) -> float:
    """Runs a step and returns the megabytes of its output pictures."""
    plane = layers.images[..., 0].numel() * 4 / 2**20
    if step == "decompose":
        images, person, near, objects = inputs
        kept = layer_masks(decompose(images, person, near, DEPTH_TYPES[0], objects))
        return plane * len(kept)
    if step.startswith("complete"):
        kept = fill_scene(layers, FillSettings(grow_mask=4))
        return plane * (3 + 1 + 1) * bool(kept)
    thing = Addition(layers.images[:1].flip(2), layers.person[:1].flip(2), rank=1)
    changes = Changes(remove_person=True, additions=[thing])
    out = torch.empty_like(layers.images)
    for index in range(len(out)):
        out[index] = composite_frame(layers, changes, index)[0]
    return 3 * plane


class Watch:
    """The most memory that a process held while this was open, in megabytes beyond what it held at first (Linux)."""

    def __enter__(self) -> "Watch":
        self.first = self.most = process_memory()
        self.open = True
        self.thread = threading.Thread(target=self.poll, daemon=True)
        self.thread.start()
        return self

    def poll(self) -> None:
        while self.open:
            self.most = max(self.most, process_memory())
            time.sleep(0.05)

    def __exit__(self, *error) -> None:
        self.open = False
        self.thread.join()
        self.grown = max(self.most, process_memory()) - self.first


def process_memory() -> float:
    """Megabytes that this process holds now; pages that several clips share count once."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("Pss:")).split()[1]) / 1024


def measure_in_process(step: str, frames: int, height: int, width: int, threads: int) -> dict:
    """One measurement in a process of its own, since a peak never falls."""
    arguments = ["--one", step, "--frames", str(frames), "--size", str(height), str(width), "--threads", str(threads)]
    done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--long", type=int, default=1000, help="frames of the long clip, at 256 x 256")
    parser.add_argument("--size", type=int, nargs=2, default=(720, 1280))
    parser.add_argument("--one", choices=STEPS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.one:
        print(json.dumps(measured(options.one, options.frames, *options.size)))
        return
    rows = []
    for step in STEPS:
        rows.append({"size": options.size, **measure_in_process(step, options.frames, *options.size, options.threads)})
        rows.append({"size": (256, 256), **measure_in_process(step, options.long // 10, 256, 256, options.threads)})
        rows.append({"size": (256, 256), **measure_in_process(step, options.long, 256, 256, options.threads)})
    if options.json:
        print(json.dumps({"threads": options.threads, "torch": torch.__version__, "rows": rows}, indent=2))
        return
    print(f"{'step':<26}{'size':>12}{'frames':>8}{'frames/s':>10}{'working MB':>12}   {options.threads} threads")
    for row in rows:
        size = f"{row['size'][1]} x {row['size'][0]}"
        print(f"{row['step']:<26}{size:>12}{row['frames']:>8}{row['fps']:>10.1f}{row['working_mb']:>12.0f}")


if __name__ == "__main__":
    main()
