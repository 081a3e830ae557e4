"""The layers of a clip: its pictures, masks and depth, what is in front of the person, and how a frame of it is read.

Nothing is copied: pictures, masks and depth stay the given tensors, and every step reads them frame by frame.
Letters: N frames, K objects, H and W pixels.
"""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from ..choices import DEPTH_TYPES
from .masks import count_objects, fit, mask_frame, object_frame

NEAR_IS_WHITE, FAR_IS_WHITE, DISTANCE = DEPTH_TYPES


@dataclass(frozen=True)
class Layers:
    """A clip and its layers; the keys of the socket are these names."""

    images: Tensor  # (N, H, W, 3) in 0..1
    person: Tensor  # (N or 1, h, w) in 0..1, the person's mask as given
    depth: Tensor | None  # (N, h, w) in its own units
    depth_type: str  # what its numbers mean, one of DEPTH_TYPES
    objects: Tensor | None  # (K, N or 1, h, w) masks in 0..1, or (N, K, h, w / 8) bytes as SAM3 packs them
    in_front: Tensor  # (N, K) bool: the object is in front of the person in that frame
    nearness: Tensor  # (N, K + 1) of each object, then of the person; larger is nearer, NaN where it is not visible
    report: list[str]  # one sentence for each object
    scene: Tensor | None = None  # (N or 1, H, W, 3) without person and occluders
    scene_depth: Tensor | None = None  # (N or 1, H, W) nearness of it

    @property
    def size(self) -> tuple[int, int]:
        return tuple(self.images.shape[1:3])

    @property
    def count(self) -> int:
        return count_objects(self.objects)

    @property
    def only_object(self) -> Tensor | None:
        """The masks (N or 1, h, w) of the object, where there is exactly one that came as masks."""
        return self.objects[0] if self.count == 1 and self.objects.dtype != torch.uint8 else None

    def as_dict(self) -> dict:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def front_objects(self, index: int) -> list[int]:
        """The objects in front of the person in a frame, the farthest first."""
        chosen = self.in_front[index].nonzero()[:, 0].tolist()
        return sorted(chosen, key=lambda k: torch.nan_to_num(self.nearness[index, k], -torch.inf).item())

    def coverages(self, index: int) -> tuple[Tensor, dict[int, Tensor]]:
        """The visible part of the person (H, W) and of each object in front; with the scene they add up to 1."""
        rest = torch.ones(self.size)
        objects = {}
        for k in reversed(self.front_objects(index)):
            objects[k] = torch.minimum(object_frame(self.objects, k, index, self.size), rest)
            rest = rest - objects[k]
        return torch.minimum(mask_frame(self.person, index, self.size), rest), objects

    def frame_nearness(self, index: int) -> Tensor | None:
        """(H, W) nearness of a frame, larger is nearer."""
        return None if self.depth is None else nearness(self.depth[index], self.depth_type, self.size)


def frames_of(clip: Tensor, part: slice) -> Tensor:
    """Some frames of a clip (N or 1, ...); one frame stands for all."""
    return clip if len(clip) == 1 else clip[part]


def part_of(layers: Layers, part: slice) -> Layers:
    """Some frames of layers, in the same memory."""
    objects = layers.objects
    if objects is not None and objects.dtype == torch.uint8:
        objects = objects[part]
    elif objects is not None and objects.shape[1] > 1:
        objects = objects[:, part]
    some = lambda clip: None if clip is None else frames_of(clip, part)
    return replace(
        layers, images=layers.images[part], person=some(layers.person), depth=some(layers.depth), objects=objects,
        in_front=layers.in_front[part], nearness=layers.nearness[part], scene=some(layers.scene),
        scene_depth=some(layers.scene_depth),
    )  # fmt: skip


def read_layers(value: object) -> Layers:
    """The value of the socket to layers."""
    names = {field.name for field in fields(Layers)}
    if not isinstance(value, dict) or not {"images", "person", "in_front"} <= value.keys():
        raise ValueError(f"layers: expected DUET_LAYERS, got {type(value).__name__}: connect Decompose into Layers.")
    return Layers(**{name: value[name] for name in names if name in value})


def nearness(depth: Tensor, depth_type: str, size: tuple[int, int] | None = None) -> Tensor:
    """(h, w) depth of any type to (H, W) where larger is nearer: the one place where the sign is turned.

    A distance becomes its reciprocal, which every estimator of relative depth gives as well. Unknown depth becomes as
    far as the farthest of the frame.
    """
    depth = depth.float()
    good = torch.isfinite(depth)
    if depth_type == DISTANCE:
        good &= depth > 0
        near = 1 / depth.where(good, 1.0)
    else:
        near = depth if depth_type == NEAR_IS_WHITE else 1 - depth
    if not good.all():
        near = near.where(good, near[good].min() if good.any() else 0.0)
    return near if size is None else fit(near, size, "nearest-exact")


@dataclass(frozen=True)
class NearnessClip:
    """Depth (N or 1, H, W) of any type, read as nearness frame by frame."""

    depth: Tensor
    depth_type: str

    def __len__(self) -> int:
        return len(self.depth)

    def __getitem__(self, index: int) -> Tensor:
        return nearness(self.depth[index], self.depth_type)
