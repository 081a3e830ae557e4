"""The scene of a still camera: the median of a clip over time, with the exposure and the noise of its frames.

Letters: N frames, S of them sampled, H and W pixels, h and w those of small pictures.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..opencv import import_cv2

SAMPLES = 48  # frames that the median is taken of
STRIP = 32  # rows of it at once
SMALL = 96  # pixels of the shorter side that exposure is measured on
MID = (0.05, 0.95)  # brightness in which a change of exposure shows: what is black or clipped does not change
QUIET = 3  # one in so many frames shows the scene alone, also where something stays for a long time
QUIET_TO_MEDIAN = 1.25  # of the noise: its median against what one in three frames stays below
STEPS = 1020  # of difference in 0..1 that a byte counts: quarters of an 8-bit level, up to 63 levels
LOWEST_NOISE = 0.4 / 255  # rounding to 8 bits alone

Report = Callable[[int], None]


@dataclass(frozen=True)
class StillScene:
    """What a frame is compared with."""

    picture: Tensor  # (H, W, 3) the median over time
    exposures: Tensor  # (N, 3) of each frame against it, for each colour
    noise: np.ndarray  # (H, W) by how much frames that show nothing else differ from it

    def difference(self, images: Tensor, index: int) -> np.ndarray:
        """(H, W) by how much a frame differs from the scene in its exposure, mean of the colours, a little blurred."""
        return difference(images[index], self.picture, self.exposures[index])


def still_scene(images: Tensor, report: Report = lambda done: None) -> StillScene:
    """The scene of images (N, H, W, 3); `report` gets the steps that are done, up to 2 N."""
    frames = len(images)
    chosen = sampled(frames)
    exposures = measure_exposures(images, chosen, report)
    picture = median_picture(images, chosen, exposures, lambda: report(frames))
    bytes_ = np.empty((len(chosen), *images.shape[1:3]), np.uint8)
    for place, index in zip(bytes_, chosen, strict=True):
        place[:] = np.minimum(difference(images[index], picture, exposures[index]) * STEPS, 255)
        report(frames + index + 1)
    return StillScene(picture, exposures, noise_of(bytes_))


def sampled(frames: int) -> list[int]:
    """At most SAMPLES frames, evenly spread over the clip."""
    return np.linspace(0, frames - 1, min(frames, SAMPLES)).round().astype(int).tolist()


def measure_exposures(images: Tensor, chosen: list[int], report: Report) -> Tensor:
    """(N, 3) the brightness of each frame against the median of the clip, for each colour."""
    step = max(1, min(images.shape[1:3]) // SMALL)
    small = images[:, ::step, ::step].flatten(1, 2)
    some = small[chosen]
    median = some.median(0).values
    for _ in range(2):  # the median of a clip whose exposure changes is right only once the change is taken out
        ratios = torch.stack([ratio(frame, median) for frame in some])
        median = (some / ratios[:, None]).median(0).values
    out = torch.ones(len(images), 3)
    for index, frame in enumerate(small):
        out[index] = ratio(frame, median)
        report(index + 1)
    return out / out.median(0).values  # the scene gets the exposure of a frame, not one in between


def ratio(frame: Tensor, median: Tensor) -> Tensor:
    """(3,) the median ratio of two small pictures (h w, 3), 1 where nothing is neither black nor clipped."""
    mid = (median > MID[0]) & (median < MID[1]) & (frame > MID[0]) & (frame < MID[1])
    quotient = (frame / median.clamp_min(1e-6)).masked_fill(~mid, torch.nan)
    return torch.nan_to_num(quotient.nanmedian(0).values, nan=1.0)


def median_picture(images: Tensor, chosen: list[int], exposures: Tensor, report: Callable[[], None]) -> Tensor:
    """(H, W, 3) the median of the chosen frames in one exposure, some rows at a time."""
    rows, gains = [], exposures[chosen][:, None, None]
    for top in range(0, images.shape[1], STRIP):
        strip = torch.stack([images[index, top : top + STRIP] for index in chosen])
        rows.append((strip / gains).median(0).values)
        report()
    return torch.cat(rows)


def difference(frame: Tensor, picture: Tensor, exposure: Tensor) -> np.ndarray:
    """(H, W) the difference of two pictures (H, W, 3) after a small blur, root mean square over the colours."""
    expected = picture * exposure if picture.max() > 1 else (picture * exposure).clamp_max(1)
    apart = import_cv2().GaussianBlur((frame - expected).numpy(), (0, 0), blur_radius(frame.shape))
    return np.sqrt((apart**2).mean(-1))


def blur_radius(shape: tuple[int, ...]) -> float:
    """Pixels over which noise is averaged: less than anything that moves is wide."""
    return max(0.8, min(shape[:2]) / 540)


def noise_of(differences: np.ndarray) -> np.ndarray:
    """(H, W) the usual difference of frames that show the scene, of (S, H, W) in steps; nowhere below that of the clip."""
    cv2, low = import_cv2(), max(0, len(differences) // QUIET - 1)
    local = np.partition(differences, low, 0)[low].astype(np.float32) * (QUIET_TO_MEDIAN / STEPS)
    whole = max(float(np.median(local)), LOWEST_NOISE)
    smooth = cv2.GaussianBlur(cv2.dilate(local, np.ones((3, 3), np.uint8)), (0, 0), 4 * blur_radius(local.shape))
    return np.maximum(smooth, whole)
