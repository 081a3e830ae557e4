"""Who stands before the person, frame by frame: the rule, a memory against flicker, and the reason in words.

Letters: N frames, K objects.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from .measure import Measures

OF_HUMAN, OF_OBJECT = 0.8, 0.5  # a mask that holds so much of the person, or lies so much on it, is the person
FILLS = 0.9  # of the picture: not an object but everything
LARGER, GROUND = 6.0, 40.0  # how many times the least overlap is asked of what is larger than the person, or is ground
GROUND_ROWS = 0.9  # of the lowest rows


@dataclass(frozen=True)
class Rule:
    nearer: float = 0.4  # share of an object that is nearer than the person
    margin: float = 0.15  # around it, in which a frame keeps what the frames before it said
    overlap: float = 0.0025  # share of the body that an object hides at least once: 100 pixels of a person at 720p


def decide(measures: Measures, rule: Rule) -> tuple[Tensor, list[str]]:
    """(N, K) bool, before the person, and one sentence for each object."""
    frames, count = measures.area.shape
    chosen, report = torch.zeros(frames, count, dtype=torch.bool), []
    for k in range(count):
        front, verdict = decide_one(measures, k, rule)
        chosen[:, k] = front
        report.append(f"Object {k}: {verdict}")
    return chosen, report


def decide_one(m: Measures, k: int, rule: Rule) -> tuple[Tensor, str]:
    """(N,) bool and the verdict on one object."""
    present = m.area[:, k] > 0
    nothing = torch.zeros_like(present)
    if not present.any():
        return nothing, "dropped, its mask is empty in every frame."
    if not (m.human > 0).any():
        return nothing, "dropped, there is no person that it could stand before."
    met = present & (m.human > 0)
    mine = met & ((m.on_human[:, k] > OF_HUMAN * m.human) | (m.on_human[:, k] > OF_OBJECT * m.area[:, k]))
    full = m.area[:, k] > FILLS
    if met.any() and 2 * (mine & full).sum() > met.sum():
        return nothing, f"dropped, it fills {100 * m.area[met, k].mean():.0f} % of the picture and holds the person."
    if met.any() and 2 * mine.sum() > met.sum():
        return nothing, "dropped, it is the person: the masks lie on each other."
    share = torch.where(m.outside[:, k] > 0, m.nearer[:, k] / m.outside[:, k].clamp_min(1e-9), torch.nan)
    front = steady(share, m.outside[:, k], rule) & ~(mine & full)
    return overlapping(m, k, front, share, rule)


def overlapping(m: Measures, k: int, front: Tensor, share: Tensor, rule: Rule) -> tuple[Tensor, str]:
    """(N,) bool and the verdict on an object whose frames before the person are known, by what it hides of the body."""
    present = m.area[:, k] > 0
    mean = torch.nanmean(share[present]).item() if torch.isfinite(share[present]).any() else 0.0
    if not (front & present).any():
        return front & False, f"dropped, {100 * mean:.0f} % of it is nearer than the person: it stays in the scene."
    asked = torch.full_like(share, rule.overlap)
    asked = asked.where(m.area[:, k] <= m.human, LARGER * rule.overlap)
    asked = asked.where(m.bottom[:, k] <= GROUND_ROWS, GROUND * rule.overlap)
    hidden = m.hides[:, k] / m.body.clamp_min(1e-9)
    crossing = front & (hidden >= asked)
    most = hidden[front].max().item()
    if not crossing.any():
        return front & False, (
            f"dropped, nearer than the person but it hides {100 * most:.2f} % of the body at most, less than the "
            f"{100 * asked[front].min().item():.2f} % asked for."
        )
    return front, (
        f"kept, before the person in {int((front & present).sum())} of {int(present.sum())} frames; "
        f"{100 * mean:.0f} % of it is nearer, it hides up to {100 * most:.1f} % of the body."
    )


def steady(share: Tensor, weight: Tensor, rule: Rule) -> Tensor:
    """(N,) shares, NaN where nothing is seen, to bool: a frame in doubt says what the last sure frame said.

    Shares are averaged with their neighbours, large masks counting more, so that one bad frame does not flip a layer.
    """
    seen = torch.isfinite(share)
    weight = weight * seen
    values = torch.nan_to_num(share)
    pool = lambda x: torch.nn.functional.avg_pool1d(x[None, None], 3, 1, 1, count_include_pad=False)[0, 0]
    smooth = pool(values * weight) / pool(weight).clamp_min(1e-12)
    sure = torch.where(smooth >= rule.nearer + rule.margin, 1, 0) - torch.where(
        smooth <= rule.nearer - rule.margin, 1, 0
    )
    sure = sure * seen
    mean = (values * weight).sum() / weight.sum().clamp_min(1e-12)
    first = sure[sure != 0]
    state = bool(first[0] > 0) if len(first) else bool(mean >= rule.nearer)
    out = []
    for vote in sure.tolist():
        state = state if vote == 0 else vote > 0
        out.append(state)
    return torch.tensor(out)
