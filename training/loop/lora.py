"""Low-rank additions to the attention of a frozen network, written as the stock LoRA loader reads them (kohya's names)."""

import torch
from torch import Tensor, nn

PLACES = ("attn1", "attn2")
LAYERS = ("to_q", "to_k", "to_v", "to_out.0")


def add_lora(network: nn.Module, rank: int, layers: tuple[str, ...] = LAYERS) -> list[str]:
    """Adds zero-initialised low ranks to projections of spatial self- and cross-attention; returns their names."""
    ends = tuple(f".{place}.{layer}" for place in PLACES for layer in layers)
    found = add_lora_to(network, rank, ends)
    if not found:
        raise ValueError(
            "The network has no attention that a LoRA could be added to: train all of it, or its adapters."
        )
    return found


def add_lora_to(network: nn.Module, rank: int, ends: tuple[str, ...]) -> list[str]:
    """Adds zero-initialised low ranks to linear layers whose names end so; returns their names."""
    found = []
    for name, module in list(network.named_modules()):
        if not name.endswith(ends) or not isinstance(module, nn.Linear):
            continue
        inner = min(rank, module.in_features, module.out_features)
        module.lora_down = nn.Linear(module.in_features, inner, bias=False)
        module.lora_up = nn.Linear(inner, module.out_features, bias=False)
        nn.init.kaiming_uniform_(module.lora_down.weight, a=5**0.5)
        nn.init.zeros_(module.lora_up.weight)
        # A hook does not change the names of the base, so the network is saved and opened as before.
        module.register_forward_hook(lambda layer, inputs, out: out + layer.lora_up(layer.lora_down(inputs[0])))
        found.append(name)
    return found


def is_lora(name: str) -> bool:
    return ".lora_down." in name or ".lora_up." in name


def lora_file(network: nn.Module) -> dict[str, Tensor]:
    """The additions as lora_unet_<name with underscores>.lora_down.weight, .lora_up.weight and .alpha."""
    out = {}
    for name, value in network.state_dict().items():
        if is_lora(name):
            module, part, _ = name.rsplit(".", 2)
            key = f"lora_unet_{module.replace('.', '_')}"
            out[f"{key}.{part}.weight"] = value.detach().cpu().half()
            out[f"{key}.alpha"] = torch.tensor(float(network.get_submodule(module).lora_down.out_features))
    return out
