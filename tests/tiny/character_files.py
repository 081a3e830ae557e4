"""A character model in the files that MIMO was released in, small and random, and a CLIP Vision model that barely sees."""

from pathlib import Path

import torch
from safetensors.torch import save_file

from tiny.files import WIDE, random_state, save_with_zeros, vae_state

FILES = {"reference.": "reference_unet", "pose_guider.": "pose_guider", "": "denoising_unet"}


def write_character_model(models: Path) -> None:
    """What the workflows animate_character and character_swap name."""
    from pack.models.files import save_model
    from pack.models.pair.foreground import latent_width
    from pack.models.unet.config import MIMO, MIMO_PAPER
    from pack.models.unet.network import VideoUNet
    from pack.models.unet.switches import with_switches

    for folder in ("diffusion_models", "vae", "clip_vision"):
        (models / folder).mkdir(parents=True, exist_ok=True)
    for file, state in apart(random_state(VideoUNet(with_switches(MIMO, **WIDE)), 31)).items():
        torch.save(state, models / "diffusion_models" / f"mimo_{file}.pth")
    own = with_switches(MIMO_PAPER, **WIDE, foreground_width=latent_width())
    state = {name: value.half() for name, value in random_state(VideoUNet(own), 33).items()}
    save_model(models / "diffusion_models" / "duet_character_128.safetensors", state, own)
    save_file(vae_state(), str(models / "vae" / "vae-ft-mse-840000-ema-pruned.safetensors"))
    save_with_zeros(models / "clip_vision" / "sd_image_variations_image_encoder.safetensors", seeing(), silent_layers())


def apart(state: dict[str, torch.Tensor]) -> dict[str, dict[str, torch.Tensor]]:
    """A whole model's weights in half precision as four files, under the names that they have there."""
    files = {name: {} for name in (*FILES.values(), "motion_module")}
    for name, value in state.items():
        prefix = next(prefix for prefix in FILES if name.startswith(prefix))
        file = "motion_module" if ".motion_modules." in name else FILES[prefix]
        files[file][name.removeprefix(prefix)] = value.half()
    return files


def seeing() -> dict[str, torch.Tensor]:
    """The part of CLIP ViT-L/14 that answers: its first token and the way out."""
    g, norm = torch.Generator().manual_seed(32), torch.ones(1024)
    return {
        "vision_model.embeddings.class_embedding": torch.randn(1024, generator=g),
        "vision_model.pre_layrnorm.weight": norm,
        "vision_model.post_layernorm.weight": norm,
        "visual_projection.weight": torch.randn(768, 1024, generator=g) / 32,
    }


def silent_layers() -> dict[str, tuple[int, ...]]:
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
