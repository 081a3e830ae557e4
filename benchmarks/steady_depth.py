"""Steady Depth on clips with known depth: python3 scripts/host.py bench steady_depth [--json] [--footage FILE ...]

Every frame's inverse depth of a stage clip is scaled by 0.7 to 1.4, shifted by up to a tenth of the clip's range, and
gets 2 % of that range as noise. The temporal error is how much points of the room change from frame to frame beyond
what the true depth does, along the exact flow, in percent of the true range and in the unit of the clip's typical frame;
the absolute error is that after one least-squares scale and shift for the clip. All flow that the solution uses is
estimated. Footage is a clip of a still camera; its depth is drawn: a ramp of ground, a trunk,
a wall, and people where the picture differs from its median over time.
"""

import argparse
import json
import math
import resource
import statistics
import time
from pathlib import Path

import _pack  # noqa: F401
import _results
import torch
from pack.models.choices import CAMERAS
from pack.models.depth.range import normalize_clip
from pack.models.depth.steady.apply import Steadied
from pack.models.depth.steady.clip import plan
from pack.models.flow.between import ClipMotion
from pack.models.flow.warp import warp
from pack.models.opencv import import_cv2
from pack.models.stage import render, sample_scene

FIRST = 900  # seeds below are used while developing
FOCAL = 0.5 / math.tan(math.radians(25))  # of the width: the usual field of view, which is not that of the stage


def degraded(near, seed: int, noise: float = 0.02):
    """(N, H, W) inverse depth as an estimator gives it, with the scale and the shift of every frame."""
    draw = torch.Generator().manual_seed(seed)
    span = near.max() - near.min()
    scale = 0.7 + 0.7 * torch.rand(len(near), 1, 1, generator=draw)
    shift = (0.2 * torch.rand(len(near), 1, 1, generator=draw) - 0.1) * span
    return scale * near + shift + noise * span * torch.randn(near.shape, generator=draw)


def solved(images, depth):
    """The plan of a clip and its motion."""
    motion = ClipMotion(images)
    return plan(depth.__getitem__, len(depth), motion, FOCAL * motion.size[1]), motion


def written(depth, found, motion, smooth: int = 2):
    """The steady depth of a plan."""
    out = torch.empty_like(depth)
    put = lambda index, frame: out[index].copy_(frame)
    Steadied(depth.__getitem__, found, motion, 1.0, smooth).write(put, lambda done: None)
    return out


def frame_scales(depth, truth, counted):
    """(N, 2) scale and shift of each frame against the truth, over counted pixels."""
    rows = []
    for one, other, here in zip(depth, truth, counted, strict=True):
        one, other = one[here].double(), other[here].double()
        scale = ((one - one.mean()) * (other - other.mean())).mean() / other.var(correction=0)
        rows.append(torch.stack((scale, one.mean() - scale * other.mean())))
    return torch.stack(rows)


def temporal_error(depth, clip) -> float:
    """Percent of the range that points of the room change by between neighbours beyond the truth."""
    truth, room = 1 / clip.depth, clip.layer == 0
    error = depth / frame_scales(depth, truth, room)[:, 0].median().float() - truth
    fetched = lambda planes: warp(planes[1:, ..., None].float(), clip.forward)[..., 0]
    counted = clip.forward_valid & room[:-1] & (fetched(room) > 0.99)
    return 100 * ((fetched(error) - error[:-1]).abs()[counted].mean() / (truth.max() - truth.min())).item()


def absolute_error(depth, truth) -> float:
    """Percent of the range between depth and truth after one scale and one shift for the clip."""
    one, other = depth.double(), truth.double()
    scale = ((one - one.mean()) * (other - other.mean())).mean() / one.var(correction=0)
    fitted = scale * (one - one.mean()) + other.mean()
    return 100 * ((fitted - other).abs().mean() / (other.max() - other.min())).item()


def stage_clip(seed: int, camera: str, frames: int, size: int):
    return render(sample_scene(seed, frames=frames, height=size, width=size, camera=camera))


def stage_row(seed: int, camera: str, frames: int, size: int) -> dict:
    clip = stage_clip(seed, camera, frames, size)
    truth = 1 / clip.depth
    came = degraded(truth, seed)
    found, motion = solved(clip.rgb, came)
    out, scaled = (written(came, found, motion, smooth) for smooth in (2, 0))
    clean = written(truth, *solved(clip.rgb, truth), smooth=0)
    normalized = normalize_clip(came)[0]
    before, after, unsmoothed = (temporal_error(depth, clip) for depth in (normalized, out, scaled))
    return {
        "seed": seed, "camera": camera, "temporal_before": before, "temporal_after": after,
        "less_percent": 100 * (1 - after / before), "less_without_smoothing_percent": 100 * (1 - unsmoothed / before),
        "absolute_before": absolute_error(normalized, truth), "absolute_after": absolute_error(out, truth),
        "absolute_of_exact": absolute_error(clean, truth), "cuts": found.cuts,
        "unsolved": found.matched + found.unsolved,
    }  # fmt: skip


def cut_row(seed: int, frames: int, size: int) -> dict:
    """Two clips of different rooms behind each other."""
    parts = [stage_clip(seed, "still", frames, size), stage_clip(seed + 1, "sway", frames + 5, size)]
    truth = torch.cat([1 / part.depth for part in parts])
    came = degraded(truth, seed)
    found, motion = solved(torch.cat([part.rgb for part in parts]), came)
    out = written(came, found, motion)
    halves = ((parts[0], out[:frames], came[:frames]), (parts[1], out[frames:], came[frames:]))
    errors = [(temporal_error(came, part), temporal_error(steady, part)) for part, steady, came in halves]
    return {
        "seed": seed, "cut": frames, "found": found.cuts,
        "less_percent": [100 * (1 - after / before) for before, after in errors],
    }  # fmt: skip


def drift_row(seed: int, camera: str, frames: int, size: int) -> dict:
    """Percent that scale (and shift, of the range) wander over a long clip: the widest of means over 25 frames."""
    clip = stage_clip(seed, camera, frames, size)
    truth = 1 / clip.depth
    came = degraded(truth, seed)
    found, motion = solved(clip.rgb, came)
    out = written(came, found, motion, smooth=0)
    room = clip.layer == 0
    rows = frame_scales(out, truth, room)
    typical = rows[:, 0].median()
    level = torch.stack([frame[here].double().median() for frame, here in zip(truth, room, strict=True)])
    span = (truth.max() - truth.min()).double()
    means = lambda values: values.unfold(0, 25, 25).mean(1)
    scale = means(rows[:, 0] / typical)
    shift = means((rows[:, 0] * level + rows[:, 1]) / typical - level) / span
    wander = lambda values: 100 * (values.max() - values.min()).item()
    return {
        "seed": seed, "camera": camera, "frames": frames, "scale_drift_percent": wander(scale),
        "end_to_end_percent": 100 * abs(scale[-1] - scale[0]).item(), "middle_drift_percent": wander(shift),
        "cuts": found.cuts,
    }  # fmt: skip


def footage_row(path: Path) -> dict:
    """A clip of a still camera with drawn depth; still points are those that keep the colour of the median over time."""
    import av

    with av.open(str(path)) as file:
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(file.streams.video[0])]
    images = torch.stack([torch.from_numpy(frame) for frame in frames]).float() / 255
    difference = (images - images.median(0).values).abs().amax(-1)
    truth = drawn_depth(difference)
    came = degraded(truth, len(frames))
    found, motion = solved(images, came)
    out, scaled = (written(came, found, motion, smooth) for smooth in (2, 0))
    still = (difference < 0.06) & ~swollen(difference > 0.12)
    counted = still[1:] & still[:-1]

    def wobble(depth):
        unit = frame_scales(depth, truth, still)[:, 0].median().float()
        return 100 * ((depth / unit).diff(dim=0).abs()[counted].mean() / (truth.max() - truth.min())).item()

    before, after = wobble(normalize_clip(came)[0]), wobble(out)
    return {
        "clip": path.stem, "frames": len(frames), "size": list(images.shape[1:3]), "still_percent": 100 * still.float().mean().item(),
        "temporal_before": before, "temporal_after": after, "less_percent": 100 * (1 - after / before),
        "less_without_smoothing_percent": 100 * (1 - wobble(scaled) / before),
        "absolute_before": absolute_error(came, truth), "absolute_after": absolute_error(out, truth), "cuts": found.cuts,
        "unsolved": found.matched + found.unsolved,
    }  # fmt: skip


def drawn_depth(difference):
    """(N, H, W) inverse depth drawn for the footage by hand, from (N, H, W) differences to the median picture."""
    height, width = difference.shape[1:]
    row, column = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    scene = torch.where(row < 0.15, 0.03, 0.12)  # sky and hills, then trees and buildings
    scene = torch.where(row > 0.74, 0.15 + 1.4 * (row - 0.74), scene)  # lawn
    scene = torch.where((row > 0.46) & (row < 0.88) & (column < 0.41), 0.32, scene)  # the small building's wall
    scene = torch.where(column > 0.885, 0.8, scene)  # trunk
    people = torch.stack([opened(frame > 0.15) for frame in difference]) & (column < 0.885)
    return torch.where(people, 0.36, scene.expand_as(difference))


def opened(mask):
    """(H, W) without specks."""
    cv2 = import_cv2()
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    plane = cv2.morphologyEx(mask.byte().numpy(), cv2.MORPH_OPEN, kernel)
    return torch.from_numpy(cv2.morphologyEx(plane, cv2.MORPH_CLOSE, kernel, iterations=3)) > 0


def swollen(mask, pixels: int = 7):
    """(N, H, W) grown by a few pixels."""
    return torch.nn.functional.max_pool2d(mask[:, None].float(), 2 * pixels + 1, 1, pixels)[:, 0] > 0


def speed_row(frames: int, height: int, width: int, camera: str) -> dict:
    clip = render(sample_scene(11, frames=frames, height=height, width=width, camera=camera, objects=1), samples=1)
    came, begin = degraded(1 / clip.depth, 1), time.process_time()
    both = solved(clip.rgb, came)
    middle = time.process_time()
    written(came, *both)
    seconds = {"solve": (middle - begin) / frames, "write": (time.process_time() - middle) / frames}
    return {"camera": camera, "size": [height, width], **seconds}


def interval(values: list[float]) -> tuple[float, float, float]:
    """The mean and its 95 % interval by the spread of the values."""
    mean = statistics.fmean(values)
    half = 1.96 * statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return mean, mean - half, mean + half


def kept_rows(clips: list[dict], camera: str, names: tuple[str, ...]) -> dict:
    """The figures of each clip of a camera, of all without one; None for the others."""
    return {name: [float(clip[name]) if camera in ("", clip["camera"]) else None for clip in clips] for name in names}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--cut-clips", type=int, default=8)
    parser.add_argument("--long", type=int, default=500, help="frames of the long clips; 0 leaves them out")
    parser.add_argument("--long-cameras", nargs="*", default=list(CAMERAS), choices=CAMERAS)
    parser.add_argument("--speed", type=int, default=12, help="frames at 960 x 540; 0 leaves them out")
    parser.add_argument("--first", type=int, default=FIRST)
    parser.add_argument("--footage", type=Path, nargs="*", default=[])
    parser.add_argument(
        "--save", action="store_true", help="keep the figures of each clip as results/steady_depth.json"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    import_cv2().setNumThreads(1)
    seeds = range(options.first, options.first + options.clips)
    result = {
        "stage": [stage_row(seed, CAMERAS[seed % len(CAMERAS)], options.frames, options.size) for seed in seeds],
        "cuts": [cut_row(options.first + 2 * i, 12, options.size) for i in range(options.cut_clips)],
        "drift": [
            drift_row(options.first + i, camera, options.long, 96) for i, camera in enumerate(options.long_cameras)
        ]
        if options.long
        else [],
        "footage": [footage_row(path) for path in options.footage],
        "speed": [speed_row(options.speed, 540, 960, camera) for camera in ("still", "dolly")] if options.speed else [],
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    names = ("temporal_before", "temporal_after", "less_percent", "less_without_smoothing_percent")
    names += ("absolute_before", "absolute_after", "absolute_of_exact")
    groups = {"all": result["stage"], **{c: [r for r in result["stage"] if r["camera"] == c] for c in CAMERAS}}
    result["means"] = {
        group: {name: interval([row[name] for row in rows]) for name in names} for group, rows in groups.items() if rows
    }
    if options.save:
        rows = {name: kept_rows(result["stage"], "" if name == "all" else name, names) for name in ("all", *CAMERAS)}
        _results.save("steady_depth", _results.make(seeds, rows, {"size": options.size, "frames": options.frames}, 1))
    print(json.dumps(result, indent=2) if options.json else table(result))


def table(result: dict) -> str:
    lines = [
        f"{'cameras':<8}{'temporal error, % of the range':>34}{'less':>9}{'no smoothing':>14}{'absolute error':>18}"
    ]
    for group, means in result["means"].items():
        of = lambda name, means=means: means[name][0]
        lines.append(
            f"{group:<8}{of('temporal_before'):>20.2f} -> {of('temporal_after'):.2f}{of('less_percent'):>14.1f} %"
            f"{of('less_without_smoothing_percent'):>12.1f} %{of('absolute_before'):>10.2f} -> {of('absolute_after'):.2f}"
        )
    worst = min(result["stage"], key=lambda row: row["less_percent"])
    lines.append(f"The least is {worst['less_percent']:.1f} % (seed {worst['seed']}, {worst['camera']}).")
    for name in ("cuts", "drift", "footage", "speed"):
        lines += [f"{name}: {json.dumps(row)}" for row in result[name]]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
