"""Colours of one picture matched to those of another that shows the same scene: a gain and an offset for each colour.

Both pictures are averaged over small areas first, so that noise and sharpness do not count. What differs for another
reason, such as a shadow or an object, gets little weight. Over time the sums that the fit is made of are averaged, so that
a frame with little to compare takes from its neighbours.
Letters: N frames, H and W pixels, K areas that are compared.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, conv1d

from ..character.interpolate import interpolate_gaps
from ..flow.cuts import shots_of

AREAS = 24  # areas along the shorter side of a picture
SHOWN = 0.6  # of an area that must be compared, for it to count
ENOUGH = 12  # areas, for a frame to count
CLIPPED = (0.004, 0.996)  # values from 0 to 1 beyond these may be cut off; in HDR pictures those above 1 are not
FLAT = (1 / 255) ** 2  # variance of a colour below which its contrast says little about the gain
GAINS = (0.25, 4.0)
OUTLIER = 2.0  # times the usual difference, at which an area gets a quarter of its weight
LEAST = 0.5 / 255  # the usual difference is at least this
ROUNDS = 8
CHECKED = 8  # frames of a clip whose difference is measured for a report


@dataclass(frozen=True)
class Areas:
    """Colours of the places that two pictures are compared in."""

    here: Tensor  # (K, 3)
    there: Tensor  # (K, 3)

    def difference(self) -> float:
        """The mean difference in 0..1, NaN where nothing is compared."""
        return (self.here - self.there).abs().mean().item()


@dataclass(frozen=True)
class Correction:
    """What matches the colours of N frames: picture * gain + offset."""

    gain: Tensor  # (N, 3)
    offset: Tensor  # (N, 3)

    def apply(self, picture: Tensor, index: int, strength: float = 1.0) -> Tensor:
        """A picture (..., 3) with so much of the correction; what was in 0..1 stays in it."""
        gain = 1 + strength * (self.gain[index] - 1)
        out = picture * gain + strength * self.offset[index]
        low, high = picture.aminmax()
        return out.clamp(low.clamp_max(0), high.clamp_min(1))


def compared_areas(here: Tensor, there: Tensor, valid: Tensor) -> Areas:
    """The areas of two pictures (H, W, 3) in which `valid` (H, W) bool is true and no value is cut off."""
    shown = valid & within(here) & within(there)
    size = [min(side, max(1, round(AREAS * side / min(valid.shape)))) for side in valid.shape]
    weight = shown[..., None].float()
    stacked = torch.cat((here * weight, there * weight, weight), -1)
    means = adaptive_avg_pool2d(stacked.permute(2, 0, 1)[None], size)[0].flatten(1).T
    means = means[means[:, 6] > SHOWN]
    return Areas(means[:, :3] / means[:, 6:], means[:, 3:6] / means[:, 6:])


def within(picture: Tensor) -> Tensor:
    """(H, W) bool: no colour of a picture (H, W, 3) is cut off."""
    return ((picture > CLIPPED[0]) & ((picture < CLIPPED[1]) | (picture > 1))).all(-1)


def fit_sums(areas: Areas) -> Tensor:
    """(3, 5) sums that gain and offset follow from: of weights, here, there, here squared and here times there."""
    x, y = areas.here.double(), areas.there.double()
    if len(x) < ENOUGH:
        return torch.zeros(3, 5, dtype=torch.float64)
    gain, offset = first_guess(x, y)
    for _ in range(ROUNDS):
        apart = (x * gain + offset - y).square().mean(1).sqrt()
        usual = apart.median().clamp_min(LEAST)
        weight = (1 + (apart / (OUTLIER * usual)) ** 2) ** -2
        sums = torch.stack([part.sum(0) for part in weighted(x, y, weight)], -1)
        gain, offset = solve(sums)
    return sums


def weighted(x: Tensor, y: Tensor, weight: Tensor) -> tuple[Tensor, ...]:
    """The (K, 3) terms of the sums."""
    weight = weight[:, None].expand_as(x)
    return weight, weight * x, weight * y, weight * x * x, weight * x * y


def first_guess(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """(3,) gain and offset by medians, which a few wrong areas do not move."""
    middle_x, middle_y = x.median(0).values, y.median(0).values
    spread_x, spread_y = (x - middle_x).abs().median(0).values, (y - middle_y).abs().median(0).values
    gain = torch.where(spread_x > FLAT**0.5, spread_y / spread_x.clamp_min(1e-9), 1.0).clamp(*GAINS)
    return gain, middle_y - gain * middle_x


def solve(sums: Tensor) -> tuple[Tensor, Tensor]:
    """(..., 3) gain and offset of sums (..., 3, 5); NaN where nothing was compared."""
    count, x, y, xx, xy = sums.unbind(-1)
    total = torch.where(count > 0, count, torch.nan)
    variance, common = xx / total - (x / total) ** 2, xy / total - x * y / total**2
    gain = ((common + FLAT) / (variance + FLAT)).clamp(*GAINS)
    return gain, (y - gain * x) / total


def correction_of(sums: Tensor, window: int, cuts: list[int] = ()) -> Correction:
    """The correction of N frames by their sums (N, 3, 5), averaged over some frames; none where nothing was compared.

    `cuts` are the first frames of shots: nothing is averaged across them.
    """
    shots = [sums[shot.start : shot.stop] for shot in shots_of(list(cuts), len(sums))]
    gain, offset = solve(torch.cat([averaged_sums(shot, window) for shot in shots]))
    gain, offset = (
        torch.stack([interpolate_gaps(one) for one in part.float().unbind(1)], 1) for part in (gain, offset)
    )
    return Correction(torch.nan_to_num(gain, nan=1.0), torch.nan_to_num(offset, nan=0.0))


def averaged_sums(sums: Tensor, window: int) -> Tensor:
    """(N, 3, 5) each with those of the frames around it, nearer ones more."""
    window = min(window, 2 * len(sums) - 1) | 1
    half = window // 2 + 1
    weights = half - (torch.arange(2 * half - 1) - (half - 1)).abs()
    flat = sums.flatten(1).T[:, None]
    return conv1d(flat, weights.to(sums)[None, None], padding=half - 1)[:, 0].T.reshape(sums.shape)


def describe(correction: Correction) -> str:
    """The correction in words: its gain and offset for each colour, the lowest and highest of the frames."""
    parts = []
    for channel, name in enumerate(("red", "green", "blue")):
        gain, offset = correction.gain[:, channel], 255 * correction.offset[:, channel]
        parts.append(f"{name} x {span(gain, '.2f')} {span(offset, '+.1f')}")
    return ", ".join(parts)


def span(values: Tensor, form: str) -> str:
    """The lowest and highest of (N,) values, once if both read alike."""
    low, high = (f"{value.item():{form}}" for value in values.aminmax())
    return low if low == high else f"{low} to {high}"


def measure_differences(
    areas: list[Areas], correction: Correction, strength: float = 1.0
) -> tuple[float, float] | None:
    """The median difference in 0..1 before and after a correction, of some frames of a clip; None without areas."""
    frames = [index for index, one in enumerate(areas) if len(one.here) >= ENOUGH]
    if not frames:
        return None
    chosen = {frames[round(i * (len(frames) - 1) / (CHECKED - 1))] for i in range(CHECKED)}
    before = [areas[i].difference() for i in chosen]
    after = [Areas(correction.apply(areas[i].here, i, strength), areas[i].there).difference() for i in chosen]
    return torch.tensor(before).median().item(), torch.tensor(after).median().item()


def describe_match(correction: Correction, differences: tuple[float, float] | None) -> str:
    """A correction and what it did, in a sentence."""
    if differences is None:
        return "unchanged, because no part of the scene shows in both clips."
    before, after = (255 * value for value in differences)
    return f"{describe(correction)}; {before:.1f} of 255 off before and {after:.1f} after."
