"""The tokens of a prompt as a small file, so that training needs no text encoder: the host has encoded it already."""

from hashlib import sha256
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

NAME = "tokens"


def write_tokens(folder: Path, tokens: Tensor) -> Path:
    """(1, T, D) or (T, D) tokens as a file that is named after what it holds."""
    data = save({NAME: tokens.detach().float().cpu().reshape(tokens.shape[-2:]).contiguous()})
    path = folder / f"{sha256(data).hexdigest()[:16]}.safetensors"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(data)
        temporary.replace(path)
    return path


def read_tokens(path: Path, widths: list[int]) -> Tensor:
    """(T, D) tokens of one of the widths that a model reads."""
    try:
        tokens = load_file(path).get(NAME)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"The tokens {path} cannot be read ({error}): encode the prompt again.") from error
    if tokens is None or tokens.ndim != 2 or not len(tokens) or not torch.isfinite(tokens).all():
        raise ValueError(f"{path.name} holds no tokens of a prompt: encode the prompt again.")
    if tokens.shape[1] not in widths:
        raise ValueError(
            f"The prompt is {tokens.shape[1]} numbers a token, but this model reads {' or '.join(map(str, widths))}: "
            "encode it with the CLIP that belongs to this model."
        )
    return tokens
