"""Small random files in the host's own folders: a LoRA, a hypernetwork, ControlNets, a T2I-adapter and a GLIGEN model."""

from pathlib import Path

import torch
from safetensors.torch import save_file

from tiny.compatibility.families import SHAPE
from tiny.model import noise, random_weights

LORA, HYPERNETWORK = "compatibility_lora.safetensors", "compatibility_hypernetwork.pt"
CONTROLNET, DIFFERENCE, ADAPTER, UNION = (
    f"compatibility_{name}.safetensors" for name in ("controlnet", "difference", "t2i", "union")
)
WIDTHS = (64, 128, 256)
OTHER_LAYERS = {"init_temporal_attn.to_qkv": (768, 16), "blocks.0.self_attn.q": (48, 48), "blocks.1.ffn.0": (96, 48)}


def write_files(folder: Path) -> None:
    """Write every file and tell the host where."""
    import folder_paths

    for kind in ("loras", "hypernetworks", "controlnet"):
        (folder / kind).mkdir(parents=True)
        folder_paths.add_model_folder_path(kind, str(folder / kind), is_default=True)
    save_file(lora(), str(folder / "loras" / LORA))
    torch.save(hypernetwork(), folder / "hypernetworks" / HYPERNETWORK)
    net = controlnet()
    save_file(net, str(folder / "controlnet" / CONTROLNET))
    halves = {f"control_model.{name}": value * 0.5 for name, value in net.items()}
    save_file(halves | {"difference": torch.zeros(1)}, str(folder / "controlnet" / DIFFERENCE))
    save_file(adapter(), str(folder / "controlnet" / ADAPTER))


def lora() -> dict[str, torch.Tensor]:
    """In kohya's form, on one self-attention and one cross-attention; in the host's own form on layers of flow models and of Wan."""
    state = {}
    for i, (name, (out, into)) in enumerate(OTHER_LAYERS.items()):
        state[f"diffusion_model.{name}.lora_down.weight"] = noise((4, into), 64 + 2 * i)
        state[f"diffusion_model.{name}.lora_up.weight"] = noise((out, 4), 65 + 2 * i)
    for i, (name, into) in enumerate((("attn1_to_q", 64), ("attn2_to_k", 768))):
        place = f"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_{name}"
        state |= {
            f"{place}.lora_down.weight": noise((4, into), 60 + i),
            f"{place}.lora_up.weight": noise((64, 4), 62 + i),
        }
        state[f"{place}.alpha"] = torch.tensor(0.2)
    return state


def hypernetwork() -> dict:
    layer = lambda width, seed: {
        "linear.weight": noise((width, width), seed) / width**0.5,
        "linear.bias": torch.zeros(width),
    }
    return {width: [layer(width, 70), layer(width, 71)] for width in (*WIDTHS[:2], 768)}


def controlnet() -> dict[str, torch.Tensor]:
    """The host's own ControlNet in the shape of the models, with random weights where zeros would hide it."""
    from comfy.cldm.cldm import ControlNet
    from comfy.ops import disable_weight_init

    left_out = ("out_channels", "transformer_depth_output", "use_temporal_attention")
    shape = {name: value for name, value in SHAPE.items() if name not in left_out}
    net = ControlNet(**shape, hint_channels=3, num_heads=8, operations=disable_weight_init, dtype=torch.float32)
    return {name: value.contiguous() for name, value in random_weights(net, 80).state_dict().items()}


def adapter() -> dict[str, torch.Tensor]:
    from comfy.t2i_adapter.adapter import Adapter

    net = Adapter(channels=[64, 128, 256, 256], nums_rb=2, cin=192, ksize=1, sk=True, use_conv=False, xl=False)
    return {name: value.contiguous() for name, value in random_weights(net, 81).state_dict().items()}
