"""Clips as latents: by Wan's video VAE, or frame by frame by the VAE of a picture model.

Letters: F frames of H x W pixels, T h w latent frames and pixels, C channels.
"""

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from .encoders import Encoders


def open_video_encoder(path: str) -> nn.Module:
    """Wan's VAE from a folder in diffusers' form, or any VAE of pictures."""
    config = Path(path) / "config.json"
    if config.is_file() and json.loads(config.read_text(encoding="utf-8")).get("_class_name") == "AutoencoderKLWan":
        return WanEncoder(Path(path))
    return FrameEncoder(path)


class FrameEncoder(nn.Module):
    """Each frame on its own."""

    each_frame = True

    def __init__(self, path: str):
        super().__init__()
        self.inner = Encoders(path)
        self.channels = self.inner.latents(torch.zeros(1, 3, 16, 16, dtype=torch.uint8)).shape[1]

    def latents(self, pictures: Tensor) -> Tensor:
        """(F, 3, H, W) uint8 to (F, C, h, w)."""
        return self.inner.latents(pictures)

    def pictures(self, latents: Tensor) -> Tensor:
        """(F, C, h, w) to (F, 3, H, W) in [0, 1]."""
        return self.inner.pictures(latents)


class WanEncoder(nn.Module):
    """Wan's video VAE: the first latent frame stands for one picture, every other for four."""

    each_frame = False

    def __init__(self, folder: Path):
        from diffusers import AutoencoderKLWan

        super().__init__()
        self.vae = AutoencoderKLWan.from_pretrained(folder, local_files_only=True).requires_grad_(False).eval()
        self.channels = self.vae.config.z_dim
        for name in ("latents_mean", "latents_std"):
            self.register_buffer(name, torch.tensor(getattr(self.vae.config, name))[:, None, None], persistent=False)

    def train(self, mode: bool = True) -> "WanEncoder":
        return super().train(False)

    @torch.no_grad()
    def latents(self, pictures: Tensor) -> Tensor:
        """(F, 3, H, W) uint8 of 4 k + 1 frames to (T, C, h, w) of about unit variance."""
        if (len(pictures) - 1) % 4:
            raise ValueError(
                f"data: expected clips of 4 k + 1 frames for Wan's VAE, such as 33, got {len(pictures)}: set frames to the nearest."
            )
        video = pictures.movedim(1, 0)[None].float() / 127.5 - 1
        latents = self.vae.encode(video).latent_dist.mode()[0].movedim(0, 1).float()
        return (latents - self.latents_mean) / self.latents_std

    @torch.no_grad()
    def pictures(self, latents: Tensor) -> Tensor:
        """(T, C, h, w) to (F, 3, H, W) in [0, 1]."""
        raw = (latents * self.latents_std + self.latents_mean).movedim(0, 1)[None]
        return (self.vae.decode(raw).sample[0].movedim(0, 1).float() / 2 + 0.5).clamp(0, 1)
