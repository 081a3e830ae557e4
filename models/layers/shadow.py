"""The shadow that the person casts: the share of the scene's light that a frame has less than the scene without a person.

It is found where a frame shows the scene, but darker, near the feet of the person and connected to them. Its colour is
one for the clip, as the light that fills a shadow is: a shadow in the sun is blue. Under the person it is continued.
Letters: N frames, H and W pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..opencv import import_cv2
from .empty_scene import EmptyScene

FEET = 0.35  # of the person's height: the part at which a shadow begins
GAP = 0.12  # of the height that a shadow is away from the person at most: a runner has no foot on the ground
STRONG = 2.0  # times the threshold that the darkest part of a shadow has at least
NOISE = 3.0  # deviations of the light of unshaded pixels that a shadow differs by
TINTED = 1.7  # between the light of two colours of a shadow; what has another colour is no shadow
DARKEST = 0.95
VISIBLE = 0.02  # share of the light that is missed: a mask of the shadow ends there

Report = Callable[[int], None]


@dataclass(frozen=True)
class ShadowSettings:
    sensitivity: float = 0.5  # 0 only strong shadows, 1 also weak ones
    max_length: float = 2.0  # heights of the person

    @property
    def threshold(self) -> float:
        """The share of the light that a shadow takes at least."""
        return 0.1 * 0.15**self.sensitivity


@dataclass(frozen=True)
class Shadow:
    """How much of its light the scene loses."""

    darkness: Tensor  # (N, H, W) from 0 to 1
    colour: Tensor  # (3,) the share of each colour in it, 1 on average
    noise: float  # of the darkness where there is no shadow

    def picture(self, index: int) -> Tensor:
        """(H, W, 3) by which the scene is multiplied in a frame: 1 where there is no shadow."""
        return (1 - self.darkness[index][..., None] * self.colour).clamp(0, 1)


def find_shadow(scene: EmptyScene, settings: ShadowSettings, report: Report = lambda done: None) -> Shadow:
    """The shadow of the person in each frame of the layers that the scene belongs to."""
    layers, images = scene.source.layers, scene.source.layers.images
    darkness, sums, total = torch.zeros(images.shape[:3]), torch.zeros(3), 0.0
    noises = []
    for index, frame in enumerate(images):
        mask = layers.coverages(index)[0] > 0.5
        if mask.any():
            less, by_colour, noise = missing_light(frame, scene[index], scene.hole(index))
            area = connected_shadow(less, by_colour, scene.hole(index), mask, noise, settings)
            darkness[index] = whole_shadow(less, area, scene.hole(index))
            sums += (by_colour * darkness[index][..., None])[area].sum(0)
            total += float((less * darkness[index])[area].sum())
            noises.append(noise)
        report(index + 1)
    colour = sums / total if total > 0 else torch.ones(3)
    return Shadow(darkness, colour.clamp(0.5, 1.5), float(np.median(noises)) if noises else 0.0)


def smoothing(size: tuple[int, int]) -> float:
    """Pixels over which light is measured: more than noise, less than the edge of a shadow."""
    return max(1.2, min(size) / 240)


def margin_of(size: tuple[int, int]) -> int:
    """Pixels around the masks in which light is not measured: the person's soft edge."""
    return max(2, round(2 * smoothing(size)))


def missing_light(frame: Tensor, scene: Tensor, hole: Tensor) -> tuple[Tensor, Tensor, float]:
    """The share of its light that a scene (H, W, 3) lost in a frame (H, W, 3): (H, W), (H, W, 3) of each colour, and its noise.

    Least squares over some pixels, in which the pattern of the scene cancels out; hole (H, W) does not count and is 0.
    """
    cv2, width = import_cv2(), smoothing(hole.shape)
    smooth = lambda plane: torch.from_numpy(cv2.GaussianBlur(plane.numpy(), (0, 0), width))
    seen = (~hole).float()[..., None]
    product, square = smooth(seen * frame * scene), smooth(seen * scene * scene)
    known = smooth(seen[..., 0].contiguous()) > 0.05
    share = lambda one, other: (1 - one / other.clamp_min(1e-6)).where(other > 1e-6, 0.0)
    by_colour = share(product, square) * known[..., None]
    less = share(product.sum(-1), square.sum(-1)) * known
    free = less[~hole]
    noise = 1.4826 * (free - free.median()).abs().median().item() if len(free) else 0.0
    return less, by_colour, noise


def connected_shadow(
    less: Tensor, by_colour: Tensor, hole: Tensor, person: Tensor, noise: float, settings: ShadowSettings
) -> Tensor:
    """(H, W) bool where light is missing because of the person (H, W) bool: dark enough, and connected to the feet."""
    cv2 = import_cv2()
    limit = max(settings.threshold, NOISE * noise)
    light = (1 - by_colour).clamp_min(0.02)
    grey = light.amax(-1) < TINTED * light.amin(-1)
    feet, reach = surroundings_of(person, settings.max_length)
    dark = (less > limit) & grey & ~hole & reach
    count, labels = cv2.connectedComponents(dark.to(torch.uint8).numpy(), connectivity=8)
    labels = torch.from_numpy(labels).long()
    keep = torch.zeros(count, dtype=torch.bool)
    keep[labels[feet]] = True
    strong = torch.zeros(count, dtype=torch.bool)
    strong[labels[less > STRONG * limit]] = True
    keep &= strong & (torch.bincount(labels.flatten(), minlength=count) > 3 * smoothing(hole.shape) ** 2)
    keep[0] = False
    return keep[labels]


def surroundings_of(person: Tensor, max_length: float) -> tuple[Tensor, Tensor]:
    """(H, W) bool around the feet of the person (H, W) bool, where a shadow begins, and as far as it reaches at most."""
    rows, columns = person.any(1).nonzero()[:, 0], person.any(0).nonzero()[:, 0]
    tall = int(rows[-1] - rows[0]) + 1
    legs = person.clone()
    legs[: int(rows[-1]) + 1 - max(1, round(FEET * tall))] = False
    gap, far = max(3, round(GAP * tall)), round(max_length * tall)
    reach = torch.zeros_like(person)
    reach[max(0, int(rows[0]) - far) : int(rows[-1]) + far, max(0, int(columns[0]) - far) : int(columns[-1]) + far] = (
        True
    )
    return dilated(legs, gap), reach


def dilated(area: Tensor, pixels: int) -> Tensor:
    """(H, W) bool and what is at most so many pixels away."""
    cv2, side = import_cv2(), 2 * pixels + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return torch.from_numpy(cv2.dilate(area.to(torch.uint8).numpy(), kernel)).bool()


def whole_shadow(less: Tensor, area: Tensor, hole: Tensor) -> Tensor:
    """(H, W) darkness of a shadow whose core is an area (H, W): with its soft edge, and continued through the hole (H, W)."""
    if not area.any():
        return torch.zeros_like(less)
    cv2, width = import_cv2(), smoothing(less.shape)
    soft = dilated(area, round(3 * width))
    member = torch.from_numpy(cv2.GaussianBlur(soft.float().numpy(), (0, 0), width)).where(soft, 0.0)
    return continued((less * member).clamp(0, DARKEST).where(~hole, 0.0), hole)


def continued(plane: Tensor, hole: Tensor) -> Tensor:
    """(H, W) with a hole (H, W) filled by the mean of what is around it, nearer pixels first."""
    cv2, out, open_ = import_cv2(), plane.clone(), hole.clone()
    values, seen = plane.numpy(), (~hole).float().numpy()
    width = smoothing(plane.shape)
    while open_.any() and width < max(plane.shape):
        weight = torch.from_numpy(cv2.GaussianBlur(seen, (0, 0), width))
        mean = torch.from_numpy(cv2.GaussianBlur(values, (0, 0), width)) / weight.clamp_min(1e-6)
        found = open_ & (weight > 0.1)
        out[found], open_ = mean[found], open_ & ~found
        width *= 2
    return out


def shadow_mask(darkness: Tensor, grow: int) -> Tensor:
    """(H, W) bool where a shadow of darkness (H, W) is visible, and so many pixels around it."""
    return dilated(darkness > VISIBLE, grow)
