"""BERT from a local folder, as flow models were told what to do: one vector for a sentence."""

from pathlib import Path

import folder_paths
import torch
from torch import Tensor

from ....models.lfdm.labels import mean_of_words


def bert_vector(folder: str, text: str) -> Tensor:
    """(1, width) of a text by the BERT in a folder, which is opened, asked and let go."""
    model, tokenizer = open_bert(find_bert(folder))
    longest = model.config.max_position_embeddings
    tokens = tokenizer(text, return_tensors="pt", truncation=True, max_length=longest)
    with torch.no_grad():
        states = model(**tokens).last_hidden_state
    return mean_of_words(states.float(), tokens["attention_mask"])


def find_bert(folder: str) -> Path:
    """A folder by its path, or by its name in the folder of text encoders."""
    inside = [Path(root) / folder for root in folder_paths.get_folder_paths("text_encoders")]
    for path in (*inside, Path(folder).expanduser()):
        if (path / "config.json").is_file():
            return path
    raise ValueError(
        f"bert_folder: expected a folder with config.json, vocab.txt and model.safetensors of BERT, found none at "
        f"{folder}: put google-bert/bert-base-cased into models/text_encoders and give its name here."
    )


def open_bert(path: Path):
    """The model and its tokenizer, from safetensors only and with every weight there."""
    from transformers import AutoTokenizer, BertModel

    local = {"local_files_only": True, "trust_remote_code": False}
    told = {"use_safetensors": True, "output_loading_info": True}
    try:
        model, found = BertModel.from_pretrained(path, **local, **told, add_pooling_layer=False)
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
