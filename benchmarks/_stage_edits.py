"""Clips of the stage, edits with a ground truth, and their metrics, for bench edits."""

import statistics
from collections.abc import Callable
from dataclasses import replace

from pack.models.flow.warp import warp
from pack.models.stage import Scene, sample_scene
from pack.models.stage.texture import PALETTE, keyed
from torch import Tensor

SIZE, FRAMES, FPS = 128, 8, 8.0
HELD_OUT = 1000  # seeds below are never trained on
BETTER = {"flicker": min, "flicker_person": min, "psnr": max, "psnr_person": max, "depth_l2": min}
SHOWN = {"flicker": ".2f", "flicker_person": ".2f", "psnr": ".1f", "psnr_person": ".1f", "depth_l2": ".4f"}
HEAD = ("", "flicker", "of the person", "PSNR, dB", "of the person", "depth L2")


def held_out(count: int, first: int = 0) -> list[int]:
    """Seeds below those of training whose clothes are plain: captions do not name the second colour of a pattern."""
    plain = lambda who: who.shirt_pattern == who.trousers_pattern == "plain"
    return [seed for seed in range(first, HELD_OUT) if plain(sample_scene(seed).character)][:count]


def data_of(number: int, seed: int) -> dict:
    """A clip as the training pack names it; an object passes in every second one."""
    return {"kind": "stage", "clips": 1, "size": SIZE, "frames": FRAMES, "frame_rate": FPS, "first_seed": seed,
            "objects": [(number + 1) % 2], "actions": [sample_scene(seed).action]}  # fmt: skip


def scene_of(data: dict) -> Scene:
    """The one scene of such data."""
    return sample_scene(
        data["first_seed"], frames=data["frames"], height=data["size"], width=data["size"], frame_rate=data["frame_rate"],
        action=data["actions"][0], objects=data["objects"][0],
    )  # fmt: skip


def other_walls(scene: Scene) -> Scene:
    """The same room, its walls in another colour."""
    walls, floor = scene.room.walls, scene.room.floor
    free = sorted(set(PALETTE) - {walls.colour, walls.second, floor.colour, "black"})
    walls = replace(walls, colour=keyed(scene.camera_seed, "other walls").choice(free))
    return replace(scene, room=replace(scene.room, walls=walls))


EDITS: dict[str, Callable[[Scene], Scene]] = {
    "clothes": lambda scene: scene.with_colours(scene.camera_seed),
    "night": lambda scene: scene.in_style("night"),
    "walls": other_walls,
    "sunset": lambda scene: scene.in_style("sunset"),
}


def edits_of(number: int) -> tuple[str, str]:
    """Two edits of each clip: other clothes, and by turns another light or room."""
    return "clothes", ("night", "walls", "sunset")[number % 3]


def flicker(video: Tensor, flow: Tensor, valid: Tensor) -> float:
    """(F, H, W, 3), flow (F-1, H, W, 2) and its valid pixels to the mean difference of neighbours, of 255."""
    error = (warp(video[1:], flow) - video[:-1]).abs().mean(-1)
    return 255 * error[valid].mean().item()


def means(rows: list[dict]) -> dict[str, float]:
    """The mean of each figure."""
    return {name: statistics.fmean(row[name] for row in rows) for name in BETTER}


def tables(rows: list[dict]) -> dict[str, dict[str, dict[str, float]]]:
    """{edit: {method: figures}}: of all edits, and of each kind."""
    kinds = {"all": rows, **{row["edit"]: [r for r in rows if r["edit"] == row["edit"]] for row in rows}}
    methods = list(dict.fromkeys(row["method"] for row in rows))
    return {
        kind: {name: means([row for row in chosen if row["method"] == name]) for name in methods}
        for kind, chosen in kinds.items()
    }


def winners(table: dict[str, dict[str, float]], methods) -> dict[str, str]:
    """Which of the methods is best at each figure."""
    return {name: best(methods, key=lambda method: table[method][name]) for name, best in BETTER.items()}


def markdown(table: dict[str, dict[str, float]], methods) -> str:
    """A row for each entry; the best of the methods is bold."""
    first = winners(table, methods)
    lines = [f"| {' | '.join(HEAD)} |", f"|{' --- |' * len(HEAD)}"]
    for method, values in table.items():
        cells = [f"**{values[name]:{form}}**" if first[name] == method else f"{values[name]:{form}}"
                 for name, form in SHOWN.items()]  # fmt: skip
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(lines)
