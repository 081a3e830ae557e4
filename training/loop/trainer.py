"""The one loop that trains every recipe, on one device or many.

A whole batch is batch x accumulate x processes examples. Micro-batch number (step x accumulate + turn) x processes + rank
is what a process reads, and its number keys every random draw, so a run comes out alike however it is cut.
"""

import math
import os
import signal
import sys
import time
from contextlib import nullcontext

import torch
from accelerate import Accelerator
from accelerate.utils import AutocastKwargs, DistributedDataParallelKwargs
from torch.utils.data import DataLoader

from ..page.settings import RunSettings
from ..recipes import make_recipe
from ..recipes.base import Batches, Recipe
from .average import Average
from .curve import draw_curve, write_picture
from .draws import Draws
from .finite import ADVICE, NORM, check_skipped, check_terms, first_not_finite
from .optimizer import flat, make_optimizer, unflatten
from .run_folder import RunFolder
from .sharding import gather, place_like, shard, whole, with_full_weights
from .validation import Validation


class Trainer:
    def __init__(self, settings: RunSettings):
        self.settings = settings
        self.folder = RunFolder(settings.folder, settings.keep)
        self.accelerator = start_accelerator(settings)
        self.main = self.accelerator.is_main_process
        self.sharded = settings.sharding == "full" and self.accelerator.num_processes > 1
        self.stop_requested = False
        self.skipped = 0  # updates in a row that fp16's scaler skipped

    def run(self) -> str:
        """Trains to the end or until a stop signal: "finished" or "stopped"."""
        settings, device = self.settings, self.accelerator.device
        if self.main:
            self.folder.create(settings.to_json())
        torch.manual_seed(Draws(settings.seed, 0).key("weights"))  # initial weights of the networks
        recipe = make_recipe(settings)
        if self.sharded:  # before it is on the device, which may be too small for it
            shard(recipe, device, self.accelerator.num_processes)
        recipe.to(device).prepare(device)
        optimizer = make_optimizer(recipe, settings, self.sharded)
        average = Average(recipe, settings.ema)
        self.validation = Validation(recipe, settings, self.accelerator, self.folder)
        step = self.resume(recipe, optimizer, average)
        network, optimizer = self.prepare_network(recipe, optimizer)
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, self.request_stop)
        ended = self.loop(step, recipe, network, optimizer, average)
        leave_group()
        return ended

    def prepare_network(self, recipe: Recipe, optimizer) -> tuple:
        """Network and optimizer, prepared for several processes."""
        if not self.sharded:
            return self.accelerator.prepare(recipe, optimizer)
        # Shards need no DDP around them: they sum their gradients in every turn, since whole ones would fill the memory.
        return recipe, self.accelerator.prepare(optimizer)

    def request_stop(self, *_) -> None:
        self.stop_requested = True

    def loop(self, step: int, recipe: Recipe, network, optimizer, average: "Average") -> str:
        settings, batches = self.settings, self.batches(recipe, step)
        saved = step
        while step < settings.steps:
            begin = time.perf_counter()
            terms, waited = self.one_step(step, recipe, network, optimizer, batches)
            average.update(recipe, step)
            step += 1
            self.log_step(step, terms, waited, time.perf_counter() - begin)
            self.validation.follow(step, average)
            stop = self.any_process(self.stop_requested)
            last = stop or step == settings.steps
            if last or step % settings.checkpoint_every == 0:
                self.save(step, recipe, optimizer, average)
                saved = step
            if settings.sample_every and (step % settings.sample_every == 0 or step == settings.steps):
                self.draw_samples(step, recipe, average)
            if stop:
                break
        if saved == settings.steps:
            self.finish(recipe, average)
        self.accelerator.wait_for_everyone()
        return "finished" if saved == settings.steps else "stopped"

    def batches(self, recipe: Recipe, step: int):
        """This process's micro-batches from a step on."""
        settings, world, rank = self.settings, self.accelerator.num_processes, self.accelerator.process_index
        turns = range(step * settings.accumulate, settings.steps * settings.accumulate)
        numbers = [turn * world + rank for turn in turns]
        workers = {"num_workers": settings.workers, "persistent_workers": True} if settings.workers else {}
        loader = DataLoader(Batches(recipe, settings.batch), batch_size=None, sampler=numbers, **workers)
        return zip(numbers, loader, strict=True)

    def one_step(self, step: int, recipe: Recipe, network, optimizer, batches) -> tuple[dict, float]:
        """One update from all micro-batches: the mean of their terms, and the seconds spent waiting for data."""
        for group in optimizer.param_groups:
            group["lr"] = self.settings.rate_at(step) * group["times"]
        sums, waited = {}, 0.0
        for turn in range(self.settings.accumulate):
            begin = time.perf_counter()
            number, batch = next(batches)
            batch = {name: value.to(self.accelerator.device, non_blocking=True) for name, value in batch.items()}
            waited += time.perf_counter() - begin
            draws = self.draws(number)
            last = turn == self.settings.accumulate - 1
            with nullcontext() if last else self.accelerator.no_sync(network):
                with self.accelerator.autocast():
                    loss, terms = network(batch, draws)
                self.accelerator.backward(loss / self.settings.accumulate)
            for name, value in {"loss": loss, **terms}.items():
                sums[name] = sums.get(name, 0) + value.detach().float() / self.settings.accumulate
        if self.settings.clip:
            sums[NORM] = whole(self.accelerator.clip_grad_norm_(recipe.trained().values(), self.settings.clip))
        optimizer.step()
        optimizer.zero_grad()
        self.skipped = self.skipped + 1 if optimizer.step_was_skipped else 0
        return sums, waited

    def draws(self, number: int) -> Draws:
        """The random numbers of a micro-batch."""
        turns = self.settings.accumulate * self.accelerator.num_processes
        return Draws(self.settings.seed, number, turns if self.settings.stratified else 0)

    def log_step(self, step: int, terms: dict, waited: float, seconds: float) -> None:
        """One line of the log: the mean over all processes."""
        values = self.accelerator.reduce(torch.stack([value.float() for value in terms.values()]), "mean").tolist()
        named = dict(zip(terms, values, strict=True))
        check_terms(step, named, scaled=self.accelerator.scaler is not None)
        check_skipped(step, self.skipped)
        if self.main:
            skipped = {"skipped": self.skipped} if self.skipped else {}
            named = {name: round(value, 7) for name, value in named.items() if math.isfinite(value)} | skipped
            self.folder.log(step=step, **named, lr=self.settings.rate_at(step - 1), wait=round(waited, 4),
                            seconds=round(seconds, 4))  # fmt: skip

    def any_process(self, flag: bool) -> bool:
        """Whether the flag is set in any process; all must stop after the same step."""
        flags = torch.tensor([float(flag)], device=self.accelerator.device)
        return self.accelerator.reduce(flags, "sum").item() > 0

    def save(self, step: int, recipe: Recipe, optimizer, average: "Average") -> None:
        """One checkpoint of whole tensors, which the main process writes."""
        self.accelerator.wait_for_everyone()
        parts = {"model": recipe.trained(), "optimizer": flat(optimizer, recipe), "average": average.values}
        self.check_finite(step, parts)
        parts = {name: gather(part, self.main) for name, part in parts.items()}
        if not self.main:
            return
        scaler = self.accelerator.scaler
        state = {"scaler": scaler.state_dict() if scaler else None, "processes": self.accelerator.num_processes,
                 "skipped": self.skipped, "best": self.validation.best}  # fmt: skip
        self.folder.save(step, {name: part for name, part in parts.items() if part}, state)
        self.validation.drop_others()
        draw_curve(self.folder)

    def check_finite(self, step: int, parts: dict[str, dict]) -> None:
        """Refuses a checkpoint of weights or of AdamW's state that are not finite in any process."""
        wrong = first_not_finite((f"{name} of {kind}", value) for kind, p in parts.items() for name, value in p.items())
        if self.any_process(wrong is not None):
            where = wrong or "a weight of another process"
            raise FloatingPointError(f"After step {step} not all numbers are finite, first those of {where}. {ADVICE}")

    def resume(self, recipe: Recipe, optimizer, average: "Average") -> int:
        """Loads the newest whole checkpoint; returns its number of steps."""
        self.accelerator.wait_for_everyone()
        found = self.folder.newest()
        if found is None:
            state = {"step": 0}
        else:
            state, parts = found
            self.load(state, parts, recipe, optimizer, average)
        self.accelerator.wait_for_everyone()
        if self.main:
            self.folder.drop_log_after(state["step"])
        return state["step"]

    def load(self, state: dict, parts: dict, recipe: Recipe, optimizer, average: "Average") -> None:
        trained = recipe.trained()
        if set(parts["model"]) != set(trained):
            raise ValueError(
                f"The checkpoints in {self.folder.path} are of another model or recipe: choose a new run folder."
            )
        with torch.no_grad():
            for name, value in trained.items():
                value.copy_(place_like(parts["model"][name], value))
        unflatten(optimizer, recipe, parts.get("optimizer", {}))
        average.load(parts.get("average", {}))
        if state["scaler"] and self.accelerator.scaler:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.skipped = state.get("skipped", 0)
        self.validation.best = state.get("best")

    def draw_samples(self, step: int, recipe: Recipe, average: "Average") -> None:
        if self.main or self.sharded:  # a sharded network runs only in all processes together
            with average.in_place(recipe), torch.no_grad():
                recipe.eval()
                picture = recipe.pictures(self.accelerator.device)
                recipe.train()
            if self.main and picture is not None:
                write_picture(self.folder.path / "samples" / f"step_{step:08}.png", picture)
        self.accelerator.wait_for_everyone()

    def finish(self, recipe: Recipe, average: "Average") -> None:
        if not (self.main or self.sharded):
            return
        with self.validation.delivered(average), with_full_weights(recipe, self.main), torch.no_grad():
            if self.main:
                names = [file.name for file in recipe.export(self.folder.path / "model")]
                self.folder.log(event="finished", step=self.settings.steps, files=names, peak_gb=round(peak_gb(), 3),
                                **self.validation.report())  # fmt: skip


def peak_gb() -> float:
    """The most memory that this process held: of the GPU where there is one."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)


def start_accelerator(settings: RunSettings) -> Accelerator:
    """The process group as torchrun set it up; refuses a process that was not connected to the others."""
    if settings.threads:
        torch.set_num_threads(settings.threads)
    accelerator = Accelerator(
        mixed_precision={"fp32": "no"}.get(settings.precision, settings.precision),
        cpu=settings.device == "cpu" or not torch.cuda.is_available(),
        step_scheduler_with_optimizer=False,
        kwargs_handlers=[
            DistributedDataParallelKwargs(gradient_as_bucket_view=True),
            AutocastKwargs(cache_enabled=settings.sharding == "none"),  # copies of all weights would fill the memory
        ],
    )
    world = int(os.environ.get("WORLD_SIZE", 1))
    connected = accelerator.reduce(torch.ones(1, device=accelerator.device), "sum").item()
    if accelerator.num_processes != world or connected != world:
        raise RuntimeError(
            f"{world} processes were started, but only {connected:g} work together: start with torchrun."
        )
    return accelerator


def leave_group() -> None:
    """Ends the process group: its threads would abort a process that ends while they run."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
