"""A small network that reads the depth of a stage picture, to measure the depth that generated pictures show.

It is trained on clips that no edit is scored on, in every style, and reads the auto-encoder's latents. It is no part of
the pack, because it works on the stage only. Letters: N pictures, h and w latent pixels.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from pack.models.depth.range import normalize_clip
from pack.models.stage import STYLES, render, sample_scene
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

FIRST_SEED = 3000  # far from the seeds of the edits, which are below 1000
FINER = 2  # pixels of depth for each latent pixel, along each side
NOISE = 0.1  # added in training, in parts of a latent, because generated latents differ from encoded ones
LATENT_SIZE = 0.18215  # brings latents as the host's VAE gives them to about 1


class DepthReader(nn.Module):
    def __init__(self, width: int = 48):
        super().__init__()
        self.first = nn.Conv2d(4 + 2, width, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=far, dilation=far))
            for far in (1, 2, 4, 1)
        )
        self.last = nn.Sequential(nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, FINER**2, 1))

    def forward(self, latents: Tensor) -> Tensor:
        """(N, 4, h, w) to inverse depth (N, 2 h, 2 w), near is 1."""
        across = torch.linspace(-1, 1, latents.shape[-1], device=latents.device).expand_as(latents[:, 0])
        down = torch.linspace(-1, 1, latents.shape[-2], device=latents.device)[:, None].expand_as(latents[:, 0])
        x = self.first(torch.cat((latents, across[:, None], down[:, None]), 1))
        for block in self.blocks:
            x = x + block(x)
        return F.pixel_shuffle(self.last(x), FINER)[:, 0]


def coarse(depth: Tensor) -> Tensor:
    """(N, H, W) depth at the resolution of the reader's output, (N, H / 4, W / 4): means over squares."""
    return F.avg_pool2d(depth[:, None], 8 // FINER)[:, 0]


def inverse_depth(clip) -> Tensor:
    """(F, H, W) of a stage clip in [0, 1], one range for the clip, near is 1."""
    return normalize_clip(clip.depth, depth_type="distance", depth_scale="inverse")[0]


@torch.no_grad()
def training_pairs(vae, clips: int, size: int) -> tuple[Tensor, Tensor]:
    """Latents (N, 4, h, w) and depth (N, 2 h, 2 w) of two frames of each clip; styles and objects take turns."""
    latents, depths, styles = [], [], list(STYLES)
    for number in range(clips):
        scene = sample_scene(FIRST_SEED + number, frames=2, height=size, width=size, frame_rate=2.0, objects=number % 2,
                             style=styles[number // 2 % len(styles)])  # fmt: skip
        clip = render(scene)
        latents.append(vae.encode(clip.rgb) * LATENT_SIZE)
        depths.append(coarse(inverse_depth(clip)))
    return torch.cat(latents).float(), torch.cat(depths)


def load_or_train_reader(vae, folder: Path, clips: int, steps: int, size: int) -> DepthReader:
    """The reader for that many clips and steps, loaded from a folder or trained and stored there."""
    file = folder / f"reader_{clips}_{steps}_{size}.safetensors"
    torch.manual_seed(0)
    reader = DepthReader()
    if file.exists():
        reader.load_state_dict(load_file(file))
        return reader.eval()
    latents, depths = training_pairs(vae, clips, size)
    optimizer = torch.optim.AdamW(reader.parameters(), 2e-3)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        chosen = torch.randint(len(latents), (32,))
        noisy = latents[chosen] + NOISE * torch.randn(32, *latents.shape[1:])
        loss = (reader(noisy) - depths[chosen]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rate.step()
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(reader.state_dict(), file)
    return reader.eval()


@torch.inference_mode()
def read(reader: DepthReader, vae, pictures: Tensor) -> Tensor:
    """(N, H, W, 3) pictures to the depth that the reader estimates, (N, H / 4, W / 4)."""
    return reader((vae.encode(pictures) * LATENT_SIZE).float()).clamp(0, 1)
