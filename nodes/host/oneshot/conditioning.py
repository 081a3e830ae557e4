"""Depth in the host's conditioning, which models with a depth channel read."""

import node_helpers
from torch import Tensor

DEPTH = "depth_map"  # (1 or F, 1, H, W), read by the model's concat_cond: values in [-1, 1], or any grey with a range
DEPTH_RANGE = "depth_range"  # one of CHANNEL_RANGES, by which the model stretches a grey depth to [-1, 1]


def with_depth(conditioning: list, depth: Tensor, depth_range: str) -> list:
    """(1 or F, H, W) inverse depth for a model with a depth channel."""
    return node_helpers.conditioning_set_values(conditioning, {DEPTH: depth[:, None], DEPTH_RANGE: depth_range})
