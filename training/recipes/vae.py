"""The small auto-encoder of the demo models, trained on pictures, heat maps of depth, people and rooms.

Letters: B pictures, H and W pixels, C channels of the latents.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from ...models.files.reading import read_weights
from ...models.unet.small_vae import SmallVAE
from ..data.stage import StageClips
from ..encode.pair_pictures import heat
from ..loop.draws import Draws
from .base import Recipe

WEIGHTS = {"pixel": 1.0, "edge": 1.0, "colour": 2.0, "size": 0.02}
NOISE = 0.05  # on the latents while training, so that noise that a sampler leaves is not visible


class TrainVAE(Recipe):
    def __init__(self, settings):
        super().__init__(settings)
        self.vae = SmallVAE().start_as_thumbnail()
        if settings.model.get("init"):
            state = read_weights(settings.model["init"]).state()
            self.vae.load_state_dict({name: value.float() for name, value in state.items()})
        # A model that was trained on these latents still fits them when only the decoder is trained further.
        self.vae.taesd_encoder.requires_grad_(not settings.model.get("decoder_only", False))
        self.vae.to(memory_format=torch.channels_last)
        self.clips = self.open_clips(settings.data)
        self.weights = WEIGHTS | settings.losses
        self.crop = settings.model.get("crop", 64)  # pixels a side
        self.people = settings.model.get("people", 0.6)  # share of crops around a pixel of the person

    def prepare(self, device: torch.device) -> None:
        """Clips that are rendered are rendered once, before data workers share them."""
        if self.settings.workers and isinstance(self.clips, StageClips):
            self.clips.render_all(self.settings.workers)

    def sample(self, place: int) -> dict[str, Tensor]:
        """A frame, its depth as a heat map, or sometimes the person or the empty scene."""
        r = self.draw(place).python("picture")
        clip = self.clips[self.item(place, len(self.clips))]
        kind = r.choices(("video", "depth", "person", "plate"), (45, 40, 10, 5))[0]
        frame = r.randrange(len(clip["video"]))
        if kind == "depth":
            picture = heat(clip["depth"][frame])
        else:
            picture = (clip[kind][frame] if kind == "video" else clip[kind]).float() / 255
        return {"picture": self.cropped(picture, clip["mask"][frame], r)}

    def cropped(self, picture: Tensor, mask: Tensor, r) -> Tensor:
        """(3, H, W) to (3, crop, crop), mostly around a pixel of the person, because most of a picture is wall."""
        size = self.crop
        person_pixels = (mask > 127).nonzero()
        middle = (
            person_pixels[r.randrange(len(person_pixels))].tolist()
            if len(person_pixels) and r.random() < self.people
            else None
        )
        corner = []
        for axis, length in enumerate(picture.shape[1:]):
            start = r.randrange(max(length - size, 0) + 1) if middle is None else middle[axis] - r.randrange(size)
            corner.append(min(max(start, 0), max(length - size, 0)))
        return picture[:, corner[0] : corner[0] + size, corner[1] : corner[1] + size]

    def forward(self, batch: dict, draws: Draws) -> tuple[Tensor, dict[str, Tensor]]:
        picture = batch["picture"].contiguous(memory_format=torch.channels_last)
        latents = self.vae.encode(picture)
        decoded = self.vae.decode(latents + NOISE * draws.normal("latents", latents)).float()
        terms = {
            "pixel": (decoded - picture).abs().mean() + (decoded - picture).square().mean(),
            "edge": edges(decoded - picture),
            "colour": sum(F.avg_pool2d(decoded - picture, side).abs().mean() for side in (4, 16)),
            "size": size(latents.float()),
        }
        terms |= {"mse": (decoded - picture).square().mean()}
        return sum(weight * terms[name] for name, weight in self.weights.items()), terms

    def pictures(self, device) -> Tensor:
        """Eight examples above their reconstructions."""
        frames = [self.clips[index] for index in range(0, 4)]
        examples = [clip["video"][0].float() / 255 for clip in frames] + [heat(clip["depth"][0]) for clip in frames]
        batch = torch.stack(examples).to(device)
        decoded = self.vae.decode(self.vae.encode(batch))
        return torch.cat([torch.cat(list(row), 2) for row in (batch, decoded)], 1).permute(1, 2, 0)

    def export(self, folder: Path) -> list[Path]:
        file = folder / "vae.safetensors"
        state = {name: value.detach().cpu().contiguous() for name, value in self.vae.state_dict().items()}
        save_file({name: value.half() if value.ndim else value for name, value in state.items()}, file)
        return [file]


def edges(error: Tensor) -> Tensor:
    """Error of the differences between neighbouring pixels, which keeps outlines sharp."""
    across, down = error[..., 1:] - error[..., :-1], error[..., 1:, :] - error[..., :-1, :]
    return across.abs().mean() + down.abs().mean()


def size(latents: Tensor) -> Tensor:
    """(B, C, h, w) latents should have mean 0 and size 1 in every channel, as a sampler's noise has."""
    mean, spread = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
    return mean.square().mean() + (spread - 1).square().mean()
