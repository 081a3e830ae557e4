"""Results that are kept: the figures of every clip, with the command, commit and settings, and what may be said of them.

A figure is a list with one number for each clip, in the order of the seeds; a clip without it has None.
"""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from _splits import split_of

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path(__file__).with_name("results")
DRAWS = 10_000
Figures = dict[str, list[float | None]]


@dataclass(frozen=True)
class Interval:
    """A figure and where 95 % of its draws over clips lie."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference(Interval):
    """One way less another over the same clips, and in how many of them it is better."""

    better: int
    clips: int

    @property
    def sure(self) -> bool:
        """Whether the interval has no zero in it."""
        return self.low > 0 or self.high < 0


def make(seeds, rows: dict[str, Figures], settings: dict, threads: int) -> dict:
    """A result of this run; every figure must have one number for each seed."""
    seeds = [int(seed) for seed in seeds]
    if not seeds:
        raise ValueError("A result needs at least one clip, and this one has no seeds.")
    for name, figures in rows.items():
        for figure, values in figures.items():
            if len(values) != len(seeds):
                raise ValueError(f"{name}, {figure}: expected {len(seeds)} numbers, one a seed, and got {len(values)}.")
    return {"command": command(), "commit": commit(), "settings": settings, "machine": machine(threads),
            "split": split_of(seeds), "seeds": seeds, "rows": rows}  # fmt: skip


def command() -> str:
    """How this benchmark was started, without where it lies."""
    words = [word for word in sys.argv[1:] if word != "--json"]
    return shlex.join(["python3", "scripts/host.py", "bench", Path(sys.argv[0]).stem, *words])


def commit() -> str:
    """The commit of the code, with a plus when code has changed since."""
    git = lambda *words: subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    code = ("benchmarks/*.py", "models", "nodes", "training", "weights")
    changed = git("status", "--porcelain", "--untracked-files=no", "--", *code).strip()
    return git("rev-parse", "--short=10", "HEAD").strip() + ("+" if changed else "")


def machine(threads: int) -> dict:
    try:
        torch = version("torch")
    except PackageNotFoundError:
        torch = "none"
    return {"cpus": os.cpu_count(), "threads": threads, "torch": torch}


def save(name: str, result: dict, folder: Path = FOLDER) -> Path:
    """Writes a result whole or not at all, equal results as equal bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    path, part = folder / f"{name}.json", folder / f".{name}.json.part"
    part.write_text(written(result), encoding="utf-8")
    part.replace(path)
    return path


def written(result: dict) -> str:
    """Keys in order, and each list of numbers on one line."""
    lists: list[str] = []

    def held(value):
        if isinstance(value, dict):
            return {key: held(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            lists.append(json.dumps([rounded(one) for one in value]))
            return f"list {len(lists) - 1} of numbers"
        return rounded(value)

    text = json.dumps(held(result), indent=1, ensure_ascii=False, allow_nan=False)
    for index in reversed(range(len(lists))):
        text = text.replace(f'"list {index} of numbers"', lists[index])
    return text + "\n"


def rounded(value):
    """Seven digits, more than any table shows; not a number is refused."""
    if not isinstance(value, float):
        return value
    if not np.isfinite(value):
        raise ValueError(f"A figure of a result must be a finite number or None, and one is {value}.")
    return float(f"{value:.7g}")


def load(name: str, folder: Path = FOLDER) -> dict:
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def mean(values, seed: int = 0) -> Interval:
    """The mean over clips that have the figure."""
    return drawn(numbers(values)[:, None], lambda clips: clips.mean(-2)[..., 0], seed)


def share(parts, wholes, seed: int = 0) -> Interval:
    """All parts by all wholes, such as wrong pixels of those that count."""
    pairs = np.stack([numbers(parts), numbers(wholes)], -1)
    if pairs[:, 1].sum() == 0:
        raise ValueError("A share needs something to be a share of, and all wholes are 0.")
    return drawn(pairs, lambda clips: clips[..., 0].sum(-1) / np.maximum(clips[..., 1].sum(-1), 1e-12), seed)


def compare(one, other, lower_is_better: bool, seed: int = 0) -> Difference:
    """One less the other, clip by clip."""
    if len(one) != len(other):
        raise ValueError(f"A comparison needs the same clips on both sides, and there are {len(one)} and {len(other)}.")
    both = [(a, b) for a, b in zip(one, other, strict=True) if a is not None and b is not None]
    change = np.array([a - b for a, b in both], np.float64)
    found = mean(change, seed)
    better = int((change < 0).sum() if lower_is_better else (change > 0).sum())
    return Difference(found.value, found.low, found.high, better, len(change))


def numbers(values) -> np.ndarray:
    found = np.array([value for value in values if value is not None], np.float64)
    if not len(found):
        raise ValueError("There is no clip with this figure.")
    return found


def drawn(clips: np.ndarray, statistic: Callable, seed: int) -> Interval:
    """The statistic of (N, K) clips, and of N clips drawn with replacement, many times."""
    draws = np.random.default_rng(seed).integers(0, len(clips), (DRAWS, len(clips)))
    low, high = np.percentile(statistic(clips[draws]), (2.5, 97.5))
    return Interval(float(statistic(clips)), float(low), float(high))
