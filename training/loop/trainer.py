"""The one loop that trains every recipe, on one device or many.

A whole batch is batch x accumulate x processes examples. Micro-batch number (step x accumulate + turn) x processes + rank
is what a process reads, and its number keys every random draw, so a run comes out alike however it is cut.
"""

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
from .run_folder import RunFolder
from .sharding import gather, place_like, shard, whole, with_full_weights


class Trainer:
    def __init__(self, settings: RunSettings):
        self.settings = settings
        self.folder = RunFolder(settings.folder, settings.keep)
        self.accelerator = start_accelerator(settings)
        self.main = self.accelerator.is_main_process
        self.sharded = settings.sharding == "full" and self.accelerator.num_processes > 1
        self.stop_requested = False

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
        optimizer = torch.optim.AdamW(
            list(recipe.trained().values()), lr=settings.lr, betas=settings.betas, weight_decay=settings.weight_decay,
            foreach=self.sharded or None,  # one call for all shares: each call of a DTensor takes its time
        )  # fmt: skip
        average = Average(recipe, settings.ema)
        step = self.resume(recipe, optimizer, average)
        network, optimizer = self.prepare_network(recipe, optimizer)
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, self.request_stop)
        return self.loop(step, recipe, network, optimizer, average)

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
            group["lr"] = self.settings.rate_at(step)
        sums, waited = {}, 0.0
        for turn in range(self.settings.accumulate):
            begin = time.perf_counter()
            number, batch = next(batches)
            batch = {name: value.to(self.accelerator.device, non_blocking=True) for name, value in batch.items()}
            waited += time.perf_counter() - begin
            draws = Draws(self.settings.seed, number)
            last = turn == self.settings.accumulate - 1
            with nullcontext() if last else self.accelerator.no_sync(network):
                with self.accelerator.autocast():
                    loss, terms = network(batch, draws)
                self.accelerator.backward(loss / self.settings.accumulate)
            for name, value in {"loss": loss, **terms}.items():
                sums[name] = sums.get(name, 0) + value.detach().float() / self.settings.accumulate
        if self.settings.clip:
            sums["grad_norm"] = whole(self.accelerator.clip_grad_norm_(recipe.trained().values(), self.settings.clip))
        optimizer.step()
        optimizer.zero_grad()
        return sums, waited

    def log_step(self, step: int, terms: dict, waited: float, seconds: float) -> None:
        """One line of the log: the mean over all processes."""
        values = self.accelerator.reduce(torch.stack([value.float() for value in terms.values()]), "mean").tolist()
        if any(value != value for value in values):
            raise FloatingPointError(
                f"The loss became NaN in step {step}: lower the learning rate, or train in bf16 or fp32. "
                "The checkpoint before it is good."
            )
        if self.main:
            named = {name: round(value, 7) for name, value in zip(terms, values, strict=True)}
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
        parts = {name: gather(part, self.main) for name, part in parts.items()}
        if not self.main:
            return
        scaler = self.accelerator.scaler
        state = {"scaler": scaler.state_dict() if scaler else None, "processes": self.accelerator.num_processes}
        self.folder.save(step, {name: part for name, part in parts.items() if part}, state)
        draw_curve(self.folder)

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
        unflatten(optimizer, recipe, parts["optimizer"])
        average.load(parts.get("average", {}))
        if state["scaler"] and self.accelerator.scaler:
            self.accelerator.scaler.load_state_dict(state["scaler"])

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
        with average.in_place(recipe), with_full_weights(recipe, self.main), torch.no_grad():
            if self.main:
                names = [file.name for file in recipe.export(self.folder.path / "model")]
                self.folder.log(event="finished", step=self.settings.steps, files=names, peak_gb=round(peak_gb(), 3))


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


def flat(optimizer, recipe: Recipe) -> dict:
    """AdamW's state by the names of its parameters: "exp_avg/<name>"."""
    names = {id(value): name for name, value in recipe.trained().items()}
    inner = getattr(optimizer, "optimizer", optimizer)
    return {f"{kind}/{names[id(p)]}": value for p, state in inner.state.items() for kind, value in state.items()}


def unflatten(optimizer, recipe: Recipe, values: dict) -> None:
    trained = recipe.trained()
    for key, value in values.items():
        kind, name = key.split("/", 1)
        place = value if kind == "step" else place_like(value, trained[name])
        optimizer.state[trained[name]][kind] = place
