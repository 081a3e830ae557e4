"""Small random weights under the names that the shipped workflows ask for, so that every workflow runs on the server."""

from dataclasses import replace
from pathlib import Path

import torch


def random_state(net: torch.nn.Module, seed: int) -> dict[str, torch.Tensor]:
    """Every weight random, the silent adapters too."""
    g = torch.Generator().manual_seed(seed)
    state = net.state_dict()
    for name, value in state.items():
        if value.ndim > 1 and not name.endswith(".pe"):
            gain = 0.05 if name.startswith("conv_out") else 0.4  # a gentle answer keeps twenty steps finite
            state[name] = torch.randn(value.shape, generator=g) * gain / value[0].numel() ** 0.5
        elif name.endswith("bias"):
            state[name] = torch.zeros_like(value)  # the host's own layers are born without numbers
    return {name: value.contiguous() for name, value in state.items()}


def write_tiny_models(models: Path) -> None:
    """Fill a host's models folder: a pair model with its ControlNet and VAE, a picture model and a motion module."""
    from comfy.taesd.taesd import TAESD
    from pack.models.checkpoint import save_model
    from pack.models.config import IDOL, SD1, TINY
    from pack.models.controlnet import PoseControlNet
    from pack.models.foreground import latent_width
    from pack.models.video_unet import VideoUNet
    from safetensors.torch import save_file

    pair = replace(IDOL, **TINY, foreground_width=latent_width())
    picture = replace(SD1, **TINY)
    moving = replace(picture, temporal="motion_modules", motion_mid_block=True)
    folders = ("diffusion_models", "controlnet", "vae", "checkpoints", "animatediff_models")
    for folder in folders:
        (models / folder).mkdir(parents=True, exist_ok=True)
    save_model(models / "diffusion_models" / "duet_dance_128.safetensors", random_state(VideoUNet(pair), 1), pair)
    save_model(models / "controlnet" / "duet_dance_128_pose.safetensors", random_state(PoseControlNet(pair), 2), pair)
    save_model(models / "checkpoints" / "v1-5-pruned-emaonly.safetensors", random_state(VideoUNet(picture), 3), picture)
    motion = {name: value for name, value in random_state(VideoUNet(moving), 4).items() if ".motion_modules." in name}
    save_file(motion, str(models / "animatediff_models" / "mm_sd_v15_v2.safetensors"))
    save_file(random_state(TAESD(latent_channels=4), 5), str(models / "vae" / "duet_vae_128.safetensors"))
