"""Started by torchrun from test_sharding.py, since only a process can see what it holds.

shard_process.py run RUN.json FOLDER [STEP]  a run; every process writes down the bytes that it holds, and is killed in STEP
shard_process.py compare CASES.json FOLDER   loss and gradients of each recipe, whole and sharded
"""

import json
import os
import runpy
import signal
import sys
from importlib import import_module
from pathlib import Path

import torch
import torch.distributed as dist

LAUNCH = Path(__file__).resolve().parents[3] / "training" / "launch.py"


def duet(name: str):
    return import_module(f"duet.training.{name}")


def held(tensors) -> int:
    """Bytes that this process keeps for tensors, padding included."""
    own = [value.to_local() if hasattr(value, "to_local") else value for value in tensors]
    return sum({value.untyped_storage().data_ptr(): value.untyped_storage().nbytes() for value in own}.values())


def run(settings: Path, folder: Path, last: str = "") -> None:
    class Seen(duet("loop.trainer").Trainer):
        def log_step(self, step, *rest):
            super().log_step(step, *rest)
            if str(step) == last:
                os.kill(os.getpid(), signal.SIGKILL)

        def save(self, step, recipe, optimizer, average):
            super().save(step, recipe, optimizer, average)
            states = [value for state in optimizer.optimizer.state.values() for value in state.values()]
            parts = {"model": recipe.trained().values(), "optimizer": states, "average": average.values.values()}
            found = {name: held(values) for name, values in parts.items()}
            (folder / f"held_{self.accelerator.process_index}.json").write_text(json.dumps(found), encoding="utf-8")

    Seen(duet("page.settings").RunSettings.from_file(settings)).run()


def compare(cases: Path, folder: Path) -> None:
    dist.init_process_group("gloo")
    torch.set_num_threads(1)
    found = {}
    for name, settings in json.loads(cases.read_text(encoding="utf-8")).items():
        found[name] = differences(duet("page.settings").RunSettings(**settings))
    (folder / f"found_{dist.get_rank()}.json").write_text(json.dumps(found), encoding="utf-8")
    duet("loop.trainer").leave_group()


def differences(settings) -> dict:
    """How far the sharded recipe is from the whole one, each process with a batch of its own."""
    one, two = made(settings), made(settings)
    duet("loop.sharding").shard(two, torch.device("cpu"), dist.get_world_size())
    batch = duet("recipes.base").Batches(one, 2)[dist.get_rank()]
    draws = duet("loop.draws").Draws(0, dist.get_rank())
    with torch.autocast("cpu", torch.bfloat16, enabled=settings.precision == "bf16", cache_enabled=False):
        losses = [recipe(dict(batch), draws)[0] for recipe in (one, two)]
    for loss in losses:
        loss.backward()
    assert list(one.trained()) == list(two.trained())
    worst, largest = 0.0, 0.0
    for value, share in zip(one.trained().values(), two.trained().values(), strict=True):
        dist.all_reduce(value.grad)
        mean = value.grad / dist.get_world_size()
        worst = max(worst, (share.grad.full_tensor() - mean).abs().max().item())
        largest = max(largest, mean.abs().max().item())
    return {"loss": losses[0].item(), "off": abs(losses[1] - losses[0]).item(), "gradient": largest, "worst": worst}


def made(settings):
    torch.manual_seed(1)
    recipe = duet("recipes").make_recipe(settings)
    recipe.prepare(torch.device("cpu"))
    g = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for value in recipe.parameters():
            if not value.any():  # adapters are silent at birth; give them something to say
                value.copy_(torch.randn(value.shape, generator=g) * 0.05)
    return recipe


if __name__ == "__main__":
    runpy.run_path(str(LAUNCH))["load_packs"]()
    {"run": run, "compare": compare}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:])
