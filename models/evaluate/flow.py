"""How good a generated motion is: distances of clips by class and by person, the error of its flow, and its action.

FVD compares clips by a network that was trained on Kinetics, which has to be downloaded. `RandomFeatures` needs no
file: a network of fixed random filters, as random networks keep how near pictures are to each other. Its distances
compare models with each other on the same number of clips; they are no FVD. Letters: N and n clips, F frames, H and W
pixels, h and w points of a flow, d features.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..flow.fields import from_grid
from ..lfdm.warp import resized
from .metrics import frechet

SEED, WIDTHS = 2023, (3, 24, 32)
SIDE = 64  # pixels that a clip is scaled to before the filters
FLICKER = 0.1
CELLS = 8  # along a side of a flow, for the signature of its motion


class RandomFeatures:
    """(N, F, 3, H, W) clips in [0, 1] to (N, 64): means and spreads of the answers of fixed random filters over time and space."""

    def __init__(self):
        g = torch.Generator().manual_seed(SEED)
        self.weights = []
        for inside, outside in zip(WIDTHS, WIDTHS[1:], strict=False):
            weight = torch.randn(outside, inside, 3, 5, 5, generator=g)
            # Without a mean over time a filter answers to motion only, without one over all not to brightness.
            weight[::2] -= weight[::2].mean(2, keepdim=True)
            weight -= weight.mean((2, 3, 4), keepdim=True)
            self.weights.append(F.normalize(weight.flatten(1)).view_as(weight))

    @torch.no_grad()
    def __call__(self, clips: Tensor) -> Tensor:
        x = torch.stack([F.interpolate(clip.float(), (SIDE, SIDE), mode="bilinear", antialias=True) for clip in clips])
        x = x.transpose(1, 2)
        for weight in self.weights:
            x = F.conv3d(x, weight.to(x), stride=(1, 2, 2), padding=(1, 2, 2)).abs()
        return torch.cat((x.mean((2, 3, 4)), x.flatten(2).std(2)), 1)


def frechet_by_group(
    generated: Tensor, reference: Tensor, generated_groups: Sequence, reference_groups: Sequence, min_clips: int = 2
) -> dict[str, float]:
    """(n, d) features of both sets with the class or the person of each: cFVD and sFVD are mean and spread over groups.

    Groups with fewer than `min_clips` clips on either side are left out.
    """
    found = {}
    for group in sorted(set(generated_groups) & set(reference_groups), key=str):
        pick = lambda features, groups, group=group: features[[one == group for one in groups]]
        one, other = pick(generated, generated_groups), pick(reference, reference_groups)
        if min(len(one), len(other)) >= min_clips:
            found[group] = frechet(one, other)
    values = torch.tensor(list(found.values()), dtype=torch.float64)
    if not len(values):
        return {"mean": math.nan, "spread": math.nan, "groups": 0}
    return {"mean": values.mean().item(), "spread": values.std(correction=0).item(), "groups": len(values)}


def pixel_offsets(grid: Tensor, size: tuple[int, int]) -> Tensor:
    """(F, h, w, 2) sampling grids to where each pixel of pictures of that size is fetched from, (F, H, W, 2) pixels away."""
    large = resized(grid, size)
    return from_grid(large, large.new_ones(len(large), 1, *size)).offset


def end_point_error(offset: Tensor, reference: Tensor, counted: Tensor) -> float:
    """(F, H, W, 2) flows to how many pixels they lie apart at the True places of (F, H, W); NaN where there is none."""
    return (offset.double() - reference.double()).norm(dim=-1)[counted].mean().item()


def signature(offsets: Tensor) -> Tensor:
    """(F, H, W, 2) flow to the first frame to (d,): how fast a clip moves where, whatever its phase and its side.

    The speed in each of 8 x 8 cells as the sizes of its waves over time, a clip and its mirror picture added. The root
    keeps large motions from hiding small ones; what is added under it suppresses flicker below a fifth of a pixel of 64.
    """
    height, width = offsets.shape[1:3]
    share = offsets.movedim(-1, 1) / offsets.new_tensor([width, height])[:, None, None]
    speed = F.adaptive_avg_pool2d(share, CELLS).diff(dim=0)
    waves = torch.fft.rfft(speed.double(), dim=0).abs()
    return (waves + waves.flip(-1) + FLICKER).sqrt().flatten().float()


def nearest_class(generated: Tensor, reference: Tensor, classes: Sequence) -> list:
    """(n, d) and (m, d) signatures to the class of the reference that lies nearest to each."""
    return [classes[index] for index in torch.cdist(generated.double(), reference.double()).argmin(1).tolist()]


def psnr_where(images: Tensor, reference: Tensor, counted: Tensor) -> float:
    """Decibels between (F, 3, H, W) pictures in [0, 1] at the True places of (F, H, W); 100 where they are equal."""
    error = (images.double() - reference.double()).square().movedim(1, -1)[counted].mean().item()
    return 100.0 if error < 1e-10 else -10 * math.log10(error)
