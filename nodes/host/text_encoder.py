"""Text encoders of small models as the host's CLIP, so that the stock CLIP Text Encode works with them."""

from collections.abc import Callable
from types import SimpleNamespace

import comfy.sd
import torch
from torch import Tensor, nn

Encode = Callable[[str], tuple[Tensor, Tensor | None]]


class PlainTokenizer:
    """Passes the prompt on as it was typed: a small vocabulary has no weights such as (word:1.2)."""

    def __init__(self, embedding_directory=None, tokenizer_data=None):
        pass

    def tokenize_with_weights(self, text: str, return_word_ids: bool = False, **kwargs) -> dict:
        return {"text": text}

    def state_dict(self) -> dict:
        return {}


class TextEncoder(nn.Module):
    """A function from a prompt to (1, T, d) tokens and (1, d) pooled or None, in the form that comfy.sd.CLIP expects."""

    dtypes = {torch.float32}

    def __init__(self, encode: Encode, dtype=None, device=None, model_options=None):
        super().__init__()
        self.encode = encode

    def encode_token_weights(self, tokens: dict) -> tuple[Tensor, Tensor | None]:
        return self.encode(tokens["text"])

    def set_clip_options(self, options: dict) -> None:
        """CLIP Set Last Layer and the like concern the layers of a transformer, and there are none."""

    def reset_clip_options(self) -> None:
        pass

    def load_sd(self, state: dict) -> tuple[list, list]:
        return [], list(state)


def text_encoder(encode: Encode) -> comfy.sd.CLIP:
    """A CLIP of the host around `encode`."""
    return comfy.sd.CLIP(SimpleNamespace(params={"encode": encode}, clip=TextEncoder, tokenizer=PlainTokenizer))
