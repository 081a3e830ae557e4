"""A flow model and its autoencoder, small and random, under the names that the workflows ask for, with labels of the stage."""

import json
import re
from dataclasses import replace
from pathlib import Path

import torch

from tiny.files import random_state


def write_flow_models(models: Path) -> None:
    """The labels of the model are the stage's actions."""
    from pack.models.choices import ACTIONS
    from pack.models.lfdm.autoencoder import FlowAutoencoder
    from pack.models.lfdm.checkpoint import LABEL_VECTORS, save
    from pack.models.lfdm.config import TINY_AUTOENCODER, TINY_UNET
    from pack.models.lfdm.labels import LABEL_NAMES
    from pack.models.lfdm.unet import FlowUNet

    config = replace(TINY_UNET, feature_width=TINY_AUTOENCODER.feature_width)
    folder = models / "flow_models"
    folder.mkdir(parents=True, exist_ok=True)
    save(
        folder / "duet_flow_codec_64.safetensors",
        TINY_AUTOENCODER,
        autoencoder_state(FlowAutoencoder(TINY_AUTOENCODER)),
    )
    state = random_state(FlowUNet(config), 21)
    vectors = torch.randn(len(ACTIONS), config.text_width, generator=torch.Generator().manual_seed(22))
    notes = {LABEL_NAMES: json.dumps(list(ACTIONS))}
    save(folder / "duet_flow_64.safetensors", config, state | {LABEL_VECTORS: vectors}, **notes)


def autoencoder_state(net: torch.nn.Module, seed: int = 20) -> dict[str, torch.Tensor]:
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
    from pack.models.lfdm.checkpoint import LABEL_VECTORS
    from pack.models.lfdm.labels import LABEL_NAMES

    return write_safely(path, {LABEL_VECTORS: labels.vectors}, {LABEL_NAMES: json.dumps(list(labels.names))})


def released_name(name: str, shape: tuple[int, ...]) -> str:
    """The name of one of our U-Net's weights in a released file."""
    from pack.models.lfdm.checkpoint import DENOISER

    if name.endswith(".gamma"):
        name = name.replace(".norm.gamma", ".fn.norm.gamma")
    elif name.endswith((".to_qkv.weight", ".to_out.weight", ".to_out.bias")):
        linear = len(shape) == 2  # attention over tokens has one wrapper more than that by convolutions
        name = re.sub(r"\.(to_\w+)", r".fn.fn.fn.\1" if linear else r".fn.fn.\1", name)
    return DENOISER + name
