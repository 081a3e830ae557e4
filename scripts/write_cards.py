"""Writes workflows/<title>.jpg, the pictures of the template browser, from runs of the API workflows.

python3 scripts/host.py exec python scripts/write_cards.py [--times] [NAME ...]

`card` in scripts/templates/layouts/NAME.yaml says what is shown: `result` (or `before` and `after`) names nodes that save
or preview pictures, `parts` how many pictures lie side by side in a frame and `show` which of them, `api` another
workflow to run where this one needs files that nobody has here, `caption` a line of text, `words` a card without picture,
`kept` a card that stays as it is: made from files that a training leaves.
--times draws nothing but keeps how long each run took, as a multiple of the first template's, in its description: on a
quiet machine only.
"""

import importlib.util
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from duet_host.client import request, run_prompt
from duet_host.jobs import show_errors
from duet_host.server import running_server
from templates.cards import draw_card, save_card
from templates.clip import enlarged, walk_through, write_clip
from templates.description import read_all, write_time

ROOT = Path(__file__).resolve().parents[1]


def load_stage():
    """The pack's stage, without ComfyUI."""
    spec = importlib.util.spec_from_file_location("pack", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    sys.modules["pack"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["pack"])
    return importlib.import_module("pack.models.stage")


def run(server, name: str, kept: dict, seconds: dict):
    """The files that each node of a workflow left, by node."""
    prompt = json.loads((ROOT / "workflows" / "api" / f"{name}.json").read_text(encoding="utf-8"))
    if name not in kept:
        request(f"{server.url}/free", {"unload_models": True, "free_memory": True})  # nothing from the runs before
        start = time.monotonic()
        result = run_prompt(server.url, prompt)
        if show_errors(prompt, result, server):
            raise SystemExit(f"{name} did not run to its end")
        kept[name], seconds[name] = result.outputs, time.monotonic() - start
    folders = {"output": server.output, "temp": server.log.parent / "servers" / str(server.port) / "temp"}

    def files_of(node: str) -> list[Path]:
        if prompt[node]["class_type"] == "LoadVideo":
            return [server.log.parent / "input" / prompt[node]["inputs"]["file"]]
        return [folders[item["type"]] / item["subfolder"] / item["filename"] for item in kept[name][node]["images"]]

    return files_of


def main() -> None:
    names, times = [word for word in sys.argv[1:] if word != "--times"], "--times" in sys.argv
    kept, seconds, example = {}, {}, walk_through(load_stage())[0]
    with tempfile.TemporaryDirectory() as folder:
        state, host = Path(folder) / "state", Path(os.environ["COMFYUI_PATH"])
        write_clip(state / "input" / "your_clip.mp4", *((enlarged(example), 24) if times else (example,)))
        shutil.copy(host / "input" / "example.png", state / "input")
        with running_server(host, Path(sys.executable), state, output=Path(folder) / "output") as server:
            for name, description in read_all().items():
                card = description.card
                if card.get("kept") or (names and name not in names) or (times and {"words", "api"} & set(card)):
                    continue
                files_of = None if "words" in card else run(server, card.get("api", name), kept, seconds)
                if times:
                    write_time(name, seconds[name] / seconds["joint_dance"])
                else:
                    save_card(ROOT / "workflows" / f"{description.title}.jpg", draw_card(card, files_of))
                print(f"{name}: {seconds.get(name, 0):.1f} s", flush=True)


if __name__ == "__main__":
    main()
