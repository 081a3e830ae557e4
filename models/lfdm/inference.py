"""Use of the flow autoencoder: a picture is encoded once, then rendered with any number of flows.

Letters: N frames, H and W pixels, h and w of the flow (a quarter of them).
"""

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from .autoencoder import Encoded, FlowAutoencoder
from .checkpoint import load, open_autoencoder
from .config import AutoencoderConfig
from .warp import Motion

PIECE = 8  # frames that are rendered together, fewer of larger ones
LARGE = 512 * 512  # pixels; at the released width 8 of them take 3 GB


class AutoencoderInference:
    def __init__(self, network: FlowAutoencoder):
        self.network = network.eval().requires_grad_(False)

    @classmethod
    def from_file(cls, path: str | Path, heat_map_padding: int | None = None) -> "AutoencoderInference":
        config, state, _ = open_autoencoder(path, heat_map_padding)
        return cls(load(config, state))

    @property
    def config(self) -> AutoencoderConfig:
        return self.network.config

    @torch.no_grad()
    def encode(self, picture: Tensor) -> Encoded:
        """(1, 3, H, W) in [0, 1] to its features of every size; `features` is the condition of the flow model."""
        check_picture(picture, self.config.shrink, "the picture")
        return self.network.generator.encode(picture)

    @torch.no_grad()
    def render(self, source: Encoded, grid: Tensor, occlusion: Tensor, piece: int | None = None) -> Iterator[Tensor]:
        """An encoded picture, (N, h, w, 2) grids and (N, 1, h, w) occlusion to pieces (n, 3, H, W) of the clip."""
        check_motion(grid, occlusion, source)
        piece = piece or frames_at_once(*source.picture.shape[-2:])
        for part in zip(grid.split(piece), occlusion.split(piece), strict=True):
            yield self.network.generator.decode(source, Motion(*part))

    @torch.no_grad()
    def estimate(self, source: Tensor, driving: Tensor, piece: int | None = None) -> tuple[Tensor, Tensor]:
        """(1, 3, H, W) picture and (N, 3, H, W) frames to grids and occlusion from the picture to each frame."""
        check_picture(source, self.config.step, "the picture")
        check_picture(driving, self.config.step, "the clip")
        if source.shape[-2:] != driving.shape[-2:]:
            raise ValueError(
                f"The picture is {size_of(source)} and the clip {size_of(driving)} pixels: scale one to the other."
            )
        piece = piece or frames_at_once(*source.shape[-2:])
        regions = self.network.region_predictor(source)
        motions = [self.motion(source, regions, frames) for frames in driving.split(piece)]
        return torch.cat([motion.grid for motion in motions]), torch.cat([motion.occlusion for motion in motions])

    def motion(self, source: Tensor, regions, driving: Tensor) -> Motion:
        """Of (n, 3, H, W) frames; the regions of the source are computed once for all pieces."""
        repeat = lambda value: value.expand(len(driving), *value.shape[1:])
        network, source = self.network, repeat(source)
        background = network.bg_predictor(source, driving)
        regions = type(regions)(*map(repeat, regions))
        return network.generator.pixelwise_flow_predictor(
            source, regions, network.region_predictor(driving), background
        )


def frames_at_once(height: int, width: int) -> int:
    """How many frames of a size are rendered together, so that large ones need no more memory than PIECE of LARGE."""
    return max(1, min(PIECE, PIECE * LARGE // (height * width)))


def size_of(picture: Tensor) -> str:
    return f"{picture.shape[-1]} x {picture.shape[-2]}"


def nearest(side: int, step: int) -> int:
    return max(step, round(side / step) * step)


def check_picture(picture: Tensor, step: int, name: str) -> None:
    """Refuse a size that the networks cannot halve often enough, with the nearest that fits."""
    height, width = picture.shape[-2:]
    if height % step or width % step:
        raise ValueError(
            f"The sides of {name} must be multiples of {step} pixels, but it is {width} x {height}: scale it to "
            f"{nearest(width, step)} x {nearest(height, step)}."
        )


def check_motion(grid: Tensor, occlusion: Tensor, source: Encoded) -> None:
    """Refuse a flow of another size than the picture's features, or with NaN."""
    height, width = source.features.shape[-2:]
    if tuple(grid.shape[1:3]) != (height, width) or occlusion.shape[-2:] != (height, width):
        raise ValueError(
            f"A picture of {size_of(source.picture)} pixels needs a flow of {width} x {height}, got "
            f"{grid.shape[2]} x {grid.shape[1]} with occlusion of {size_of(occlusion)}: use the picture of "
            "that flow, or scale it."
        )
    if len(grid) != len(occlusion):
        raise ValueError(f"The flow has {len(grid)} frames but its occlusion {len(occlusion)}: give as many of both.")
    for name, values in (("flow", grid), ("occlusion", occlusion)):
        if not torch.isfinite(values).all():
            bad = (~torch.isfinite(values)).flatten(1).any(1)
            raise ValueError(
                f"The {name} has NaN or infinite numbers, the first in frame {int(bad.nonzero()[0])}: sample it again, "
                "with another seed or in full precision."
            )
