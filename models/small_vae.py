"""The small auto-encoder of the demo models, under TAESD's names, so that the stock Load VAE opens it.

Letters: B pictures, H and W pixels, C channels of the latents; a latent is eight pixels wide.
"""

import torch
from torch import Tensor, nn

WIDTH = 64
SCALE = 0.18215  # Stable Diffusion 1's: its latent format multiplies by it, and latents of unit size come out


def conv(inside: int, outside: int, **options) -> nn.Conv2d:
    return nn.Conv2d(inside, outside, 3, padding=1, **options)


class Clamp(nn.Module):
    """Keeps what a sampler hands over within three standard deviations."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x / 3) * 3


class Block(nn.Module):
    """Three convolutions around a residual."""

    def __init__(self, width: int = WIDTH):
        super().__init__()
        layers = (conv(width, width), nn.ReLU(), conv(width, width), nn.ReLU(), conv(width, width))
        self.conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.conv(x) + x)


def encoder(channels: int) -> nn.Sequential:
    """(B, 3, H, W) pictures in [0, 1] to (B, C, H/8, W/8) latents."""
    layers = [conv(3, WIDTH), Block()]
    for _ in range(3):
        layers += [conv(WIDTH, WIDTH, stride=2, bias=False), Block(), Block(), Block()]
    return nn.Sequential(*layers, conv(WIDTH, channels))


def decoder(channels: int) -> nn.Sequential:
    """(B, C, H/8, W/8) latents to (B, 3, H, W) pictures in [0, 1]."""
    layers = [Clamp(), conv(channels, WIDTH), nn.ReLU()]
    for _ in range(3):
        layers += [Block(), Block(), Block(), nn.Upsample(scale_factor=2), conv(WIDTH, WIDTH, bias=False)]
    return nn.Sequential(*layers, Block(), conv(WIDTH, 3))


class SmallVAE(nn.Module):
    """Encoder and decoder with latents of about unit size; both take and give pictures in [0, 1]."""

    def __init__(self, channels: int = 4):
        super().__init__()
        self.taesd_encoder = encoder(channels)
        self.taesd_decoder = decoder(channels)
        self.register_buffer("vae_scale", torch.tensor(SCALE))
        self.register_buffer("vae_shift", torch.tensor(0.0))

    def encode(self, pictures: Tensor) -> Tensor:
        return self.taesd_encoder(pictures)

    def decode(self, latents: Tensor) -> Tensor:
        return self.taesd_decoder(latents)
