"""Frames a second and peak memory of the layers: python3 scripts/host.py bench layers [--json]

Decomposition is given masks and depth. Memory is measured in a process of its own for each length of clip, as the
most that was held at once beyond the input and the pictures handed out; a figure that stays while the clip grows tenfold
is flat. Only Linux tells how much a process holds.
"""

import argparse
import ctypes
import json
import os
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
    """A stage clip in a loop, as pictures, human, objects (1, N, H, W) and nearness."""
    few = min(frames, 24)
    scene = sample_scene(
        7, frames=few, height=height, width=width, frame_rate=8, action="walk", objects=1, camera=camera
    )
    made = render(scene, samples=1)
    again = torch.arange(frames) % few
    parts = (made.rgb, made.person_mask, made.layers[1, ..., 3], 1 / made.depth)
    images, human, object_, near = (part if frames == few else part[again] for part in parts)
    return images, human, object_[None], near


def measured(step: str, frames: int, height: int, width: int) -> dict:
    images, human, objects, near = clip(frames, height, width, "sway" if "moving" in step else "still")
    layers = decompose(images, human, near, DEPTH_TYPES[0], objects)
    if step == "composite":
        layers, _ = fill_scene(layers, FillSettings(grow_mask=2))
    ctypes.CDLL(None).malloc_trim(0)  # what rendering left behind would be used again unseen
    with Watch() as watch:
        begin = time.perf_counter()
        handed = work(step, layers, (images, human, near, objects))
        seconds = time.perf_counter() - begin
    return {"step": step, "frames": frames, "fps": frames / seconds, "working_mb": watch.grown - handed}


def work(step: str, layers, given) -> float:
    """Does it, and tells how many megabytes of pictures it hands out."""
    plane = layers.images[..., 0].numel() * 4 / 2**20
    if step == "decompose":
        images, human, near, objects = given
        kept = layer_masks(decompose(images, human, near, DEPTH_TYPES[0], objects))
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
        self.first = self.most = held()
        self.open = True
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()
        return self

    def look(self) -> None:
        while self.open:
            self.most = max(self.most, held())
            time.sleep(0.002)

    def __exit__(self, *error) -> None:
        self.open = False
        self.thread.join()
        self.grown = max(self.most, held()) - self.first


def held() -> float:
    """Megabytes that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def apart(step: str, frames: int, height: int, width: int, threads: int) -> dict:
    """One measurement in a process of its own, since a peak never sinks."""
    given = ["--one", step, "--frames", str(frames), "--size", str(height), str(width), "--threads", str(threads)]
    done = subprocess.run([sys.executable, __file__, *given], capture_output=True, text=True, check=True)
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
        rows.append({"size": options.size, **apart(step, options.frames, *options.size, options.threads)})
        rows.append({"size": (256, 256), **apart(step, options.long // 10, 256, 256, options.threads)})
        rows.append({"size": (256, 256), **apart(step, options.long, 256, 256, options.threads)})
    if options.json:
        print(json.dumps({"threads": options.threads, "torch": torch.__version__, "rows": rows}, indent=2))
        return
    print(f"{'step':<26}{'size':>12}{'frames':>8}{'frames/s':>10}{'working MB':>12}   {options.threads} threads")
    for row in rows:
        size = f"{row['size'][1]} x {row['size'][0]}"
        print(f"{row['step']:<26}{size:>12}{row['frames']:>8}{row['fps']:>10.1f}{row['working_mb']:>12.0f}")


if __name__ == "__main__":
    main()
