"""How examples of a video and its depth get their noise: at any step, early, or after the network's own first step.

Letters as in recipes/idol.py: B clips, m modalities, F frames, C channels and h and w pixels of latents.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ...models.unet.schedule import NoiseSchedule
from .draws import Draws

EARLY_PART = 10  # early examples come from the noisiest of this many parts of the schedule
# Of a network that takes clean halves: the share of examples with one, and of those the share without poses.
GIVEN, UNPOSED = 0.5, 0.5
Conditions = dict[str, Tensor]
Predict = Callable[[Tensor, Tensor, Conditions], Tensor]


@dataclass(frozen=True)
class Noised:
    """Noisy latents and target (B, m, F, C, h, w), their step (B,), and the halves (B, m) that have no loss."""

    noisy: Tensor
    time: Tensor
    target: Tensor
    without_loss: Tensor


@dataclass(frozen=True)
class PairNoise:
    """Draws one step for both halves of a clip; two shares of examples get another one."""

    schedule: NoiseSchedule
    prediction: str
    early: float = 0.0  # almost only noise
    second: float = 0.0  # after a sampler's first step
    sharded: bool = False  # whether `predict` gathers weights from all processes, so that all must call it

    def add_noise(self, clean: Tensor, conditions: Conditions, draws: Draws, predict: Predict) -> Noised:
        """Adds noise to clean latents (B, m, F, C, h, w); `predict` computes the first step of the `second` share."""
        time = self.draw_times(len(clean), draws).to(clean.device)
        noise = draws.normal("noise", clean)
        second = draws.uniform("second", len(clean)).to(clean.device) < self.second
        time = torch.where(second, self.schedule.steps // 4 + time // 2, time)
        computed = self.computed(second)
        if computed.any():
            some = {name: value[computed] for name, value in conditions.items()}
            found = self.noise_after_first_step(clean[computed], noise[computed], time[computed], some, predict)
            noise[second] = found[second[computed]]
        noisy = self.schedule.add_noise(clean, noise, time)
        target = self.schedule.target(self.prediction, clean, noise, time)
        return Noised(noisy, time, target, without_loss(second, conditions, clean))

    def computed(self, second: Tensor) -> Tensor:
        """(B,) examples whose first step is computed: the chosen ones, or one that is dropped where another process waits."""
        if not self.sharded or not self.second or second.any():
            return second
        return torch.arange(len(second), device=second.device) == 0

    def draw_times(self, count: int, draws: Draws) -> Tensor:
        """(B,) steps of the schedule, drawn evenly; those of early examples out of its noisiest tenth.

        There the layout and the depth follow from the conditions alone, and a sampler of few steps does not correct them later.
        """
        steps = self.schedule.steps
        time = draws.steps("time", steps, count)
        early = draws.uniform("early", count) < self.early
        return torch.where(early, steps - 1 - time // EARLY_PART, time)

    @torch.no_grad()
    def noise_after_first_step(
        self, clean: Tensor, noise: Tensor, time: Tensor, conditions: Conditions, predict: Predict
    ) -> Tensor:
        """The input of DDIM's second step at (B,) steps, as noise on the true clip; shape of `noise`.

        Errors of the first prediction thereby count as noise that the network is trained to remove.
        """
        first = torch.full_like(time, self.schedule.steps - 1)
        output = predict(noise, first, conditions)
        torch.clear_autocast_cache()  # older PyTorch keeps weights cast without a gradient for later
        clean_estimate, noise_estimate = self.schedule.split(self.prediction, noise, output, first)
        return self.schedule.noise_between(clean, self.schedule.add_noise(clean_estimate, noise_estimate, time), time)


def without_loss(second: Tensor, conditions: Conditions, clean: Tensor) -> Tensor:
    """Halves (B, m) that have no loss: the clean ones, and the video of the (B,) examples after a first step.

    The video's second step is trained on true clips only: trained on its own first prediction it would blur.
    """
    halves = conditions.get("given", torch.zeros(clean.shape[:2], dtype=torch.bool, device=clean.device)).clone()
    halves[:, 0] |= second
    return halves


def draw_clean_halves(clean: Tensor, draws: Draws) -> Conditions:
    """Draws which halves (B, m) stay clean and which examples (B,) have poses; with the clean latents."""
    chance = draws.uniform("given", len(clean)).to(clean.device)
    video, depth = chance < GIVEN / 2, (chance >= GIVEN / 2) & (chance < GIVEN)
    unposed = (video | depth) & (draws.uniform("unposed", len(clean)).to(clean.device) < UNPOSED)
    return {"given": torch.stack([video, depth], 1), "clean": clean, "posed": ~unposed}
