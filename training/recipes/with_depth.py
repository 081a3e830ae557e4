"""What one-shot tuning and the demo's model of words share: a network that may see depth beside the noise.

Letters: B clips, F frames, C channels and h and w pixels of latents, H and W pixels, T tokens, D width of a token.
"""

from functools import partial

import torch
from torch import Tensor

from ...models.choices import CHANNEL_RANGES
from ...models.oneshot.depth_channel import depth_channel
from ...models.unet.network import VideoUNet
from ...models.unet.schedule import NoiseSchedule
from ..data import open_clips
from ..encode.encoders import Encoders
from ..loop.draws import Draws
from ..loop.sampling import sample_ddim
from .base import Recipe

HALF = {"bf16": torch.bfloat16, "fp16": torch.float16}


class WithDepth(Recipe):
    unet: VideoUNet

    def __init__(self, settings):
        super().__init__(settings)
        self.schedule = NoiseSchedule()
        self.clips = open_clips(settings.data)
        self.encoders = Encoders(settings.model["vae"])
        self.depth_range = settings.model.get("depth_range", CHANNEL_RANGES[0])
        if self.depth_range not in CHANNEL_RANGES:
            raise ValueError(f"model: depth_range is one of {', '.join(CHANNEL_RANGES)}, not {self.depth_range!r}.")

    def in_precision(self, device: torch.device):
        """What the trainer wraps around a step, for what runs outside of one."""
        half = HALF.get(self.settings.precision)
        return torch.autocast(device.type, half, enabled=half is not None)

    # -- data ----------------------------------------------------------------------------------------------------

    def encode_clip(self, clip: dict[str, Tensor], device: torch.device, frames=slice(None)) -> dict[str, Tensor]:
        """Frames of a clip as the network reads them: video (F, C, h, w), depth (F, 1, h, w) in one range."""
        # One picture at a time: the encoder of Stable Diffusion fills a GPU with a clip of 512 pixels.
        latents = [self.encoders.latents(picture[None].to(device)).cpu() for picture in clip["video"][frames]]
        video = torch.cat(latents)
        depth = clip["depth"][frames].to(torch.float32)[:, None] / 65535
        return {"video": video, "depth": depth_channel(depth, video.shape[-2:], self.depth_range)}

    # -- network -------------------------------------------------------------------------------------------------

    def predict(self, noisy: Tensor, time: Tensor, known: dict[str, Tensor]) -> Tensor:
        """The answer (B, F, C, h, w) to latents of that shape at (B,) steps; known: tokens (B, T, D), depth (B, F, 1, h, w)."""
        clips, frames = noisy.shape[:2]
        each = lambda x: x.unsqueeze(1).expand(-1, frames, *x.shape[1:]).flatten(0, 1)
        flat = noisy.flatten(0, 1)
        if self.unet.video.in_channels > self.unet.video.out_channels:
            flat = torch.cat((flat, known["depth"].flatten(0, 1)), 1)
        answer = self.unet(flat, each(time), each(known["tokens"].float()), chunks=clips)
        return answer.float().view(noisy.shape)

    def denoise(self, clean: Tensor, known: dict[str, Tensor], draws: Draws) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(B, F, C, h, w) clean latents to the answer in noise, what it should be, the clean that it sees, its share (B,)."""
        time = draws.integers("time", self.schedule.steps, len(clean)).to(clean.device)  # one for all frames of a clip
        noise = draws.normal("noise", clean)
        noisy = self.schedule.add_noise(clean, noise, time)
        answer = self.predict(noisy, time, known)
        prediction = self.unet.video.prediction
        signal = self.schedule.rates(time, clean)[0].flatten()
        return answer, self.schedule.target(prediction, clean, noise, time), self.clean(noisy, answer, time), signal

    def clean(self, noisy: Tensor, answer: Tensor, time: Tensor) -> Tensor:
        """The clean latents that an answer amounts to."""
        return self.schedule.split(self.unet.video.prediction, noisy, answer, time)[0]

    # -- what comes out ------------------------------------------------------------------------------------------

    def shown(self, place: int, device: torch.device) -> Tensor:
        """(3, 2 H, n W): frames of an example above what the network makes of its words and its depth."""
        batch = {name: value[None].to(device) for name, value in self.sample(place).items()}
        start = Draws(self.settings.seed, place).normal("start", batch["video"])
        with self.in_precision(device):
            made = sample_ddim(partial(self.predict, known=batch), start, self.schedule, self.unet.video.prediction)
            rows = [self.row(latents[0]) for latents in (batch["video"], made)]
        return torch.cat(rows, 1)

    def row(self, latents: Tensor) -> Tensor:
        """(3, H, n W): four frames, or a few more, of (F, C, h, w) latents side by side."""
        some = latents[:: max(1, len(latents) // 4)]
        return torch.cat([self.encoders.pictures(frame[None])[0] for frame in some], 2)
