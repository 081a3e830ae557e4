"""What every recipe is: what trains, which data, and a loss."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from ..data import open_clips
from ..loop.draws import Draws, item_at
from ..page.settings import RunSettings


class Recipe(nn.Module):
    """The parameters that require a gradient are trained, saved and averaged; the rest is built again from the settings."""

    def __init__(self, settings: RunSettings):
        super().__init__()
        self.settings = settings

    def prepare(self, device: torch.device) -> None:
        """Reads the data and computes once what examples need; called after the networks are on the device."""

    def sample(self, place: int) -> dict[str, Tensor]:
        """One example, from a place in the endless reading of the data; may run in another process."""
        raise NotImplementedError

    def forward(self, batch: dict[str, Tensor], draws: Draws) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a batch, and its terms for the log."""
        raise NotImplementedError

    def pictures(self, device: torch.device) -> Tensor | None:
        """Samples of the model in its present state, as one (H, W, 3) picture in [0, 1]."""
        return None

    def figures(self, clips, device: torch.device) -> dict[str, float]:
        """What a validation logs beside the loss, measured on its clips."""
        return {}

    def export(self, folder: Path) -> list[Path]:
        """The files that the pack's loaders open."""
        raise NotImplementedError

    def open_clips(self, data: dict):
        """The source of clips that this recipe reads."""
        return open_clips(data)

    def with_clips(self, data: dict) -> "Recipe":
        """The same networks, not copies, that read other clips; to be prepared."""
        other = object.__new__(type(self))  # a sharded network refuses copy.copy
        other.__dict__ = dict(self.__dict__)
        model = {name: value for name, value in self.settings.model.items() if name != "kept"}
        other.settings = replace(self.settings, data=data, model=model)
        other.clips, other.kept = other.open_clips(data), None
        return other

    def rate_of(self, name: str) -> float:
        """What the learning rate of a parameter is multiplied by."""
        return 1.0

    def trained(self) -> dict[str, nn.Parameter]:
        return {name: value for name, value in self.named_parameters() if value.requires_grad}

    def draw(self, place: int) -> Draws:
        """The random numbers of one example."""
        return Draws(self.settings.seed, place)

    def item(self, place: int, length: int) -> int:
        return item_at(self.settings.seed, place, length)


class Batches:
    """Micro-batches by their number in the whole run, so that any cut over processes reads the same data."""

    def __init__(self, recipe: Recipe, size: int):
        self.recipe, self.size = recipe, size

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        places = range(number * self.size, (number + 1) * self.size)
        samples = [self.recipe.sample(place) for place in places]
        return {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}
