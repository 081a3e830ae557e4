"""What no frame shows, inpainted from around (Telea, JGT 2004) or taken from a fill image.

Letters: H and W pixels, C colours and, last, nearness.
"""

import numpy as np
import torch
from torch import Tensor

from ..opencv import import_cv2


def bounding_box(mask: Tensor, margin: int) -> tuple[slice, slice]:
    """The box that holds all of (H, W) bool, with a margin."""
    out = []
    for line, size in ((mask.any(1), mask.shape[0]), (mask.any(0), mask.shape[1])):
        places = line.nonzero()[:, 0]
        out.append(slice(max(0, int(places[0]) - margin), min(size, int(places[-1]) + 1 + margin)))
    return out[0], out[1]


def inpaint(picture: Tensor, missing: Tensor, fill: Tensor | None) -> Tensor:
    """(H, W, C) with the missing (H, W) inpainted from around; colours come from a fill image (H, W, 3) if given."""
    if not missing.any():
        return picture
    cv2 = import_cv2()
    if missing.all():
        whole = torch.nan_to_num(picture)
        return whole if fill is None else torch.cat((fill, whole[..., 3:]), -1)
    box = bounding_box(missing, 16)
    part, gap = torch.nan_to_num(picture[box]), missing[box]
    hole = gap.to(torch.uint8).numpy()
    bytes_ = (part[..., :3].clamp(0, 1) * 255).round().byte().numpy()
    filled = [torch.from_numpy(cv2.inpaint(np.ascontiguousarray(bytes_), hole, 5, cv2.INPAINT_TELEA)).float() / 255]
    for channel in range(3, part.shape[-1]):
        plane = part[..., channel]
        low, high = plane[~gap].min(), plane[~gap].max()
        steps = ((plane - low) / (high - low).clamp_min(1e-12) * 65535).clamp(0, 65535).numpy().astype(np.uint16)
        steps = cv2.inpaint(steps, hole, 5, cv2.INPAINT_TELEA).astype(np.float32)  # in floats its result is wrong
        filled.append((torch.from_numpy(steps) / 65535 * (high - low) + low)[..., None])
    filled[0] = filled[0] if fill is None else fill[box].float()
    out = torch.nan_to_num(picture.clone())
    out[box] = torch.where(gap[..., None], torch.cat(filled, -1), part)
    return out
