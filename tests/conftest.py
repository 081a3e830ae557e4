"""Gives the repository one import name, `pack`, in every test, whatever its folder is called."""

import importlib.util
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOST = os.environ.get("COMFYUI_PATH")

spec = importlib.util.spec_from_file_location("pack", ROOT / "__init__.py")
sys.modules["pack"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["pack"])
sys.modules["pack"].__path__ = [str(ROOT)]

if HOST:
    sys.path.insert(0, HOST)  # the host's own nodes.py must win over our folder of that name
    import torch
    from comfy.cli_args import args

    args.cpu = not torch.cuda.is_available()
else:
    collect_ignore = ["nodes", "workflows", "browser"]
