"""The exact flow of the stage at the resolution of a flow autoencoder, to train without its estimate.

Letters: P pairs of frames, H and W pixels, h and w cells.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ...models.lfdm.warp import resized
from ...models.stage.motion import StageMotion, as_grid

FLOWS = ("codec", "true")  # estimated by the autoencoder, or exact
COVERED = 0.15  # share of a cell above which it moves as the person in it
TOLERANCE = 1.0  # pixels of error up to which a moved pixel counts as visible


def coarse_motion(
    motion: StageMotion, start: Sequence[int], end: Sequence[int], size: tuple[int, int]
) -> tuple[Tensor, Tensor]:
    """Of frames `start`, where each cell lies in frames `end`: grids (P, h, w, 2) and occlusion (P, 1, h, w).

    A limb is thinner than a cell: their plain mean would hardly move. So a cell that is covered moves as what covers it, and
    its occlusion is the share of its pixels that are found in the other frame by such a coarse flow.
    """
    flow, kind = motion.flow(start, end)
    grid, moves = as_grid(flow), (motion.layer[list(start)] > 0)[:, None].float()
    person, scene = (mean_where(flow, mask, size) for mask in (moves, 1 - moves))
    covered = F.adaptive_avg_pool2d(moves, size)[:, 0, ..., None] > COVERED
    step = flow.new_tensor([flow.shape[2] / size[1], flow.shape[1] / size[0]])  # pixels of a cell
    cells = as_grid(torch.where(covered, person, scene) / step)
    missed = (resized(cells, flow.shape[1:3]) - grid) * grid.new_tensor([flow.shape[2], flow.shape[1]]) / 2
    correct = (missed.norm(dim=-1) < TOLERANCE) & (kind > 0)
    return cells, F.adaptive_avg_pool2d(correct[:, None].float(), size)


def mean_where(flow: Tensor, mask: Tensor, size: tuple[int, int]) -> Tensor:
    """(P, H, W, 2) to its mean (P, h, w, 2) over the part of each cell that a mask (P, 1, H, W) covers."""
    pool = lambda values: F.adaptive_avg_pool2d(values, size)
    mean = pool(flow.permute(0, 3, 1, 2) * mask) / pool(mask).clamp_min(1e-6)
    return mean.permute(0, 2, 3, 1)


def mirrored_motion(grid: Tensor, occlusion: Tensor) -> tuple[Tensor, Tensor]:
    """The motion of the mirrored pictures."""
    return grid.flip(-2) * grid.new_tensor([-1.0, 1.0]), occlusion.flip(-1)


def refuse_unknown_flow(model: dict, data: dict) -> str:
    """Which flow a run takes, by the name `flow` in its model."""
    flow = model.get("flow", FLOWS[0])
    if flow not in FLOWS:
        raise ValueError(f"model: flow is {' or '.join(FLOWS)}, not {flow!r}.")
    if flow == "true" and data["kind"] != "stage":
        raise ValueError("Only the stage has exact flow: leave flow out of model, or use data of kind stage.")
    return flow
