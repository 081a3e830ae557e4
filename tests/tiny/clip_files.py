"""The whole CLIP ViT-L/14 in one file, as Load CLIP and Load CLIP Vision open it: it barely sees and reads."""

from pathlib import Path

import torch

from tiny.files import save_with_zeros, silent_layers, words

NAME = "clip-vit-large-patch14.safetensors"


def write_clip(models: Path) -> None:
    """The file in both folders that it belongs into."""
    state = seeing() | {f"text_model.{name}": value for name, value in words().items()}
    g = torch.Generator().manual_seed(34)
    state["text_projection.weight"] = torch.randn(768, 768, generator=g) / 28
    zeros = silent_vision() | {f"text_model.{name}": size for name, size in silent_layers().items()}
    for folder in ("clip_vision", "text_encoders"):
        (models / folder).mkdir(parents=True, exist_ok=True)
        save_with_zeros(models / folder / NAME, state, zeros)


def seeing() -> dict[str, torch.Tensor]:
    """The part of the vision model that answers: its first token and the way out."""
    g, norm = torch.Generator().manual_seed(32), torch.ones(1024)
    return {
        "vision_model.embeddings.class_embedding": torch.randn(1024, generator=g),
        "vision_model.pre_layrnorm.weight": norm,
        "vision_model.post_layernorm.weight": norm,
        "visual_projection.weight": torch.randn(768, 1024, generator=g) / 32,
    }


def silent_vision() -> dict[str, tuple[int, ...]]:
    """The rest of it, which the host wants whole: all zeros."""
    width, wide = 1024, 4096
    shapes = {
        "vision_model.embeddings.patch_embedding.weight": (width, 3, 14, 14),
        "vision_model.embeddings.position_embedding.weight": (257, width),
        "vision_model.pre_layrnorm.bias": (width,),
        "vision_model.post_layernorm.bias": (width,),
    }
    for i in range(24):
        layer = f"vision_model.encoder.layers.{i}."
        square = {f"{layer}self_attn.{name}_proj": (width, width) for name in ("q", "k", "v", "out")}
        for name, size in (square | {f"{layer}mlp.fc1": (wide, width), f"{layer}mlp.fc2": (width, wide)}).items():
            shapes |= {f"{name}.weight": size, f"{name}.bias": size[:1]}
        shapes |= {f"{layer}layer_norm{k}.{part}": (width,) for k in (1, 2) for part in ("weight", "bias")}
    return shapes
