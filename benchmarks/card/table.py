"""The tables of docs/gpu.md from the JSON files of bench gpu, one for each device; a figure that was not taken is a dash."""

import json
from collections.abc import Iterable
from pathlib import Path

from .shapes import FULL, Shape, size_of

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "gpu"
PAGE = ROOT / "docs" / "gpu.md"
BEGIN, END = "<!-- written by: python3 scripts/host.py bench gpu --docs -->", "<!-- end of what is written -->"
NOTHING = "-"
SHORT = {"float16": "fp16", "bfloat16": "bf16", "float32": "fp32"}
STEPS = (
    "network",
    "device",
    "runs in",
    "numbers",
    "a step, ms",
    "a clip, s",
    "TFLOP/s",
    "MFU",
    "weights, GB",
    "at most, GB",
)
DEMO = {
    "clips": "{:.0f}",
    "seconds_a_clip": "{:.2f}",
    "depth_l2": "{:.4f}",
    "person_mae": "{:.3f}",
    "video_psnr": "{:.1f}",
}
DEMO_WORDS = ("clips", "a clip, s", "depth, L2", "depth on the person", "video, dB")
COUNTS = ("passed", "failed", "skipped")


def load(folder: Path = RESULTS) -> list[dict]:
    """Every result, in the order of the files' names."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]


def table(results: list[dict]) -> str:
    """All tables of the page, in markdown."""
    parts = {
        "The networks": networks(results),
        "A step": steps(results),
        "The demo": of_devices(results, "demo", DEMO_WORDS, demo_cells),
        "The tests of the nodes": of_devices(results, "tests", (*COUNTS, "minutes"), test_cells),
        "How it was run": runs(results),
    }
    return "\n\n".join(f"### {title}\n\n{text}" for title, text in parts.items())


def lines(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = tuple(head)
    every = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in every)


def networks(results: list[dict]) -> str:
    """What is sampled, and the arithmetic of a step: the same on every device, so any result has it."""
    rows = []
    for shape in FULL:
        found = [row for result in results for part in ("arithmetic", "steps") if (row := of(result, part, shape.name))]
        counted = next((row for row in found if "tflop" in row), {})
        weights = written("{:.3f}", counted.get("weights", None) and counted["weights"] / 1e9)
        rows.append((shape.what, size_of(shape), str(shape.steps), weights, written("{:.2f}", counted.get("tflop"))))
    return lines(("network", "sampled", "steps", "weights, billion", "TFLOP a step"), rows)


def steps(results: list[dict]) -> str:
    rows = []
    for shape in FULL:
        found = [(result["device"]["name"], row) for result in results if (row := of(result, "steps", shape.name))]
        rows += [step_row(shape, name, row) for name, row in found]
        rows += [] if found else [(shape.what, *[NOTHING] * (len(STEPS) - 1))]
    return lines(STEPS, rows)


def step_row(shape: Shape, device: str, row: dict) -> tuple[str, ...]:
    if "failed" in row:
        return (shape.what, device, row["failed"], *[NOTHING] * (len(STEPS) - 3))
    share = row["mfu"]
    return (
        shape.what, device, row["runs_in"], SHORT[row["dtype"]], f"{1000 * row['step_s']:.1f}",
        f"{shape.steps * row['step_s']:.1f}", f"{row['tflop_a_second']:.1f}",
        written("{:.0f} %", None if share is None else 100 * share), f"{row['weights_gb']:.1f}", written("{:.1f}", row["most_gb"]),
    )  # fmt: skip


def of_devices(results: list[dict], part: str, head: tuple[str, ...], cells) -> str:
    """A table with a line for each device that ran a part."""
    found = [(result["device"]["name"], row) for result in results if (row := result["parts"].get(part))]
    empty = [(NOTHING,) * (len(head) + 1)]
    return lines(("device", *head), [(name, *cells(row, len(head))) for name, row in found] or empty)


def demo_cells(row: dict, width: int) -> tuple[str, ...]:
    if "failed" in row:
        return (row["failed"], *[NOTHING] * (width - 1))
    return tuple(written(how, row.get(key)) for key, how in DEMO.items())


def test_cells(row: dict, width: int) -> tuple[str, ...]:
    if "failed" in row and isinstance(row["failed"], str):
        return (row["failed"], *[NOTHING] * (width - 1))
    return (*(str(row[name]) for name in COUNTS), f"{row['seconds'] / 60:.1f}")


def runs(results: list[dict]) -> str:
    head = ("device", "PyTorch", "ComfyUI", "code", "command")
    rows = [
        (result["device"]["name"], result["device"]["torch"], result["comfyui"] or NOTHING, f"`{result['commit']}`",
         f"`{result['command']}`")
        for result in results
    ]  # fmt: skip
    return lines(head, rows or [(NOTHING,) * len(head)])


def of(result: dict, part: str, name: str) -> dict | None:
    return result["parts"].get(part, {}).get(name)


def written(how: str, figure) -> str:
    return NOTHING if figure is None else how.format(figure)


def write_page(results: list[dict], page: Path = PAGE) -> None:
    """Puts the tables between their two lines of the page and leaves all else."""
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n\n{table(results)}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")
