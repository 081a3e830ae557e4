"""The synthetic stage as a source: rendered as it is read, or once into memory."""

import torch
from torch import Tensor

from ...models.choices import ACTIONS
from ...models.depth import normalize_clip
from ...models.stage import render, render_character, sample_scene

HELD_OUT = 1000  # seeds below are never trained on


class StageClips:
    def __init__(
        self, clips: int = 512, size: int = 128, frames: int = 8, fps: float = 8.0, first_seed: int = HELD_OUT,
        objects: tuple[int, ...] | list[int] = (0, 1), in_memory: bool = True, actions: tuple[str, ...] | list[str] = ACTIONS,
    ):  # fmt: skip
        self.count, self.size, self.frames, self.fps = clips, size, frames, fps
        self.first_seed, self.objects, self.actions = first_seed, tuple(objects), tuple(actions)
        self.kept: dict[int, dict[str, Tensor]] | None = {} if in_memory else None

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if self.kept is None:
            return self.clip(index)
        if index not in self.kept:
            self.kept[index] = self.clip(index)
        return self.kept[index]

    def clip(self, index: int) -> dict[str, Tensor]:
        seed = self.first_seed + index
        scene = sample_scene(
            seed, frames=self.frames, height=self.size, width=self.size, fps=self.fps,
            action=self.actions[index % len(self.actions)], objects=self.objects[index // len(self.actions) % len(self.objects)],
        )  # fmt: skip
        made = render(scene)
        depth = normalize_clip(made.depth, source="distance", space="inverse")[0]
        return {
            "video": pixels(made.rgb),
            "depth": (depth * 65535).round().to(torch.int32).to(torch.uint16),
            "pose": pixels(made.pose),
            "mask": (made.human * 255).round().to(torch.uint8),
            "plate": pixels(made.plate[:1])[0],
            "person": pixels(render_character(scene)[0])[0],
        }


def pixels(pictures: Tensor) -> Tensor:
    """(N, H, W, 3) in [0, 1] to (N, 3, H, W) uint8."""
    return (pictures * 255).round().to(torch.uint8).permute(0, 3, 1, 2).contiguous()
