"""How tall the whole person of a clip is and where the feet are, also where parts are hidden or outside the picture.

Letters: N frames, H and W pixels.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..character.skeleton import MIN_CONFIDENCE, complete_joints, pixels_per_metre, standard_joints
from ..layers.whole_subject import MaskOf, Visible, measure_visible, whole_bounds
from ..pose import formats

# Quantiles of the heights that are those of the upright person: of heights in pixels, and of those that do not depend on
# the distance, in which the feet alone make some frames taller.
UPRIGHT, UPRIGHT_BY_POSE = 0.9, 0.75
NECK, ANKLES, EAR = 1, (10, 13), 16
SOLE = 0.09  # metres from the ankle down to the floor
BELONGS = 0.2  # of a pose's joints that lie at the person's mask, for it to be the same person
NEAR = 0.15  # of the size of the mask's box, around it


@dataclass(frozen=True)
class Place:
    """The whole person in one frame."""

    frame: int
    bounds: tuple[float, float, float, float]  # left, top, right, bottom in pixels, also outside the picture
    middle: float  # column of the body's middle
    source: str  # what the height follows from

    @property
    def height(self) -> float:
        return self.bounds[3] - self.bounds[1]


def place_person(
    mask: MaskOf,
    hidden: MaskOf | None,
    frames: int,
    size: tuple[int, int],
    frame: int = -1,
    keypoints: list | None = None,
) -> Place:
    """The person of N masks (H, W) in one frame, or in the frame -1 that shows it whole and upright."""
    visible = cut_at_border(measure_visible(mask, hidden, frames), size)
    pose = None if keypoints is None else pose_of_person(keypoints, visible, size)
    whole, shown = visible.whole(1), torch.isfinite(visible.bounds[:, 0])
    bounds, source = whole_bounds(visible), "wholly visible"
    if not whole.any() and pose is not None:
        bounds, source = bounds_by_pose(visible, *pose), "height by keypoints"
    elif not whole.any():
        source = "visible part only"
    usable = whole if whole.any() else shown
    index = upright_frame(bounds, usable, pose) if frame < 0 else frame
    if not usable[index] and source == "wholly visible":
        source = "height of other frames"
    return Place(index, tuple(bounds[index].tolist()), middle_column(mask(index), visible, bounds, index), source)


def upright_frame(bounds: Tensor, usable: Tensor, pose: tuple[Tensor, Tensor] | None = None) -> int:
    """The usable frame of (N,) whose height is nearest to that of the upright person, by a pose also at any distance."""
    heights, share = bounds[:, 3] - bounds[:, 1], UPRIGHT
    if pose is not None:
        heights, share = heights / pixels_per_metre(complete_joints(*pose)), UPRIGHT_BY_POSE
    wanted = heights[usable].quantile(share)
    return int((heights - wanted).abs().where(usable, torch.inf).argmin())


def cut_at_border(visible: Visible, size: tuple[int, int]) -> Visible:
    """The visible part, whose sides at the border of the picture (H, W) count as hidden too."""
    ends = torch.tensor([size[1], size[0]])
    at_border = torch.cat((visible.bounds[:, :2] <= 0, visible.bounds[:, 2:] >= ends), 1)
    return replace(visible, hidden=visible.hidden | at_border)


def middle_column(mask: Tensor, visible: Visible, bounds: Tensor, index: int) -> float:
    """The column that has half of the person on either side; the middle of the bounds where a side is hidden."""
    if not visible.whole(0)[index]:
        return ((bounds[index, 0] + bounds[index, 2]) / 2).item()
    return half_column(mask)


def half_column(mask: Tensor) -> float:
    """The column of a mask (H, W) that has half of it on either side."""
    share = (mask > 0.5).sum(0).double().cumsum(0)
    return torch.searchsorted(share, share[-1:] / 2).item() + 0.5


def pose_of_person(keypoints: list, visible: Visible, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """(N, 18, 2) pixels and (N, 18) scores of whoever is at the mask in each frame."""
    frames = formats.parse(keypoints)
    if len(frames) != len(visible.bounds):
        raise ValueError(
            f"keypoints: expected the pose of {len(visible.bounds)} frames like images, got {len(frames)}: use that of the same "
            "pictures."
        )
    bodies, shares = zip(
        *(body_at(frame, box, size) for frame, box in zip(frames, visible.bounds, strict=True)), strict=True
    )
    known = [share for share in shares if share is not None]
    if not known or np.median(known) < BELONGS:
        raise ValueError(
            f"keypoints: expected the pose of the person of person_mask, but {100 * np.median(known or [0]):.0f} % of its "
            "joints lie at the mask: connect the pose and the mask of one person, both of images."
        )
    body = torch.from_numpy(np.stack(bodies)).float()
    return body[..., :2], body[..., 2]


def body_at(frame: formats.Frame, box: Tensor, size: tuple[int, int]) -> tuple[np.ndarray, float | None]:
    """The body (18, 3) with most of its joints in a box, in pixels of the picture, and that share; None without either."""
    scale = (size[1] / frame.width, size[0] / frame.height, 1.0)
    bodies = [person[formats.BODY] * scale for person in frame.people]
    shares = [share_inside(body, box.numpy()) for body in bodies]
    if not bodies or not torch.isfinite(box).all():
        return np.zeros((18, 3)), None
    best = int(np.argmax(shares))
    return bodies[best], shares[best]


def share_inside(body: np.ndarray, box: np.ndarray) -> float:
    """The share of the visible joints of (18, 3) that lie in a box or near it."""
    points = body[body[:, 2] > MIN_CONFIDENCE, :2]
    if not len(points):
        return 0.0
    around = NEAR * (box[2:] - box[:2])
    return float(((points >= box[:2] - around) & (points <= box[2:] + around)).all(1).mean())


def bounds_by_pose(visible: Visible, points: Tensor, scores: Tensor) -> Tensor:
    """(N, 4) bounds whose hidden top and bottom follow from the joints: the ankles, else the size of a standard body."""
    joints = complete_joints(points, scores)
    scale = pixels_per_metre(joints)
    head, whole = standard_heights()
    low, high = visible.bounds[:, 1], visible.bounds[:, 3]
    top = torch.where(visible.hidden[:, 1], torch.fmin(low, joints[:, NECK, 1] - head * scale), low)
    ankles = (scores[:, ANKLES] > MIN_CONFIDENCE).any(1)
    floor = torch.where(ankles, joints[:, ANKLES, 1].amax(1) + SOLE * scale, top + whole * scale)
    bottom = torch.where(visible.hidden[:, 3], torch.fmax(high, floor), high)
    out = whole_bounds(visible, bottom - top)
    out[:, 1], out[:, 3] = top, bottom
    return out


def standard_heights() -> tuple[float, float]:
    """Metres from the neck up to the top of the head, and from there down to the floor, of the standard body."""
    joints, radius = standard_joints()
    top = joints[EAR, 1] + radius
    return (top - joints[NECK, 1]).item(), (top - joints[list(ANKLES), 1].amin() + SOLE).item()
