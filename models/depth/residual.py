"""How far painted colours lie from a colour map, in percent of the distance from black to white.

Letters: N frames, H and W pixels, K pixels of a sample.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..choices import COLOUR_MAPS
from .colormap import check, table_of

SAMPLE = 8192  # pixels that judge a clip
LARGE = 3.0  # percent that noise, blur and a decoder together stay below
CLEARLY = 0.6  # of the residual: another map must fit so much better to be named
ROUGH = 8.0  # percent above which the nearest map does not fit either


@dataclass
class Residual:
    """Of the chosen map and of the one that fits best: percent on average, and in the worst twentieth of the pixels."""

    name: str
    average: float
    worst: float
    best_name: str
    best_average: float
    kind: str = "colour map"
    widget: str = "colormap"
    result: str = "depth"

    @property
    def other_fits(self) -> bool:
        return self.average > LARGE and self.best_average < min(ROUGH, CLEARLY * self.average)

    @property
    def sentence(self) -> str:
        return (
            f"The colours lie {self.average:.1f} % beside the {self.kind} {self.name} on average, and {self.worst:.1f} % or more "
            "in the worst twentieth of the pixels; 100 % is from black to white."
        )

    @property
    def advice(self) -> str | None:
        """What to do about a large residual, None where it is small."""
        best = f"{self.best_average:.1f} % on average"
        if self.other_fits:
            return f"The {self.kind} {self.best_name} fits better, with {best}: set {self.widget} to {self.best_name}."
        if self.average > LARGE:
            return f"No {self.kind} fits: {self.best_name} is nearest, with {best}; the {self.result} is rough."
        return None

    @property
    def text(self) -> str:
        return " ".join(part for part in (self.sentence, self.advice) if part)


def residual(colours: Tensor, name: str) -> Residual:
    """Compares (N, H, W, 3) colours with a colour map and with every other."""
    pixels = sampled(colours)
    return judge(check(name), {other: percent_beside(pixels, other) for other in COLOUR_MAPS})


def judge(name: str, percent: dict[str, Tensor], *words: str) -> Residual:
    """The residual of one name among (K,) percents of all."""
    averages = {other: values.mean().item() for other, values in percent.items()}
    best = min(averages, key=averages.get)
    return Residual(name, averages[name], percent[name].quantile(0.95).item(), best, averages[best], *words)


def sampled(colours: Tensor) -> Tensor:
    """(N, H, W, 3) to at most SAMPLE colours (K, 3) in 0..1, drawn by chance: evenly spaced ones may all be of one column."""
    pixels = colours.reshape(-1, 3)
    if len(pixels) > SAMPLE:
        drawn = torch.randint(len(pixels), (SAMPLE,), generator=torch.Generator().manual_seed(0))
        pixels = pixels[drawn.to(pixels.device)]
    return pixels.float().clamp(0, 1)


def percent_beside(pixels: Tensor, name: str) -> Tensor:
    """(K, 3) colours to the (K,) distances from the nearest colour of a map, in percent of that from black to white."""
    return torch.cdist(pixels, table_of(name).T.to(pixels.device)).amin(1) * (100 / 3**0.5)
