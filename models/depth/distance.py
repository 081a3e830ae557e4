"""Grey depth pictures as distances from the camera.

Letters: N frames, H and W pixels.
"""

from torch import Tensor

from ..choices import DEPTH_POLARITIES, DEPTH_SCALES, check_choice


def distance_of(grey: Tensor, near: float, far: float, polarity: str, depth_scale: str) -> Tensor:
    """(N, H, W) greys from 0 to 1 to distances from `near` to `far`: what Normalize Depth did, undone."""
    check_choice(polarity, DEPTH_POLARITIES)
    check_choice(depth_scale, DEPTH_SCALES)
    if not 0 < near < far:
        raise ValueError(
            f"Expected near_depth above 0 and below far_depth, got {near:g} and {far:g}: "
            "set the distance of the nearest and of the farthest grey, in metres."
        )
    position = (1 - grey if polarity == "near is white" else grey).clamp(0, 1)
    if depth_scale == "inverse":
        return 1 / (1 / near + (1 / far - 1 / near) * position)
    return near + (far - near) * position
