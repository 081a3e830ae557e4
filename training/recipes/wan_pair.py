"""The pair on Wan 2.2 (UnityVideo, arXiv 2512.07831): a video and one modality of it, both from noise or one from the other.

Letters: B clips, m = 2 streams (video, then modality), F frames, T h w latent frames and pixels, C channels, H and W pixels,
L tokens of D numbers.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from ...models.files.recommended import WAN_PAIR
from ...models.wan.files import ADDED, PICTURES, VIDEO, PairNotes, save_wan_pair
from ..data import without_caption
from ..encode.kept import load_or_encode
from ..encode.second_clip import SECOND_CLIPS, with_second_clip
from ..encode.video_latents import open_video_encoder
from ..loop.draws import Draws
from ..loop.lora import add_lora_to, is_lora, lora_file
from .base import Recipe
from .recommend import recommended_note
from .wan_network import LORA_LAYERS, start_network
from .wan_text import open_texts

WEIGHTS = {"video": 1.0, "second": 1.0, "person": 0.0}  # of both streams' errors, and of the person's alone in both
VIDEO_GIVEN, SECOND_GIVEN = 0.25, 0.25  # shares of the tasks with one stream given; the rest begins with noise alone
NO_WORDS = 0.1  # share of the examples without a prompt
SHIFT = 5.0  # of the noise levels towards noise
ADDED_RATE = 10.0  # learning rate of the added parts, in rates of Wan's own


class WanPair(Recipe):
    def __init__(self, settings):
        super().__init__(settings)
        model = settings.model
        self.weights = WEIGHTS | settings.losses
        self.clips = self.open_clips(settings.data)
        self.shown = model.get("second_clip", SECOND_CLIPS[0])
        self.shift, self.added_rate = model.get("shift", SHIFT), model.get("added_rate", ADDED_RATE)
        self.encoder = open_video_encoder(model["vae"])
        self.prompt = model.get("prompt", "").strip()
        self.refuse_without_words(model)
        self.texts = open_texts(model, self.shown)
        self.network = start_network(model, self.encoder.channels, self.texts.width, self.shown)
        self.choose_trained(settings)
        self.kept: list[dict[str, Tensor]] | None = None

    def refuse_without_words(self, model: dict) -> None:
        if self.prompt or model.get("text"):
            return
        if missing := without_caption(self.clips):
            raise ValueError(
                f"wan_pair ties clips to sentences, but {len(missing)} of these have none, such as {missing[0]}: write what "
                "each shows into a text file beside it (clip.txt beside clip.mp4, caption.txt in a clip's folder), or set "
                "prompt in model to what all of them show."
            )

    def choose_trained(self, settings) -> None:
        """All weights, those that Wan does not have, or low ranks on its linear layers."""
        if settings.trains == "lora":
            add_lora_to(self.network, settings.lora_rank, LORA_LAYERS)
        for name, value in self.network.named_parameters():
            adapter = is_lora(name) if settings.trains == "lora" else name.startswith(ADDED)
            value.requires_grad_(adapter or settings.trains == "all")
        if settings.gradient_checkpointing:
            self.network.enable_gradient_checkpointing()

    def rate_of(self, name: str) -> float:
        """What a parameter's learning rate is multiplied by; a new network has one rate."""
        added = name.removeprefix("network.").startswith(ADDED)
        return self.added_rate if added and self.settings.model.get("init") else 1.0

    # -- data ----------------------------------------------------------------------------------------------------

    def prepare(self, device: torch.device) -> None:
        """Encodes every clip and every prompt once."""
        about = replace(self.settings, data={**self.settings.data, "second_clip": self.shown})
        encode = partial(self.encode_clip, device=device)
        raw = partial(with_second_clip, self.clips, self.shown)
        self.kept = load_or_encode(raw, encode, len(self.clips), about)
        self.texts.prepare([self.caption(index) for index in range(len(self.kept))], device)

    def caption(self, index: int) -> str:
        """What a clip shows: the sentence of the run, or the clip's own; none where the page encoded one for all."""
        own = not self.settings.model.get("text") and hasattr(self.clips, "caption")
        return self.prompt or (self.clips.caption(index) if own else "")

    def encode_clip(self, clip: dict[str, Tensor], device: torch.device) -> dict[str, Tensor]:
        """A clip's two streams as latents (T, C, h, w), and the person's share of them (T, h, w)."""
        with torch.autocast(device.type, torch.bfloat16, enabled=self.settings.precision == "bf16"):
            streams = (self.encoder.latents(clip[name].to(device)).half().cpu() for name in ("video", "second"))
            video, second = streams
        size = (len(video), *video.shape[-2:])
        person = F.adaptive_avg_pool3d(clip["mask"][None].float() / 255, size)[0]
        return {"video": video, "second": second, "person": person.half()}

    def sample(self, place: int) -> dict[str, Tensor]:
        """A window of a clip, or of a video VAE's latents the whole clip, whose first latent stands for one frame."""
        index = self.item(place, len(self.kept))
        clip = self.kept[index]
        total = len(clip["video"])
        count = min(self.settings.model.get("frames", total), total) if self.encoder.each_frame else total
        first = self.draw(place).python("frames").randrange(total - count + 1)
        part = {name: clip[name][first : first + count].float() for name in ("video", "second", "person")}
        return {**part, "text": self.texts.tokens(self.caption(index))}

    # -- loss ----------------------------------------------------------------------------------------------------

    def forward(self, batch: dict, draws: Draws) -> tuple[Tensor, dict[str, Tensor]]:
        clean = torch.stack((batch["video"], batch["second"]), 1)  # B m T C h w
        time, given = self.draw_times(len(clean), draws).to(clean), draw_given(len(clean), draws).to(clean.device)
        noise = draws.normal("noise", clean)
        each = time[:, None, None, None, None, None]
        noisy = torch.where(spread(given), clean, torch.lerp(clean, noise, each))
        output = self.predict(noisy, time, self.drop_words(batch["text"], draws))
        error = (output - (noise - clean)).square().mean(3)  # B m T h w
        error = error * (~given)[:, :, None, None, None]  # a given stream has no loss
        terms = dict(zip(("video", "second"), error.mean((0, 2, 3, 4)), strict=True))
        terms["person"] = (error.sum(1) * batch["person"]).sum() / batch["person"].sum().clamp(min=1)
        return sum(self.weights[name] * term for name, term in terms.items()), terms

    def draw_times(self, count: int, draws: Draws) -> Tensor:
        """(B,) noise levels from 0 to 1, logit-normal and shifted."""
        time = draws.normal("time", torch.empty(count)).sigmoid()
        return self.shift * time / (1 + (self.shift - 1) * time)

    def drop_words(self, text: Tensor, draws: Draws) -> Tensor:
        """(B, m, L, D) tokens, in some examples without those of the video's prompt."""
        dropped = (draws.uniform("words", len(text)) < NO_WORDS).to(text.device)
        video = torch.where(dropped[:, None, None], self.texts.empty.to(text), text[:, 0])
        return torch.stack((video, text[:, 1]), 1)

    def predict(self, noisy: Tensor, time: Tensor, text: Tensor) -> Tensor:
        """Velocity of latents (B, m, T, C, h, w) at noise levels (B,), for tokens (B, m, L, D)."""
        streams = noisy.flatten(0, 1).transpose(1, 2)
        output = self.network(streams, 1000 * time, text.flatten(0, 1).float(), self.shown)
        return output.float().transpose(1, 2).unflatten(0, noisy.shape[:2])

    # -- what comes out --------------------------------------------------------------------------------------------

    def pictures(self, device: torch.device) -> Tensor:
        """For each task a clip: the ground truth above a sample, video and second clip side by side."""
        rows = []
        for index, given in enumerate(((False, False), (True, False), (False, True))):
            batch = {name: value[None].to(device) for name, value in self.sample(index).items()}
            clean = torch.stack((batch["video"], batch["second"]), 1)
            sampled = self.sample_pair(clean, Draws(self.settings.seed, index), batch["text"], given)
            for pair in (clean, sampled):
                rows.append(torch.cat([strip(self.encoder.pictures(stream)) for stream in pair[0]], 2))
        return torch.cat(rows, 1).permute(1, 2, 0)

    def sample_pair(self, clean: Tensor, draws: Draws, text: Tensor, given: tuple, steps: int = 20) -> Tensor:
        """(1, m, T, C, h, w) by euler's method, with the streams that are given kept clean."""
        keep = spread(torch.tensor([given], device=clean.device))
        x = draws.normal("start", clean)
        levels = torch.linspace(1, 0, steps + 1).tolist()
        for now, then in zip(levels, levels[1:], strict=False):
            x = torch.where(keep, clean, x)
            x = x + (then - now) * self.predict(x, x.new_full((len(x),), now), text)
        return torch.where(keep, clean, x)

    def export(self, folder: Path) -> list[Path]:
        """The pair in half precision as Load Wan 2.2 Pair opens it, and a LoRA as Load LoRA does."""
        kind = torch.float16 if self.encoder.each_frame else torch.bfloat16
        state = {
            name: value.detach().cpu().to(kind)
            for name, value in self.network.state_dict().items()
            if not is_lora(name)
        }
        latents = PICTURES if self.encoder.each_frame else VIDEO
        notes = PairNotes(self.network.shape.num_heads, latents, self.texts.words)
        more = recommended_note(WAN_PAIR, self.clips, self.clips.frames)
        files = [save_wan_pair(folder / "model.safetensors", state, notes, **more)]
        if self.settings.trains == "lora":
            files.append(folder / "lora.safetensors")
            save_file(lora_file(self.network), files[-1])
        return files


def draw_given(count: int, draws: Draws) -> Tensor:
    """(B, m) which stream each example is given."""
    chance = draws.uniform("task", count)
    return torch.stack((chance < VIDEO_GIVEN, (chance >= VIDEO_GIVEN) & (chance < VIDEO_GIVEN + SECOND_GIVEN)), 1)


def spread(given: Tensor) -> Tensor:
    """(B, m) beside latents (B, m, T, C, h, w)."""
    return given[:, :, None, None, None, None]


def strip(pictures: Tensor) -> Tensor:
    """(3, H, n W): four frames, or a few more, of (F, 3, H, W) pictures side by side."""
    return torch.cat(list(pictures[:: max(1, len(pictures) // 4)]), 2)
