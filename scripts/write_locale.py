"""Writes both packs' locales/en/nodeDefs.json from their nodes: python3 scripts/host.py exec python scripts/write_locale.py"""

import asyncio
import importlib
import importlib.util
import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def inputs_of(inputs: list, prefix: str = ""):
    """Each input with its id as a prompt writes it, those of every option of a dynamic combo too: ("range.near_depth", input)."""
    for one in inputs:
        yield prefix + one.id, one
        for option in getattr(one, "options", None) or ():
            yield from inputs_of(getattr(option, "inputs", ()), f"{prefix}{one.id}.")


def key_of(name: str) -> str:
    """How the page writes the id of an input in a locale file."""
    return name.replace(".", "_")


def english(schema) -> dict:
    """The texts of one node in the form that the page reads."""
    return {
        "display_name": schema.display_name,
        "description": schema.description,
        "inputs": {
            key_of(name): {"name": i.display_name or i.id, "tooltip": i.tooltip} for name, i in inputs_of(schema.inputs)
        },
        "outputs": {
            str(k): {"name": o.display_name or o.id, "tooltip": o.tooltip} for k, o in enumerate(schema.outputs)
        },
    }


def main() -> None:
    sys.path[0] = os.environ["COMFYUI_PATH"]  # in place of this folder
    from comfy.cli_args import args

    args.cpu = True
    spec = importlib.util.spec_from_file_location("pack", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    sys.modules["pack"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["pack"])
    for name, folder in (("pack", ROOT), ("pack.training", ROOT / "training")):
        write(importlib.import_module(name), folder / "locales" / "en" / "nodeDefs.json")


def write(pack, target: Path) -> None:
    """The texts of one pack's nodes, sorted by their ids."""
    extension = asyncio.run(pack.comfy_entrypoint())
    asyncio.run(extension.on_load())
    schemas = [node.GET_SCHEMA() for node in asyncio.run(extension.get_node_list())]
    texts = {schema.node_id: english(schema) for schema in sorted(schemas, key=lambda s: s.node_id)}
    target.write_text(json.dumps(texts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{len(texts)} nodes written to {target.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
