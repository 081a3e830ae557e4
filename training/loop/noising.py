"""How examples of a video and its depth get their noise: evenly, early, or where the network's own first step ends.

Letters as in recipes/idol.py: B clips, m modalities, F frames, C channels and h and w pixels of latents.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ...models.unet.schedule import NoiseSchedule
from .draws import Draws

EARLY_PART = 10  # early examples come from the noisiest of this many parts of the schedule
# Of a network that is given clean halves: the share of examples with one, and of those the share that tells no poses.
GIVEN, UNPOSED = 0.5, 0.5
Known = dict[str, Tensor]
Predict = Callable[[Tensor, Tensor, Known], Tensor]


@dataclass(frozen=True)
class Noised:
    """What a network sees, when, and should answer, (B, m, F, C, h, w) and (B,); and halves (B, m) where nothing is asked."""

    noisy: Tensor
    time: Tensor
    target: Tensor
    silent: Tensor


@dataclass(frozen=True)
class PairNoise:
    """One time for both halves of a clip, and the shares of examples that begin elsewhere than anywhere."""

    schedule: NoiseSchedule
    prediction: str
    early: float = 0.0  # with next to nothing but noise
    second: float = 0.0  # where a sampler's first step ends

    def of(self, clean: Tensor, known: Known, draws: Draws, predict: Predict) -> Noised:
        """Clean latents with their noise; `predict` makes the first step of those that begin after one."""
        time = self.times(len(clean), draws).to(clean.device)
        noise = draws.normal("noise", clean)
        second = draws.uniform("second", len(clean)).to(clean.device) < self.second
        if second.any():
            time = torch.where(second, self.schedule.steps // 4 + time // 2, time)
            some = {name: value[second] for name, value in known.items()}
            noise[second] = self.after_one_step(clean[second], noise[second], time[second], some, predict)
        noisy = self.schedule.add_noise(clean, noise, time)
        target = self.schedule.target(self.prediction, clean, noise, time)
        return Noised(noisy, time, target, silent(second, known, clean))

    def times(self, count: int, draws: Draws) -> Tensor:
        """(B,) steps of the schedule, drawn evenly; those of early examples out of its noisiest tenth.

        There conditions alone decide what lies where and how near, which a sampler of few steps does not mend later.
        """
        steps = self.schedule.steps
        time = draws.integers("time", steps, count)
        early = draws.uniform("early", count) < self.early
        return torch.where(early, steps - 1 - time // EARLY_PART, time)

    @torch.no_grad()
    def after_one_step(self, clean: Tensor, noise: Tensor, time: Tensor, known: Known, predict: Predict) -> Tensor:
        """The noise of what DDIM's second step at (B,) steps would see, as if it lay on the true clip; like `noise`.

        What the network's answer out of noise alone has wrong is thereby noise, to be told from the clip and removed.
        """
        first = torch.full_like(time, self.schedule.steps - 1)
        answer = predict(noise, first, known)
        torch.clear_autocast_cache()  # older PyTorch keeps weights cast without a gradient for later
        guess, seen = self.schedule.split(self.prediction, noise, answer, first)
        return self.schedule.noise_between(clean, self.schedule.add_noise(guess, seen, time), time)


def silent(second: Tensor, known: Known, clean: Tensor) -> Tensor:
    """(B, m) halves of which nothing is asked: those that were told, and the video of (B,) examples after a first step.

    A second step of the video stays one that was taught on true clips: it chooses among the likely, where the best guess
    is a blur.
    """
    told = known.get("given", torch.zeros(clean.shape[:2], dtype=torch.bool, device=clean.device)).clone()
    told[:, 0] |= second
    return told


def give(clean: Tensor, draws: Draws) -> Known:
    """Which halves (B, m) are given clean, those latents, and whether poses are told beside them (B,)."""
    chance = draws.uniform("given", len(clean)).to(clean.device)
    video, depth = chance < GIVEN / 2, (chance >= GIVEN / 2) & (chance < GIVEN)
    unposed = (video | depth) & (draws.uniform("unposed", len(clean)).to(clean.device) < UNPOSED)
    return {"given": torch.stack([video, depth], 1), "clean": clean, "posed": ~unposed}
