"""The start of a run: its name, its folder, its settings, and whether it may start. Standard library only."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from .lock import hold
from .settings import RunSettings

ALL_DAMAGED = "No checkpoint can be read"  # begins the error of a run that cannot be continued
NAME = re.compile(r"\w[\w .+-]{0,99}", re.ASCII)


def run_folder(root: Path, name: str) -> Path:
    """The folder of a run by its name, which never leads out of the root."""
    if not NAME.fullmatch(name) or name.endswith((".", " ")):
        raise ValueError(
            f"A run name is one plain name of letters, numbers, spaces and - _ + . such as my_first_run, not {name!r}."
        )
    return root / name


def existing_run(root: Path, name: str) -> Path:
    """The folder of a run that was started before."""
    folder = run_folder(root, name)
    if not (folder / "run.json").is_file() and not (folder / "settings.json").is_file():
        found = sorted(path.parent.name for path in root.glob("*/settings.json"))
        listed = f"There are: {', '.join(found)}." if found else "There are none yet: start one with Train."
        raise ValueError(f"Found no run {name} in {root}. {listed}")
    return folder


def begin(folder: Path, settings: RunSettings, processes: int) -> None:
    """Writes the settings of a new run; refuses a folder that holds another run's checkpoints."""
    settings = replace(settings, folder=".")
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        if any((folder / "checkpoints").glob("step_*")):
            before, count = stored(folder)
            differ = [name for name, value in vars(settings).items() if getattr(before, name) != value]
            differ += ["processes"] if count != processes else []
            if differ:
                raise ValueError(
                    f"The run {folder.name} was started with other settings ({', '.join(differ)} differ): "
                    "continue it with Resume Training, or choose another run name."
                )
        write_run(folder, settings, processes)


def write_run(folder: Path, settings: RunSettings, processes: int) -> None:
    """run.json for launch.py, beside the number of processes; each whole or not at all."""
    for name, text in (("processes.json", json.dumps({"processes": processes})), ("run.json", settings.to_json())):
        temporary = folder / f".{name}.tmp"
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(folder / name)


def stored(folder: Path) -> tuple[RunSettings, int]:
    """The settings of a run and its number of processes; one of the command line has them in other files."""
    file = folder / "run.json" if (folder / "run.json").is_file() else folder / "settings.json"
    settings = replace(RunSettings.from_json(file.read_text(encoding="utf-8")), folder=".")
    sources = [folder / "processes.json", *sorted(folder.glob("checkpoints/step_*/state.json"), reverse=True)]
    for source in sources:
        if source.is_file():
            return settings, int(json.loads(source.read_text(encoding="utf-8"))["processes"])
    return settings, 1


def entries(folder: Path) -> list[dict]:
    """The log; a line that is still being written, or that is damaged, is left out."""
    file = folder / "log.jsonl"
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else []
    return [entry for entry in map(parsed, lines) if entry]


def parsed(line: str) -> dict:
    """An entry of the log, empty if it is none."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    known = [entry.get(name, 0) for name in ("step", "loss", "seconds")] if isinstance(entry, dict) else [None]
    return entry if all(type(value) in (int, float) for value in known) else {}


def is_finished(folder: Path, settings: RunSettings) -> bool:
    """Whether a run did all its steps and its model files are there."""
    done = any(e.get("event") == "finished" and e.get("step") == settings.steps for e in entries(folder))
    return done and any((folder / "model").glob("*.safetensors"))


def newest_sample(folder: Path) -> Path | None:
    return max((folder / "samples").glob("step_*.png"), default=None)


@contextmanager
def locked(folder: Path) -> Iterator[int]:
    """Keeps a second training out of a run folder: yields a file descriptor that the training inherits."""
    with hold(folder / ".lock") as descriptor:
        if descriptor is None:
            raise ValueError(
                f"The run {folder.name} is being trained at this moment: wait for its end, or choose another run name."
            )
        yield descriptor
