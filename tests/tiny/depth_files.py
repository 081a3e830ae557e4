"""Stable Diffusion 2 with depth in one level, and a tuning of it on one clip: small random weights, a silent text encoder."""

from dataclasses import replace
from pathlib import Path

import torch

from tiny.files import halved, random_state, save_with_zeros, vae_state

PREFIX = "cond_stage_model.model."


def write_depth_model(models: Path) -> None:
    """The checkpoint and the tuning that the workflow one_shot_words names."""
    from pack.models.oneshot.files import Tuning, save_tuning
    from pack.models.unet.config import ONE_SHOT_FIELDS, SD2_DEPTH
    from pack.models.unet.network import VideoUNet
    from pack.models.unet.switches import with_switches

    one_level = {"block_out_channels": (320,), "attention_levels": (True,), "layers_per_block": 1}
    config = with_switches(SD2_DEPTH, **one_level, attention_head_dim=(5,))
    base = random_state(VideoUNet(config), 11)
    state = {f"model.diffusion_model.{name}": value for name, value in as_ldm(base, config).items()}
    state |= {f"first_stage_model.{name}": value for name, value in vae_state().items()}
    state |= {f"{PREFIX}{name}": value for name, value in words().items()}
    zeros = {f"{PREFIX}{name}": size for name, size in silent_layers().items()}
    save_with_zeros(models / "checkpoints" / "512-depth-ema.safetensors", state, zeros)

    one_shot = replace(config, **ONE_SHOT_FIELDS)
    tuned = random_state(VideoUNet(one_shot), 12)
    tuned |= {name: value for name, value in base.items() if ".to_k." in name and ".tem_" not in name}
    (models / "model_patches").mkdir(exist_ok=True)
    save_tuning(models / "model_patches" / "my_clip_one_shot.safetensors", tuned, one_shot, Tuning(frames=8, steps=500))
    write_words_model(models)


def write_words_model(models: Path) -> None:
    """A model of the stage's words that the workflow stage_words names, and a tuning of it that one_shot_edit names."""
    from pack.models.files import save_model
    from pack.models.oneshot.files import Tuning, save_tuning
    from pack.models.stage.caption import VOCABULARY
    from pack.models.unet.config import ONE_SHOT_FIELDS, SD1
    from pack.models.unet.network import VideoUNet
    from pack.models.unet.switches import with_switches
    from pack.models.unet.words import token_width

    shape = {"block_out_channels": (32, 64), "attention_levels": (True, False), "layers_per_block": 1}
    words = {"words": VOCABULARY, "foreground_width": token_width(VOCABULARY), "cross_attention_dim": 32}
    config = with_switches(SD1, in_channels=5, prediction="v", **shape, **words)
    file = models / "diffusion_models" / "duet_words_128.safetensors"
    base = halved(random_state(VideoUNet(config), 14))
    save_model(file, base, config)
    one_shot = replace(config, **ONE_SHOT_FIELDS)
    tuned = random_state(VideoUNet(one_shot), 15)
    tuned |= {name: value.float() for name, value in base.items() if ".to_k." in name}
    save_tuning(models / "model_patches" / "my_clip.safetensors", tuned, one_shot, Tuning(frames=8, steps=500))


def as_ldm(state: dict[str, torch.Tensor], config) -> dict[str, torch.Tensor]:
    """diffusers' names to those of single checkpoint files."""
    from pack.models.files.ldm import RESNET, modules

    table = {ours: theirs for theirs, ours in modules(config.attention_levels, config.layers_per_block)}
    resnet = {ours: theirs for theirs, ours in RESNET.items()}
    out = {}
    for name, value in state.items():
        module = max((module for module in table if name.startswith(f"{module}.")), key=len)
        rest = name[len(module) + 1 :]
        if ".resnets." in module:
            layer, part = rest.split(".")
            rest = f"{resnet[layer]}.{part}"
        out[f"{table[module]}.{rest}"] = value
    return out


def words() -> dict[str, torch.Tensor]:
    """The part of OpenCLIP's text encoder that answers: each place in a prompt has a vector of its own."""
    places = torch.randn(77, 1024, generator=torch.Generator().manual_seed(13))
    return {"positional_embedding": places, "ln_final.weight": torch.ones(1024), "ln_final.bias": torch.zeros(1024)}


def silent_layers() -> dict[str, tuple[int, ...]]:
    """The rest of it, which the host wants whole: all zeros."""
    wide, width = 4096, 1024
    shapes = {"token_embedding.weight": (49408, width), "text_projection": (width, width)}
    for i in range(24):
        layer = f"transformer.resblocks.{i}."
        shapes |= {
            f"{layer}attn.in_proj_weight": (3 * width, width), f"{layer}attn.in_proj_bias": (3 * width,),
            f"{layer}attn.out_proj.weight": (width, width), f"{layer}attn.out_proj.bias": (width,),
            f"{layer}mlp.c_fc.weight": (wide, width), f"{layer}mlp.c_fc.bias": (wide,),
            f"{layer}mlp.c_proj.weight": (width, wide), f"{layer}mlp.c_proj.bias": (width,),
        }  # fmt: skip
        shapes |= {f"{layer}ln_{k}.{part}": (width,) for k in (1, 2) for part in ("weight", "bias")}
    return shapes
