"""A clip seen by another camera: how near it comes to the truth, and how fast: python3 scripts/host.py bench view [--json]

Quality: rendered test clips, moved by their exact depth, against the stage's own render from the moved camera; "fine" are
the same masks of holes by depth with 4 x 4 samples a pixel, so that the difference is what one sample a pixel leaves open.
Speed and memory: frames of 1280 x 720, each step in a process of its own; core ms is the time of all cores a frame, which
other work on the machine hardly changes, and memory that stays while the clip grows is flat. It runs on Linux only.
`--motorcycle FOLDER` adds Middlebury's motorcycle, left eye to right eye by its true disparity, from a folder with
motorcycle_left.png, motorcycle_right.png and motorcycle_disp.npz, as scikit-image 0.16.2 has them in skimage/data.
"""

import argparse
import ctypes
import json
import math
import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import _pack  # noqa: F401
import _results
import torch
from layers import Watch
from pack.models.stage import sample_scene
from pack.models.stage.clip import Clip
from pack.models.stage.render import render_geometry
from pack.models.stage.second_camera import FINE, Shot, shoot
from pack.models.view.defocus import blur_radius, defocused
from pack.models.view.fill import stretched
from pack.models.view.lens import Pinhole, between
from pack.models.view.path import pose_along, progress_along
from pack.models.view.reproject import View, reproject
from pack.models.view.stereo import eye_lens
from pack.models.view.surface import joins

MOVES = ("right", "dolly", "orbit")
STEPS = ("stereo, one eye", "stereo, both eyes", "dolly", "orbit, holes stretched", "zoom to double", "depth of field")
SIDE = 256


def grown(mask: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.max_pool2d(mask[None, None].float(), 3, 1, 1)[0, 0] > 0


def psnr(one: torch.Tensor, other: torch.Tensor, where: torch.Tensor) -> float:
    return -10 * math.log10(((one - other)[where] ** 2).mean().item())


def overlap(one: torch.Tensor, other: torch.Tensor, tolerance: bool = False) -> tuple[int, int]:
    """Pixels in which two masks agree, and those of either; with a tolerance one within a pixel of the other mask agrees."""
    agree = (one & grown(other)) | (other & grown(one)) if tolerance else one & other
    return int(agree.sum()), int((one | other).sum())


def fine_holes(scene, one: Shot) -> torch.Tensor:
    """(H, W) the holes of a shot by a depth map of FINE x FINE samples a pixel."""
    scene, camera = replace(scene, frames=1), one.camera.refined(FINE)
    depth = render_geometry(scene, Clip(scene, 1).actors, camera, 1, lambda done: None)["depth"][0]
    return reproject(torch.zeros(*depth.shape, 1), depth, between(camera, one.second_camera)).holes


def compare(one: Shot) -> dict:
    """The moved picture against the truth; masks as counted pixels."""
    view = reproject(one.picture, one.depth, between(one.camera, one.second_camera))
    seen = ~one.hidden & ~view.holes
    right, down = joins(1 / one.second_depth)
    edges = grown(grown(~right | ~down))
    return {
        "psnr": psnr(view.picture, one.second_picture, seen),
        "psnr_inside": psnr(view.picture, one.second_picture, seen & ~edges),
        "holes": overlap(view.holes, one.hidden),
        "holes_near": overlap(view.holes, one.hidden, True),
        "share": one.hidden.float().mean().item(),
    }


def scene(seed: int):
    return sample_scene(seed, frames=4, height=SIDE, width=SIDE)


def quality(seeds: range) -> list[dict]:
    """Means over the seeds for each move; masks over all their pixels together."""
    rows = []
    for move in MOVES:
        found = defaultdict(list)
        for seed in seeds:
            one = shoot(scene(seed), move)
            fine = fine_holes(scene(seed), one)
            found["fine"].append(overlap(fine, one.hidden))
            found["fine_near"].append(overlap(fine, one.hidden, True))
            for name, value in compare(one).items():
                found[name].append(value)
        mean = lambda name: sum(found[name]) / len(found[name])  # noqa: B023
        iou = lambda name: sum(a for a, _ in found[name]) / sum(b for _, b in found[name])  # noqa: B023
        rows.append(
            {"kept": kept_row(found), "move": move, "psnr": mean("psnr"), "least": min(found["psnr"]), "inside": mean("psnr_inside"),
             "iou": iou("holes"), "iou_near": iou("holes_near"), "holes": mean("share"), "iou_fine": iou("fine"),
             "iou_fine_near": iou("fine_near")}
        )  # fmt: skip
        hard = [compare(shoot(scene(seed), move, samples=1))["psnr"] for seed in seeds[:6]]
        rows[-1]["hard_edges"] = sum(hard) / len(hard)
        rows[-1]["kept"]["hard"] = hard + [None] * (len(seeds) - len(hard))
    return rows


def kept_row(found: dict[str, list]) -> dict[str, list]:
    """The figures of each scene; masks as their common pixels and all of both."""
    masks = ("holes", "holes_near", "fine", "fine_near")
    row = {name: found[name] for name in ("psnr", "psnr_inside", "share")}
    for name in masks:
        row[f"{name}_both"], row[f"{name}_either"] = (list(part) for part in zip(*found[name], strict=True))
    return row


def motorcycle(folder: Path) -> dict:
    """The right picture from the left one by its true disparity: PSNR outside holes, and of all with stretched holes."""
    import cv2
    import numpy as np

    left, right = (
        torch.from_numpy(cv2.imread(str(folder / f"motorcycle_{side}.png"))[..., ::-1].copy()).float() / 255
        for side in ("left", "right")
    )
    stored = np.load(folder / "motorcycle_disp.npz")
    disparity = torch.from_numpy(stored[stored.files[0]]).float()
    known = torch.isfinite(disparity)
    # Focal length in pixels, baseline in metres, and how far apart the middles of both pictures are.
    depth = 994.978 * 0.193001 / (disparity + 31.086)
    size = tuple(depth.shape)
    turn = torch.eye(3, dtype=torch.float64)
    turn[0, 2] = 31.086
    lens = Pinhole(turn, torch.tensor([-994.978 * 0.193001, 0.0, 0.0], dtype=torch.float64), 1.0, size)
    view = reproject(left, depth.where(known, torch.nan), lens)
    filled = stretched(view).picture
    everywhere = torch.ones_like(view.holes)
    return {"psnr": psnr(view.picture, right, ~view.holes), "all": psnr(filled, right, everywhere),
            "holes": view.holes.float().mean().item()}  # fmt: skip


def picture_and_depth(height: int, width: int):
    clip = Clip(sample_scene(7, frames=1, height=height, width=width), samples=1)
    return clip.rgb[0], clip.depth[0], clip.camera.focal


def one_frame(step: str, picture, depth, focal: float, part: float) -> View:
    size = tuple(depth.shape)
    if step == "depth of field":
        return View(defocused(picture, blur_radius(depth, 3.5, 4 + 12 * part)), depth, depth < 0)
    if step.startswith("stereo"):
        places = (0.065,) if step == "stereo, one eye" else (-0.0325, 0.0325)
        return [reproject(picture, depth, eye_lens(place, focal, size, 3.5)) for place in places][-1]
    path, amount = {
        "dolly": ("dolly", 0.6),
        "orbit, holes stretched": ("orbit", 10.0),
        "zoom to double": ("zoom", 2.0),
    }[step]
    view = reproject(picture, depth, pose_along(path, amount, part, 3.5).lens(focal, size))
    return stretched(view) if step == "orbit, holes stretched" else view


def measured(step: str, frames: int, height: int, width: int) -> dict:
    picture, depth, focal = picture_and_depth(height, width)
    one_frame(step, picture, depth, focal, 1.0)
    ctypes.CDLL(None).malloc_trim(0)  # else memory of the first frame is used again and not measured
    with Watch() as watch:
        begin, worked = time.perf_counter(), time.process_time()
        for part in progress_along(frames).tolist():
            one_frame(step, picture, depth, focal, part)
        seconds, worked = time.perf_counter() - begin, time.process_time() - worked
    return {"step": step, "frames": frames, "size": [height, width], "fps": frames / seconds,
            "core_ms": 1000 * worked / frames, "working_mb": watch.grown}  # fmt: skip


def measure_in_process(step: str, frames: int, size: list[int], threads: int) -> dict:
    """One measurement in a process of its own, since a peak never falls."""
    arguments = ["--one", step, "--frames", str(frames), "--size", *map(str, size), "--threads", str(threads)]
    done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--size", type=int, nargs=2, default=(720, 1280))
    parser.add_argument("--first-seed", type=int, default=900)
    parser.add_argument("--scenes", type=int, default=24)
    parser.add_argument("--motorcycle", type=Path)
    parser.add_argument("--one", choices=STEPS)
    parser.add_argument("--save", action="store_true", help="keep the figures of each scene as results/view.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.one:
        print(json.dumps(measured(options.one, options.frames, *options.size)))
        return
    found = (
        {"quality": quality(range(options.first_seed, options.first_seed + options.scenes))} if options.scenes else {}
    )
    kept = {row["move"]: row.pop("kept") for row in found.get("quality", ())}
    if options.save and kept:
        seeds = range(options.first_seed, options.first_seed + options.scenes)
        _results.save("view", _results.make(seeds, kept, {"size": SIDE}, options.threads))
    if options.motorcycle:
        found["motorcycle"] = motorcycle(options.motorcycle)
    if options.frames:
        lengths = [(step, count) for step in STEPS for count in (options.frames, 5 * options.frames)]
        found["speed"] = [
            measure_in_process(step, count, options.size, options.threads)
            for step, count in lengths
            if count == options.frames or step != "depth of field"
        ]
    print(json.dumps(found, indent=2)) if options.json else table(found, options.threads)


def table(found: dict, threads: int) -> None:
    if rows := found.get("quality"):
        print(
            f"{'move':<10}{'PSNR':>8}{'least':>8}{'inside':>8}{'hard':>8}{'IoU':>8}{'1 pixel':>9}{'fine':>8}{'1 pixel':>9}{'holes':>8}"
        )
        for row in rows:
            print(
                f"{row['move']:<10}{row['psnr']:>8.2f}{row['least']:>8.2f}{row['inside']:>8.2f}{row['hard_edges']:>8.2f}"
                f"{row['iou']:>8.3f}{row['iou_near']:>9.3f}{row['iou_fine']:>8.3f}{row['iou_fine_near']:>9.3f}"
                f"{100 * row['holes']:>7.1f}%"
            )
    if row := found.get("motorcycle"):
        print(f"motorcycle  {row['psnr']:.2f} dB outside holes, {row['all']:.2f} all, holes {100 * row['holes']:.1f} %")
    if rows := found.get("speed"):
        print(
            f"{'step':<26}{'size':>12}{'frames':>8}{'frames/s':>10}{'core ms':>9}{'working MB':>12}   {threads} threads"
        )
        for row in rows:
            size = f"{row['size'][1]} x {row['size'][0]}"
            print(
                f"{row['step']:<26}{size:>12}{row['frames']:>8}{row['fps']:>10.1f}{row['core_ms']:>9.0f}{row['working_mb']:>12.0f}"
            )


if __name__ == "__main__":
    main()
