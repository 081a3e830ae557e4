"""Where the limbs of the stage's figure truly are, for a codec whose regions shall follow them from the first step.

Letters: B pictures, K regions, H and W pixels, h and w of a heat map.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

LIMBS = ("head", "torso", "right upper arm", "right forearm", "left upper arm", "left forearm",
         "right thigh", "right shin", "left thigh", "left shin")  # fmt: skip
OF_BONE = (1, 1, 0, 2, 3, 3, 4, 5, 5, 6, 7, 7, 8, 9, 9)  # hands go with the forearms, feet with the shins
MIRRORED = [0, 1, 4, 5, 2, 3, 8, 9, 6, 7]
FIGURE = 1  # its layer on the stage


def limb_masks(layer: Tensor, owner: Tensor) -> Tensor:
    """(B, H, W) layers and owners of the stage to (B, K, H, W): where each limb is seen."""
    limb = torch.tensor((len(LIMBS), *OF_BONE))[owner.long().clamp_max(len(OF_BONE))]  # owner 0 is the room
    limb = torch.where(layer == FIGURE, limb, len(LIMBS))
    return F.one_hot(limb, len(LIMBS) + 1)[..., :-1].permute(0, 3, 1, 2).to(torch.uint8)


def limb_error(heat_map: Tensor, truth: Tensor) -> Tensor:
    """Cross-entropy of heat maps (B, K, h, w) against where each limb of masks (B, K, H, W) is seen, in nats above
    the least; limbs that are hidden teach nothing."""
    share = F.adaptive_avg_pool2d(truth.float(), heat_map.shape[-2:])
    seen = share.sum((2, 3))
    share = share / seen[..., None, None].clamp_min(1e-6)
    apart = share * (share.clamp_min(1e-6).log() - heat_map.float().clamp_min(1e-6).log())
    there = (seen > 0).to(apart)
    return (apart.sum((2, 3)) * there).sum() / there.sum().clamp_min(1)
