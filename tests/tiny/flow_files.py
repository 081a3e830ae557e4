"""A flow model and its codec, small and random, under the names that the workflows ask for, with labels of the stage."""

import json
import re
from dataclasses import replace
from pathlib import Path

import torch

from tiny.files import random_state


def write_flow_models(models: Path) -> None:
    """The model knows the actions of the stage."""
    from pack.models.choices import ACTIONS
    from pack.models.lfdm.autoencoder import FlowAutoencoder
    from pack.models.lfdm.checkpoint import LABELS, save
    from pack.models.lfdm.config import TINY_CODEC, TINY_UNET
    from pack.models.lfdm.labels import TEXTS
    from pack.models.lfdm.unet import FlowUNet

    config = replace(TINY_UNET, feature_width=TINY_CODEC.feature_width)
    folder = models / "flow_models"
    folder.mkdir(parents=True, exist_ok=True)
    save(folder / "duet_flow_codec_64.safetensors", TINY_CODEC, codec_state(FlowAutoencoder(TINY_CODEC)))
    state = random_state(FlowUNet(config), 21)
    vectors = torch.randn(len(ACTIONS), config.text_width, generator=torch.Generator().manual_seed(22))
    notes = {TEXTS: json.dumps(list(ACTIONS))}
    save(folder / "duet_flow_64.safetensors", config, state | {LABELS: vectors}, **notes)


def codec_state(net: torch.nn.Module, seed: int = 20) -> dict[str, torch.Tensor]:
    """Random, but the kernels that make pictures smaller stay, the norms rest and the room moves a little."""
    drawn, state = random_state(net, seed, gain=1.0), net.state_dict()
    for name in state:
        if not name.endswith(("down.weight", "running_mean", "running_var", "num_batches_tracked")):
            state[name] = drawn[name]
    state["bg_predictor.fc.bias"] = torch.tensor([1.0, 0.05, 0.02, -0.05, 1.0, 0.0])
    state["bg_predictor.fc.weight"] *= 0.01
    return state


def write_labels(path: Path, labels) -> Path:
    """Vectors of labels as a file of their own."""
    from pack.models.files.writing import write_safely
    from pack.models.lfdm.checkpoint import LABELS
    from pack.models.lfdm.labels import TEXTS

    return write_safely(path, {LABELS: labels.vectors}, {TEXTS: json.dumps(list(labels.names))})


def released_name(name: str, shape: tuple[int, ...]) -> str:
    """The name of one of our U-Net's weights in a released file."""
    from pack.models.lfdm.checkpoint import DENOISER

    if name.endswith(".gamma"):
        name = name.replace(".norm.gamma", ".fn.norm.gamma")
    elif name.endswith((".to_qkv.weight", ".to_out.weight", ".to_out.bias")):
        linear = len(shape) == 2  # attention over tokens has one wrapper more than that by convolutions
        name = re.sub(r"\.(to_\w+)", r".fn.fn.fn.\1" if linear else r".fn.fn.\1", name)
    return DENOISER + name
