"""Clips of the stage with their exact flow, and how the pictures of the flow nodes draw them."""

from typing import NamedTuple

import torch
import write_pictures  # before the pack, which it loads
from einops import rearrange, repeat
from pack.models.flow.drawing import arrows, max_motion_of, wheel
from pack.models.flow.fields import Field, moved, scaled, to_grid
from pack.models.lfdm.state import state_of
from pack.models.stage import Clip, render, sample_scene
from pack.models.stage.motion import StageMotion
from PIL import Image, ImageDraw, ImageFont

SIDE = write_pictures.SIDE
FRAMES, SOME = 12, (3, 6, 9)


class Shot(NamedTuple):
    """A clip of the stage and its exact flow from every frame to the first."""

    clip: Clip
    field: Field

    @classmethod
    def of(cls, seed: int, action: str, **scene) -> "Shot":
        scene = sample_scene(
            seed,
            **{"frames": FRAMES, "height": SIDE, "width": SIDE, "frame_rate": 8.0, "objects": 0} | scene,
            action=action,
        )
        flow, kind = StageMotion.of(scene).to_first()
        return cls(render(scene), Field(flow, (kind > 0).float()))

    @property
    def first(self) -> torch.Tensor:
        return self.clip.rgb[0]

    @property
    def next(self) -> Field:
        return Field(self.clip.forward, self.clip.forward_valid.float())

    @property
    def state(self) -> torch.Tensor:
        """(1, 3, F, h, w): the flow as a latent, a quarter as large."""
        grid, occlusion = to_grid(scaled(self.field, (SIDE // 4, SIDE // 4)))
        return state_of(grid[None], occlusion[None])

    def moved(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The first frame moved, (F, H, W, 3) with the room in its holes, and the holes (F, H, W)."""
        sources = repeat(self.first, "h w c -> f c h w", f=len(self.clip.rgb))
        out, holes = moved(sources, self.field, rearrange(self.clip.scene_images, "f h w c -> f c h w"))
        return rearrange(out, "f c h w -> f h w c"), holes


def wheels(field: Field) -> torch.Tensor:
    """(F, H, W, 3)."""
    return wheel(*field, max_motion_of(field.offset))


def drawn(field: Field, pictures: torch.Tensor | None = None) -> torch.Tensor:
    """Arrows over pictures, or on dark."""
    dark = torch.full((*field.valid.shape, 3), 0.15)
    return arrows(*field, dark if pictures is None else pictures, 12, 1.0)


def coarse(picture: torch.Tensor) -> torch.Tensor:
    """(h, w) or (h, w, 3) in points as large as a tile."""
    return picture.repeat_interleave(SIDE // len(picture), 0).repeat_interleave(SIDE // len(picture), 1)


def greys(channel: torch.Tensor) -> torch.Tensor:
    """Offsets as greys, rest in the middle."""
    return 0.5 + 0.5 * channel / channel.abs().amax().clamp_min(1)


def small(picture: torch.Tensor) -> torch.Tensor:
    """(h, w) on paper in its own size."""
    page, edge = torch.full((SIDE, SIDE), 0.98), (SIDE - len(picture)) // 2
    page[edge : edge + len(picture), edge : edge + len(picture)] = picture
    return page


def wide(picture: torch.Tensor) -> torch.Tensor:
    """(H, 2 H, ...) on square paper."""
    page, edge = torch.full((2 * len(picture), *picture.shape[1:]), 0.98), len(picture) // 2
    page[edge : edge + len(picture)] = picture
    return page


def mosaic(pictures: torch.Tensor) -> torch.Tensor:
    """Four (H, W, 3) in one."""
    return rearrange(pictures, "(a b) h w c -> (a h) (b w) c", a=2)


def words(lines: tuple[str, ...]) -> torch.Tensor:
    """A list on paper."""
    page = Image.new("L", (SIDE, SIDE), 245)
    for i, line in enumerate(lines):
        ImageDraw.Draw(page).text((44, 8 + 18 * i), line, 50, ImageFont.load_default(14))
    return torch.tensor(list(page.getdata()), dtype=torch.float32).view(SIDE, SIDE) / 255
