"""The tokens of a prompt as a small file, so that training needs no text encoder: the host has encoded it already."""

from hashlib import sha256
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

NAME = "tokens"


def write_tokens(folder: Path, tokens: Tensor) -> Path:
    """(1, T, D) or (T, D) tokens, or the (2, T, D) of both prompts of a pair, as a file that is named after what it holds."""
    tokens = tokens.detach().float().cpu()
    data = save({NAME: (tokens[0] if tokens.ndim == 3 and len(tokens) == 1 else tokens).contiguous()})
    path = folder / f"{sha256(data).hexdigest()[:16]}.safetensors"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(data)
        temporary.replace(path)
    return path


def read_tokens(path: Path, widths: list[int] | None, prompts: int = 1) -> Tensor:
    """(T, D) tokens of one of the widths that a model reads, if it has any; of several prompts (prompts, T, D)."""
    try:
        tokens = load_file(path).get(NAME)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"The tokens {path} cannot be read ({error}): encode the prompt again.") from error
    whole = tokens is not None and tokens.numel() and torch.isfinite(tokens).all()
    if whole and prompts != (len(tokens) if tokens.ndim == 3 else 1):
        encode = "CLIP Text Encode" if prompts == 1 else "Encode Prompt (Wan 2.2 Pair)"
        raise ValueError(f"{path.name} holds another number of prompts than {prompts}: connect {encode} to positive.")
    if not whole or tokens.ndim not in (2, 3):
        raise ValueError(f"{path.name} holds no tokens of a prompt: encode the prompt again.")
    if widths is not None and tokens.shape[-1] not in widths:
        raise ValueError(
            f"The prompt is {tokens.shape[-1]} numbers a token, but this model reads {' or '.join(map(str, widths))}: "
            "encode it with the CLIP that belongs to this model."
        )
    return tokens
