"""The frozen encoders of a run: a VAE for pictures, and CLIP or the same VAE for the person.

Letters: B pictures, H and W pixels, C channels of the latents, T tokens, D width of a token.
"""

import math
from pathlib import Path

import torch
from torch import Tensor, nn

from ...models.files.reading import read_weights
from ...models.pair.foreground import CLIP_MEAN, GREY, latent_tokens, surround
from ...models.unet.small_vae import SCALE, SmallVAE
from .vae_file import load_vae

GREYS = (math.floor(255 * GREY), math.ceil(255 * GREY))  # around the person in the sources of clips
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


class Encoders(nn.Module):
    """The frozen VAE and person encoder of a run: {"vae": file or folder, "clip": folder of a CLIP vision model}."""

    def __init__(self, vae: str, clip: str | None = None):
        super().__init__()
        self.vae, self.small = open_vae(Path(vae))
        self.clip = open_clip(Path(clip)) if clip else None
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "Encoders":
        return super().train(False)

    @property
    def channels(self) -> int:
        """Of the latents."""
        return self.vae.taesd_decoder[1].in_channels if self.small else self.vae.config.latent_channels

    @torch.no_grad()
    def latents(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 to (B, C, H/8, W/8) latents of about unit variance."""
        pictures = pictures.float() / 255
        if self.small:
            return self.vae.encode(pictures.contiguous(memory_format=torch.channels_last)).float()
        return self.vae.encode(pictures * 2 - 1).latent_dist.mode().float() * self.vae.config.scaling_factor

    @torch.no_grad()
    def pictures(self, latents: Tensor) -> Tensor:
        """(B, C, h, w) latents to (B, 3, H, W) pictures in [0, 1]."""
        if self.small:
            return self.vae.decode(latents).float().clamp(0, 1)
        return (self.vae.decode(latents / self.vae.config.scaling_factor).sample / 2 + 0.5).float().clamp(0, 1)

    @torch.no_grad()
    def person(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 of one person each to (B, T, D) tokens, as Encode Character (Video and Depth) encodes them."""
        if self.clip is None:
            return latent_tokens(self.latents(pictures) / SCALE)
        shown = repainted(pictures)
        small = torch.nn.functional.interpolate(shown, size=(224, 224), mode="bicubic", antialias=True)
        mean, std = small.new_tensor(CLIP_MEAN), small.new_tensor(CLIP_STD)
        normed = (small.clamp(0, 1) - mean[:, None, None]) / std[:, None, None]
        vision = self.clip.vision_model
        return vision.post_layernorm(vision(pixel_values=normed).last_hidden_state)

    def no_person(self, like: Tensor) -> Tensor:
        """(T, D) tokens that stand for no person, of pictures like (B, 3, H, W)."""
        colour = (torch.tensor(CLIP_MEAN, device=like.device) * 255).round().to(torch.uint8)
        return self.person(colour[:, None, None].expand(1, 3, *like.shape[-2:]).contiguous())[0]


def repainted(pictures: Tensor) -> Tensor:
    """(B, 3, H, W) uint8 of a person on the clips' grey to the same in [0, 1] on the colour that CLIP reads as zero."""
    grey = ((pictures == GREYS[0]) | (pictures == GREYS[1])).all(1, keepdim=True)
    return torch.where(
        grey, pictures.new_tensor(surround(clip=True), dtype=torch.float32)[:, None, None], pictures / 255
    )


def open_vae(path: Path) -> tuple[nn.Module, bool]:
    """A small VAE in TAESD's names, or diffusers' AutoencoderKL from a folder or a single file."""
    if not path.exists():
        raise ValueError(
            f"The VAE {path} does not exist: train one with the recipe vae, or name the file of your model."
        )
    if path.is_file():
        file = read_weights(path)
        if "taesd_encoder.0.weight" not in file.shapes:
            return load_vae(file), False
        vae = SmallVAE(file.shapes["taesd_decoder.1.weight"][1])
        vae.load_state_dict({name: value.float() for name, value in file.state().items()})
        return vae.to(memory_format=torch.channels_last), True
    from diffusers import AutoencoderKL

    return AutoencoderKL.from_pretrained(path, local_files_only=True), False


def open_clip(folder: Path) -> nn.Module:
    """CLIP's vision model from a local folder; nothing is downloaded."""
    if not (folder / "config.json").is_file():
        raise ValueError(f"{folder} is no folder of a CLIP vision model: it needs config.json and model.safetensors.")
    from transformers import CLIPVisionModelWithProjection

    return CLIPVisionModelWithProjection.from_pretrained(folder, local_files_only=True)
