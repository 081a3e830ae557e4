"""The synthetic stage as a source: rendered on each read, or once into memory."""

import torch
from torch import Tensor

from ...models.choices import ACTIONS
from ...models.depth.range import normalize_clip
from ...models.stage import Clip, render, render_character, sample_scene
from ...models.stage.caption import describe
from ...models.stage.nuisance import Nuisances, add_nuisances
from ...models.stage.scene import Scene
from ..encode.workers import encoded

HELD_OUT = 1000  # seeds below are never trained on
VALIDATION = 900  # seeds from here to HELD_OUT are for validation while a run trains


class StageClips:
    def __init__(
        self, clips: int = 512, size: int = 128, frames: int = 8, frame_rate: float = 8.0, first_seed: int = HELD_OUT,
        objects: tuple[int, ...] | list[int] = (0, 1), in_memory: bool = True, actions: tuple[str, ...] | list[str] = ACTIONS,
        styles: tuple[str, ...] | list[str] = ("natural",), nuisances: dict | None = None,
    ):  # fmt: skip
        """`nuisances` are what real footage adds to the video, by the names of models/stage/nuisance.py; without them none."""
        self.count, self.size, self.frames, self.frame_rate = clips, size, frames, frame_rate
        self.first_seed, self.objects, self.actions = first_seed, tuple(objects), tuple(actions)
        self.styles, self.nuisances = tuple(styles), Nuisances(**nuisances or {})
        self.kept: dict[int, dict[str, Tensor]] | None = {} if in_memory else None

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if self.kept is None:
            return self.clip(index)
        if index not in self.kept:
            self.kept[index] = self.clip(index)
        return self.kept[index]

    def render_all(self, workers: int) -> None:
        """Renders every clip by worker processes, if clips are kept in memory."""
        if self.kept is not None:
            self.kept = dict(enumerate(encoded(self.clip, dict, range(len(self)), workers)))

    def scene(self, index: int) -> Scene:
        """Actions change from clip to clip, the number of objects after each round of them, styles after those."""
        number, action = divmod(index, len(self.actions))
        number, objects = divmod(number, len(self.objects))
        return sample_scene(
            self.first_seed + index, frames=self.frames, height=self.size, width=self.size, frame_rate=self.frame_rate,
            action=self.actions[action], objects=self.objects[objects], style=self.styles[number % len(self.styles)],
        )  # fmt: skip

    def caption(self, index: int) -> str:
        """The sentence that describes a clip."""
        return describe(self.scene(index))

    def clip(self, index: int) -> dict[str, Tensor]:
        scene = self.scene(index)
        rendered = render(scene)
        depth = normalize_clip(rendered.depth, depth_type="distance", depth_scale="inverse")[0]
        return {
            "video": pixels(self.filmed(rendered, self.first_seed + index)),
            "depth": (depth * 65535).round().to(torch.int32).to(torch.uint16),
            "pose": pixels(rendered.pose),
            "mask": (rendered.person_mask * 255).round().to(torch.uint8),
            "plate": pixels(rendered.scene_images[:1])[0],
            "person": pixels(render_character(scene)[0])[0],
        }

    def filmed(self, clip: Clip, seed: int) -> Tensor:
        """The pictures of a clip with what real footage adds to them."""
        return add_nuisances(clip.rgb, self.nuisances, seed, clip.whole_person_mask, clip.scene_mask)


def pixels(pictures: Tensor) -> Tensor:
    """(N, H, W, 3) in [0, 1] to (N, 3, H, W) uint8."""
    return (pictures * 255).round().to(torch.uint8).permute(0, 3, 1, 2).contiguous()
