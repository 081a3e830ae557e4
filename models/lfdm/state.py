"""The state that a flow U-Net denoises, and its form inside the network.

A state is (B, 3, F, h, w): grid x, grid y and twice the occlusion less 1. The released networks take it unchanged. A grid is
mostly positions and hardly motion, so small networks are trained on the offset of each point from its own position.
Letters: B clips, F frames, h and w points of the flow.
"""

import torch
from torch import Tensor

from ..flow.fields import to_grid, zero_flow
from .config import FlowUNetConfig


def state_of(grid: Tensor, occlusion: Tensor) -> Tensor:
    """(B, F, h, w, 2) grids and (B, F, 1, h, w) occlusion to a state (B, 3, F, h, w)."""
    return torch.cat((grid.movedim(-1, 1), 2 * occlusion.transpose(1, 2) - 1), 1)


def motion_of(state: Tensor) -> tuple[Tensor, Tensor]:
    """A state to (B, F, h, w, 2) grids and (B, F, 1, h, w) occlusion in 0..1."""
    return state[:, :2].movedim(1, -1), (state[:, 2:].transpose(1, 2) + 1) / 2


def identity_grid(state: Tensor) -> Tensor:
    """(1, 2, 1, h, w): the grid by which no pixel moves."""
    grid, _ = to_grid(zero_flow(1, tuple(state.shape[-2:]), state.float()))
    return grid.movedim(-1, 1)[:, :, None].to(state)


def to_network(state: Tensor, config: FlowUNetConfig) -> Tensor:
    """A state in the form that the network of that configuration takes."""
    if config.motion == "grid":
        return state
    offset = state[:, :2] - identity_grid(state)
    # A waving hand moves by a thirtieth of a walk; the root of that is a sixth.
    scaled = offset.sign() * offset.abs().sqrt() if config.motion == "root" else offset
    return torch.cat((scaled * config.motion_scale, state[:, 2:]), 1)


def from_network(state: Tensor, config: FlowUNetConfig) -> Tensor:
    """A state of the network as grid and occlusion."""
    if config.motion == "grid":
        return state
    scaled = state[:, :2] / config.motion_scale
    offset = scaled * scaled.abs() if config.motion == "root" else scaled
    return torch.cat((offset + identity_grid(state), state[:, 2:]), 1)
