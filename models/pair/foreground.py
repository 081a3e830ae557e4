"""The character as tokens and the scene as latents (IDOL section 3.1, its foreground and background; DisCo's encoding).

Letters: N pictures, H and W pixels, T tokens, D width of a token, C channels, h and w latent pixels.
"""

import math

import torch
from torch import Tensor

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
GREY = 0.5  # of scene pictures where the person was, and around the person for a VAE
LATENT_SCALE = 0.18215  # brings latents of Stable Diffusion's kind to about the size of the waves beside them
PATCH = 2  # latent pixels a side of a latent token
POSITION = 16  # numbers that encode the position of a latent token


def surround(clip: bool) -> tuple[float, float, float]:
    """The colour around a person for the encoder that reads it, in training and in sampling: zero once it is normed."""
    return CLIP_MEAN if clip else (GREY, GREY, GREY)


def person_alone(images: Tensor, mask: Tensor | None, around: tuple[float, float, float] = CLIP_MEAN) -> Tensor:
    """(N, H, W, 3) pictures with everything outside (N, H, W) masks in one colour, CLIP's mean if not told."""
    colour = images.new_tensor(around).expand_as(images)
    return images if mask is None else colour.lerp(images, mask[..., None])


def scene_alone(images: Tensor, mask: Tensor | None) -> Tensor:
    """(N, H, W, 3) pictures with the person in (N, H, W) masks in mid-grey, which is zero for the VAE."""
    return images if mask is None else images.lerp(torch.full_like(images, GREY), mask[..., None])


def no_person(images: Tensor) -> Tensor:
    """Pictures without a person for the negative: all in CLIP's mean colour."""
    return images.new_tensor(CLIP_MEAN).expand_as(images).contiguous()


def latent_width(channels: int = 4) -> int:
    """D of a latent token: the `foreground_width` of a model that reads latents in place of CLIP."""
    return channels * PATCH * PATCH + POSITION


def latent_tokens(latents: Tensor) -> Tensor:
    """(N, C, h, w) latents of the person to (N, T, D) tokens: patches with their position, for models without CLIP."""
    rows, columns = latents.shape[-2] // PATCH, latents.shape[-1] // PATCH
    if not rows or not columns:
        raise ValueError(
            f"Expected a character of at least {PATCH} x {PATCH} latent pixels, got {latents.shape[-1]} x "
            f"{latents.shape[-2]}: scale the picture to {8 * PATCH} x {8 * PATCH} pixels or more."
        )
    cut = latents[..., : rows * PATCH, : columns * PATCH]
    patches = torch.nn.functional.pixel_unshuffle(cut * LATENT_SCALE, PATCH).flatten(2).transpose(1, 2)
    position = sines(rows, columns).to(patches).expand(len(patches), -1, -1)
    return torch.cat((patches, position), -1)


def sines(rows: int, columns: int) -> Tensor:
    """(rows columns, POSITION) waves over the height and the width of a picture, whatever its size."""
    y, x = torch.meshgrid((torch.arange(rows) + 0.5) / rows, (torch.arange(columns) + 0.5) / columns, indexing="ij")
    waves = [
        wave(2**octave * math.pi * axis)
        for axis in (y, x)
        for octave in range(POSITION // 4)
        for wave in (torch.sin, torch.cos)
    ]
    return torch.stack(waves, -1).flatten(0, 1)
