"""Which way a person faces, from flat joints: by nose and ears, and by the way the person goes.

Letters: N frames, 18 OpenPose joints.
"""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d, pad

from .skeleton import MIN_CONFIDENCE, standard_joints

EARS = [16, 17]
AHEAD = 1.15  # radii of the head from the middle of the ears to the nose
EAR_COUNTS = 0.5  # how much it says that only one ear is visible
GOING_COUNTS, PACE = 0.5, 0.02  # how much the way a person goes says, fully at that many metres a frame
AROUND = 4  # frames on each side that the direction is averaged over


def left_side_nearer(flat: Tensor, scores: Tensor, scale: Tensor) -> Tensor:
    """(N,) in -1..1 from (N, 18, 2) pixels, (N, 18) scores and (N,) pixels a metre: 1 faces the left of the picture."""
    visible = scores > MIN_CONFIDENCE
    there = visible.any(1).float()
    said = (by_face(flat, visible, scale) + by_going(flat, scale)) * there
    mean = lambda values: avg_pool1d(pad(values[None, None], (AROUND, AROUND)), 2 * AROUND + 1, 1)[0, 0]
    return torch.tanh(3 * mean(said) / mean(there).clamp_min(1e-3))


def by_face(flat: Tensor, visible: Tensor, scale: Tensor) -> Tensor:
    """(N,) in -1.5..1.5: the nose is left of the ears, and the left ear is visible while the right one is not."""
    _, radius = standard_joints()
    ears = visible[:, EARS].float()
    middle = (flat[:, EARS, 0] * ears).sum(1) / ears.sum(1).clamp_min(1)
    middle = torch.where(ears.any(1), middle, flat[:, 1, 0])
    ahead = (middle - flat[:, 0, 0]) / (AHEAD * radius * scale)
    return (torch.tanh(2 * ahead) + EAR_COUNTS * (ears[:, 1] - ears[:, 0])) * visible[:, 0]


def by_going(flat: Tensor, scale: Tensor) -> Tensor:
    """(N,) between -0.5 and 0.5: the neck goes to the left of the picture."""
    if len(flat) < 2:
        return torch.zeros(len(flat))
    places = pad((flat[:, 1, 0] / scale)[None, None], (AROUND, AROUND), mode="replicate")[0, 0]
    return -GOING_COUNTS * torch.tanh((places[2 * AROUND :] - places[: -2 * AROUND]) / (2 * AROUND) / PACE)
