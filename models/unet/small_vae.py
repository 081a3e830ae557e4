"""The small auto-encoder of the demo models, under TAESD's names, so that the stock Load VAE opens it.

Letters: B pictures, H and W pixels, C channels of the latents; a latent is eight pixels wide.
"""

import torch
from torch import Tensor, nn

WIDTH = 64
COLOURS = ((1.6, 1.6, 1.6), (4.0, -4.0, 0.0), (2.0, 2.0, -4.0))  # brightness and two contrasts, of unit size each
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


def carry_colours(layer: nn.Conv2d) -> None:
    """The first three channels pass a convolution as they are; one that halves the picture takes their mean."""
    layer.weight[:3] = 0
    if layer.bias is not None:
        layer.bias[:3] = 0
    middle = (slice(1, 3), slice(1, 3)) if layer.stride == (2, 2) else (1, 1)
    for channel in range(3):
        layer.weight[channel, channel][middle] = 0.25 if layer.stride == (2, 2) else 1


class SmallVAE(nn.Module):
    """Encoder and decoder with latents of about unit size; both take and give pictures in [0, 1]."""

    def __init__(self, channels: int = 4):
        super().__init__()
        self.taesd_encoder = encoder(channels)
        self.taesd_decoder = decoder(channels)
        self.register_buffer("vae_scale", torch.tensor(SCALE))
        self.register_buffer("vae_shift", torch.tensor(0.0))

    @torch.no_grad()
    def start_as_thumbnail(self) -> "SmallVAE":
        """Begin as the mean colour of eight by eight pixels: colours are there at once, training adds the detail.

        A blank network of this kind learns shapes first and mixes all colours up for hours. Blocks begin as nothing but
        their residual, three channels carry red, green and blue from end to end, the rest stays random.
        """
        for layer in (*self.taesd_encoder, *self.taesd_decoder):
            if isinstance(layer, Block):
                nn.init.zeros_(layer.conv[-1].weight)
                nn.init.zeros_(layer.conv[-1].bias)
            elif isinstance(layer, nn.Conv2d):
                carry_colours(layer)
        matrix = torch.tensor(COLOURS)
        first, last = self.taesd_decoder[1], self.taesd_encoder[-1]
        last.weight[:3, :3, 1, 1], last.bias[:3] = matrix, -matrix.sum(1) / 2
        first.weight[:3, :3, 1, 1], first.bias[:3] = matrix.inverse(), 0.5
        return self

    def encode(self, pictures: Tensor) -> Tensor:
        return self.taesd_encoder(pictures)

    def decode(self, latents: Tensor) -> Tensor:
        return self.taesd_decoder(latents)
