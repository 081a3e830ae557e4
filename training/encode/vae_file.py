"""Stable Diffusion's VAE out of a single file, its own or a whole checkpoint's, without asking the network for its shape."""

import re

from torch import Tensor, nn

from ...models.files.reading import Weights

PREFIXES = ("first_stage_model.", "vae.", "")
SHAPE = {  # of Stable Diffusion 1 and 2
    "in_channels": 3, "out_channels": 3, "latent_channels": 4, "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2, "down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4,
    "norm_num_groups": 32, "scaling_factor": 0.18215,
}  # fmt: skip
LEVELS = len(SHAPE["block_out_channels"])
RULES = (  # names in a checkpoint, in diffusers
    (r"\.down\.(\d+)\.block\.(\d+)\.", r".down_blocks.\1.resnets.\2."),
    (r"\.down\.(\d+)\.downsample\.", r".down_blocks.\1.downsamplers.0."),
    (r"\.up\.(\d+)\.block\.(\d+)\.", lambda m: f".up_blocks.{LEVELS - 1 - int(m[1])}.resnets.{m[2]}."),
    (r"\.up\.(\d+)\.upsample\.", lambda m: f".up_blocks.{LEVELS - 1 - int(m[1])}.upsamplers.0."),
    (r"\.mid\.block_(\d)\.", lambda m: f".mid_block.resnets.{int(m[1]) - 1}."),
    (r"\.mid\.attn_1\.norm\.", ".mid_block.attentions.0.group_norm."),
    (r"\.mid\.attn_1\.proj_out\.", ".mid_block.attentions.0.to_out.0."),
    (r"\.mid\.attn_1\.([qkv])\.", r".mid_block.attentions.0.to_\1."),
    (r"\.nin_shortcut\.", ".conv_shortcut."),
    (r"\.norm_out\.", ".conv_norm_out."),
)


def diffusers_name(name: str) -> str:
    """A name of a checkpoint's VAE in diffusers; diffusers' own names are returned unchanged."""
    for pattern, replacement in RULES:
        name = re.sub(pattern, replacement, name)
    return name


def load_vae(file: Weights) -> nn.Module:
    """Loads the VAE of a file; refuses another kind or a file that is not whole."""
    import torch
    from diffusers import AutoencoderKL

    with torch.device("meta"):
        vae = AutoencoderKL(**SHAPE)
    has = lambda prefix: any(name.startswith(f"{prefix}encoder.") for name in file.shapes)
    prefix = next((prefix for prefix in PREFIXES if has(prefix)), "")
    wanted = vae.state_dict()
    inner = [name for name in file.shapes if name.startswith(prefix)]
    names = {diffusers_name(name[len(prefix) :]): name for name in inner}
    names = {new: old for new, old in names.items() if new in wanted}
    if missing := sorted(set(wanted) - set(names)):
        raise ValueError(
            f"{file.name} holds no whole VAE of Stable Diffusion 1 or 2: {len(missing)} of {len(wanted)} weights are missing, "
            f"such as {missing[0]}. Choose the VAE that belongs to the model."
        )
    state = {name: as_matrix(value, wanted[name]).float() for name, value in file.pick(names).state().items()}
    vae.load_state_dict(state, assign=True)
    return vae


def as_matrix(value: Tensor, like: Tensor) -> Tensor:
    """Attention is written as convolutions of one pixel in checkpoints."""
    return value.flatten(1) if value.ndim == 4 and like.ndim == 2 else value
