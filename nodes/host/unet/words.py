"""The text encoder of a model with a vocabulary of its own, for the stock CLIP Text Encode."""

import comfy.sd

from ....models.unet.words import word_tokens
from ..text_encoder import text_encoder


def word_encoder(words: tuple[str, ...]) -> comfy.sd.CLIP | None:
    """A CLIP that turns sentences of these words into tokens; None for a model that reads those of a stock CLIP."""
    return text_encoder(lambda text: (word_tokens(text, words)[None], None)) if words else None
