"""Small random weights under the names that the shipped workflows ask for, so that every workflow runs on the server."""

import json
from math import prod
from pathlib import Path

import torch

# Stable Diffusion 1.5 to the host, which goes by the width: one level of its four.
WIDE = {"block_out_channels": (320,), "attention_levels": (True,), "layers_per_block": 1, "cross_modal_width": 64}
CLIP = "cond_stage_model.transformer.text_model."


def random_state(net: torch.nn.Module, seed: int, gain: float = 0.4) -> dict[str, torch.Tensor]:
    """Every weight random, the silent adapters too."""
    g = torch.Generator().manual_seed(seed)
    state = net.state_dict()
    for name, value in state.items():
        if value.ndim > 1:
            # A gentle answer keeps twenty steps finite.
            scale = (0.05 if name.startswith(("conv_out", "out.2")) else gain) / value[0].numel() ** 0.5
            state[name] = torch.randn(value.shape, generator=g) * scale
        elif name.endswith("bias"):
            state[name] = torch.zeros_like(value)  # the host's own layers are born without numbers
        elif value.ndim == 1:
            state[name] = torch.ones_like(value)  # and so are its norms
    return {name: value.contiguous() for name, value in state.items()}


def vae_state() -> dict[str, torch.Tensor]:
    """A VAE loud enough to show what it is given."""
    from comfy.taesd.taesd import TAESD

    return random_state(TAESD(latent_channels=4), 5, gain=1.0)


def halved(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value.half() for name, value in state.items()}


def write_tiny_models(models: Path) -> None:
    """Fill a host's models folder with everything that the workflows name."""
    folders = ("diffusion_models", "controlnet", "vae", "checkpoints", "animatediff_models", "loras")
    for folder in folders:
        (models / folder).mkdir(parents=True, exist_ok=True)
    write_dance(models)
    write_stable_diffusion(models)
    write_motion(models / "animatediff_models")


def write_dance(models: Path) -> None:
    """A pair model with its ControlNet and VAE."""
    from pack.models.files import save_model
    from pack.models.pair.foreground import latent_width
    from pack.models.unet.config import TINY_IDOL
    from pack.models.unet.controlnet import PoseControlNet
    from pack.models.unet.network import VideoUNet
    from pack.models.unet.switches import with_switches
    from safetensors.torch import save_file

    pair = with_switches(TINY_IDOL, foreground_width=latent_width())
    save_model(models / "diffusion_models" / "duet_dance_128.safetensors", random_state(VideoUNet(pair), 1), pair)
    save_model(models / "controlnet" / "duet_dance_128_pose.safetensors", random_state(PoseControlNet(pair), 2), pair)
    save_file(vae_state(), str(models / "vae" / "duet_vae_128.safetensors"))


def write_motion(folder: Path) -> None:
    """An AnimateDiff module, as a safe file and as the old one that its authors publish."""
    from pack.models.unet.config import SD1
    from pack.models.unet.network import VideoUNet
    from pack.models.unet.switches import with_switches
    from safetensors.torch import save_file

    config = with_switches(SD1, **WIDE, temporal="motion_modules", motion_mid_block=True)
    state = halved(random_state(VideoUNet(config), 4))
    state = {name: value for name, value in state.items() if ".motion_modules." in name}
    save_file(state, str(folder / "mm_sd15_v2.safetensors"))
    torch.save({"state_dict": {f"module.{name}": value for name, value in state.items()}}, folder / "mm_sd_v15_v2.ckpt")


def write_stable_diffusion(models: Path) -> None:
    """Stable Diffusion 1.5 as the host knows it, with a ControlNet and a motion LoRA."""
    from comfy.cldm.cldm import ControlNet
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
    from comfy.ops import disable_weight_init
    from safetensors.torch import save_file

    shape = {
        "image_size": 32, "in_channels": 4, "model_channels": 320, "num_res_blocks": [1], "channel_mult": [1],
        "transformer_depth": [1], "transformer_depth_middle": 1, "num_heads": 8, "context_dim": 768,
        "use_spatial_transformer": True, "operations": disable_weight_init, "dtype": torch.float32,
    }  # fmt: skip
    unet = UNetModel(**shape, out_channels=4, transformer_depth_output=[1, 1])
    state = {f"model.diffusion_model.{name}": value for name, value in random_state(unet, 3).items()}
    state |= {f"first_stage_model.{name}": value for name, value in vae_state().items()}
    state |= {f"{CLIP}{name}": value for name, value in words().items()}
    zeros = {f"{CLIP}{name}": size for name, size in silent_layers().items()}
    save_with_zeros(models / "checkpoints" / "v1-5-pruned-emaonly-fp16.safetensors", state, zeros)
    net = random_state(ControlNet(**shape, hint_channels=3), 7)
    save_file(halved(net), str(models / "controlnet" / "control_v11p_sd15_openpose_fp16.safetensors"))
    write_motion_lora(models / "loras" / "v2_lora_PanLeft.ckpt")


def write_motion_lora(path: Path) -> None:
    """A motion LoRA of AnimateDiff, as its authors publish it."""
    g = torch.Generator().manual_seed(8)
    place = "down_blocks.0.motion_modules.0.temporal_transformer.transformer_blocks.0.attention_blocks.0.processor.to_q"
    lora = {f"{place}_lora.down.weight": (4, 320), f"{place}_lora.up.weight": (320, 4)}
    torch.save({"state_dict": {name: torch.randn(size, generator=g) for name, size in lora.items()}}, path)


def words() -> dict[str, torch.Tensor]:
    """The part of CLIP's text encoder that answers: each place in a prompt has a vector of its own."""
    places = torch.randn(77, 768, generator=torch.Generator().manual_seed(9))
    norm = {"final_layer_norm.weight": torch.ones(768), "final_layer_norm.bias": torch.zeros(768)}
    return {"embeddings.position_embedding.weight": places, **norm}


def silent_layers() -> dict[str, tuple[int, ...]]:
    """The rest of it, which the host wants whole: all zeros."""
    shapes = {"embeddings.token_embedding.weight": (49408, 768)}
    for i in range(12):
        layer = f"encoder.layers.{i}."
        square = {f"{layer}self_attn.{name}_proj": (768, 768) for name in ("q", "k", "v", "out")}
        for name, size in (square | {f"{layer}mlp.fc1": (3072, 768), f"{layer}mlp.fc2": (768, 3072)}).items():
            shapes |= {f"{name}.weight": size, f"{name}.bias": size[:1]}
        shapes |= {f"{layer}layer_norm{k}.{part}": (768,) for k in (1, 2) for part in ("weight", "bias")}
    return shapes


def save_with_zeros(path: Path, state: dict[str, torch.Tensor], zeros: dict[str, tuple[int, ...]]) -> None:
    """A safetensors file in fp16 whose zeros are a hole at its end, so that a whole text encoder takes no disk."""
    header, end = {}, 0
    for name, value in state.items():
        header[name], end = entry(value.shape, end)
    for name, shape in zeros.items():
        header[name], end = entry(shape, end)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for value in state.values():
            file.write(value.half().contiguous().numpy().tobytes())
        file.truncate(8 + len(text) + end)


def entry(shape, start: int) -> tuple[dict, int]:
    """What a header says of a tensor in fp16, and where the tensor ends."""
    end = start + 2 * prod(shape)
    return {"dtype": "F16", "shape": list(shape), "data_offsets": [start, end]}, end
