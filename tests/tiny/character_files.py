"""A character model in the files that MIMO was released in, small and random, and its CLIP."""

from pathlib import Path

import torch
from safetensors.torch import save_file

from tiny.clip_files import write_clip
from tiny.files import WIDE, random_state, vae_state

FILES = {"reference.": "reference_unet", "pose_guider.": "pose_guider", "": "denoising_unet"}


def write_character_model(models: Path) -> None:
    """What the workflows animate_character and character_swap name."""
    from pack.models.files import save_model
    from pack.models.pair.foreground import latent_width
    from pack.models.unet.config import MIMO, MIMO_PAPER
    from pack.models.unet.network import VideoUNet
    from pack.models.unet.switches import with_switches

    for folder in ("diffusion_models", "vae"):
        (models / folder).mkdir(parents=True, exist_ok=True)
    for file, state in apart(random_state(VideoUNet(with_switches(MIMO, **WIDE)), 31)).items():
        torch.save(state, models / "diffusion_models" / f"mimo_{file}.pth")
    own = with_switches(MIMO_PAPER, **WIDE, foreground_width=latent_width())
    state = {name: value.half() for name, value in random_state(VideoUNet(own), 33).items()}
    save_model(models / "diffusion_models" / "duet_character_128.safetensors", state, own)
    save_file(vae_state(), str(models / "vae" / "vae-ft-mse-840000-ema-pruned.safetensors"))
    write_clip(models)


def apart(state: dict[str, torch.Tensor]) -> dict[str, dict[str, torch.Tensor]]:
    """A whole model's weights in half precision as four files, under the names that they have there."""
    files = {name: {} for name in (*FILES.values(), "motion_module")}
    for name, value in state.items():
        prefix = next(prefix for prefix in FILES if name.startswith(prefix))
        file = "motion_module" if ".motion_modules." in name else FILES[prefix]
        files[file][name.removeprefix(prefix)] = value.half()
    return files
