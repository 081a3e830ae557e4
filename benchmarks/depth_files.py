"""Seconds a frame, size and peak memory of depth files: python3 scripts/host.py bench depth_files [--frames N] [--json]

Frames of 1920 x 1080 are written and read one at a time, each format in a process of its own; the peak is that of the whole
process. CPU seconds are those of all threads, and include moving the test frame and comparing what was read. Files go to the system's temporary folder and are deleted.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import _pack  # noqa: F401
import numpy as np
import torch
from pack.models.choices import DEPTH_TYPES
from pack.models.handoff.channels import motion_channels, picture_channels
from pack.models.handoff.names import EXR_FLOAT, EXR_HALF, FFV1, PNG, PRORES_422, PRORES_4444, Form
from pack.models.handoff.note import DepthNote
from pack.models.handoff.opening import open_depth
from pack.models.handoff.saving import DepthClip, save_clip
from pack.models.stage import render, sample_scene

HEIGHT, WIDTH = 1080, 1920
NEAR, FAR, DISTANCE = DEPTH_TYPES
WITH_ALL = "EXR half, with RGBA and motion"
CASES = {
    EXR_HALF: Form(EXR_HALF, DISTANCE),
    EXR_FLOAT: Form(EXR_FLOAT, DISTANCE),
    WITH_ALL: Form(EXR_HALF, DISTANCE),
    PNG: Form(PNG, NEAR),
    FFV1: Form(FFV1, NEAR),
    PRORES_4444: Form(PRORES_4444, NEAR),
    PRORES_422: Form(PRORES_422, NEAR),
}


def scene(form: Form) -> tuple[np.ndarray, torch.Tensor]:
    """(H, W) depth in the numbers of a form, and (H, W, 3) pictures, of a stage clip's frame."""
    clip = render(sample_scene(7, frames=1, height=270, width=480, frame_rate=8, objects=1), samples=1)
    grow = lambda planes: torch.nn.functional.interpolate(planes, size=(HEIGHT, WIDTH), mode="bilinear")[0]
    depth, images = grow(clip.depth[:1, None])[0], grow(clip.rgb[:1].movedim(-1, 1)).movedim(0, -1)
    noise = torch.randn(HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0))  # as estimated depth has it
    depth = depth * (1 + 0.002 * noise)
    grey = (depth.max() - depth) / (depth.max() - depth.min())
    return (depth if form.depth_type == DISTANCE else grey).numpy(), images


def measured(case: str, frames: int, folder: Path) -> dict:
    form = CASES[case]
    depth, images = scene(form)
    motion = {"forward": torch.ones(1, HEIGHT, WIDTH, 2), "forward_valid": torch.ones(1, HEIGHT, WIDTH)}
    moved = lambda index: np.roll(depth, 3 * index, 1)
    beside = lambda index: picture_channels(images.roll(3 * index, 1)) | motion_channels(motion, 0)
    clip = DepthClip(frames, moved, beside if case == WITH_ALL else lambda index: {})
    note = DepthNote(form.depth_type, near_depth=1.0, far_depth=10.0, frame_rate=24.0, frames=frames)
    before, begin, used = peak(), time.perf_counter(), time.process_time()
    first = save_clip(folder / "depth.json", clip, form, note, {})
    written, write_cpu = time.perf_counter() - begin, time.process_time() - used
    begin, used = time.perf_counter(), time.process_time()
    largest, mean = 0.0, 0.0
    for index, frame in enumerate(open_depth(first)):
        error = np.abs(frame.depth.numpy() - moved(index))
        largest, mean = max(largest, float(error.max())), mean + float(error.mean()) / frames
    read, read_cpu = time.perf_counter() - begin, time.process_time() - used
    size = sum(path.stat().st_size for path in folder.iterdir())
    return {
        "format": case, "frames": frames, "write_s": written / frames, "write_cpu_s": write_cpu / frames,
        "read_s": read / frames, "read_cpu_s": read_cpu / frames, "mb": size / frames / 1e6,
        "peak_mb": peak(), "grown_mb": peak() - before, "largest_error": largest, "mean_error": mean,
    }  # fmt: skip


def peak() -> float:
    """The most memory that this process has held, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def apart(case: str, frames: int) -> dict:
    """The figures of one format, from a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--frames", str(frames), "--only", case],
        capture_output=True,
        text=True,
        env=os.environ,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--formats", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--only", choices=list(CASES), help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.only:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measured(options.only, options.frames, Path(folder))))
        return
    rows = [apart(case, options.frames) for case in options.formats]
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    print(f"{options.frames} frames of {WIDTH} x {HEIGHT}")
    print(
        "format | write s/frame (CPU) | read s/frame (CPU) | MB/frame | peak MB | grown MB | largest error | mean error"
    )
    for row in rows:
        print(
            f"{row['format']} | {row['write_s']:.3f} ({row['write_cpu_s']:.3f}) | {row['read_s']:.3f} ({row['read_cpu_s']:.3f}) | {row['mb']:.2f} | {row['peak_mb']:.0f} | "
            f"{row['grown_mb']:.0f} | {row['largest_error']:.2g} | {row['mean_error']:.2g}"
        )


if __name__ == "__main__":
    main()
