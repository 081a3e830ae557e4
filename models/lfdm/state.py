"""What a flow U-Net denoises: a motion as one state, and that state as the network learned it.

A state is (B, 3, F, h, w): grid x, grid y and twice the occlusion less 1. The released networks see it as it is. A grid is
nearly all place and hardly any motion, so a small network learns sooner on how far each point is from its own place.
Letters: B clips, F frames, h and w points of the flow.
"""

import torch
from torch import Tensor

from ..flow.fields import rest, to_grid
from .config import FlowUNetConfig


def state_of(grid: Tensor, occlusion: Tensor) -> Tensor:
    """(B, F, h, w, 2) grids and (B, F, 1, h, w) occlusion to a state (B, 3, F, h, w)."""
    return torch.cat((grid.movedim(-1, 1), 2 * occlusion.transpose(1, 2) - 1), 1)


def motion_of(state: Tensor) -> tuple[Tensor, Tensor]:
    """A state to (B, F, h, w, 2) grids and (B, F, 1, h, w) occlusion in 0..1."""
    return state[:, :2].movedim(1, -1), (state[:, 2:].transpose(1, 2) + 1) / 2


def own_places(state: Tensor) -> Tensor:
    """(1, 2, 1, h, w): the grid that reads every pixel where it is, so that nothing moves at all."""
    grid, _ = to_grid(rest(1, tuple(state.shape[-2:]), state.float()))
    return grid.movedim(-1, 1)[:, :, None].to(state)


def to_network(state: Tensor, config: FlowUNetConfig) -> Tensor:
    """A state as the network of that configuration learned it."""
    if config.motion == "grid":
        return state
    offset = state[:, :2] - own_places(state)
    # A hand that waves moves by a thirtieth of what a walk does; its root is a sixth.
    told = offset.sign() * offset.abs().sqrt() if config.motion == "root" else offset
    return torch.cat((told * config.motion_scale, state[:, 2:]), 1)


def from_network(state: Tensor, config: FlowUNetConfig) -> Tensor:
    """A network's state as grid and occlusion."""
    if config.motion == "grid":
        return state
    told = state[:, :2] / config.motion_scale
    offset = told * told.abs() if config.motion == "root" else told
    return torch.cat((offset + own_places(state), state[:, 2:]), 1)
