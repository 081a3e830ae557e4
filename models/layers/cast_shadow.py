"""A shadow cast on flat ground by who or what a mask shows, and the light fitted to a shadow that is there.

The ground is seen from far away compared with the height of who stands on it, so that the shadow is the mask itself, laid
down around its feet: sheared to the side, and shortened or turned over upwards or downwards in the picture.
Letters: N frames, H and W pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import atan2, ceil, cos, degrees, hypot, radians, sin

import numpy as np
import torch
from torch import Tensor

from ..opencv import import_cv2
from .masks import fit

FLAT = 0.06  # heights that a shadow reaches up or down at least
THICK, EDGE_ON = 0.08, 0.2  # heights: of a body in the direction of view, which shows where a shadow reaches up less
MOST_ROWS = 8  # that a row of a flat shadow is the mean of
SPECK = 0.002  # of a mask under its feet: it is noise
FITTED_SIDE, FITTED_FRAMES = 120, 8  # pixels of the shorter side and frames that a light is fitted on
LONGEST = 2.5  # heights; lights are tried up to here
STEPS = (0.25, 0.125, 0.0625, 0.03)  # between the lights that are tried, finer each time

Report = Callable[[int], None]


@dataclass(frozen=True)
class Light:
    """Where a shadow falls and how dark it is; lengths are in heights of who casts it."""

    across: float = 0.5  # how far to the right the shadow of the head is
    back: float = 0.3  # how far up in the picture, that is away from the camera
    strength: float = 0.5  # share of the light that is missing at the feet
    fade: float = 0.5  # share of that which is not missing at the head
    softness: float = 0.03  # blur at the feet, and three times as much at the head
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0)  # the share of each colour in the darkness

    @property
    def direction(self) -> float:
        """Degrees: 0 to the right, 90 away from the camera, 180 to the left, -90 towards the camera."""
        return degrees(atan2(self.back, self.across))

    @property
    def length(self) -> float:
        return hypot(self.across, self.back)


def light_from(direction: float, length: float, **how) -> Light:
    """A light by the direction of its shadows in degrees and their length."""
    return Light(length * cos(radians(direction)), length * sin(radians(direction)), **how)


def cast(mask: Tensor, light: Light) -> Tensor:
    """(H, W) darkness of the shadow of a mask (H, W), from 0 to 1."""
    laid = lay_down(mask, light)
    if laid is None:
        return torch.zeros_like(mask)
    shape, standing = laid
    return (light.strength * shape * (1 - light.fade * standing)).clamp(0, 1)


def lay_down(mask: Tensor, light: Light) -> tuple[Tensor, Tensor] | None:
    """(H, W) the soft shape of a shadow, and (H, W) where it comes from: 0 the feet, 1 the head; None without a mask."""
    rows = (mask > 0.5).sum(1)
    if not rows.any():
        return None
    under = rows.flip(0).cumsum(0).flip(0)
    feet = int((under >= max(1, SPECK * int(rows.sum()))).nonzero()[-1, 0])
    tall = feet - int(rows.nonzero()[0, 0]) + 1
    back = light.back if abs(light.back) >= FLAT else FLAT if light.back >= 0 else -FLAT
    cv2, (height, width) = import_cv2(), mask.shape
    lying = sheared(mask, light.across, back, feet)
    if (thick := round(THICK * tall * (1 - abs(back) / EDGE_ON))) > 1:
        lying = cv2.dilate(lying, np.ones((thick, 1), np.uint8))
    down = torch.arange(height, dtype=torch.float32)[:, None]
    standing = ((feet - down) / (back * tall)).clamp(0, 1).expand(height, width)
    sharp, soft = (cv2.GaussianBlur(lying, (0, 0), max(0.6, part * light.softness * tall)) for part in (1, 3))
    return torch.lerp(torch.from_numpy(sharp), torch.from_numpy(soft), standing), standing


def sheared(mask: Tensor, across: float, back: float, feet: int) -> np.ndarray:
    """(H, W) a mask (H, W) laid down around its row `feet`; rows of a flat shadow are the mean of the many they hold."""
    cv2, (height, width) = import_cv2(), mask.shape
    fine = min(MOST_ROWS, max(1, ceil(0.5 / abs(back))))
    slope = fine * back
    matrix = np.float64([[1, -across, across * feet], [0, slope, fine * (feet + 0.5) - 0.5 - slope * feet]])
    lying = cv2.warpAffine(mask.float().numpy(), matrix, (width, fine * height))
    return lying if fine == 1 else lying.reshape(height, fine, width).mean(1)


def fit_light(
    darkness: Tensor,
    person: Callable[[int], Tensor],
    colour: tuple,
    softness: float,
    report: Report = lambda done: None,
) -> tuple[Light, float]:
    """The light that casts a shadow of darkness (N, H, W) from a person (H, W), and the share of it that it explains."""
    samples = sampled_shadows(darkness, person)
    best, error = Light(softness=softness, colour=colour), torch.inf
    for turn, step in enumerate(STEPS):
        for across, back in directions(best, step, turn == 0):
            light = replace(best, across=across, back=back)
            strength, fade, lost = strength_of(samples, light)
            if lost < error:
                best, error = replace(light, strength=strength, fade=fade), lost
        report(turn + 1)
    total = sum(float((dark**2 * free).sum()) for dark, _, free in samples)
    return best, 1 - error / max(total, 1e-12)


def directions(light: Light, step: float, everywhere: bool) -> list[tuple[float, float]]:
    """Pairs of across and back that are tried: all, or those around a light."""
    if everywhere:
        count = round(LONGEST / step)
        places = [step * k for k in range(-count, count + 1)]
        return [(across, back) for across in places for back in places if abs(back) >= FLAT]
    near = (-step, 0.0, step)
    return [(light.across + across, light.back + back) for across in near for back in near]


def sampled_shadows(darkness: Tensor, person: Callable[[int], Tensor]) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Small darkness, person and where the shadow is visible, (h, w) each, of the frames with most shadow."""
    amounts = darkness.flatten(1).sum(1)
    chosen = [int(index) for index in amounts.argsort(descending=True)[:FITTED_FRAMES] if amounts[index] > 0]
    if not chosen:
        raise ValueError(
            "original_shadow: expected the shadow of a person, got pictures without one: connect shadow of Shadow of "
            "Person, or leave it unconnected and set shadow_direction and shadow_length."
        )
    scale = max(1.0, min(darkness.shape[1:]) / FITTED_SIDE)
    small = tuple(max(2, round(side / scale)) for side in darkness.shape[1:])
    out = []
    for index in chosen:
        mask = fit(person(index), small, "area")
        out.append((fit(darkness[index], small, "area"), mask, (mask < 0.02).float()))
    return out


def strength_of(samples: list[tuple[Tensor, Tensor, Tensor]], light: Light) -> tuple[float, float, float]:
    """Strength and fade with which a light explains shadows best, and what it does not explain of their squares."""
    products, wanted, total = torch.zeros(2, 2), torch.zeros(2), 0.0
    for dark, mask, free in samples:
        laid = lay_down(mask, light)
        total += float((dark**2 * free).sum())
        if laid is None:
            continue
        shape, standing = laid
        terms = torch.stack((shape, shape * standing)).flatten(1)
        products += (terms * free.flatten()) @ terms.T
        wanted += terms @ (dark * free).flatten()
    strength, change = torch.linalg.solve(products + 1e-6 * torch.eye(2), wanted).tolist()
    strength = min(max(strength, 0.0), 1.0)
    change = min(max(change, -strength), 0.0)
    values = torch.tensor([strength, change])
    fade = -change / strength if strength > 0 else 0.0
    return strength, fade, total + float(values @ products @ values - 2 * values @ wanted)
