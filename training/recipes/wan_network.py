"""The network that a pair on Wan 2.2 begins with: a new one, a trained pair, or plain Wan with a second stream added."""

from dataclasses import fields, replace
from pathlib import Path

import torch
from torch import nn

from ...models.wan.files import open_plain_wan, open_wan_pair
from ...models.wan.network import PairNetwork, PairShape
from ..page.limits import check_names

LORA_LAYERS = ("self_attn.q", "self_attn.k", "self_attn.v", "self_attn.o", "cross_attn.q", "cross_attn.k", "cross_attn.v",
               "cross_attn.o", "ffn.0", "ffn.2")  # fmt: skip
SMALL = PairShape(dim=256, ffn_dim=768, num_heads=4, num_layers=5, patch_size=(2, 2, 2))  # 5.4 million numbers
READ = ("in_dim", "out_dim", "text_dim", "modalities")  # follow from the VAE, the text and the second clip


def start_network(model: dict, channels: int, width: int, shown: str) -> PairNetwork:
    """The network of `init`, or a new one of the shape in `config`."""
    if model.get("init"):
        return fitting(open_network(Path(model["init"]), shown), channels, width)
    shape = {
        name: tuple(value) if isinstance(value, list) else value for name, value in model.get("config", {}).items()
    }
    check_names("model: config", shape, [field.name for field in fields(PairShape) if field.name not in READ])
    made = replace(SMALL, in_dim=channels, out_dim=channels, text_dim=width, modalities=(shown,), **shape)
    if made.dim % (2 * made.num_heads):
        raise ValueError(
            f"model: config needs a dim that num_heads cut into even widths, got {made.dim} and {made.num_heads}: take a multiple of "
            f"{2 * made.num_heads}."
        )
    return start_new(PairNetwork(made))


@torch.no_grad()
def start_new(network: PairNetwork) -> PairNetwork:
    """Gates and answers that begin at zero, so that each block is left out at first, which trains faster."""
    parts = [network.time_projection[1], network.head.head, network.head.modality.head]
    zero = [value for part in parts for value in part.parameters()] + [block.modulation for block in network.blocks]
    for value in zero:
        value.zero_()
    return network


def open_network(path: Path, shown: str) -> PairNetwork:
    """A pair, with an embedding more where it does not know the modality, or plain Wan with a second stream."""
    plain = open_plain_wan(path)
    shape, state = plain or ((opened := open_wan_pair(path)).shape, opened.state)
    with torch.device("meta"):
        network = PairNetwork(replace(shape, modalities=tuple(dict.fromkeys((*shape.modalities, shown)))))
    network.to_empty(device="cpu")
    nn.init.zeros_(network.modality.embeddings[shown])
    network.load_state_dict(state, strict=False)
    if plain:
        network.start_added()
    return network.float()


def fitting(network: PairNetwork, channels: int, width: int) -> PairNetwork:
    """Refuses a network of other latents or other tokens than the run has."""
    shape = network.shape
    for name, needs, has in (("vae", shape.in_dim, channels), ("text_encoder", shape.text_dim, width)):
        if needs != has:
            raise ValueError(
                f"model: {name} gives {has} numbers where the network of init reads {needs}: take the {name} that belongs to it."
            )
    return network
