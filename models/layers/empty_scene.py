"""The scene without a person and without the shadow: a given picture, or the median of the clip under a still camera.

Letters: N frames, H and W pixels, h and w those of small pictures.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .layers import Layers
from .scene_frames import SceneFrames
from .still_scene import SMALL, STRIP, measure_exposures, ratio, sampled

Report = Callable[[int], None]


@dataclass(frozen=True)
class EmptyScene:
    """What frames are compared with to see a shadow."""

    source: SceneFrames  # the frames with the holes where the person and what is in front hide the scene
    pictures: Tensor  # (N or 1, H, W, 3)
    exposures: Tensor  # (N, 3) brightness of each frame against its picture
    unknown: Tensor  # (H, W) bool: hidden in every frame

    def __getitem__(self, index: int) -> Tensor:
        """(H, W, 3) the scene in the exposure of a frame."""
        picture = self.pictures[index if len(self.pictures) > 1 else 0]
        exposed = picture * self.exposures[index]
        return exposed if picture.max() > 1 else exposed.clamp_max(1)

    def hole(self, index: int) -> Tensor:
        """(H, W) bool where a frame does not show the scene, or the scene is not known."""
        return self.source.hole(index) | self.unknown


def given_scene(layers: Layers, pictures: Tensor, margin: int, report: Report = lambda done: None) -> EmptyScene:
    """The scene of layers with N frames as pictures (N or 1, H, W, 3); holes are `margin` pixels wider than the masks."""
    source, step = SceneFrames(layers, margin), max(1, min(layers.size) // SMALL)
    exposures = torch.ones(len(source), 3)
    for index in range(len(source)):
        free = ~source.hole(index)[::step, ::step]
        scene = pictures[index if len(pictures) > 1 else 0, ::step, ::step]
        exposures[index] = ratio(layers.images[index, ::step, ::step][free], scene[free]) if free.any() else 1.0
        report(index + 1)
    return EmptyScene(source, pictures, exposures, torch.zeros(layers.size, dtype=torch.bool))


def median_scene(layers: Layers, margin: int, report: Report = lambda done: None) -> EmptyScene:
    """The scene as the median over time where neither the person nor what is in front hides it."""
    source, images = SceneFrames(layers, margin), layers.images
    chosen = sampled(len(images))
    exposures = measure_exposures(images, chosen, report)
    gains, rows, unknown = exposures[chosen][:, None, None], [], []
    for top in range(0, layers.size[0], STRIP):
        part = slice(top, top + STRIP)
        strip = torch.stack([images[index, part] for index in chosen]) / gains
        hidden = torch.stack([source.hole(index)[part] for index in chosen])
        shown = strip.masked_fill(hidden[..., None], torch.nan).nanmedian(0).values
        unknown.append(hidden.all(0))
        rows.append(torch.where(unknown[-1][..., None], strip.median(0).values, shown))
        report(len(images))
    return EmptyScene(source, torch.cat(rows)[None], exposures, torch.cat(unknown))
