"""The tokens that both streams of a pair on Wan 2.2 read: of a vocabulary of its own, or of umT5.

Letters: L tokens of D numbers.
"""

from pathlib import Path

import torch
from torch import Tensor

from ...models.stage.caption import VOCABULARY
from ...models.unet.words import split_words, token_width, word_tokens
from ...models.wan.sentences import SENTENCES
from ..encode.tokens import read_tokens

LONGEST = 512  # tokens that Wan reads


def open_texts(model: dict, shown: str) -> "Texts":
    """A prompt that the page has encoded, the text encoder in a folder, or the words of the stage's captions."""
    if model.get("text"):
        return OnePrompt(Path(model["text"]))
    return EncodedTexts(model["text_encoder"], shown) if model.get("text_encoder") else WordTexts(shown)


class Texts:
    """Tokens of prompts, each encoded once, and of the second stream's sentence."""

    words: tuple[str, ...] = ()
    width: int

    def __init__(self, shown: str):
        self.sentence, self.known = SENTENCES[shown], {}

    def prepare(self, prompts: list[str], device: torch.device) -> None:
        for text in dict.fromkeys((*prompts, self.sentence, "")):
            if text not in self.known:
                self.known[text] = self.encode(text, device)

    def tokens(self, prompt: str) -> Tensor:
        """(m, L, D): the prompt's and the sentence's."""
        return torch.stack((self.known[prompt], self.known[self.sentence]))

    @property
    def empty(self) -> Tensor:
        """(L, D) of no prompt."""
        return self.known[""]

    def encode(self, text: str, device: torch.device) -> Tensor:
        """(L, D) tokens, zeros after the end of the text."""
        raise NotImplementedError


class OnePrompt(Texts):
    """The prompt of all clips and the sentence of their second stream, as Encode Prompt (Wan 2.2 Pair) encodes them."""

    def __init__(self, file: Path):
        self.both = read_tokens(file, None, prompts=2)
        self.width = self.both.shape[-1]
        self.known = {"": torch.zeros_like(self.both[0])}

    def prepare(self, prompts: list[str], device: torch.device) -> None:
        pass

    def tokens(self, prompt: str) -> Tensor:
        return self.both


class WordTexts(Texts):
    """Tokens of a vocabulary that is stored in the model's file."""

    def __init__(self, shown: str):
        super().__init__(shown)
        sentences = (word for text in SENTENCES.values() for word in split_words(text))
        self.words = tuple(dict.fromkeys((*VOCABULARY, *sentences)))
        self.width = token_width(self.words)

    def encode(self, text: str, device: torch.device) -> Tensor:
        return word_tokens(text, self.words).bool()


class EncodedTexts(Texts):
    """Tokens of umT5, from folders in diffusers' form: text_encoder, and tokenizer beside it."""

    def __init__(self, folder: str, shown: str):
        from transformers import AutoTokenizer, UMT5EncoderModel

        super().__init__(shown)
        tokenizer = Path(folder).with_name("tokenizer")
        self.tokenizer = AutoTokenizer.from_pretrained(tokenizer, local_files_only=True)
        self.encoder = UMT5EncoderModel.from_pretrained(folder, local_files_only=True).requires_grad_(False).eval()
        self.width = self.encoder.config.d_model

    @torch.no_grad()
    def encode(self, text: str, device: torch.device) -> Tensor:
        read = self.tokenizer(text, max_length=LONGEST, truncation=True, padding="max_length", return_tensors="pt")
        hidden = self.encoder.to(device)(**read.to(device)).last_hidden_state[0]
        return (hidden * read["attention_mask"][0, :, None]).float().cpu()
