"""The prompt and the workflow in the metadata of a saved model, as the host's own savers write them."""

import json
import re
from pathlib import Path

from comfy.cli_args import args


def saved_workflow(hidden) -> dict[str, str]:
    """What a node's hidden inputs say of its graph; nothing where the server runs with --disable-metadata."""
    if args.disable_metadata or hidden is None:
        return {}
    prompt = {} if hidden.prompt is None else {"prompt": hidden.prompt}
    return {name: json.dumps(value) for name, value in {**prompt, **(hidden.extra_pnginfo or {})}.items()}


def pack_version() -> str:
    """The pack and its version, as files name what wrote them."""
    text = (Path(__file__).resolve().parents[3] / "pyproject.toml").read_text(encoding="utf-8")
    return "ComfyUI-Duet " + re.search(r'^version = "(.+)"', text, re.MULTILINE)[1]
