"""A short DDIM loop for the samples of a run; users sample with the host."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..models.schedule import NoiseSchedule


def sample_ddim(
    predict: Callable[[Tensor, Tensor], Tensor], x: Tensor, schedule: NoiseSchedule, prediction: str, steps: int = 20
) -> Tensor:
    """(B, ...) noise to clean latents; predict takes latents and (B,) steps."""
    times = torch.linspace(schedule.steps - 1, 0, steps).round().long()
    for now, then in zip(times, [*times[1:], None], strict=True):
        signal, noise = schedule.rates(now, x)
        answer = predict(x, now.expand(len(x)).to(x.device))
        if prediction == "v":
            clean, eps = signal * x - noise * answer, noise * x + signal * answer
        else:
            clean, eps = (x - noise * answer) / signal, answer
        if then is None:
            return clean
        signal, noise = schedule.rates(then, x)
        x = signal * clean + noise * eps
    return x
