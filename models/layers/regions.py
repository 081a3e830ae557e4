"""Painted regions of a clip as masks, one for each colour, with sharp edges where the colours are half mixed.

Letters: N frames, H and W pixels, K regions, L = K + 1 colours with that of the background.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..choices import REGION_BACKGROUNDS, check_choice
from ..opencv import import_cv2
from .mixed_colours import without_mixtures
from .region_colours import MOST, WHITE, cleaned, even_pixels, percent, region_colours

NEAR_END = 25.0  # percent that a black or white background may be off
REACH = 10  # pixels over which the colours of an edge are mixed at most
ROUGH = 5.0  # percent that pixels may lie beside the colour of their region on average


@dataclass
class Regions:
    """K regions in the order of their areas over the clip."""

    labels: Tensor  # (N, H, W) uint8: 0 the background, k + 1 region k
    colours: Tensor  # (K, 3)
    residual: float  # percent that pixels lie beside the colour of their region on average
    crowded: bool  # there were more colours than regions can have

    @property
    def count(self) -> int:
        return len(self.colours)

    def mask(self, number: int) -> Tensor:
        """(N, H, W) 1 in one region."""
        return (self.labels == number + 1).float()

    @property
    def advice(self) -> str | None:
        if not self.count:
            return "No region was found: lower min_area_percent or color_difference, or choose another background."
        if self.crowded or self.residual > ROUGH:
            return (
                f"The pictures hardly look like painted regions: the colours lie {self.residual:.1f} % beside those of their regions "
                "on average. Connect pictures of a few even colours."
            )
        return None

    def sentences(self) -> list[str]:
        """One for each region: its number, colour, area, and the frames that it is in."""
        lines = []
        for number, colour in enumerate(self.colours):
            share = (self.labels == number + 1).flatten(1).float().mean(1)
            seen, code = share > 0, "".join(f"{round(part * 255):02x}" for part in colour.tolist())
            lines.append(
                f"{number}: colour #{code}, {100 * share[seen].mean():.1f} % of the picture, in {int(seen.sum())} of {len(share)} "
                "frames."
            )
        return lines


def find_regions(
    images: Tensor,
    background: str,
    difference: float,
    smallest: float,
    report: Callable[[int], None] = lambda done: None,
) -> Regions:
    """(N, H, W, 3) to regions of colours `difference` percent apart, whose pieces cover `smallest` of a picture at least.

    `report` gets the frames that are done, 2 N in all.
    """
    check_choice(background, REGION_BACKGROUNDS)
    colours = region_colours(images, difference, smallest, report)
    colours = without_mixtures(images, colours, difference, lambda: report(len(images)))
    crowded, colours = len(colours) > MOST, colours[:MOST]
    labels = torch.zeros(images.shape[:3], dtype=torch.uint8)
    residual = 0.0
    for index, frame in enumerate(images):
        if len(colours):
            pixels = cleaned(frame)
            there = label_frame(pixels, colours, smallest)
            labels[index] = torch.from_numpy(there)
            residual += percent(pixels / 255, colours[there]).mean() / len(images)
        report(len(images) + index + 1)
    return in_order(labels, colours, background, residual, crowded)


def label_frame(colours: np.ndarray, palette: np.ndarray, smallest: float) -> np.ndarray:
    """(H, W, 3) bytes to the (H, W) number of each pixel's colour in the (L, 3) palette.

    An even pixel takes the nearest colour; a mixed one the nearest of those that are even close to it, so that the mixture
    of two regions is not taken for a third. Small pieces take the number of what is around them.
    """
    cv2 = import_cv2()
    far = np.stack([percent(colours / 255, colour) for colour in palette])
    nearest = far.argmin(0).astype(np.uint8)
    even = even_pixels(colours)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * REACH + 1, 2 * REACH + 1))
    close = np.stack([cv2.dilate((even & (nearest == k)).astype(np.uint8), disc) for k in range(len(palette))]) > 0
    labels = np.where(close, far, far + 1000 * ~even).argmin(0).astype(np.uint8)
    return without_specks(labels, smallest * labels.size)


def without_specks(labels: np.ndarray, pixels: float) -> np.ndarray:
    """(H, W) numbers whose connected pieces of fewer pixels take the number of the nearest larger piece."""
    cv2 = import_cv2()
    small = np.zeros(labels.shape, np.uint8)
    for number in np.unique(labels):
        pieces, sizes = cv2.connectedComponentsWithStats((labels == number).astype(np.uint8), connectivity=8)[1:3]
        tiny = sizes[:, cv2.CC_STAT_AREA] < pixels
        tiny[0] = False
        small |= tiny[pieces].astype(np.uint8)
    if not small.any() or small.all():
        return labels
    nearest, source = (
        cv2.distanceTransformWithLabels(small, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)[1],
        small == 0,
    )
    numbers = np.zeros(nearest.max() + 1, np.uint8)
    numbers[nearest[source]] = labels[source]
    return numbers[nearest]


def in_order(labels: Tensor, colours: np.ndarray, background: str, residual: float, crowded: bool) -> Regions:
    """Numbers by area over the clip, 0 for the background; colours without a pixel are dropped."""
    areas = torch.bincount(labels.flatten().int(), minlength=len(colours))[: len(colours)]
    order = [k for k in areas.argsort(descending=True, stable=True).tolist() if areas[k]]
    behind = background_of(colours, order, background)
    order = [k for k in order if k not in behind]
    numbers = torch.zeros(max(len(colours), 1), dtype=torch.uint8)
    for number, k in enumerate(order):
        numbers[k] = number + 1
    kept = torch.from_numpy(colours[order].reshape(-1, 3)).float()
    return Regions(numbers[labels.long()], kept, residual, crowded)


def background_of(colours: np.ndarray, order: list[int], background: str) -> list[int]:
    """Which of the (L, 3) colours are background."""
    if background == "largest region":
        return order[:1]
    if background == "none":
        return []
    end = {"black": 0.0, "white": 1.0}[background]
    near = [k for k in order if np.abs(colours[k] - end).max() * WHITE * 3**0.5 < NEAR_END]
    return sorted(near, key=lambda k: np.abs(colours[k] - end).sum())[:1]
