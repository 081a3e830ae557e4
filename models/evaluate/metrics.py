"""How well a generated video and its depth match a reference and each other: shared by benchmarks and evaluation nodes.

Letters: F or N frames, H and W pixels, n and m samples, d features.
"""

import math

import torch
from torch import Tensor

from ..opencv import import_cv2


def depth_errors(depth: Tensor, reference: Tensor, person_mask: Tensor) -> dict[str, float]:
    """(F, H, W) depths in [0, 1] and the person's mask: IDOL's L2 (mean square), its root, mean error on the person."""
    error = depth.float() - reference.float()
    here = person_mask > 0.5
    square = error.square().mean().item()
    on_person = error.abs()[here].mean().item() if here.any() else math.nan
    return {"depth_l2": square, "depth_rmse": math.sqrt(square), "person_mae": on_person}


def psnr(images: Tensor, reference: Tensor) -> float:
    """Decibels between pictures in [0, 1]; 100 where they are equal."""
    return decibels((images.float() - reference.float()).square().mean().item())


def decibels(square: float) -> float:
    """The mean square of an error between 0 and 1 as PSNR; 100 where there is none."""
    return 100.0 if square < 1e-10 else -10 * math.log10(square)


def silhouette(images: Tensor, scene: Tensor, threshold: float) -> Tensor:
    """(F, H, W, C) or (F, H, W): where a frame differs from the empty scene by more than the threshold, bool (F, H, W)."""
    error = (images.float() - scene.float()).abs()
    return (error.amax(-1) if error.ndim == 4 else error) > threshold


def edge_distance(one: Tensor, other: Tensor) -> float:
    """(F, H, W) masks: how many pixels their outlines lie apart, the mean of both directions; NaN without outlines."""
    cv2 = import_cv2()
    found = []
    for a, b in zip(one.cpu(), other.cpu(), strict=True):
        edges = [outline(mask) for mask in (a, b)]
        if not all(edge.any() for edge in edges):
            continue
        distances = [
            torch.from_numpy(cv2.distanceTransform((~edge).to(torch.uint8).numpy(), cv2.DIST_L2, cv2.DIST_MASK_PRECISE))
            for edge in edges
        ]
        found.append((distances[1][edges[0]].mean() + distances[0][edges[1]].mean()).item() / 2)
    return sum(found) / len(found) if found else math.nan


def outline(mask: Tensor) -> Tensor:
    """(H, W) bool: pixels of the mask that touch the outside; the picture's border does not count as outside."""
    padded = torch.nn.functional.pad(mask.float()[None, None], (1, 1, 1, 1), mode="replicate")
    lowest = -torch.nn.functional.max_pool2d(-padded, 3, 1)[0, 0]
    return mask & (lowest < 0.5)


def frechet(one: Tensor, other: Tensor) -> float:
    """(n, d) features of two sets to the distance of the normal distributions around them; biased up when n is small."""
    if min(len(one), len(other)) < 2:
        raise ValueError(
            f"A Frechet distance compares how two sets spread, so each needs at least 2, but they have {len(one)} and {len(other)}: "
            "give more."
        )
    one, other = one.double(), other.double()
    apart = (one.mean(0) - other.mean(0)).square().sum()
    a, b = deviations(one), deviations(other)
    # The trace of root(A'A B'B) is the sum of the singular values of A B', which loses no digits to roots of rounding.
    mixed = torch.linalg.svdvals(a @ b.T).sum()
    return max(0.0, (apart + a.square().sum() + b.square().sum() - 2 * mixed).item())


def deviations(features: Tensor) -> Tensor:
    """(n, d) features to a matrix of at most d rows, which multiplied by its own transpose from the left is their covariance."""
    away = (features - features.mean(0)) / math.sqrt(len(features) - 1)
    return torch.linalg.qr(away, mode="r").R if len(away) > away.shape[1] else away


def cosines(one: Tensor, other: Tensor) -> Tensor:
    """(n, d) and (m, d) vectors to the cosine of each with each, (n, m)."""
    one, other = (torch.nn.functional.normalize(vectors.double(), dim=-1) for vectors in (one, other))
    return one @ other.T


def frame_consistency(vectors: Tensor) -> tuple[float, Tensor]:
    """(F, d) vectors of frames to 100 x the mean cosine of all pairs of different frames, and all of them (F, F)."""
    alike = 100 * cosines(vectors, vectors)
    different = ~torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
    return alike[different].mean().item(), alike


def mean_where(values: Tensor, counted: Tensor) -> float:
    """The mean of values at the True places of a mask over their first axes; NaN where there is none."""
    return values[counted].double().mean().item()


def error_sums(error: Tensor, counted: Tensor) -> tuple[int, float, float]:
    """How many numbers of an error (H, W) or (H, W, 3) lie at the True places of (H, W), their sum and that of their squares."""
    values = error[counted].double()
    return values.numel(), values.sum().item(), values.square().sum().item()


def draw_error(error: Tensor, counted: Tensor, gain: float) -> Tensor:
    """Errors (N, H, W) or (N, H, W, 3) as pictures (N, H, W, 3), blue where nothing was counted, (N, H, W)."""
    error = error if error.ndim == 4 else error[..., None].expand(*error.shape, 3)
    blue = error.new_tensor((0.1, 0.2, 0.5))
    return torch.where(counted[..., None], (error * gain).clamp(0, 1), blue)
