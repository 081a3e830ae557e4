"""Noise schedule and sampling of a flow: cosine schedule, dynamic threshold, ancestral steps (LFDM section 3.3).

Letters: B clips, C channels, F frames, h and w points of the flow. A state is (B, 3, F, h, w), see state.py.
"""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from .config import FlowUNetConfig

STEPS, OFFSET, MAX_BETA = 1000, 0.008, 0.9999
QUANTILE = 0.9
MIN_SIGNAL = 0.005  # lowest signal variance by which an error in the noise is divided


def cosine_betas(steps: int = STEPS) -> Tensor:
    """Variance that each step adds, in double precision; the last is clipped at 0.9999, not at 0.999 as elsewhere."""
    time = torch.linspace(0, steps, steps + 1, dtype=torch.float64) / steps
    alphas_cumprod = torch.cos((time + OFFSET) / (1 + OFFSET) * torch.pi / 2) ** 2
    return (1 - alphas_cumprod[1:] / alphas_cumprod[:-1]).clamp(0, MAX_BETA)


class FlowSchedule:
    """Step 0 is almost clean, the last almost noise; the released models predict the noise, others the velocity."""

    def __init__(self, steps: int = STEPS, prediction: str = "eps", limit: float = 1.0):
        betas = cosine_betas(steps)
        cumprod = (1 - betas).cumprod(0)
        previous = torch.cat((cumprod.new_ones(1), cumprod[:-1]))
        variance = betas * (1 - previous) / (1 - cumprod)
        self.steps, self.prediction, self.limit = steps, prediction, limit
        tables = {
            "betas": betas,
            "alphas_cumprod": cumprod,
            "alphas_cumprod_prev": previous,
            "posterior_variance": variance,
            "posterior_log_variance_clipped": variance.clamp_min(1e-20).log(),
            "posterior_mean_coef1": betas * previous.sqrt() / (1 - cumprod),
            "posterior_mean_coef2": (1 - previous) * (1 - betas).sqrt() / (1 - cumprod),
            "signal": cumprod.sqrt(),
            "noise": (1 - cumprod).sqrt(),
            "inverse_signal": (1 / cumprod).sqrt(),
            "noise_to_signal": (1 / cumprod - 1).sqrt(),
        }
        self.tables = {name: table.float() for name, table in tables.items()}

    def at(self, name: str, t: Tensor, like: Tensor) -> Tensor:
        """A table's values at (B,) steps, shaped for the state."""
        return self.tables[name].to(t.device)[t].to(like).reshape(-1, *[1] * (like.ndim - 1))

    def add_noise(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """The noisy state at (B,) steps."""
        return self.at("signal", t, clean) * clean + self.at("noise", t, clean) * noise

    @classmethod
    def of(cls, config: FlowUNetConfig) -> "FlowSchedule":
        """The schedule that a network of that configuration was trained with."""
        return cls(prediction=config.prediction, limit=config.limit)

    def target(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """The right output of the U-Net at (B,) steps."""
        if self.prediction == "eps":
            return noise
        return self.at("signal", t, clean) * noise - self.at("noise", t, clean) * clean

    def clean(self, state: Tensor, output: Tensor, t: Tensor) -> Tensor:
        """The clean state that follows from an output of the U-Net, within its threshold."""
        if self.prediction == "eps":
            clean = self.at("inverse_signal", t, state) * state - self.at("noise_to_signal", t, state) * output
        else:
            clean = self.at("signal", t, state) * state - self.at("noise", t, state) * output
        return threshold(clean, self.limit)

    def posterior(self, clean: Tensor, state: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Mean of the state one step earlier, (B, 3, F, h, w), and the logarithm of its variance, (B, 1, 1, 1, 1)."""
        mean = self.at("posterior_mean_coef1", t, state) * clean + self.at("posterior_mean_coef2", t, state) * state
        return mean, self.at("posterior_log_variance_clipped", t, state)

    def ancestral_step(self, state: Tensor, output: Tensor, t: Tensor, fresh: Tensor) -> Tensor:
        """The state one step earlier, from the U-Net's output and fresh noise; the last step takes none."""
        mean, log_variance = self.posterior(self.clean(state, output, t), state, t)
        return mean + (0.5 * log_variance).exp() * fresh * (t > 0).view(-1, *[1] * (state.ndim - 1))

    def sample(self, predict: Callable[[Tensor, Tensor], Tensor], state: Tensor, fresh: Iterable[Tensor]) -> Tensor:
        """All steps from pure noise; predict takes a state and (B,) steps, fresh gives the noise of each step."""
        for step, noise in zip(reversed(range(self.steps)), fresh, strict=False):
            t = torch.full((len(state),), step, device=state.device)
            state = self.ancestral_step(state, predict(state, t), t, noise)
        return state


def threshold(clean: Tensor, limit: float = 1.0, quantile: float = QUANTILE) -> Tensor:
    """Within -limit and limit: a state whose 0.9-quantile is larger is cut there and made smaller, each clip by its own.

    The U-Net was trained on states of this range only; without the threshold samplers that start at full noise diverge.
    """
    size = clean.float().abs().flatten(1)
    # torch.quantile takes at most 16 million points; kthvalue takes any number.
    largest = size.quantile(quantile, 1) if size.shape[1] <= 2**24 else nearest_quantile(size, quantile)
    largest = largest.clamp_min(limit).to(clean).view(-1, *[1] * (clean.ndim - 1))
    return torch.minimum(torch.maximum(clean, -largest), largest) / (largest / limit)


def nearest_quantile(size: Tensor, quantile: float) -> Tensor:
    """(B, N) to (B,)."""
    return size.kthvalue(round(quantile * (size.shape[1] - 1)) + 1, 1).values


def noise_loss(
    unet: Callable[..., Tensor],
    schedule: FlowSchedule,
    clean: Tensor,
    noise: Tensor,
    t: Tensor,
    features: Tensor,
    text: Tensor,
    as_velocity: bool = False,
) -> tuple[Tensor, Tensor]:
    """The mean squared error of the U-Net's output (stage 2), and the clean state that follows from it.

    as_velocity weights an error in the noise by the error in the velocity that follows from it: in nearly pure noise a
    small error changes the motion most.
    """
    state = schedule.add_noise(clean, noise, t)
    output = unet(state, t, features, text)
    error = (output - schedule.target(clean, noise, t)).square()
    if as_velocity and schedule.prediction == "eps":
        error = error / schedule.at("signal", t, clean).square().clamp_min(MIN_SIGNAL)
    return error.mean(), schedule.clean(state, output, t)
