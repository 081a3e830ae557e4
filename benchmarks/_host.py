"""Imports ComfyUI and then the pack, for benchmarks that sample: both have a package named nodes, the host's is first here."""

import os
import sys

sys.path.insert(0, os.environ["COMFYUI_PATH"])

import torch  # noqa: E402
from comfy.cli_args import args  # noqa: E402

# Apple's GPU only where bench gpu asks for it: figures of other benchmarks are those of NVIDIA's and of CPUs.
args.cpu = not (torch.cuda.is_available() or os.environ.get("DUET_DEVICE") == "mps")

import _pack  # noqa: E402, F401

import nodes  # noqa: E402, F401
