"""Stops a run before a number that is infinite or none reaches a checkpoint."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor

NORM = "grad_norm"
MOST_SKIPPED = 30  # updates in a row: from 65536 the scale has then fallen to less than a thousandth
ADVICE = "Lower the learning rate, or train in bf16 or fp32. Checkpoints of earlier steps are kept."


def check_terms(step: int, terms: dict[str, float], scaled: bool) -> None:
    """Refuses a step with a term that is not finite; an overflow of scaled gradients is left to the scaler."""
    wrong = [name for name, value in terms.items() if not math.isfinite(value) and not (scaled and name == NORM)]
    if wrong:
        name = next((name for name in wrong if name not in ("loss", NORM)), wrong[0])
        raise FloatingPointError(f"{named(name)} is {terms[name]} in step {step}. {ADVICE}")


def named(term: str) -> str:
    return {"loss": "The loss", NORM: "The norm of the gradient"}.get(term, f"The loss term {term}")


def check_skipped(step: int, skipped: int) -> None:
    """Refuses a run that does nothing but skip updates."""
    if skipped >= MOST_SKIPPED:
        raise FloatingPointError(
            f"The gradients overflowed in {skipped} updates in a row up to step {step}, so nothing is trained. {ADVICE}"
        )


def first_not_finite(values: Iterable[tuple[str, Tensor]]) -> str | None:
    """The name of the first tensor with a value that is infinite or none, of this process's own share."""
    values = [(name, value.to_local() if hasattr(value, "to_local") else value) for name, value in values]
    values = [(name, value.detach()) for name, value in values if value.numel()]
    if not values:
        return None
    finite = torch.stack([value.isfinite().all().cpu() for _, value in values]).tolist()
    return next((name for (name, _), good in zip(values, finite, strict=True) if not good), None)
