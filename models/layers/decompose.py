"""A clip, a person's mask and depth to layers: scene, person, and what stands before the person.

Letters: N frames, K objects, h and w the sizes that came, H and W pixels of the clip.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from ..character.motion_code import Motion
from .body import small, whole_bodies
from .decide import Rule, decide
from .from_depth import objects_from_depth
from .layers import Layers
from .masks import mask_frame
from .measure import Measures, measure, person_nearness, small_depth

Report = Callable[[int], None]


def quiet(done: int) -> None:
    """Tells nobody."""


def decompose(
    images: Tensor,
    human: Tensor,
    depth: Tensor,
    depth_source: str,
    objects: Tensor | None = None,
    motion: Motion | None = None,
    rule: Rule | None = None,
    by_depth: bool = False,
    report: Report = quiet,
) -> Layers:
    """Layers of images (N, H, W, 3) with a person's mask (N or 1, h, w) and depth (N, h, w).

    objects are masks (K, N or 1, h, w) or packed tracks; with `by_depth` they are found by depth alone. A posed body
    tells where the person is hidden, else the hull of what is seen does. Only every few pixels are looked at.
    """
    rule, frames, size = rule or Rule(), len(images), tuple(images.shape[1:3])
    step = small(size)
    person = lambda index: mask_frame(human, index, size)[::step, ::step] > 0.5
    near = small_depth(depth, depth_source, size, step)
    areas, values = person_nearness(person, near, frames)
    body = whole_bodies(person, areas > 0, motion)
    if by_depth:
        objects = objects_from_depth(human, body, depth, depth_source, size, areas > 0, rule)
    numbers = measure(person, body, near, objects, areas, values, size, step, report)
    in_front, lines = decide(numbers, rule)
    nearness = torch.cat((numbers.near, values[:, None]), 1)
    lines = warnings(numbers, near, frames) + lines
    return Layers(images, human, depth, depth_source, objects, in_front, nearness, lines)


def warnings(numbers: Measures, near: Callable[[int], Tensor], frames: int) -> list[str]:
    """What an artist should know before the verdicts."""
    seen = int((numbers.human > 0).sum())
    lines = [f"The person is seen in {seen} of {frames} frames."]
    if not seen:
        lines = [f"No person in {frames} frames: everything is scene. Check the human mask."]
    elif all(spread(near(index)) < 1e-6 for index in {0, frames // 2, frames - 1}):
        lines += ["The depth is constant, so nothing can be told by it: connect the depth of this clip."]
    if not numbers.area.shape[1]:
        lines += ["No objects came, so nothing stands before the person."]
    return lines


def spread(plane: Tensor) -> float:
    """Largest minus smallest of (h, w), as a share of the largest magnitude."""
    return ((plane.max() - plane.min()) / plane.abs().max().clamp_min(1e-12)).item()


def edit(layers: Layers, front: list[int], scene: list[int], first: int, last: int) -> Layers:
    """Objects put before the person or into the scene by hand, from the first to the last frame; -1 is the clip's end."""
    frames, count = layers.in_front.shape
    missing = [k for k in (*front, *scene) if not 0 <= k < count]
    if missing:
        came = "no objects" if not count else f"objects 0 to {count - 1}"
        raise ValueError(f"Expected numbers of objects in the layers, got {missing[0]}: there are {came}.")
    if both := set(front) & set(scene):
        raise ValueError(f"Object {min(both)} is put both before the person and into the scene: name it once.")
    last = frames - 1 if last < 0 else min(last, frames - 1)
    if first > last:
        raise ValueError(f"Expected the first frame before the last, got {first} and {last} of {frames}: swap them.")
    chosen, report = layers.in_front.clone(), list(layers.report)
    for numbers, value, words in ((front, True, "before the person"), (scene, False, "in the scene")):
        for k in numbers:
            chosen[first : last + 1, k] = value
            report.append(f"Object {k}: put {words} by hand in frames {first} to {last}.")
    return replace(layers, in_front=chosen, report=report)


def numbers_of(text: str) -> list[int]:
    """Numbers of objects in words such as "0, 2"."""
    words = text.replace(",", " ").split()
    bad = next((word for word in words if not word.isdigit()), None)
    if bad:
        raise ValueError(f"Expected numbers of objects such as 0, 2, got {bad!r}: read them off the preview.")
    return [int(word) for word in words]


def masks(layers: Layers, report: Report = quiet) -> tuple[Tensor, Tensor, Tensor]:
    """What is seen of the person, of what stands before, and of the scene, (N, H, W) each; they add up to 1."""
    frames = len(layers.images)
    human, before, scene = (torch.empty(frames, *layers.size) for _ in range(3))
    for index in range(frames):
        human[index], objects = layers.covers(index)
        before[index] = sum(objects.values(), torch.zeros(()))
        scene[index] = (1 - human[index] - before[index]).clamp_min(0)
        report(index + 1)
    return human, before, scene
