"""A tiny CLIP of two halves in a folder, as transformers saves it."""

from pathlib import Path

import torch


def write_clip(folder: Path) -> None:
    """A tiny CLIP of two halves as transformers saves it, with the host's own tokenizer."""
    import comfy.sd1_clip
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

    tiny = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    seeing = {**tiny, "image_size": 56, "patch_size": 14}
    reading = {**tiny, "bos_token_id": 49406, "eos_token_id": 49407}
    model = CLIPModel(CLIPConfig(text_config=reading, vision_config=seeing, projection_dim=16))
    g = torch.Generator().manual_seed(10)
    for value in model.parameters():
        value.data = torch.randn(value.shape, generator=g) * 0.3
    model.save_pretrained(folder)
    CLIPTokenizer.from_pretrained(Path(comfy.sd1_clip.__file__).with_name("sd1_tokenizer")).save_pretrained(folder)
