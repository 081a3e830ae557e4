"""Weak scaling of a training run: python3 scripts/host.py bench scaling [--processes 1 2 4] [--json]

Every process gets as many clips a step as one alone, one thread each. Efficiency is the samples a second against as many
times those of one process; with more processes than cores it is compared with what the cores allow. Beside it the sum of
the gradients alone, over gloo on this machine, and what the arithmetic gives for many GPUs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import _pack  # noqa: F401
from pack.training.page.settings import RunSettings
from pack.training.recipes import make_recipe
from train import measure, settings

HERE = Path(__file__).parent
RECIPE = "idol_video"


def gradient_bytes(options, folder: Path) -> int:
    """Bytes of the gradients of all trained weights in float32, which each step sums over the processes."""
    run = settings(RECIPE, options, folder / "vae" / "model" / "vae.safetensors")
    recipe = make_recipe(RunSettings.from_json(json.dumps({**run, "folder": str(folder / "unused")})))
    return 4 * sum(value.numel() for value in recipe.trained().values())


def reduce_seconds(processes: int, count: int) -> float:
    """Seconds to sum so many bytes over processes of this machine."""
    if processes == 1:
        return 0.0
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    command += [str(HERE / "_reduce_process.py"), str(count)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return float(ended.stdout.strip().splitlines()[-1])


def step_on_gpus(compute: float, gradients: int, gpus: int, inside: float, between: float, a_machine: int = 8) -> float:
    """Seconds of a step on many GPUs if no sum overlaps with the backward pass: the least that overlap can make of it.

    compute: seconds of a step on one; inside and between: bytes a second that a GPU sends within a machine and to others.
    A ring sends 2 (n - 1) / n of the gradients from each GPU, over its slowest link.
    """
    if gpus == 1:
        return compute
    speed = inside if gpus <= a_machine else between
    return compute + 2 * (gpus - 1) / gpus * gradients / speed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4])
    options = parser.parse_args()
    cores, rows = os.cpu_count() or 1, []
    with tempfile.TemporaryDirectory() as name:
        folder, one = Path(name), argparse.Namespace(steps=options.steps, processes=1)
        measure("vae", one, folder)
        count = gradient_bytes(one, folder)
        for processes in options.processes:
            place = folder / str(processes)
            place.mkdir()
            (place / "vae").symlink_to(folder / "vae", target_is_directory=True)
            row = measure(RECIPE, argparse.Namespace(steps=options.steps, processes=processes), place)
            alone = (rows or [row])[0]["samples_a_second"]
            rows.append({
                "processes": processes,
                **row,
                "efficiency": row["samples_a_second"] / (min(processes, cores) * alone),
                "reduce_s": reduce_seconds(processes, count),
            })  # fmt: skip
    if options.json:
        print(json.dumps({"cores": cores, "gradient_bytes": count, "rows": rows}, indent=2))
        return
    print(f"{cores} cores, {count / 1e6:.1f} MB of gradients a step\n")
    print("processes  samples/s   step s  efficiency  sum of gradients s  peak GB")
    for row in rows:
        print(
            f"{row['processes']:9d} {row['samples_a_second']:10.2f} {row['step_s']:8.3f} {row['efficiency']:11.0%} "
            f"{row['reduce_s']:19.3f} {row['peak_gb']:8.2f}"
        )


if __name__ == "__main__":
    main()
