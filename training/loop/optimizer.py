"""AdamW for what a recipe trains, and its state as named tensors."""

import torch
from torch import Tensor, nn

from ..page.settings import RunSettings
from ..recipes.base import Recipe
from .sharding import place_like


def make_optimizer(recipe: Recipe, settings: RunSettings, sharded: bool) -> torch.optim.AdamW:
    """AdamW with weight decay on all weights, or on matrices alone."""
    decayed = set(recipe.trained()) if settings.decayed == "all" else matrices(recipe)
    groups: dict[tuple, dict] = {}
    for name, value in recipe.trained().items():
        kind = (name not in decayed, recipe.rate_of(name))
        without = {"weight_decay": 0.0} if kind[0] else {}
        groups.setdefault(kind, {"params": [], "times": kind[1], **without})["params"].append(value)
    return torch.optim.AdamW(
        [groups[kind] for kind in sorted(groups)], lr=settings.lr, betas=settings.betas,
        weight_decay=settings.weight_decay,
        foreach=sharded or None,  # one call for all shares: each call of a DTensor takes its time
    )  # fmt: skip


def matrices(recipe: Recipe) -> set[str]:
    """Names of the weights of linear layers and convolutions: no norms, biases or tables of labels."""
    tables = {id(module.weight) for module in recipe.modules() if isinstance(module, nn.Embedding)}
    return {name for name, value in recipe.trained().items() if value.ndim > 1 and id(value) not in tables}


def flat(optimizer, recipe: Recipe) -> dict[str, Tensor]:
    """AdamW's state by the names of its parameters: "exp_avg/<name>"."""
    names = {id(value): name for name, value in recipe.trained().items()}
    inner = getattr(optimizer, "optimizer", optimizer)
    return {f"{kind}/{names[id(p)]}": value for p, state in inner.state.items() for kind, value in state.items()}


def unflatten(optimizer, recipe: Recipe, values: dict[str, Tensor]) -> None:
    trained = recipe.trained()
    for key, value in values.items():
        kind, name = key.split("/", 1)
        place = value if kind == "step" else place_like(value, trained[name])
        optimizer.state[trained[name]][kind] = place
