"""Writing files of weights, with a checksum; nothing half-written ever has its name."""

import os
import zlib
from pathlib import Path
from uuid import uuid4

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from ..unet.config import VideoUNetConfig
from ..unet.config_file import to_json
from .reading import SAFE


def checksum(state: dict[str, Tensor], config: str) -> str:
    """CRC-32 of the configuration and of every name, kind of number, shape and byte."""
    crc = zlib.crc32(config.encode())
    for name in sorted(state):
        value = state[name].detach().cpu().contiguous()
        crc = zlib.crc32(f"{name} {value.dtype} {tuple(value.shape)}".encode(), crc)
        crc = zlib.crc32(value.reshape(-1).view(torch.uint8).numpy(), crc)
    return f"{crc:08x}"


def without_sharing(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights on the CPU, each with memory of its own, since a file stores tied weights in full."""
    seen, out = set(), {}
    for name, value in state.items():
        value = value.detach().cpu().contiguous()
        storage = value.untyped_storage()
        shared = storage.data_ptr() in seen or storage.nbytes() != value.nbytes
        out[name] = value.clone() if shared else value
        seen.add(storage.data_ptr())
    return out


def save_model(path: str | Path, state: dict[str, Tensor], config: VideoUNetConfig, /, **metadata) -> Path:
    """Write a Duet file: safetensors with its configuration and a checksum."""
    text = to_json(config)
    notes = {name: str(value) for name, value in metadata.items()}
    return write_safely(path, state, {**notes, "duet": text, "duet_crc32": checksum(state, text)})


def write_safely(path: str | Path, state: dict[str, Tensor], notes: dict[str, str]) -> Path:
    """Write safetensors with notes beside the weights; nothing half-written ever has its name."""
    path = Path(path)
    if path.suffix.lower() not in SAFE:
        raise ValueError(f"A Duet file ends in .safetensors, but {path.name} does not: change its ending.")
    unfinished = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    state = without_sharing(state)
    try:
        # Made here first, since a new file gets 0666 less the umask; the library then fills it.
        os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        mode = unfinished.stat().st_mode & 0o777
        save_file(state, unfinished, {**notes, "format": "pt"})
        os.chmod(unfinished, mode)
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except (OSError, SafetensorError) as error:
        size = sum(value.nbytes for value in state.values())
        raise OSError(
            f"{path} was not written ({getattr(error, 'strerror', None) or error}): it needs {size / 1e6:,.1f} MB there. Make room, or "
            "choose another folder."
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)
    return path
