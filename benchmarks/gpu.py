"""What this GPU does with the pack: python3 scripts/host.py bench gpu [--device cuda|cpu|mps] [--parts ...] [--tiny] [--save] [--json]

arithmetic  weights and FLOP of a step of each network at full size, counted on the meta device: no GPU is needed
steps       seconds of a step of each network with random weights, MFU, and the most memory it takes
demo        bench demo on this device: the shipped pair on held-out clips
tests       the tests of the nodes on this device, counted (--tests tests/nodes/test_gpu.py for the short ones)

Networks: the pair on Stable Diffusion 1.5 (256 pixels, 8 frames of video and depth, cfg), AnimateDiff, LFDM at 128 pixels and the pair
on Wan 2.2 5B; in ComfyUI where it is, sampled with the numbers that it chooses there, else in PyTorch alone.
Figures are kept after every part in output/gpu/NAME.json (--output FILE for another place), so a run that is cut leaves what it had.

--save   also keeps them in benchmarks/results/gpu/NAME.json and writes the tables of docs/gpu.md
--docs   only writes these tables
--tiny   small networks, one clip and one test, to try the command

Without ComfyUI, with torch, einops and diffusers alone: python3 benchmarks/gpu.py --parts arithmetic steps
"""

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from card.parts import MEASURED, PARTS, rows
from card.shapes import NAMES, shapes
from card.table import RESULTS, load, table, write_page

ROOT = Path(__file__).resolve().parents[1]
ERROR = (ValueError, RuntimeError, TypeError, ImportError, OSError, MemoryError, ArithmeticError, LookupError)


def child(options) -> None:
    """Prints the device and then a line for each figure; it runs in a process of its own."""
    host = "COMFYUI_PATH" in os.environ
    if host:
        import _host  # noqa: F401
    else:
        import _pack  # noqa: F401
    from card import networks, steps

    said = lambda part, name, figures: print(json.dumps({"part": part, "name": name, "figures": figures}), flush=True)
    said("device", "", steps.about(options.device))
    if host:
        from comfyui_version import __version__

        said("comfyui", "", __version__)
    ways = {
        "arithmetic": networks.count,
        "steps": lambda shape: steps.measure(shape, options.device, options.runs, host),
    }
    for part in options.parts:
        for shape in shapes(options.shapes, options.tiny):
            try:
                said(part, shape.name, ways[part](shape))
            except ERROR as error:
                said(part, shape.name, {"failed": sentence(error)})


def sentence(error: Exception) -> str:
    """The first line of an error, with its kind where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def measure(options) -> tuple[dict, Path]:
    """All figures, and the file that has them after every one."""
    found = {
        "command": command(options),
        "commit": options.commit or commit(),
        "device": None,
        "comfyui": None,
        "parts": {},
    }
    file = options.output
    for part, name, figures in rows(options):
        if part in ("device", "comfyui"):
            found[part] = figures
            if part == "device" and "failed" in figures:
                sys.exit(f"Error: {figures['failed']}")
            file = file or ROOT / "output" / "gpu" / f"{slug(found)}.json"
            continue
        into = found["parts"].setdefault(part, {}) if part in MEASURED else found["parts"]
        into[name or part] = figures
        print(f"{part} {name}: {text(figures)}", file=sys.stderr, flush=True)
        keep(found, file)
    return found, file


def text(figures: dict) -> str:
    """The figures of a row in one line."""
    if isinstance(figures.get("failed"), str):
        return figures["failed"]
    shown = {name: value for name, value in figures.items() if name != "what" and isinstance(value, int | float | str)}
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in shown.items()
    )


def slug(found: dict) -> str:
    """The device's name as that of a file."""
    return re.sub(r"[^a-z0-9]+", "_", found["device"]["name"].lower()).strip("_")


def keep(found: dict, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def command(options) -> str:
    """What gives the same figures again, without what is as usual and where they are kept."""
    usual, words = parser().parse_args([]), []
    for name in ("device", "parts", "shapes", "runs", "clips", "tests", "minutes", "tiny"):
        value = getattr(options, name)
        if value != getattr(usual, name):
            several = value if isinstance(value, list) else [] if value is True else [value]
            words += [f"--{name}", *map(str, several)]
    start = ["scripts/host.py", "bench", "gpu"] if "COMFYUI_PATH" in os.environ else ["benchmarks/gpu.py"]
    return shlex.join(["python3", *start, *words])


def commit() -> str:
    """The commit of the code, and whether it was changed since."""
    git = lambda *words: subprocess.run(["git", "-C", ROOT, *words], capture_output=True, text=True)
    try:
        head, changed = git("rev-parse", "--short", "HEAD"), git("status", "--porcelain", "--untracked-files=no")
    except OSError:
        return "unknown"
    return head.stdout.strip() + (" changed" if changed.stdout else "") if head.returncode == 0 else "unknown"


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--device", choices=("cuda", "cpu", "mps"), default="cuda")
    made.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS))
    made.add_argument("--shapes", nargs="+", choices=NAMES, default=list(NAMES), help="networks to measure")
    made.add_argument("--runs", type=int, default=20, help="steps that are timed, after two that are not")
    made.add_argument("--clips", type=int, default=16, help="of the demo")
    made.add_argument("--tests", nargs="+", default=["tests/nodes"], help="what pytest runs")
    made.add_argument("--minutes", type=float, default=30, help="after which a part is ended")
    made.add_argument("--commit", help="name of the code, where there is no Git")
    made.add_argument("--output", type=Path, help="the file of the figures")
    for switch in ("--tiny", "--save", "--docs", "--json"):
        made.add_argument(switch, action="store_true")
    made.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    return made


def main() -> None:
    options = parser().parse_args()
    if options.tiny and options.save:
        parser().error("--save keeps figures of networks at full size: leave --tiny out")
    if options.child:
        child(options)
        return
    if not options.docs:
        found, file = measure(options)
        if options.json:
            print(json.dumps(found, indent=2))
        else:
            print(f"Figures of small networks: {file}" if options.tiny else f"{table([found])}\n\nFigures: {file}")
        if options.save:
            keep(found, RESULTS / f"{slug(found)}.json")
    if options.docs or options.save:
        write_page(load())


if __name__ == "__main__":
    main()
