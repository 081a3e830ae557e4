"""DDIM inversion: from a clip's latents to the noise that sampling turns into them (as in Tune-A-Video).

Samplers keep x = clean + sigma noise, where euler is DDIM with eta 0; a network reads x / (1 + sigma^2)^0.5. Of flow matching
x = (1 - sigma) clean + sigma noise, which a network reads as it is; euler has the same form. A step goes from the level `low` up
to `high`. Letters: B latents, one a frame, C channels, h and w latent pixels.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from ..depth.colormap import encode

Denoise = Callable[[Tensor, Tensor], Tensor]  # x at a sigma, and that sigma, to the predicted clean latents
BLACK = 1e-5  # the relative error that is drawn black; 1 is drawn white
REMAINING = (0.05, 0.6)  # bounds of the share of an error that remains after one more trial
HISTORY = 8  # trials of a step that the next one is computed from


def rising(sigmas: Tensor) -> Tensor:
    """(n + 1,) levels for n steps from clean to noise; sigmas may rise or fall."""
    if sigmas.ndim != 1 or len(sigmas) < 2:
        raise ValueError(
            f"Inversion needs the sigmas of 1 step or more, got {sigmas.numel()}: connect a scheduler of the model."
        )
    sigmas = sigmas.flip(0) if sigmas[0] > sigmas[-1] else sigmas
    if not torch.isfinite(sigmas).all() or sigmas[0] < 0 or (sigmas.diff() <= 0).any():
        shown = ", ".join(f"{value:.4g}" for value in sigmas[:4].tolist())
        raise ValueError(
            f"Inversion needs sigmas that only rise or only fall, none below 0, got {shown} ...: "
            "connect a scheduler of the model, with fewer steps if it repeats itself."
        )
    return sigmas


def invert(
    denoise: Denoise,
    x: Tensor,
    sigmas: Tensor,
    prediction: str = "eps",
    evaluations: int | Sequence[int] = 1,
    report: Callable[[int, Tensor, Tensor, Tensor], None] = lambda *_: None,
) -> Tensor:
    """x (B, ...) at the lowest sigma to x at the highest; `report` gets step, x, sigma and clean latents.

    One evaluation a step is the paper's rule; more of them find the x that an euler step down brings back exactly. Their
    number is the same in every step, or one of each step, as from `evaluations_per_step`.
    """
    levels, slope = rising(sigmas), None
    scaled = prediction != "flow"  # networks of flow matching read x as it is
    counts = [evaluations] * (len(levels) - 1) if isinstance(evaluations, int) else evaluations
    for i, ((low, high), count) in enumerate(zip(pairwise(levels), counts, strict=True)):
        before = x
        if prediction == "v" and count == 1:
            x, clean = velocity_step(denoise, x, low, high)
        else:
            x, clean = fixed_point_step(denoise, x, low, high, count, slope, scaled)
        if count > 1:
            slope = (x - before) / (high - low)
        report(i, x, high, clean)
    return x


def evaluations_per_step(evaluations: int, sigmas: Tensor) -> list[int]:
    """Evaluations of the network in each step up, `evaluations` on average: more where trials converge slowly.

    That is in the first steps, where a level is several times the one below; later a few are enough.
    """
    levels = rising(sigmas).cpu().double()
    left = (1 - levels[:-1] / levels[1:]).clamp(*REMAINING).log()  # of an error after one more trial, at worst
    counts = torch.full_like(left, min(2, evaluations))
    for _ in range(evaluations * len(left) - int(counts.sum())):
        counts[(counts * left).argmax()] += 1
    return [int(count) for count in counts]


def rescaled(x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """x in the scale of `high`, so that the network reads the same numbers as at `low`."""
    return x * ((1 + high**2) / (1 + low**2)) ** 0.5


def fixed_point_step(
    denoise: Denoise, x: Tensor, low: Tensor, high: Tensor, evaluations: int, slope: Tensor | None = None,
    scaled: bool = True,
) -> tuple:  # fmt: skip
    """One step up by the noise that the network predicts at `high`, repeated for the resulting x.

    The first trial continues the step before, if its slope is given; else it is x, `scaled` as the network reads it.
    """
    start = rescaled(x, low, high) if scaled else x
    trial, tried = start if slope is None else x + (high - low) * slope, []
    for _ in range(evaluations):
        clean = denoise(trial, high)
        tried.append((trial, x + (high - low) / high * (trial - clean)))
        trial = next_trial(tried[-HISTORY:])
    return trial, clean


def next_trial(tried: list[tuple[Tensor, Tensor]]) -> Tensor:
    """The next trial from earlier trials and their answers, (B, ...) each, so that trial and answer become equal.

    Anderson acceleration, for each latent by itself. Repeating the last answer alone reduces the error by 1 - low / high a
    time, which is slow in the first steps, where a level is several times the one below.
    """
    dot = lambda one, other: (one * other).flatten(1).sum(1).view(-1, *[1] * (one.ndim - 1))
    last, answer = tried[-1]
    left, known = answer - last, []
    for trial, found in reversed(tried[:-1]):
        change, moved = answer - last - (found - trial), answer - found
        size = dot(change, change)
        for unit, its_move in known:
            share = dot(unit, change)
            change, moved = change - share * unit, moved - share * its_move
        rest = dot(change, change)
        scale = torch.where(
            rest > 1e-6 * size, rest.rsqrt(), 0.0
        )  # what is left of a repeated direction would be rounding
        known.append((change * scale, moved * scale))
    out = answer
    for unit, its_move in known:
        share = dot(unit, left)
        left, out = left - share * unit, out - share * its_move
    return out


def velocity_step(denoise: Denoise, x: Tensor, low: Tensor, high: Tensor) -> tuple:
    """One step up of a v-predicting network: its answer at `high` is used with the shares of signal and noise at `low`."""
    clean = denoise(rescaled(x, low, high), high)
    signal, noise = signal_and_noise(low)
    unit = x * signal
    signal_above, noise_above = signal_and_noise(high)
    velocity = (signal_above * unit - clean) / noise_above
    return signal * unit - noise * velocity + high * (signal * velocity + noise * unit), clean


def signal_and_noise(sigma: Tensor) -> tuple[Tensor, Tensor]:
    """Shares of signal and noise in a latent of unit size."""
    signal = (1 + sigma**2) ** -0.5
    return signal, sigma * signal


def actual_prediction(unit_noise: Tensor, clean: Tensor, sigma: float) -> str | None:
    """What a network predicts, "v" or "eps", if its clean latents of pure noise at a high sigma show the wrong one.

    Used rightly they hold next to nothing of the noise; v used as eps leaves all of it there, eps used as v its negative.
    """
    share = ((clean * unit_noise).sum() / unit_noise.square().sum()).item()
    if sigma < 4 or -0.5 < share < sigma / 2:
        return None
    return "v" if share > 0 else "eps"


def by_frames(latents: Tensor) -> Tensor:
    """(B, C, h, w) as it is, and the latents of video models, (B, C, T, h, w), as (B T, C, h, w)."""
    return latents.transpose(1, 2).flatten(0, 1) if latents.ndim == 5 else latents


def reconstruction_error(reconstruction: Tensor, clip: Tensor) -> tuple[float, Tensor]:
    """Difference of B latents from those of the clip, relative to the clip's size: of all, and (B,) of each frame."""
    reconstruction, clip = by_frames(reconstruction), by_frames(clip)
    size = clip.float().square().mean().sqrt()
    frames = (reconstruction.float() - clip.float()).square().flatten(1).mean(1)
    return (frames.mean().sqrt() / size).item(), frames.sqrt() / size


def error_images(reconstruction: Tensor, clip: Tensor, pixels: int = 8) -> Tensor:
    """(B, C, h, w) latents to (B, h pixels, w pixels, 3): black where they agree, one colour further for each tenfold."""
    reconstruction, clip = by_frames(reconstruction), by_frames(clip)
    size = clip.float().square().mean().sqrt()
    error = (reconstruction.float() - clip.float()).square().mean(1).sqrt() / size
    shade = 1 - error.clamp(BLACK, 1).log10() / torch.tensor(BLACK).log10().item()
    return encode(shade.repeat_interleave(pixels, 1).repeat_interleave(pixels, 2), "inferno")
