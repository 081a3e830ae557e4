"""What is added to layers by breathing depth, and shadows: python3 scripts/host.py bench layers_added [--clips N] [--json]

An object slides over the floor past a person. Its depth and that of the clip are estimated apart: soft, noisy, scaled by
0.8 to 1.25 and shifted by 0.08 in every frame. Counted is where object and person or other objects share pixels and the
wrong one is visible, against the stage's own picture of both. Shadows are compared with the stage's own.
"""

import argparse
import json
from dataclasses import replace

import _host  # noqa: F401
import _results
import torch
from pack.models.choices import DEPTH_TYPES, OBJECT_DEPTHS
from pack.models.evaluate.metrics import psnr
from pack.models.layers.composite import Addition, Changes, composite_frame
from pack.models.layers.decompose import decompose
from pack.models.layers.empty_scene import given_scene
from pack.models.layers.fill import FillSettings, fill_scene
from pack.models.layers.layers import NearnessClip
from pack.models.layers.placement import Placement
from pack.models.layers.shadow import ShadowSettings, find_shadow, margin_of, shadow_mask
from pack.models.stage import render, sample_scene
from pack.models.stage.alone import render_alone
from pack.models.stage.nuisance import Nuisances, add_nuisances, cast_shadow
from pack.models.stage.objects import StageObject
from pack.nodes.depth.match import MatchDepth
from pack.nodes.depth.steady import SteadyDepth

FIRST = 7000  # seeds below are used while developing
SIZE, FRAMES = 192, 16
ENOUGH = 60  # shared pixels in a frame that counts
PATHS = ((-0.9, -0.5), (0.5, 0.9), (-0.7, -0.7), (0.7, 0.7))  # from where to where, metres towards the camera


def estimated(depth, seed: int):
    """(N, H, W) metres to greys as an estimator gives them for each frame."""
    draw = torch.Generator().manual_seed(seed)
    grey = torch.nn.functional.avg_pool2d((1 / depth - 1 / 6)[:, None] * 3, 3, 1, 1, count_include_pad=False)[
        :, 0
    ]  # from 2 to 6 metres
    grey = 0.2 + 0.5 * grey + 0.005 * torch.randn(grey.shape, generator=draw)
    scale = 0.8 * (1.25 / 0.8) ** torch.rand(len(grey), 1, 1, generator=draw)
    return grey * scale + 0.08 * (2 * torch.rand(len(grey), 1, 1, generator=draw) - 1)


def picture(plane):
    return plane[..., None].expand(-1, -1, -1, 3)


def steady(images, depth):
    return SteadyDepth.execute(images, picture(depth), DEPTH_TYPES[0]).result[0][..., 0]


def inserted(seed: int) -> dict:
    """The share of wrong pixels of each way, over the clip and in its worst frame, and of feet that the ground hides."""
    start, end = PATHS[seed % len(PATHS)]
    place = lambda x, z: (x, 0.54, z)
    thing = StageObject("pill", 0.3, "red", "white", "plain", place(-0.9, start), place(0.9, end), 0.0, 0.0)
    size = {"frames": FRAMES, "height": SIZE, "width": SIZE, "frame_rate": 8}
    scene = sample_scene(seed, objects=1, action="dance", **size)
    whole = replace(scene, objects=(*scene.objects, thing))
    base, full = render(scene), render(whole)
    mask, _ = render_alone(whole, 2)
    near, own = estimated(base.depth, 2 * seed), estimated(full.depth, 2 * seed + 1)
    calm, own_calm = steady(base.rgb, near), steady(full.rgb, own)
    matched = MatchDepth.execute(picture(own_calm.clamp(0, 1)), picture(calm.clamp(0, 1))).result[0][..., 0]
    each, lower, ground = OBJECT_DEPTHS
    ways = {
        "each pixel": (near, own, Placement(each)),
        "each pixel, steady depth": (calm, matched, Placement(each)),
        "lower edge, steady depth": (calm, matched, Placement(lower, 0.02, True)),
        "ground under it": (near, None, Placement(ground, 0.02)),
        "ground under it, steady depth": (calm, None, Placement(ground, 0.02)),
    }
    return {name: wrong(base, full, mask, *way) for name, way in ways.items()}


def wrong(base, full, mask, depth, own, placement) -> dict:
    layers = decompose(torch.ones_like(base.rgb), base.person_mask, depth, DEPTH_TYPES[0], base.layers[1:, ..., 3])
    addition = Addition(
        torch.zeros(1, SIZE, SIZE, 3), mask, None if own is None else NearnessClip(own, DEPTH_TYPES[0]), None, placement
    )
    frames = [composite_frame(layers, Changes(additions=[addition]), index)[0] for index in range(FRAMES)]
    visible, truth = torch.stack(frames).mean(-1) < 0.5, full.layer == 3
    shared, free = (mask > 0) & (base.layer > 0), (mask > 0) & (base.layer == 0)
    off, counts = ((visible != truth) & shared).sum((1, 2)), shared.sum((1, 2))
    counted = counts >= ENOUGH
    return {
        "wrong": int(off[counted].sum()), "shared": int(counts[counted].sum()),
        "worst": (off[counted] / counts[counted]).max().item() if counted.any() else 0.0,
        "hidden": int((truth & ~visible & free).sum()), "on_scene": int((truth & free).sum()),
    }  # fmt: skip


def shadows(seed: int) -> dict:
    """How far the found shadow is from the true one, and dB of the hole with and without it."""
    size = {"frames": FRAMES, "height": SIZE, "width": SIZE, "frame_rate": 8}
    clip = render(sample_scene(seed, objects=0, action="walk", **size))
    nuisances = Nuisances(shadow=0.5, noise=0.015, exposure=0.1)
    images = add_nuisances(clip.rgb, nuisances, seed, clip.person_mask, clip.scene_mask)
    truth, room = cast_shadow(clip.person_mask, 0.5) * clip.scene_mask, clip.scene_images[:1]
    layers = decompose(images, clip.person_mask, None, DEPTH_TYPES[0])
    shadow = find_shadow(given_scene(layers, room, margin_of(layers.size)), ShadowSettings())
    seen = (clip.person_mask == 0) & (truth > 0.02)
    found = (shadow.darkness > 0.05) & (clip.person_mask == 0)
    right = (clip.person_mask == 0) & (truth > 0.05)
    masks = [shadow_mask(dark, 3).float() for dark in shadow.darkness]
    both = torch.maximum(clip.person_mask, torch.stack(masks))
    clean = add_nuisances(clip.scene_images, replace(nuisances, shadow=0.0, noise=0.0), seed)
    hole = (clip.person_mask > 0.02) | (truth > 0.02)
    filled = lambda person: fill_scene(replace(layers, person=person), FillSettings(inpainted_scene=clean))[0].scene
    return {
        "error": (shadow.darkness - truth)[seen].abs().mean().item(),
        "elsewhere": shadow.darkness[(clip.person_mask == 0) & (truth < 0.005)].mean().item(),
        "iou": (found & right).sum().item() / max(1, (found | right).sum().item()),
        **{name: psnr(filled(one)[hole], clean[hole]) for name, one in {"person": clip.person_mask, "both": both}.items()},
    }  # fmt: skip


def table(added: list[dict], shadow: list[dict]) -> str:
    lines = [f"{'what is compared':<32}{'wrong':>8}{'worst frame':>13}{'feet hidden':>13}"]
    for name in added[0]:
        rows = [one[name] for one in added]
        share = lambda part, whole, rows=rows: 100 * sum(r[part] for r in rows) / max(1, sum(r[whole] for r in rows))
        worst = 100 * max(row["worst"] for row in rows)
        lines.append(
            f"{name:<32}{share('wrong', 'shared'):>6.1f} %{worst:>11.1f} %{share('hidden', 'on_scene'):>11.2f} %"
        )
    mean = lambda key: sum(float(one[key]) for one in shadow) / len(shadow)
    lines += [
        "",
        f"shadow: error {mean('error'):.3f} of the light, elsewhere {mean('elsewhere'):.4f}, IoU {mean('iou'):.2f}",
        f"the hole: {mean('person'):.1f} dB with the shadow left, {mean('both'):.1f} dB with both removed",
    ]
    return "\n".join(lines)


def kept_rows(added: list[dict], shadow: list[dict]) -> dict:
    """The figures of each clip by row."""
    of = lambda clips, *names: {name: [float(clip[name]) for clip in clips] for name in names}
    rows = {name: of([clip[name] for clip in added], "wrong", "shared", "hidden", "on_scene") for name in added[0]}
    rows["the shadow left"] = {"hole_db": of(shadow, "person")["person"]}
    rows["both removed"] = {"hole_db": of(shadow, "both")["both"]}
    return {**rows, "found shadow": of(shadow, "error", "elsewhere", "iou")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--first", type=int, default=FIRST)
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--save", action="store_true", help="keep the figures of each clip as results/layers_added.json"
    )
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.clips)
    with torch.inference_mode():
        added, shadow = [inserted(seed) for seed in seeds], [shadows(seed) for seed in seeds]
    if options.save:
        settings = {"size": SIZE, "frames": FRAMES}
        _results.save("layers_added", _results.make(seeds, kept_rows(added, shadow), settings, torch.get_num_threads()))
    print(json.dumps({"added": added, "shadow": shadow}, default=float) if options.json else table(added, shadow))


if __name__ == "__main__":
    main()
