"""Writes workflows/<title>.json and the table of workflows/README.md from workflows/api and scripts/templates/layouts.

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
from templates.build import build_template
from templates.description import read_all
from templates.table import table

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = ROOT / "workflows"


def main() -> None:
    descriptions, names = read_all(), sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        with running_server(Path(os.environ["COMFYUI_PATH"]), Path(sys.executable), Path(folder) / "state") as server:
            info = object_info(server.url)
    wrong = 0
    for name, description in descriptions.items():
        if names and name not in names:
            continue
        prompt = json.loads((WORKFLOWS / "api" / f"{name}.json").read_text(encoding="utf-8"))
        workflow, problems = build_template(for_this_host(prompt, info), info, description)
        path = WORKFLOWS / f"{description.title}.json"
        path.write_text(json.dumps(workflow, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        wrong += len(problems)
        print(f"{name}: zoom {workflow['extra']['ds']['scale']:.0%}", *problems, sep="\n  ")
    if not names:
        titles = {description.title for description in descriptions.values()}
        for path in WORKFLOWS.glob("*.json"):
            if path.stem not in titles:
                path.unlink()
    (WORKFLOWS / "README.md").write_text(table(descriptions), encoding="utf-8")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
