"""A person removed: how near the filled place is to the plate, at which speed, and whether all else stays as it was.

The plate is the median over the whole clip, of which the node sees the frames of the shot alone. Letters: N frames, H and W pixels.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from .measures import CpuSeconds, changed_pixels, decibels
from .nodes import run
from .shots import Footage
from .subtraction import grown

AWAY = 12  # pixels from the person at which a frame shows the scene alone
RIM = 4  # pixels that Fill Scene grows masks by at its default
SUN = (0.84, 0.85, 0.88)  # what is left of red, green and blue when the sun is behind a cloud
HALF = 0.5  # of the frames: a median of so many comes from the path for a still camera


def removed(footage: Footage, images: Tensor) -> dict:
    """The clip without the person, the confidence of each pixel, and CPU seconds a frame of Fill Scene and of all."""
    with CpuSeconds() as whole:
        layers = run(
            "DuetDecomposeLayers", images=images, person_mask=footage.mask(), depth=footage.depth(), object_masks=footage.objects()
        )["layers"]  # fmt: skip
        with CpuSeconds() as filling:
            filled = run("DuetFillScene", layers=layers)
        layers, confidence = filled["layers"], filled["confidence_mask"]
        del filled  # pictures that only the page would show
        out = run("DuetCompositeLayers", layers=layers, remove_person=True, insert_position="behind the person")
    return {"images": out["images"], "confidence": confidence, "fill": filling.seconds, "all": whole.seconds}


def measure(footage: Footage) -> dict:
    """The rows of a shot."""
    rows = as_filmed(footage) | sunless(footage)
    if footage.moving is not None:
        both = replace(footage, person=footage.moving)
        plate = torch.from_numpy(both.plate).float() / 255
        rows["with_shadow_db"] = decibels(removed(both, both.images())["images"], lambda index: plate, hole_of(both))
    return rows


def as_filmed(footage: Footage) -> dict:
    images, plate = footage.images(), torch.from_numpy(footage.plate).float() / 255
    found, hole, frames = removed(footage, images), hole_of(footage), len(footage.frames)
    counts, largest = changed_pixels(found["images"], images, ~grown(footage.person, RIM))
    empty = [count for count, one in zip(counts, footage.person, strict=True) if not one.any()]
    return {
        "hole_db": decibels(found["images"], lambda index: plate, hole),
        "hole_exposed_db": decibels(found["images"], in_exposure_of(images, plate, grown(footage.person, AWAY)), hole),
        "path": path_of(found["confidence"], hole, frames),
        "fill_cpu_s": found["fill"] / frames,
        "removal_cpu_s": found["all"] / frames,
        "rim_pixels": sum(counts) / frames,
        "rim_pixels_without_person": sum(empty) / len(empty) if empty else None,
        "rim_largest": largest,
        "rim_equal": not sum(counts),
        "hole_percent": 100 * float(hole.mean()),
    }


def in_exposure_of(images: Tensor, plate: Tensor, person: np.ndarray) -> Callable[[int], Tensor]:
    """A function from a frame to the plate (H, W, 3) in the exposure of that frame, measured where the person (N, H, W) is not."""

    def exposed(index: int) -> Tensor:
        scene = torch.from_numpy(~person[index])
        return plate * images[index][scene].mean(0) / plate[scene].mean(0)

    return exposed


def hole_of(footage: Footage) -> np.ndarray:
    """(N, H, W) bool: the place of the person and its rim, without what stays in front."""
    hole = grown(footage.person, RIM)
    return hole if footage.kept is None else hole & ~grown(footage.kept, RIM)


def path_of(confidence: Tensor, hole: np.ndarray, frames: int) -> str:
    """Which path Fill Scene took: one picture for all frames is the median of most of them, and its confidence shows it."""
    inside = confidence[torch.from_numpy(hole)]
    views = HALF * frames
    still = bool(len(inside)) and inside[inside < 1].max().item() > views / (views + 1)
    return "still" if still else "moving"


def sunless(footage: Footage) -> dict:
    """The same with an exposure that falls in the middle third of the shot, as when the sun goes in."""
    gains, plate = exposures(len(footage.frames)), torch.from_numpy(footage.plate).float() / 255
    dimmed = footage.images().mul_(gains).mul_(255).round_().div_(255)
    found, hole = removed(footage, dimmed), hole_of(footage)
    late = hole & (np.arange(len(hole)) >= 2 * len(hole) // 3)[:, None, None]
    return {
        "sun_db": decibels(found["images"], lambda index: plate * gains[index], hole),
        "sun_levels": levels_off(found["images"], plate, gains, late),
        "sun_path": path_of(found["confidence"], hole, len(hole)),
    }


def exposures(frames: int) -> Tensor:
    """(N, 1, 1, 3) gains of the colours."""
    way = ((torch.arange(frames) / max(1, frames - 1) - 1 / 3) * 3).clamp(0, 1)
    smooth = way * way * (3 - 2 * way)
    return 1 - smooth[:, None, None, None] * (1 - torch.tensor(SUN))


def levels_off(images: Tensor, plate: Tensor, gains: Tensor, where: np.ndarray) -> float | None:
    """By how many levels of 8 bits the filled place is too bright or too dark, the mean over the frames of (N, H, W)."""
    values = [
        255 * (images[index] - plate * gains[index])[torch.from_numpy(here)].mean().item()
        for index, here in enumerate(where)
        if here.any()
    ]
    return sum(map(abs, values)) / len(values) if values else None


def sheet(footage: Footage) -> list[list[tuple[str, Tensor]]]:
    """Rows of labelled pictures for a contact sheet."""
    images = footage.images()
    shown = removed(footage, images)["images"]
    plate, hole = torch.from_numpy(footage.plate).float() / 255, hole_of(footage)
    rows = []
    for index in np.linspace(0, len(images) - 1, 6).round().astype(int).tolist():
        error = (shown[index] - plate).abs() * 6 * torch.from_numpy(hole[index])[..., None]
        rows.append([(f"frame {index}", images[index]), ("person removed", shown[index]), ("error x 6", error)])
    return rows
