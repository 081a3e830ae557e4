"""Exact masks of the limbs of the stage's person, as targets for the regions of a flow autoencoder.

Letters: B pictures, K regions, H and W pixels, h and w of a heat map.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

LIMBS = ("head", "torso", "right upper arm", "right forearm", "left upper arm", "left forearm",
         "right thigh", "right shin", "left thigh", "left shin")  # fmt: skip
LIMB_OF_BONE = (1, 1, 0, 2, 3, 3, 4, 5, 5, 6, 7, 7, 8, 9, 9)  # hands go with the forearms, feet with the shins
MIRRORED = [0, 1, 4, 5, 2, 3, 8, 9, 6, 7]
FIGURE = 1  # its layer on the stage


def limb_masks(layer: Tensor, owner: Tensor) -> Tensor:
    """(B, H, W) layers and owners of the stage to (B, K, H, W): the visible part of each limb."""
    limb = torch.tensor((len(LIMBS), *LIMB_OF_BONE))[owner.long().clamp_max(len(LIMB_OF_BONE))]  # owner 0 is the room
    limb = torch.where(layer == FIGURE, limb, len(LIMBS))
    return F.one_hot(limb, len(LIMBS) + 1)[..., :-1].permute(0, 3, 1, 2).to(torch.uint8)


def limb_error(heat_map: Tensor, truth: Tensor) -> Tensor:
    """KL divergence in nats of heat maps (B, K, h, w) from limb masks (B, K, H, W); hidden limbs are left out."""
    share = F.adaptive_avg_pool2d(truth.float(), heat_map.shape[-2:])
    visible = share.sum((2, 3))
    share = share / visible[..., None, None].clamp_min(1e-6)
    divergence = share * (share.clamp_min(1e-6).log() - heat_map.float().clamp_min(1e-6).log())
    has_limb = (visible > 0).to(divergence)
    return (divergence.sum((2, 3)) * has_limb).sum() / has_limb.sum().clamp_min(1)
