"""A clip, a person's mask and depth to layers: scene, person, and what is in front of the person.

Without depth the objects that are given are in front of the person wherever their masks are.

Letters: N frames, K objects, h and w the sizes as given, H and W pixels of the clip.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from ..character.posed_body import PosedBody
from .body import decision_step, whole_bodies
from .decide import Rule, decide_in_front, take_as_front
from .from_depth import objects_from_depth
from .layers import Layers
from .masks import count_objects, mask_frame
from .measure import Measures, measure_objects, measure_person, small_nearness
from .shared_clip import Family

Report = Callable[[int], None]


def no_report(done: int) -> None:
    """Reports no progress."""


def decompose(
    images: Tensor,
    person_mask: Tensor,
    depth: Tensor | None,
    depth_type: str,
    objects: Tensor | None = None,
    body: PosedBody | None = None,
    rule: Rule | None = None,
    by_depth: bool = False,
    report: Report = no_report,
) -> Layers:
    """Layers of images (N, H, W, 3) with a person's mask (N or 1, h, w) and depth (N, h, w) or none.

    objects are masks (K, N or 1, h, w) or packed tracks; with `by_depth` they are found by depth alone. The hidden part
    of the person is that of the posed body, else that of a convex hull. Only every few pixels are measured.
    `report` gets the frames that are done, 2 N in all.
    """
    rule, frames, size = rule or Rule(), len(images), tuple(images.shape[1:3])
    step = decision_step(size)
    person = lambda index: mask_frame(person_mask, index, size)[::step, ::step] > 0.5
    near = one_depth(size, step) if depth is None else small_nearness(depth, depth_type, size, step)
    areas, values = measure_person(person, near, frames, report)
    whole = whole_bodies(person, areas > 0, body)
    if by_depth:
        objects = objects_from_depth(
            person_mask, whole, depth, depth_type, size, areas > 0, rule, lambda done: report(frames)
        )
    numbers = measure_objects(
        person, whole, near, objects, areas, values, size, step, lambda done: report(frames + done)
    )
    in_front, lines = take_as_front(numbers) if depth is None else decide_in_front(numbers, rule)
    nearness = torch.cat((numbers.nearness, values[:, None]), 1)
    notes = clip_notes(person_mask, objects, numbers, None if depth is None else near)
    return Layers(images, person_mask, depth, depth_type, objects, in_front, nearness, notes + lines)


def clip_notes(
    person_mask: Tensor, objects: Tensor | None, numbers: Measures, near: Callable[[int], Tensor] | None
) -> list[str]:
    """Notes on the person, the depth, if any, and the objects of N frames, which precede the decisions."""
    frames = len(numbers.person_area)
    visible = int((numbers.person_area > 0).sum())
    lines = [f"The person is visible in {visible} of {frames} frames."]
    if visible and is_repeated(person_mask, frames):
        lines = [f"One person mask was used for all {frames} frames: if the person moves, connect one for each frame."]
    if not visible:
        lines = [f"No person in {frames} frames: everything is scene. Check person_mask."]
    elif near is None:
        lines += ["No depth: what the person mask does not cover is scene, and objects with masks are in front."]
    elif all(spread(near(index)) < 1e-6 for index in {0, frames // 2, frames - 1}):
        lines += ["The depth is constant, so it does not separate anything: connect the depth of this clip."]
    if not count_objects(objects):
        lines += ["There are no objects, so nothing is in front of the person."]
    elif objects.dtype != torch.uint8 and is_repeated(objects[0], frames):
        lines += [f"One object mask was used for all {frames} frames: if the object moves, connect one for each frame."]
    return lines


def one_depth(size: tuple[int, int], step: int) -> Callable[[int], Tensor]:
    """A function from a frame to small nearness (h, w) where there is no depth: the same everywhere."""
    plane = torch.zeros(size)[::step, ::step]
    return lambda index: plane


def is_repeated(mask: Tensor, frames: int) -> bool:
    """One mask (1, h, w) serves several frames."""
    return len(mask) == 1 and frames > 1


def spread(plane: Tensor) -> float:
    """Largest minus smallest of (h, w), as a share of the largest magnitude."""
    return ((plane.max() - plane.min()) / plane.abs().max().clamp_min(1e-12)).item()


def edit_layers(layers: Layers, front: list[int], scene: list[int], first: int, last: int) -> Layers:
    """Objects put in front of the person or into the scene, from the first to the last frame; -1 is the clip's end."""
    frames, count = layers.in_front.shape
    missing = [k for k in (*front, *scene) if not 0 <= k < count]
    if missing:
        found = "no objects" if not count else f"objects 0 to {count - 1}"
        raise ValueError(f"Expected numbers of objects in the layers, got {missing[0]}: there are {found}.")
    if both := set(front) & set(scene):
        raise ValueError(
            f"Object {min(both)} is in front_objects and in scene_objects: remove its number from one of them."
        )
    last = frames - 1 if last < 0 else min(last, frames - 1)
    if first > last:
        raise ValueError(f"Expected first_frame up to last_frame, got {first} and {last} of {frames}: swap them.")
    in_front, report = layers.in_front.clone(), list(layers.report)
    for numbers, value, words in ((front, True, "in front of the person"), (scene, False, "into the scene")):
        for k in numbers:
            in_front[first : last + 1, k] = value
            report.append(f"Object {k}: put {words} by hand in frames {first} to {last}.")
    return replace(layers, in_front=in_front, report=report)


def parse_numbers(text: str) -> list[int]:
    """Numbers of objects in a text such as "0, 2"."""
    words = text.replace(",", " ").split()
    bad = next((word for word in words if not word.isdigit()), None)
    if bad:
        raise ValueError(f"Expected numbers of objects such as 0, 2, got {bad!r}: take them from the preview.")
    return [int(word) for word in words]


def layer_masks(layers: Layers, report: Report = no_report) -> tuple[Tensor, Tensor, Tensor]:
    """The visible parts of the person, of the occluders and of the scene, (N, H, W) each; they add up to 1."""
    shape, family = (len(layers.images), *layers.size), Family.of(layers.images)
    person = family.sparse("person", layers.person, *shape)
    occluder = family.sparse("occluder", layers.only_object, *shape)
    scene = family.dense("shown", None, *shape)
    for index in range(len(layers.images)):
        visible, objects = layers.coverages(index)
        hiding = sum(objects.values(), torch.zeros(layers.size))
        person.write(index, visible)
        occluder.write(index, hiding)
        scene.write(index, (1 - visible - hiding).clamp_min(0))
        report(index + 1)
    return person.clip(), occluder.clip(), scene.clip()
