"""A stand-in for a generator that replaces a person: the true re-render of another character, with a generator's mistakes.

It draws the character as large as its reference, in front of everything, loses fine detail, and its colours drift from
chunk to chunk. Letters: N frames, H and W pixels.
"""

from dataclasses import dataclass, replace

import torch
from pack.models.layers.crop import Crop, cut_box
from pack.models.layers.whole_subject import visible_box
from pack.models.stage import Clip, render, sample_scene
from pack.models.stage.actors import stage_actors
from pack.models.stage.body.skeleton import Angles
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate, max_pool2d

GAIN, OFFSET, ALONG = 0.15, 0.04, 0.06  # how far a chunk's colours are off, and how far they drift along it


@dataclass(frozen=True)
class Stage:
    """A clip, what a user has of it, and the truth."""

    images: Tensor  # (N, H, W, 3)
    scene: Tensor  # (N, H, W, 3) without person and objects
    person_mask: Tensor  # (N, H, W) as a user has it
    occluder_mask: Tensor
    keypoints: list
    true_person: Tensor  # (N, H, W) visible
    true_whole: Tensor  # (N, H, W) with what is hidden
    true_occluder: Tensor
    character: Tensor  # (N, H, W, 4) premultiplied: the other character in the same motion, nothing in front
    portrait: Tensor  # (h, w, 3) on grey
    portrait_mask: Tensor
    standing: Tensor  # (N,) pixels of the person upright with straight legs, as far away as in each frame
    character_standing: Tensor  # (N,) of the other character


def stage(seed: int, frames: int, size: int) -> Stage:
    """A portrait clip with one object, `size` pixels wide with air above the head, and the same motion of another character."""
    high = 3 * size // 2
    scene = sample_scene(seed, frames=frames, height=high, width=size, frame_rate=12.0, action="walk", objects=1)
    clip, other = render(scene), render(replace(scene.with_character(seed + 5000), objects=()))
    portrait = other.character[0]
    own = on_grey(clip.character[0])
    return Stage(
        clip.rgb, clip.scene_images, worn(clip.person_mask, seed), worn(clip.occluder_mask, seed + 1),
        detected(clip.keypoints, clip.person_mask, seed), clip.person_mask, clip.whole_person_mask, clip.occluder_mask,
        other.layers[0], portrait, on_grey(portrait), upright(clip, own), upright(other, on_grey(portrait)),
    )  # fmt: skip


def on_grey(portrait: Tensor) -> Tensor:
    """(H, W) mask of a portrait (H, W, 3) on plain grey."""
    return ((portrait - portrait[:1, :1]).abs().amax(-1) > 0.02).float()


def upright(clip: Clip, mask: Tensor) -> Tensor:
    """(N,) pixels of the body of a portrait's mask (H, W) at the distance of the person in each frame."""
    one = replace(clip.scene, frames=1, objects=(), camera="still")
    hips = [8, 11]
    near = one.view().to_camera(stage_actors(one, Angles.a_pose()).joints)[0, hips, 2].mean()
    return heights(mask[None])[0] * near / clip.joints[:, hips, 2].mean(1)


def worn(masks: Tensor, seed: int) -> Tensor:
    """(N, H, W) hard masks as a segmentation gives them: in each frame larger or smaller by a pixel, or neither."""
    draw, out = torch.Generator().manual_seed(seed), []
    for mask in (masks > 0.5).float():
        change = int(torch.randint(-1, 2, (1,), generator=draw))
        mask = max_pool2d(mask[None, None], 3, 1, 1)[0, 0] if change > 0 else mask
        mask = 1 - max_pool2d(1 - mask[None, None], 3, 1, 1)[0, 0] if change < 0 else mask
        out.append(mask)
    return torch.stack(out)


def detected(keypoints: list, visible: Tensor, seed: int) -> list:
    """Keypoints as a detector gives them: off by some pixels, with little confidence where the joint is hidden."""
    draw, out = torch.Generator().manual_seed(seed), []
    for frame, mask in zip(keypoints, visible, strict=True):
        flat = torch.tensor(frame["people"][0]["pose_keypoints_2d"]).reshape(-1, 3)
        flat[:, :2] += mask.shape[0] / 250 * torch.randn(len(flat), 2, generator=draw)
        x, y = (
            flat[:, 0].round().long().clamp(0, mask.shape[1] - 1),
            flat[:, 1].round().long().clamp(0, mask.shape[0] - 1),
        )
        near = max_pool2d(mask[None, None], 9, 1, 4)[0, 0]
        flat[:, 2] = torch.where((near[y, x] > 0.5) & (flat[:, 2] > 0), 0.9, 0.1)
        out.append({**frame, "people": [{**frame["people"][0], "pose_keypoints_2d": flat.flatten().tolist()}]})
    return out


def heights(masks: Tensor) -> Tensor:
    """(N,) pixels from head to feet, NaN without a person."""
    boxes = [visible_box(mask > 0.5) for mask in masks]
    return torch.tensor([float("nan") if box is None else (box[3] - box[1]).item() for box in boxes])


def scaled(character: Tensor, scale: float) -> Tensor:
    """(N, H, W, 4) each frame scaled about the feet."""
    out = []
    for frame in character:
        height, width = frame.shape[:2]
        left, _, right, bottom = visible_box(frame[..., 3] > 0.5).tolist()
        x, y = (left + right) / width - 1, 2 * bottom / height - 1
        matrix = torch.tensor([[1 / scale, 0, x - x / scale], [0, 1 / scale, y - y / scale]])
        grid = affine_grid(matrix[None], (1, 4, height, width), align_corners=False)
        moved = grid_sample(frame.permute(2, 0, 1)[None], grid, mode="bilinear", align_corners=False)
        out.append(moved[0].permute(1, 2, 0))
    return torch.stack(out)


def generated(stage: Stage, character: Tensor) -> Tensor:
    """(N, H, W, 3) what a generator makes of the whole picture before it drifts: the person in front, less detail."""
    behind = torch.lerp(stage.scene, stage.images, stage.true_occluder[..., None])
    return character[..., :3] + (1 - character[..., 3:]) * softened(behind)


def softened(images: Tensor) -> Tensor:
    """(N, H, W, 3) as an auto-encoder returns them."""
    planes = images.movedim(-1, 1)
    small = interpolate(planes, scale_factor=0.7, mode="area")
    return interpolate(small, size=planes.shape[2:], mode="bicubic").clamp(0, 1).movedim(1, -1)


def drift(images: Tensor, number: int, seed: int) -> Tensor:
    """A chunk (n, H, W, 3) whose colours are off by a gain and an offset, and drift on along it."""
    draw = torch.Generator().manual_seed(1000 * seed + number)
    gain, offset, along = (2 * torch.rand(3, generator=draw) - 1 for _ in range(3))
    time = torch.linspace(0, 1, len(images))[:, None]
    return (images * (1 + GAIN * gain + ALONG * along * time)[:, None, None] + OFFSET * offset).clamp(0, 1)


def crops(planes: Tensor, crop: Crop) -> list[Tensor]:
    """(N, H, W, C) cut out as Crop to Subject does, with the repeated last frames."""
    out = []
    for clip in crop.clips:
        cut = [cut_box(planes[clip.start + place], box, crop.output_size) for place, box in enumerate(clip.boxes)]
        out.append(torch.stack(cut + cut[-1:] * clip.repeated))
    return out
