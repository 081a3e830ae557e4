"""A subject cut out of a picture so that nothing of what was behind it is left along its edge.

Pixels along the edge mix the subject with what is behind it. They get the colour of the nearest pixel well inside the
subject, and so do those beyond the edge, over which it fades.
Letters: h and w pixels, C channels.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d, pad

from ..opencv import import_cv2
from .masks import fit


@dataclass(frozen=True)
class Cutout:
    mask: Tensor  # (h, w) in 0..1 of any size
    feather: float = 0.0  # pixels over which the edge fades
    defringe: int = 0  # pixels along the edge that get the colours from inside; 0 leaves all colours unchanged


def cut_out(picture: Tensor, cutout: Cutout) -> tuple[Tensor, Tensor]:
    """(h, w, C) with the colours of the subject also around it, unless defringe is 0, and its weight (h, w)."""
    mask = fit(cutout.mask, tuple(picture.shape[:2]), "bilinear").clamp(0, 1)
    inside, weight = mask > 0.5, soften(mask, cutout.feather)
    if not inside.any() or not cutout.defringe:
        return picture, weight
    core = shrink(inside, cutout.defringe)
    core = core if core.any() else inside
    return spread_colours(picture, core, weight > 0), weight


def shrink(inside: Tensor, pixels: int) -> Tensor:
    """(h, w) bool without the pixels along its edge; the picture's border is not an edge."""
    outside = (~inside).float()[None, None]
    return inside & (max_pool2d(outside, 2 * pixels + 1, 1, pixels)[0, 0] < 0.5)


def grow(inside: Tensor, pixels: int) -> Tensor:
    """(h, w) bool with the pixels around it."""
    return max_pool2d(inside.float()[None, None], 2 * pixels + 1, 1, pixels)[0, 0] > 0.5


def soften(mask: Tensor, feather: float) -> Tensor:
    """(h, w) whose edges fade over so many pixels, half of them inside; no fade at the picture's border."""
    half = round(feather / 2)
    if not half:
        return mask
    wide = pad(mask[None, None], (half, half, half, half), mode="replicate")
    return avg_pool2d(avg_pool2d(wide, (2 * half + 1, 1), 1), (1, 2 * half + 1), 1)[0, 0]


def spread_colours(picture: Tensor, core: Tensor, wanted: Tensor) -> Tensor:
    """(h, w, C) in which the wanted pixels outside the core (h, w) have the colour of the nearest pixel in it."""
    cv2, inside = import_cv2(), core.numpy()
    outside = (~inside).astype(np.uint8)
    _, labels = cv2.distanceTransformWithLabels(outside, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    places = np.zeros(labels.max() + 1, np.int64)
    places[labels[inside]] = np.flatnonzero(inside)
    rest = wanted & ~core
    out = picture.clone()
    out[rest] = picture.flatten(0, 1)[torch.from_numpy(places[labels[rest.numpy()]])]
    return out
