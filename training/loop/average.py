"""The running mean of the trained weights (EMA), and a context that swaps it into the network."""

import torch

from ..recipes.base import Recipe
from .sharding import place_like


class Average:
    """The running mean of the trained weights (EMA), in full precision; it follows faster in the first steps."""

    def __init__(self, recipe: Recipe, decay: float):
        self.decay = decay
        self.values = {n: v.detach().float().clone() for n, v in recipe.trained().items()} if decay else {}

    @torch.no_grad()
    def update(self, recipe: Recipe, step: int) -> None:
        follow = 1 - min(self.decay, (1 + step) / (10 + step))
        if self.values:
            trained = recipe.trained()
            torch._foreach_lerp_(list(self.values.values()), [trained[n].float() for n in self.values], follow)

    def load(self, values: dict) -> None:
        for name, value in values.items():
            self.values[name].copy_(place_like(value, self.values[name]))

    def in_place(self, recipe: Recipe) -> "Swap":
        return Swap(recipe, self.values)


class Swap:
    """The averaged weights in the network for a while."""

    def __init__(self, recipe: Recipe, values: dict):
        self.recipe, self.values = recipe, values

    def __enter__(self):
        trained = self.recipe.trained()
        self.kept = {name: trained[name].detach().clone() for name in self.values}
        copy_values(trained, self.values)

    def __exit__(self, *_):
        copy_values(self.recipe.trained(), self.kept)


@torch.no_grad()
def copy_values(parameters: dict, values: dict) -> None:
    for name, value in values.items():
        parameters[name].copy_(value)
