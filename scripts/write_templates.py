"""Writes the templates and blueprints that the descriptions in scripts/templates make of the API workflows.

workflows/<title>.json of both packs, the table of each in workflows/README.md, and subgraphs/<title>.json:
python3 scripts/host.py exec python scripts/write_templates.py [NAME ...]
"""

import json
import os
import sys
import tempfile
from pathlib import Path

from duet_host.client import object_info
from duet_host.save_video import for_this_host
from duet_host.server import running_server
from templates.blueprints import build_blueprint, read_blueprints
from templates.build import build_template
from templates.description import read_all
from templates.table import table

ROOT = Path(__file__).resolve().parents[1]
PACKS = {"": ROOT / "workflows", "training": ROOT / "training" / "workflows"}


def main() -> None:
    names = sys.argv[1:]
    info = ask_server()
    problems = sum(write_pack(pack, folder, names, info) for pack, folder in PACKS.items())
    write_blueprints(names, info)
    sys.exit(bool(problems))


def ask_server() -> dict:
    """What a server with both packs says of its nodes."""
    with tempfile.TemporaryDirectory() as folder:
        with running_server(Path(os.environ["COMFYUI_PATH"]), Path(sys.executable), Path(folder) / "state") as server:
            return object_info(server.url)


def prompt_of(path: Path, info: dict) -> dict:
    return for_this_host(json.loads(path.read_text(encoding="utf-8")), info)


def write(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_pack(pack: str, folder: Path, names: list[str], info: dict) -> int:
    """Writes the templates of a pack, or those of the names; returns how many problems their layouts have."""
    descriptions, wrong = read_all(pack), 0
    for name, description in descriptions.items():
        if names and name not in names:
            continue
        workflow, problems = build_template(prompt_of(folder / "api" / f"{name}.json", info), info, description)
        write(folder / f"{description.title}.json", workflow)
        wrong += len(problems)
        print(f"{name}: zoom {workflow['extra']['ds']['scale']:.0%}", *problems, sep="\n  ")
    if not names:
        remove_others(folder, [description.title for description in descriptions.values()])
    (folder / "README.md").write_text(table(descriptions), encoding="utf-8")
    return wrong


def write_blueprints(names: list[str], info: dict) -> None:
    """Writes the blueprints, or those of the names."""
    folder, blueprints = ROOT / "subgraphs", read_blueprints()
    folder.mkdir(exist_ok=True)
    for name, blueprint in blueprints.items():
        if not names or name in names:
            prompt = prompt_of(PACKS[""] / "api" / f"{blueprint.workflow}.json", info)
            write(folder / f"{blueprint.title}.json", build_blueprint(prompt, info, blueprint))
            print(f"{name}: blueprint {blueprint.title}")
    if not names:
        remove_others(folder, [blueprint.title for blueprint in blueprints.values()])


def remove_others(folder: Path, titles: list[str]) -> None:
    """Deletes the workflows that no description makes any more."""
    for path in folder.glob("*.json"):
        if path.stem not in titles:
            path.unlink()


if __name__ == "__main__":
    main()
