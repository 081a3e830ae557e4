"""The loss on clips that nobody trains on, and the weights with which it was lowest."""

import math

import torch
from accelerate import Accelerator

from ..data.held_out import validation_data
from ..page.settings import RunSettings
from ..recipes.base import Batches, Recipe
from .average import Average, Swap
from .draws import Draws
from .run_folder import RunFolder
from .sharding import gather, place_like

EXAMPLES = 64  # at least, the same each time
MODEL = "model"


class Validation:
    """Follows a run if its settings say how often; without that it does nothing and the last weights are delivered."""

    def __init__(self, recipe: Recipe, settings: RunSettings, accelerator: Accelerator, folder: RunFolder):
        self.recipe, self.settings, self.accelerator, self.folder = recipe, settings, accelerator, folder
        self.best: dict | None = None  # {"step", "loss"}
        self.held_out: Recipe | None = None
        if settings.validate_every:
            self.held_out = recipe.with_clips(validation_data(settings.data, settings.validation))
            self.held_out.prepare(accelerator.device)

    def follow(self, step: int, average: Average) -> None:
        """Measures the loss of a step that is due, and stores its weights if it is the lowest so far."""
        every = self.settings.validate_every
        if not every or (step % every and step != self.settings.steps):
            return
        with average.in_place(self.recipe):
            loss, figures = self.loss(), self.figures()
            if self.accelerator.is_main_process:
                self.folder.log(event="validation", step=step, validation=round(loss, 7), **figures)
            if math.isfinite(loss) and (self.best is None or loss < self.best["loss"]):
                self.store(step, loss)

    @torch.no_grad()
    def loss(self) -> float:
        """The mean over the examples, which have the same noise each time."""
        seed, batch, world = self.settings.seed, self.settings.batch, self.accelerator.num_processes
        turns, rank = -(-EXAMPLES // (batch * world)), self.accelerator.process_index
        batches, losses = Batches(self.held_out, batch), []
        for number in range(rank, turns * world, world):
            examples = {name: value.to(self.accelerator.device) for name, value in batches[number].items()}
            with self.accelerator.autocast():
                losses.append(self.recipe(examples, Draws(seed, number, turns * world))[0].float())
        return self.accelerator.reduce(torch.stack(losses).mean(), "mean").item()

    def figures(self) -> dict[str, float]:
        """What the recipe measures of these clips; in one process, unless all are needed to run the network."""
        sharded = self.settings.sharding == "full" and self.accelerator.num_processes > 1
        if not (self.accelerator.is_main_process or sharded):
            return {}
        with torch.no_grad():
            found = self.recipe.figures(self.held_out.clips, self.accelerator.device)
        return {name: round(value, 4) for name, value in found.items()}

    def store(self, step: int, loss: float) -> None:
        values = gather(self.recipe.trained(), self.accelerator.is_main_process)
        self.best = {"step": step, "loss": loss}
        if self.accelerator.is_main_process:
            self.folder.save_best(step, {MODEL: values}, self.best)
        self.accelerator.wait_for_everyone()

    def drop_others(self) -> None:
        """Removes stored weights that are no longer the best; a checkpoint that says so has been written."""
        self.folder.drop_best_but(self.best["step"] if self.best else None)

    def delivered(self, average: Average):
        """A context with the weights that a run delivers: the best ones, or without validation the last."""
        found = self.folder.read_best(self.best["step"]) if self.best else None
        if found is None:
            self.best = None
            return average.in_place(self.recipe)
        trained = self.recipe.trained()
        return Swap(self.recipe, {name: place_like(value, trained[name]) for name, value in found[MODEL].items()})

    def report(self) -> dict:
        return {"best": self.best} if self.best else {}
