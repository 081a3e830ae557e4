"""Which objects are in front of the person, frame by frame: the rule, its stabilization over time, and the reason.

Letters: N frames, K objects.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from .measure import Measures

OF_PERSON, OF_OBJECT = 0.8, 0.5  # a mask that holds so much of the person, or lies so much on it, is the person
FULL = 0.9  # of the picture: not an object but everything
LARGE, GROUND = 6.0, 40.0  # times the threshold, for objects larger than the person and for the ground
GROUND_ROWS = 0.9  # of the lowest rows


@dataclass(frozen=True)
class Rule:
    nearer_fraction: float = 0.4  # of an object that is nearer than the person
    stability_margin: float = 0.15  # around it, in which a frame keeps the decision of the frame before
    min_hidden: float = 0.0025  # share of the body that an object hides at least once: 100 pixels of a person at 720p


def decide_in_front(measures: Measures, rule: Rule) -> tuple[Tensor, list[str]]:
    """(N, K) bool, in front of the person, and one sentence for each object."""
    frames, count = measures.area.shape
    chosen, report = torch.zeros(frames, count, dtype=torch.bool), []
    for k in range(count):
        front, verdict = decide_one(measures, k, rule)
        chosen[:, k] = front
        report.append(f"Object {k}: {verdict}")
    return chosen, report


def take_as_front(measures: Measures) -> tuple[Tensor, list[str]]:
    """(N, K) bool without depth: every object that is not the person is in front where it is visible, with a sentence."""
    frames, count = measures.area.shape
    chosen, report = torch.zeros(frames, count, dtype=torch.bool), []
    for k in range(count):
        present = measures.area[:, k] > 0
        if reason := no_occluder(measures, k):
            report.append(f"Object {k}: {reason}")
            continue
        chosen[:, k] = present
        report.append(
            f"Object {k}: no depth, so in front of the person in the {int(present.sum())} frames that show it."
        )
    return chosen, report


def no_occluder(m: Measures, k: int) -> str | None:
    """Why an object cannot be in front of the person, whatever its depth, or None."""
    present = m.area[:, k] > 0
    if not present.any():
        return "dropped, its mask is empty in every frame."
    if not (m.person_area > 0).any():
        return "dropped, there is no person that it could be in front of."
    met = present & (m.person_area > 0)
    is_person = lies_on_person(m, k)
    if met.any() and 2 * (is_person & (m.area[:, k] > FULL)).sum() > met.sum():
        return f"dropped, it fills {100 * m.area[met, k].mean():.0f} % of the picture and holds the person."
    if met.any() and 2 * is_person.sum() > met.sum():
        return "dropped, it is the person: the masks lie on each other."
    return None


def lies_on_person(m: Measures, k: int) -> Tensor:
    """(N,) bool: the object holds most of the person, or lies mostly on it."""
    met = (m.area[:, k] > 0) & (m.person_area > 0)
    return met & ((m.on_person[:, k] > OF_PERSON * m.person_area) | (m.on_person[:, k] > OF_OBJECT * m.area[:, k]))


def decide_one(m: Measures, k: int, rule: Rule) -> tuple[Tensor, str]:
    """(N,) bool and the decision on one object."""
    if reason := no_occluder(m, k):
        return torch.zeros(len(m.area), dtype=torch.bool), reason
    is_person, full = lies_on_person(m, k), m.area[:, k] > FULL
    share = torch.where(m.outside[:, k] > 0, m.nearer[:, k] / m.outside[:, k].clamp_min(1e-9), torch.nan)
    front = stabilize(share, m.outside[:, k], rule) & ~(is_person & full)
    return check_hidden_area(m, k, front, share, rule)


def check_hidden_area(m: Measures, k: int, front: Tensor, share: Tensor, rule: Rule) -> tuple[Tensor, str]:
    """(N,) bool and the decision on an object that is in front in some frames, by how much of the body it hides."""
    present = m.area[:, k] > 0
    mean = torch.nanmean(share[present]).item() if torch.isfinite(share[present]).any() else 0.0
    if not (front & present).any():
        return front & False, f"dropped, {100 * mean:.0f} % of it is nearer than the person: it stays in the scene."
    threshold = torch.full_like(share, rule.min_hidden)
    threshold = threshold.where(m.area[:, k] <= m.person_area, LARGE * rule.min_hidden)
    threshold = threshold.where(m.bottom[:, k] <= GROUND_ROWS, GROUND * rule.min_hidden)
    hidden = m.hides[:, k] / m.body.clamp_min(1e-9)
    crossing = front & (hidden >= threshold)
    most = hidden[front].max().item()
    if not crossing.any():
        return front & False, (
            f"dropped, nearer than the person but it hides {100 * most:.2f} % of the body at most, less than the "
            f"{100 * threshold[front].min().item():.2f} % that are needed."
        )
    return front, (
        f"kept, in front of the person in {int((front & present).sum())} of {int(present.sum())} frames; "
        f"{100 * mean:.0f} % of it is nearer, it hides up to {100 * most:.1f} % of the body."
    )


def stabilize(share: Tensor, weight: Tensor, rule: Rule) -> Tensor:
    """(N,) shares, NaN where the object is not visible, to bool: an uncertain frame keeps the last certain decision.

    Shares are averaged with their neighbours, large masks counting more, so that one bad frame does not flip a layer.
    """
    visible = torch.isfinite(share)
    weight = weight * visible
    values = torch.nan_to_num(share)
    pool = lambda x: torch.nn.functional.avg_pool1d(x[None, None], 3, 1, 1, count_include_pad=False)[0, 0]
    smooth = pool(values * weight) / pool(weight).clamp_min(1e-12)
    certain = torch.where(smooth >= rule.nearer_fraction + rule.stability_margin, 1, 0) - torch.where(
        smooth <= rule.nearer_fraction - rule.stability_margin, 1, 0
    )
    certain = certain * visible
    mean = (values * weight).sum() / weight.sum().clamp_min(1e-12)
    first = certain[certain != 0]
    state = bool(first[0] > 0) if len(first) else bool(mean >= rule.nearer_fraction)
    out = []
    for vote in certain.tolist():
        state = state if vote == 0 else vote > 0
        out.append(state)
    return torch.tensor(out)
