"""Accuracy of the layers on clips of the stage with exact ground truth: python3 scripts/host.py bench layers_quality [--json]

Depth carries noise, blur, and a scale and a shift of its own in every frame, as estimators give it. Masks are the true
ones, or moved by a pixel and eroded or dilated. The scene is compared inside the holes with OpenCV's inpainting of each frame.
"""

import argparse
import json
from dataclasses import fields, replace

import _pack  # noqa: F401
import _results
import torch
from pack.models.choices import DEPTH_TYPES
from pack.models.evaluate.metrics import psnr
from pack.models.layers.decompose import decompose, layer_masks
from pack.models.layers.fill import FillSettings, fill_scene
from pack.models.layers.inpaint import inpaint
from pack.models.layers.scene_frames import SceneFrames
from pack.models.stage import CAMERAS, render, sample_scene
from pack.models.stage.actors import stage_actors
from pack.models.stage.nuisance import Nuisances, add_nuisances
from pack.models.stage.scene import Scene
from pack.models.view.camera import look_at

FIRST = 5000  # seeds below are used while developing
NOISE = {"exact depth": 0.0, "noisy depth": 0.05, "very noisy depth": 0.15}
SIZE = 128
TRAVELS = 0.35  # metres that the camera that slides goes to each side
FILMED = Nuisances(noise=0.01, exposure=0.2)


def estimated(depth, amount: float, seed: int):
    """(N, H, W) metres as an estimator's relative depth, near is white."""
    near = 1 / depth
    near = (near - near.min()) / (near.max() - near.min())
    draw = torch.Generator().manual_seed(seed)
    noise = lambda *shape: torch.randn(*shape, generator=draw)
    near = torch.nn.functional.avg_pool2d(near[:, None], 3, 1, 1)[:, 0] if amount else near
    coarse = torch.nn.functional.interpolate(noise(len(near), 1, 6, 6), near.shape[1:], mode="bicubic")[:, 0]
    near = near + amount * (0.6 * noise(*near.shape) + 0.4 * coarse)
    return near * (1 + amount * noise(len(near), 1, 1)) + amount * noise(len(near), 1, 1)


def degrade(mask, seed: int):
    """(N, H, W) moved by up to a pixel and eroded or dilated by one, at random in every frame."""
    draw = torch.Generator().manual_seed(seed)
    out = []
    for plane in mask:
        across, down, swell = torch.randint(-1, 2, (3,), generator=draw).tolist()
        plane = plane.roll((down, across), (0, 1))
        pool = lambda x: torch.nn.functional.max_pool2d(x[None, None], 3, 1, 1)[0, 0]
        out.append(pool(plane) if swell > 0 else 1 - pool(1 - plane) if swell < 0 else plane)
    return torch.stack(out)


def iou(one, other) -> tuple[int, int]:
    one, other = one > 0.5, other > 0.5
    return int((one & other).sum()), int((one | other).sum())


def clip_numbers(seed: int, noise: float, wear: bool, by_depth: bool, frames: int) -> dict:
    scene = sample_scene(
        seed,
        frames=frames,
        height=SIZE,
        width=SIZE,
        frame_rate=8,
        camera=CAMERAS[seed % len(CAMERAS)],
        objects=1 + seed % 3,
    )
    clip = render(scene)
    person, objects = clip.person_mask, clip.layers[1:, ..., 3]
    if wear:
        person, objects = degrade(person, seed), torch.stack([degrade(o, seed + 1 + i) for i, o in enumerate(objects)])
    depth = estimated(clip.depth, noise, seed)
    layers = decompose(clip.rgb, person, depth, DEPTH_TYPES[0], None if by_depth else objects, by_depth=by_depth)
    truth = stage_actors(scene).in_front(scene.view(), slice(0, frames)).T
    shown = (clip.layers[1:, ..., 3] > 0.5).sum((2, 3)).T > 20
    right = 0 if by_depth else int(((layers.in_front == truth) & shown).sum())
    pairs = zip(("person", "occluder", "scene"), layer_masks(layers), strict=True)
    found = {name: iou(mask, getattr(clip, f"{name}_mask")) for name, mask in pairs}
    return {"right": right, "shown": int(shown.sum()), **found}


def decomposition(clips: int, frames: int, first: int = FIRST) -> list[dict]:
    rows = []
    cases = [(name, noise, False, False) for name, noise in NOISE.items()]
    cases += [("noisy depth, worn masks", 0.05, True, False), ("noisy depth, objects by depth", 0.05, False, True)]
    for name, noise, wear, by_depth in cases:
        found = [clip_numbers(first + i, noise, wear, by_depth, frames) for i in range(clips)]
        row = {"case": name, "kept": kept_row(found, by_depth), "object_frames": sum(one["shown"] for one in found)}
        row["right_percent"] = None if by_depth else 100 * sum(o["right"] for o in found) / row["object_frames"]
        for part in ("person", "occluder", "scene"):
            both, either = (sum(one[part][i] for one in found) for i in range(2))
            row[f"{part}_iou"] = both / max(either, 1)
        rows.append(row)
    return rows


def kept_row(found: list[dict], by_depth: bool) -> dict[str, list]:
    """The figures of each clip; masks as their common pixels and all of both."""
    row = {} if by_depth else {name: [one[name] for one in found] for name in ("right", "shown")}
    for part in ("person", "occluder", "scene"):
        row[f"{part}_both"], row[f"{part}_either"] = (
            list(side) for side in zip(*[o[part] for o in found], strict=True)
        )
    return row


def completion(clips: int, frames: int, nuisances: Nuisances) -> list[dict]:
    """PSNR of the hidden scene, ours and by inpainting each frame, the mean over clips with a walking person."""
    rows = []
    for camera in CAMERAS:
        ours, theirs = [], []
        light = replace(nuisances, noise=0.0)  # what a noiseless camera would have seen behind the person
        for seed in range(FIRST, FIRST + clips):
            size = {"height": SIZE, "width": SIZE, "frames": frames, "frame_rate": 8}
            clip = render(sample_scene(seed, camera=camera, action="walk", objects=1, **size))
            images, truth = add_nuisances(clip.rgb, nuisances, seed), add_nuisances(clip.scene_images, light, seed)
            layers = decompose(images, clip.person_mask, 1 / clip.depth, DEPTH_TYPES[0], clip.layers[1:, ..., 3])
            filled, _ = fill_scene(layers, FillSettings(grow_mask=2))
            source, hole = SceneFrames(layers, 2), clip.scene_mask < 0.98
            plain = torch.stack([inpaint(source.frame(i), source.hole(i), None)[..., :3] for i in range(frames)])
            ours.append(psnr(filled.scene[hole], truth[hole]))
            theirs.append(psnr(plain[hole], truth[hole]))
        mean = lambda values: sum(values) / len(values)
        light_name = "even light" if nuisances.none() else "noise, changing light"
        rows.append(
            {"camera": camera, "light": light_name, "clips": clips, "psnr": mean(ours), "inpaint_psnr": mean(theirs)}
        )
    return rows


class SlidingScene(Scene):
    """A scene whose camera slides past the person from left to right and turns a little towards the middle."""

    @classmethod
    def of(cls, scene: Scene) -> "SlidingScene":
        return cls(**{field.name: getattr(scene, field.name) for field in fields(scene)})

    def view(self):
        camera = super().view()
        across = torch.linspace(-TRAVELS, TRAVELS, self.frames)
        position = torch.cat((across[:, None], camera.position[:, 1:]), 1)
        aim = torch.stack((0.6 * across, torch.full_like(across, 0.97), torch.zeros_like(across)), 1)
        return replace(camera, position=position, rotation=look_at(position, aim))


def parallax(clips: int, frames: int, first: int) -> list[dict]:
    """PSNR of the hidden scene under cameras that travel, the mean over clips: without depth, and with each kind of it."""
    rows = []
    for camera in ("dolly", "orbit", "slide"):
        found: dict[str, list] = {}
        for seed in range(first, first + clips):
            size = {"height": SIZE, "width": SIZE, "frames": frames, "frame_rate": 8}
            scene = sample_scene(
                seed, camera="still" if camera == "slide" else camera, action="walk", objects=1, **size
            )
            clip = render(SlidingScene.of(scene) if camera == "slide" else scene)
            near, hole = 1 / clip.depth, clip.scene_mask < 0.98
            layers = decompose(clip.rgb, clip.person_mask, near, DEPTH_TYPES[0], clip.layers[1:, ..., 3])
            noisy = estimated(clip.depth, NOISE["noisy depth"], seed)
            kinds = {"none": None, "exact": near, "noisy": noisy, "reversed": -near, "mirrored": near.flip(2)}
            for name, depth in kinds.items():
                filled, _ = fill_scene(replace(layers, depth=depth), FillSettings(grow_mask=2))
                found.setdefault(name, []).append(psnr(filled.scene[hole], clip.scene_images[hole]))
        rows.append({"camera": camera, "clips": clips, "psnr": {k: sum(v) / len(v) for k, v in found.items()}})
    return rows


def print_parallax(rows: list[dict]) -> None:
    names = list(rows[0]["psnr"])
    print(
        f"\n{'depth:':<10}"
        + "".join(f"{name:>10}" for name in names)
        + f"  (dB in the holes, {rows[0]['clips']} clips each)"
    )
    for row in rows:
        print(f"{row['camera']:<10}" + "".join(f"{row['psnr'][name]:>10.2f}" for name in names))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--scenes", type=int, default=5, help="clips for each camera of the completion")
    parser.add_argument(
        "--travels", type=int, default=5, help="clips for each camera that travels, with kinds of depth"
    )
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--first", type=int, default=FIRST, help="seed of the first clip of the decomposition")
    parser.add_argument(
        "--save", action="store_true", help="keep the figures of each clip as results/layers_quality.json"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    layers = decomposition(options.clips, options.frames, options.first) if options.clips else []
    lights = (Nuisances(), FILMED) if options.scenes else ()
    scenes = [row for one in lights for row in completion(options.scenes, options.frames, one)]
    kept = {row["case"]: row.pop("kept") for row in layers}
    if options.save and kept:
        seeds = range(options.first, options.first + options.clips)
        _results.save("layers_quality", _results.make(seeds, kept, {"size": SIZE, "frames": options.frames}, 1))
    travels = parallax(options.travels, options.frames, FIRST) if options.travels else []
    if options.json:
        print(json.dumps({"clips": options.clips, "layers": layers, "scenes": scenes, "travels": travels}, indent=2))
        return
    print(f"{options.clips} clips of {options.frames} frames, {SIZE} px")
    print(f"{'case':<32}{'decisions right':>16}{'of':>7}{'person':>9}{'occluder':>10}{'scene':>8}  (IoU)")
    for row in layers:
        right = "-" if row["right_percent"] is None else f"{row['right_percent']:.1f} %"
        numbers = "".join(f"{row[f'{part}_iou']:>9.4f}" for part in ("person", "occluder", "scene"))
        print(f"{row['case']:<32}{right:>16}{row['object_frames']:>7}{numbers}")
    print(
        f"\n{'camera':<10}{'light':<24}{'completed scene':>17}{'inpainted':>11}  (dB in the holes, {options.scenes} clips each)"
    )
    for row in scenes:
        print(f"{row['camera']:<10}{row['light']:<24}{row['psnr']:>17.2f}{row['inpaint_psnr']:>11.2f}")
    if travels:
        print_parallax(travels)


if __name__ == "__main__":
    main()
