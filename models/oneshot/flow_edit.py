"""FlowEdit (arXiv 2412.08629): a clip edited by the difference of two velocities, without inversion.

Levels are those of flow matching, x = (1 - sigma) clean + sigma noise. Letters: B latents, n levels.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

Denoise = Callable[[Tensor, Tensor], Tensor]  # x at a sigma, and that sigma, to the predicted clean latents


def flow_edit(
    source: Denoise, target: Denoise, clip: Tensor, sigmas: Tensor, noise: Callable[[int], Tensor], *,
    average: int = 1, free_steps: int = 0, report: Callable = lambda *_: None,
) -> Tensor:  # fmt: skip
    """The clip (B, ...) moved from what `source` describes to what `target` does (algorithm 1).

    `sigmas` (n + 1,) fall to 0; the last `free_steps` of them follow the target alone. `noise(i)` draws anew for each
    evaluation; a step averages `average` of them.
    """
    edited, steps, drawn = clip, len(sigmas) - 1, 0
    for i, (high, low) in enumerate(pairwise(sigmas)):
        if i >= steps - free_steps:
            break
        direction = torch.zeros_like(clip)
        for _ in range(average):
            fresh, drawn = noise(drawn), drawn + 1
            noisy = (1 - high) * clip + high * fresh
            beside = edited + noisy - clip  # as noisy as that, around the edited clip
            clean = target(beside, high)
            # (x - clean) / sigma is a velocity; of both x only the difference matters, which is edited - clip
            direction += (beside - clean) - (noisy - source(noisy, high))
        edited = edited + (low - high) / high * direction / average
        report(i, edited, high, edited)
    return finish(target, clip, edited, sigmas[steps - free_steps :], noise(drawn), report, steps - free_steps)


def finish(target: Denoise, clip: Tensor, edited: Tensor, sigmas: Tensor, fresh: Tensor, report, first: int) -> Tensor:
    """The last steps as plain sampling of the target, from the edited clip with noise."""
    if len(sigmas) < 2:
        return edited
    x = edited + sigmas[0] * (fresh - clip)
    for i, (high, low) in enumerate(pairwise(sigmas), first):
        clean = target(x, high)
        x = x + (low - high) / high * (x - clean)
        report(i, x, high, clean)
    return x
