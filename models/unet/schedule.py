"""How much noise a latent holds at each step of Stable Diffusion's forward process.

Letters: B latents, C channels, h and w latent pixels.
"""

import torch
from torch import Tensor

STEPS = 1000
FIRST, LAST = 0.00085, 0.012  # variance added by the first and the last step; its root grows evenly ("scaled_linear")


class NoiseSchedule:
    """Step 0 is almost clean, the last almost noise; the variance of a latent of unit size stays 1."""

    def __init__(self, steps: int = STEPS, first: float = FIRST, last: float = LAST, zero_snr: bool = False):
        # A product of a thousand factors near 1: in double precision, whatever the default is.
        betas = torch.linspace(first**0.5, last**0.5, steps, dtype=torch.float64).square()
        kept = (1 - betas).cumprod(0)
        if zero_snr:  # moved down and stretched until the last step has no signal (arXiv 2305.08891, section 3.1)
            roots = kept.sqrt()
            kept = ((roots - roots[-1]) * roots[0] / (roots[0] - roots[-1])).square()
        self.steps, self.signal, self.noise = steps, kept.sqrt().float(), (1 - kept).sqrt().float()

    def rates(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """(B,) steps, or one for all, to the factors of the clean latent and of the noise, shaped for B C h w."""
        shape = (-1, *[1] * (like.ndim - 1))
        return tuple(table.to(t.device)[t].to(like).reshape(shape) for table in (self.signal, self.noise))

    def add_noise(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """B C h w clean latents and noise to the noisy latents at (B,) steps."""
        signal, sigma = self.rates(t, clean)
        return signal * clean + sigma * noise

    def velocity(self, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """B C h w clean latents and noise to the velocity at (B,) steps."""
        signal, sigma = self.rates(t, clean)
        return signal * noise - sigma * clean

    def target(self, prediction: str, clean: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """The right output of a network: the noise for prediction "eps", else the velocity, B C h w."""
        return noise if prediction == "eps" else self.velocity(clean, noise, t)

    def split(self, prediction: str, noisy: Tensor, answer: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """B C h w latents at (B,) steps and the network's output to the predicted clean latents and noise."""
        signal, sigma = self.rates(t, noisy)
        if prediction == "eps":
            return (noisy - sigma * answer) / signal, answer
        return signal * noisy - sigma * answer, sigma * noisy + signal * answer

    def noise_between(self, clean: Tensor, noisy: Tensor, t: Tensor) -> Tensor:
        """The noise that makes these noisy latents of those clean ones, B C h w at (B,) steps."""
        signal, sigma = self.rates(t, clean)
        return (noisy - signal * clean) / sigma
