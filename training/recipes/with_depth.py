"""What one-shot tuning and the demo's depth-to-image model share: a network with an optional depth channel.

Letters: B clips, F frames, C channels and h and w pixels of latents, H and W pixels, T tokens, D width of a token.
"""

from functools import partial

import torch
from torch import Tensor

from ...models.choices import CHANNEL_RANGES
from ...models.oneshot.depth_channel import depth_channel
from ...models.unet.network import VideoUNet
from ...models.unet.schedule import NoiseSchedule
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
        self.clips = self.open_clips(settings.data)
        self.encoders = Encoders(settings.model["vae"])
        self.depth_range = settings.model.get("depth_range", CHANNEL_RANGES[0])
        if self.depth_range not in CHANNEL_RANGES:
            raise ValueError(f"model: depth_range is one of {', '.join(CHANNEL_RANGES)}, not {self.depth_range!r}.")

    def in_precision(self, device: torch.device):
        """The trainer's autocast, for code that runs outside a step."""
        half = HALF.get(self.settings.precision)
        return torch.autocast(device.type, half, enabled=half is not None)

    # -- data ----------------------------------------------------------------------------------------------------

    def encode_clip(self, clip: dict[str, Tensor], device: torch.device, frames=slice(None)) -> dict[str, Tensor]:
        """Encodes frames of a clip: video (F, C, h, w), depth (F, 1, h, w) in one range."""
        # One picture at a time: the encoder of Stable Diffusion fills a GPU with a clip of 512 pixels.
        latents = [self.encoders.latents(picture[None].to(device)).cpu() for picture in clip["video"][frames]]
        video = torch.cat(latents)
        depth = clip["depth"][frames].to(torch.float32)[:, None] / 65535
        return {"video": video, "depth": depth_channel(depth, video.shape[-2:], self.depth_range)}

    # -- network -------------------------------------------------------------------------------------------------

    def predict(self, noisy: Tensor, time: Tensor, conditions: dict[str, Tensor]) -> Tensor:
        """The network's output (B, F, C, h, w) for latents of that shape at (B,) steps; conditions: tokens (B, T, D), depth (B, F, 1, h, w)."""
        clips, frames = noisy.shape[:2]
        each = lambda x: x.unsqueeze(1).expand(-1, frames, *x.shape[1:]).flatten(0, 1)
        flat = noisy.flatten(0, 1)
        if self.unet.video.in_channels > self.unet.video.out_channels:
            flat = torch.cat((flat, conditions["depth"].flatten(0, 1)), 1)
        output = self.unet(flat, each(time), each(conditions["tokens"].float()), chunks=clips)
        return output.float().view(noisy.shape)

    def denoise(
        self, clean: Tensor, conditions: dict[str, Tensor], draws: Draws
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(B, F, C, h, w) clean latents to the output in noise, its target, the clean estimate, and the share of signal (B,)."""
        time = draws.steps("time", self.schedule.steps, len(clean)).to(clean.device)  # one for all frames of a clip
        noise = draws.normal("noise", clean)
        noisy = self.schedule.add_noise(clean, noise, time)
        output = self.predict(noisy, time, conditions)
        prediction = self.unet.video.prediction
        signal = self.schedule.rates(time, clean)[0].flatten()
        return (
            output,
            self.schedule.target(prediction, clean, noise, time),
            self.estimate_clean(noisy, output, time),
            signal,
        )

    def estimate_clean(self, noisy: Tensor, output: Tensor, time: Tensor) -> Tensor:
        """The clean latents (B, F, C, h, w) that an output implies."""
        return self.schedule.split(self.unet.video.prediction, noisy, output, time)[0]

    # -- what comes out ------------------------------------------------------------------------------------------

    def preview(self, place: int, device: torch.device) -> Tensor:
        """(3, 2 H, n W): frames of an example above a sample from its tokens and its depth."""
        batch = {name: value[None].to(device) for name, value in self.sample(place).items()}
        start = Draws(self.settings.seed, place).normal("start", batch["video"])
        with self.in_precision(device):
            sampled = sample_ddim(
                partial(self.predict, conditions=batch), start, self.schedule, self.unet.video.prediction
            )
            rows = [self.preview_row(latents[0]) for latents in (batch["video"], sampled)]
        return torch.cat(rows, 1)

    def preview_row(self, latents: Tensor) -> Tensor:
        """(3, H, n W): four frames, or a few more, of (F, C, h, w) latents side by side."""
        some = latents[:: max(1, len(latents) // 4)]
        return torch.cat([self.encoders.pictures(frame[None])[0] for frame in some], 2)
