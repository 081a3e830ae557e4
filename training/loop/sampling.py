"""Short loops for the samples of a run, by DDIM or ancestral; users sample with the host."""

from collections.abc import Callable

import torch
from torch import Tensor

from ...models.lfdm.diffusion import FlowSchedule
from ...models.unet.schedule import NoiseSchedule


def sample_ddim(
    predict: Callable[[Tensor, Tensor], Tensor], x: Tensor, schedule: NoiseSchedule, prediction: str, steps: int = 20
) -> Tensor:
    """(B, ...) noise to clean latents; predict takes latents and (B,) steps."""
    times = torch.linspace(schedule.steps - 1, 0, steps).round().long()
    for now, then in zip(times, [*times[1:], None], strict=True):
        clean, noise = schedule.split(prediction, x, predict(x, now.expand(len(x)).to(x.device)), now)
        if then is None:
            return clean
        x = schedule.add_noise(clean, noise, then)
    return x


def sample_flow(
    predict: Callable[[Tensor, Tensor], Tensor],
    x: Tensor,
    schedule: FlowSchedule,
    steps: int = 20,
    fresh: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """(B, 3, F, h, w) noise to clean states of the network, every clean estimate clamped to its threshold.

    predict takes a state and (B,) steps. With fresh noise for a state this is ancestral sampling, of all steps or of some;
    without it DDIM, whose noise follows from the estimate.
    """
    times = torch.linspace(schedule.steps - 1, 0, steps).round().long()
    kept = schedule.tables["alphas_cumprod"].tolist()
    for now, then in zip(times.tolist(), [*times[1:].tolist(), None], strict=True):
        t = torch.full((len(x),), now, device=x.device)
        clean = schedule.clean(x, predict(x, t), t)
        if then is None:
            return clean
        here, next_ = kept[now], kept[then]
        if fresh is None:
            noise = (x - here**0.5 * clean) / (1 - here) ** 0.5
            x = next_**0.5 * clean + (1 - next_) ** 0.5 * noise
        else:
            step, left = here / next_, (1 - next_) / (1 - here)
            mean = next_**0.5 * (1 - step) / (1 - here) * clean + step**0.5 * left * x
            x = mean + ((1 - step) * left) ** 0.5 * fresh(x)
    return x
