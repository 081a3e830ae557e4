"""The text encoder of flow models as the host's CLIP: labels, or BERT from a local folder, one vector for a prompt."""

from pathlib import Path

import comfy.sd
import torch
from torch import Tensor

from ....models.lfdm.labels import Labels, is_empty, mean_of_tokens
from ..files.folders import find_inside, folder_stamp
from ..text_encoder import text_encoder

BERT_FOLDERS = ("text_encoders",)


def motion_encoder(width: int, labels: Labels | None, bert_folder: str = "") -> comfy.sd.CLIP:
    """A CLIP that encodes a prompt as the vector (1, width) of its label, or of BERT where a folder is given."""
    bert = Bert(bert_folder, width) if bert_folder else None

    def encode(text: str) -> tuple[Tensor, Tensor]:
        vector = text_vector(text, width, labels, bert)
        return vector[:, None], vector  # the host wants tokens; the model takes the pooled vector

    return text_encoder(encode)


def text_vector(text: str, width: int, labels: Labels | None, bert: "Bert | None") -> Tensor:
    """(1, width) of a prompt; zeros for an empty one."""
    if is_empty(text):
        return torch.zeros(1, width)
    if bert is not None:
        return bert.vector(text)
    if labels is None:
        raise ValueError(
            "This flow model has no labels of its own: in Load Flow Model set bert_folder to a local folder with "
            "bert-base-cased, or choose a file of label vectors in label_name."
        )
    return labels.vector(text)


class Bert:
    """The BERT in a folder: read with the first prompt and kept as long as its CLIP."""

    def __init__(self, folder: str, width: int):
        self.folder, self.path, self.width = folder, find_bert(folder), width
        self.opened: tuple | None = None

    def vector(self, text: str) -> Tensor:
        """(1, width) of a text."""
        self.opened = self.opened or open_bert(self.path)
        model, tokenizer = self.opened
        max_length = model.config.max_position_embeddings
        tokens = tokenizer(text, return_tensors="pt", truncation=True, max_length=max_length)
        with torch.no_grad():
            states = model(**tokens).last_hidden_state
        vector = mean_of_tokens(states.float(), tokens["attention_mask"])
        check_width(vector, self.width, f"bert_folder: {self.folder}")
        return vector


def check_width(vectors: Tensor, width: int, name: str) -> None:
    """Text vectors must be as wide as those that the model was trained on."""
    if vectors.shape[-1] != width:
        raise ValueError(
            f"{name} gives text vectors of {vectors.shape[-1]} numbers, but this flow model takes {width} numbers: choose "
            "the one that the model was trained with."
        )


def find_bert(folder: str) -> Path:
    """The folder of a name inside the model folder of text encoders."""
    path = find_inside(folder, *BERT_FOLDERS, what="bert_folder", holds="config.json")
    if path is None:
        raise ValueError(
            f"bert_folder: expected a folder in models/text_encoders with config.json, vocab.txt and model.safetensors of "
            f"BERT, found none of the name {folder}: put google-bert/bert-base-cased into models/text_encoders and enter "
            "its name here."
        )
    return path


def bert_stamp(folder: str) -> str:
    """Changes when a file of BERT is replaced."""
    path = find_inside(folder, *BERT_FOLDERS, what="bert_folder") if folder else None
    return folder if path is None else folder_stamp(path)


def open_bert(path: Path):
    """The model and its tokenizer, from safetensors only and with every weight present."""
    from transformers import AutoTokenizer, BertModel

    local = {"local_files_only": True, "trust_remote_code": False}
    strict = {"use_safetensors": True, "output_loading_info": True}
    try:
        model, found = BertModel.from_pretrained(path, **local, **strict, add_pooling_layer=False)
        tokenizer = AutoTokenizer.from_pretrained(path, **local)
    except Exception as error:  # each of its many parts raises its own kind
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"bert_folder: {path.name} does not open as BERT ({reason}): get its files again.") from error
    if missing := [*found["missing_keys"], *found["mismatched_keys"]]:
        raise ValueError(
            f"bert_folder: expected every weight of BERT in {path.name}, but {len(missing)} are missing or of another "
            f"size, {sorted(map(str, missing))[0]} for one: get its files again."
        )
    return model.eval().requires_grad_(False), tokenizer
