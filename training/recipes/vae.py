"""The small auto-encoder of the demo models, trained on pictures, heat maps of depth, people and rooms.

Letters: B pictures, H and W pixels, C channels of the latents.
"""

import copy
import statistics
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from ...models.evaluate.metrics import psnr
from ...models.unet.small_vae import SmallVAE
from ..data.stage import StageClips
from ..encode.pair_pictures import heat
from ..encode.wide_vae import fit_added, on_axes, open_small_vae
from ..loop.draws import Draws
from .base import Recipe
from .discriminator import Discriminator
from .vae_losses import edges, on_person, outlines, scales, size

WEIGHTS = {"pixel": 1.0, "edge": 1.0, "colour": 2.0, "size": 0.02}
FITTED = 256  # examples on which added channels start
AXES_EXAMPLES = 24_000  # of a run, for which the term `axes` is on
NOISE = 0.05  # on the latents while training, so that noise that a sampler leaves is not visible


class TrainVAE(Recipe):
    def __init__(self, settings):
        super().__init__(settings)
        self.weights = WEIGHTS | settings.losses
        self.vae, self.own = start_vae(settings.model)
        self.fitted = self.own == self.channels()
        # A model that was trained on these latents still fits them when only the decoder is trained further.
        self.vae.taesd_encoder.requires_grad_(not settings.model.get("decoder_only", False))
        self.vae.to(memory_format=torch.channels_last)
        self.before = self.vae_before() if self.weights.get("latents") or self.weights.get("axes") else None
        self.axes: Tensor | None = None  # of the error of `before`, for the added channels
        self.axes_examples = settings.model.get("axes_examples", AXES_EXAMPLES)
        self.discriminator = Discriminator() if self.weights.get("adversarial") else None
        self.clips = self.open_clips(settings.data)
        self.crop = settings.model.get("crop", 64)  # pixels a side
        self.people = settings.model.get("people", 0.6)  # share of crops around a pixel of the person

    def channels(self) -> int:
        return len(self.vae.taesd_encoder[-1].bias)

    def vae_before(self) -> nn.Module:
        """The auto-encoder of the file that the run starts from, which stays as it is."""
        if not self.settings.model.get("init"):
            raise ValueError(
                "losses: latents and axes compare with the VAE of init: name a file there, or leave them out."
            )
        if self.weights.get("axes") and self.fitted:
            raise ValueError(
                f"losses: axes trains channels that init does not have: set channels in model to more than its {self.own}."
            )
        return copy.deepcopy(self.vae).requires_grad_(False)

    def prepare(self, device: torch.device) -> None:
        """Renders clips once, before data workers share them, and starts added channels on the first examples."""
        if self.settings.workers and isinstance(self.clips, StageClips):
            self.clips.render_all(self.settings.workers)
        if not self.fitted:
            examples = torch.stack([self.sample(place)["picture"] for place in range(FITTED)])
            self.axes = fit_added(self.vae, self.own, examples.to(device))
            self.fitted = True

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
        mask = clip["mask"][frame]
        part = self.part(mask, r)
        shown = mask if kind in ("video", "depth") else torch.zeros_like(mask)  # the other two are of no frame
        return {"picture": picture[(slice(None), *part)], "mask": shown[part]}

    def part(self, mask: Tensor, r) -> tuple[slice, slice]:
        """A square of a (H, W) mask's picture, mostly around a pixel of the person, because most of a picture is wall."""
        size = self.crop
        person_pixels = (mask > 127).nonzero()
        middle = (
            person_pixels[r.randrange(len(person_pixels))].tolist()
            if len(person_pixels) and r.random() < self.people
            else None
        )
        corner = []
        for axis, length in enumerate(mask.shape):
            start = r.randrange(max(length - size, 0) + 1) if middle is None else middle[axis] - r.randrange(size)
            corner.append(min(max(start, 0), max(length - size, 0)))
        return slice(corner[0], corner[0] + size), slice(corner[1], corner[1] + size)

    def forward(self, batch: dict, draws: Draws) -> tuple[Tensor, dict[str, Tensor]]:
        picture = batch["picture"].contiguous(memory_format=torch.channels_last)
        latents = self.vae.encode(picture)
        decoded = self.vae.decode(latents + NOISE * draws.normal("latents", latents)).float()
        terms = self.terms(batch, latents.float(), decoded, draws)
        # A validation compares weights over time, but the discriminator's answers change while it is trained.
        if self.discriminator is not None and torch.is_grad_enabled():
            terms |= self.discriminator.terms(picture, decoded)
        loss = sum(weight * terms[name] for name, weight in self.weights.items() if name in terms)
        return loss + terms.get("discriminator", 0), terms

    def terms(self, batch: dict, latents: Tensor, decoded: Tensor, draws: Draws) -> dict[str, Tensor]:
        """The terms of the loss; those that are off unless they have a weight are not computed without one."""
        picture, error = batch["picture"], decoded - batch["picture"]
        terms = {
            "pixel": error.abs().mean() + error.square().mean(),
            "edge": edges(error),
            "colour": sum(F.avg_pool2d(error, side).abs().mean() for side in (4, 16)),
            "size": size(latents),
            "mse": error.square().mean(),
        }
        more = {
            "scales": lambda: scales(error),
            "outlines": lambda: outlines(error, picture),
            "person": lambda: on_person(error, batch["mask"].float() / 255),
            "latents": lambda: self.moved(picture, latents),
            "axes": lambda: self.off_axes(picture, latents, draws),
        }
        return terms | {name: term() for name, term in more.items() if self.weights.get(name)}

    def moved(self, picture: Tensor, latents: Tensor) -> Tensor:
        """How far the channels of the file that the run starts from moved, squared."""
        with torch.no_grad():
            before = self.before.encode(picture.contiguous(memory_format=torch.channels_last))[:, : self.own].float()
        return (latents[:, : self.own] - before).square().mean()

    def off_axes(self, picture: Tensor, latents: Tensor, draws: Draws) -> Tensor:
        """How far the added channels are from the error of the file on its axes, squared; zero after the first examples."""
        if draws.position * self.settings.batch >= self.axes_examples or not torch.is_grad_enabled():
            return latents.new_zeros(())
        target = on_axes(self.before, self.axes, picture.contiguous(memory_format=torch.channels_last))
        return (latents[:, self.own :] - target).square().mean()

    @torch.no_grad()
    def figures(self, clips, device: torch.device) -> dict[str, float]:
        """PSNR of whole frames and of the person in them, the means over clips."""
        rows = []
        for index in range(len(clips)):
            clip = clips[index]
            video = clip["video"].to(device).float() / 255
            decoded = self.vae.decode(self.vae.encode(video.contiguous(memory_format=torch.channels_last))).clamp(0, 1)
            here = (clip["mask"].to(device) > 127)[:, None].expand_as(video)
            rows.append((psnr(decoded, video), psnr(decoded[here], video[here]) if here.any() else None))
        on_people = [person for _, person in rows if person is not None]
        found = {"psnr": statistics.fmean(whole for whole, _ in rows)}
        return found | ({"psnr_person": statistics.fmean(on_people)} if on_people else {})

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


def start_vae(model: dict) -> tuple[SmallVAE, int]:
    """The auto-encoder of `init`, or a new one, and how many of its latent channels need no start on examples."""
    if model.get("init"):
        return open_small_vae(Path(model["init"]), model.get("channels"))
    vae = SmallVAE(model.get("channels", 4)).start_as_thumbnail()
    return vae, len(vae.taesd_encoder[-1].bias)
