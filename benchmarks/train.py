"""Samples a second, peak memory and waiting of each recipe: python3 scripts/host.py bench train [--json]

Every recipe is a real run of training/launch.py in a process of its own, with the demo's networks on the stage; medians
over the steps after the first three. Waiting is the share of a step in which the device had no data.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LAUNCH = ROOT / "training" / "launch.py"
WARM = 3
CLIPS_A_STEP = 2


def settings(recipe: str, options, vae: Path) -> dict:
    """The committed demo run of a recipe, shortened."""
    read = lambda name: json.loads((ROOT / "training" / "runs" / f"{name}.json").read_text(encoding="utf-8"))
    run = read({"vae": "demo_vae", "idol_video": "demo_video"}.get(recipe, "demo_image")) | {"recipe": recipe}
    model = {**read("demo_image")["model"], "crop": 64, "vae": str(vae), "freeze_resblocks": False}
    few = {"clips": 8, "first_seed": 1000}
    # The run is for a GPU; on two cores use fewer clips a step and no data workers.
    few_a_step = {"batch": CLIPS_A_STEP, "workers": 0} if recipe == "idol_video" else {}
    short = {"steps": options.steps + WARM, "checkpoint_every": 10**6, "sample_every": 0, "warmup": 1}
    return {**run, "data": {**run["data"], **few}, "model": model, "folder": recipe, **short, **few_a_step}


def measure(recipe: str, options, folder: Path) -> dict:
    run = settings(recipe, options, folder / "vae" / "model" / "vae.safetensors")
    file = folder / f"{recipe}.json"
    file.write_text(json.dumps(run), encoding="utf-8")
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(options.processes)]
    command = [sys.executable, *(torchrun if options.processes > 1 else []), str(LAUNCH), str(file)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
    log = [json.loads(line) for line in (folder / recipe / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    steps = [entry for entry in log if "loss" in entry][WARM:]
    seconds = statistics.median(entry["seconds"] for entry in steps)
    pictures = run["batch"] * run.get("accumulate", 1) * options.processes
    return {
        "recipe": recipe,
        "samples_a_second": pictures / seconds,
        "step_s": seconds,
        "waiting": statistics.median(entry["wait"] / entry["seconds"] for entry in steps),
        "peak_gb": next(entry["peak_gb"] for entry in log if entry.get("event") == "finished"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        recipes = ("vae", "idol_haop", "idol_image", "idol_video")
        rows = [measure(recipe, options, Path(folder)) for recipe in recipes]
    if options.json:
        print(json.dumps({"processes": options.processes, "rows": rows}, indent=2))
        return
    for row in rows:
        print(
            ", ".join(
                f"{name} {value:.3f}" if isinstance(value, float) else f"{name} {value}" for name, value in row.items()
            )
        )


if __name__ == "__main__":
    main()
