"""IDOL's three stages: outpainting a person (HAOP), pictures with their depth, clips with theirs (paper section 4).

Letters: B clips, m modalities (1 or 2), F frames, C channels and h and w pixels of latents, H and W pixels, T tokens.
"""

from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from ...models.choices import DEPTH_POLARITIES
from ...models.files import save_model
from ...models.files.recommended import of_family
from ...models.unet.attention.capture import capture
from ...models.unet.controlnet import PoseControlNet
from ...models.unet.losses import consistency, denoising, error_on
from ...models.unet.network import VideoUNet
from ...models.unet.schedule import NoiseSchedule
from ..encode.encoders import Encoders
from ..encode.kept import load_or_encode
from ..encode.pair_pictures import pictures_of
from ..loop.draws import Draws
from ..loop.lora import add_lora, is_lora, lora_file
from ..loop.noising import PairNoise, draw_clean_halves
from ..loop.sampling import sample_ddim
from .base import Recipe
from .idol_network import is_adapter, start_controlnet, start_unet
from .recommend import recommended_note

# Denoising of each modality, the paper's two consistency losses, and, not in the paper, denoising of the person alone.
WEIGHTS = {"video": 1.0, "depth": 1.0, "motion": 0.01, "maps": 0.01, "person": 0.0}
DROP_PERSON = 0.05  # DisCo's share of examples without a person, which trains the unconditional prediction of guidance


class Idol(Recipe):
    """What the stages share: the pair, its noise, and the loss."""

    modalities = 2  # at most: a network of one modality trains that one
    frames, pose = None, True  # frames None: as many as a clip has
    over_time = True  # whether layers over time are trained
    moving = False  # whether the motion loss, which needs two frames, applies

    def __init__(self, settings):
        super().__init__(settings)
        losses = WEIGHTS | settings.losses
        self.weights = {name: losses.pop(name) for name in WEIGHTS}
        self.features = losses.pop("features", "attn1")
        early, second = losses.pop("early", 0.0), losses.pop("second", 0.0)
        self.consistency_options = losses  # similarity, reduction, detach
        self.clips = self.open_clips(settings.data)
        self.polarity = settings.model.get("depth_polarity", DEPTH_POLARITIES[0])
        if self.polarity not in DEPTH_POLARITIES:
            raise ValueError(f"model: depth_polarity is {' or '.join(DEPTH_POLARITIES)}, not {self.polarity!r}.")
        self.encoders = Encoders(settings.model["vae"], settings.model.get("clip"))
        self.unet = start_unet(settings.model, self.encoders.channels)
        self.modalities = min(self.modalities, self.unet.video.modalities)
        if self.modalities == 1:
            second = 0.0  # it improves the depth only
        sharded = settings.sharding == "full"
        self.noise = PairNoise(NoiseSchedule(), self.unet.video.prediction, early, second, sharded)
        if not settings.model.get("init"):
            for stream in self.streams():
                stream.reset_label()
        pose = self.pose and settings.model.get("pose", True)
        self.controlnet = start_controlnet(settings.model, self.unet) if pose else None
        self.kept: list[dict[str, Tensor]] | None = None
        self.no_person_tokens: Tensor | None = None
        self.choose_trained(settings)
        if torch.cuda.is_available():  # on a CPU, group norms of this format take many times as long
            self.to(memory_format=torch.channels_last)

    # -- networks ------------------------------------------------------------------------------------------------

    def choose_trained(self, settings) -> None:
        """Freezes what this stage and the settings do not train."""
        if settings.trains == "lora":
            add_lora(self.unet, settings.lora_rank)
        for name, value in self.unet.named_parameters():
            adapter = is_lora(name) or is_adapter(name)
            value.requires_grad_(self.trains(name) and (adapter or settings.trains == "all"))
        if self.controlnet is not None:
            for name, value in self.controlnet.named_parameters():
                value.requires_grad_(self.over_time or "tem_" not in name)
        for net in self.modules():
            if isinstance(net, (VideoUNet, PoseControlNet)):
                net.layout.still = not self.over_time
        if settings.gradient_checkpointing:
            self.save_memory()

    def save_memory(self) -> None:
        """Enables gradient checkpointing, but not in up blocks whose attention the losses read."""
        for net in self.streams():
            net.enable_gradient_checkpointing()
            for part in net.up_blocks.modules():
                if hasattr(part, "gradient_checkpointing"):
                    part.gradient_checkpointing = not self.has_consistency_losses()

    def streams(self) -> list[VideoUNet]:
        """The shared U-Net, or the two of video and depth."""
        return list(getattr(self.unet, "streams", {"pair": self.unet}).values())

    def has_consistency_losses(self) -> bool:
        """Whether the losses between the modalities apply: only inside one network of both."""
        return self.modalities == 2 and not self.unet.video.separate

    def trains(self, name: str) -> bool:
        """Whether this stage trains a weight of the U-Net at all."""
        return self.over_time or not ("tem_" in name or "motion_modules" in name)

    # -- data ----------------------------------------------------------------------------------------------------

    def prepare(self, device: torch.device) -> None:
        """Encodes every clip once, unless the run has `cache` false."""
        if not self.settings.model.get("cache", True):
            return
        self.no_person(self.clips[0]["person"][None].to(device))
        raw, encode = partial(pictures_of, self.clips, self.polarity), partial(self.encode_clip, device=device)
        about = replace(self.settings, data={**self.settings.data, "depth_polarity": self.polarity})
        self.kept = load_or_encode(raw, encode, self.length(), about)

    def encode_clip(self, clip: dict[str, Tensor], device: torch.device) -> dict[str, Tensor]:
        """A clip (F, 3, H, W) with its pictures as latents (F, C, h, w) and the person as tokens (T, D)."""
        names = ("video", "depth", "rooms")
        with torch.autocast(device.type, torch.bfloat16, enabled=self.settings.precision == "bf16"):
            latents = self.as_latents(torch.cat([clip[name] for name in names]).to(device)).cpu()
            person = self.encoders.person(clip["person"][None].to(device))[0].cpu()
        return {
            **clip,
            **dict(zip(names, latents.split([len(clip[name]) for name in names]), strict=True)),
            "person": person,
        }

    def example(self, index: int) -> dict[str, Tensor]:
        """The encoded clip, or without `cache` its pictures, which are encoded on the device."""
        return pictures_of(self.clips, self.polarity, index) if self.kept is None else self.kept[index]

    def sample(self, place: int) -> dict[str, Tensor]:
        clip = self.example(self.item(place, self.length()))
        r = self.draw(place).python("frames")
        count = self.frames or len(clip["video"])
        first = r.randrange(len(clip["video"]) - count + 1)
        window = slice(first, first + count)
        room = clip["rooms"][0 if r.random() < 0.6 else 1]
        return {"video": clip["video"][window], "depth": clip["depth"][window], "pose": clip["pose"][window],
                "room": room, "person": clip["person"], "mask": clip["mask"][window]}  # fmt: skip

    def length(self) -> int:
        return len(self.clips)

    # -- loss ----------------------------------------------------------------------------------------------------

    def forward(self, batch: dict, draws: Draws) -> tuple[Tensor, dict[str, Tensor]]:
        clean, conditions = self.inputs(batch, draws)
        if self.modalities == 2 and self.unet.video.given == "clean":
            conditions |= draw_clean_halves(clean, draws)
        noised = self.noise.add_noise(clean, conditions, draws, self.predict)
        with self.capture_attention() as layers:
            output = self.predict(noised.noisy, noised.time, conditions)
        target = torch.where(unsqueeze_like(output, noised.without_loss), output.detach(), noised.target)
        terms = denoising(output.flatten(0, 2), target.flatten(0, 2), self.unet.layout)
        if self.weights["person"]:
            terms["person"] = error_on(batch["mask"], output, target)
        if layers:
            terms |= consistency(layers, self.unet.layout, **self.consistency_options)
        return sum(self.weights[name] * term for name, term in terms.items()), terms

    def capture_attention(self):
        """A context that records attention where this stage has a loss on it, else an empty one."""
        features = self.features if self.moving and self.weights["motion"] > 0 else "none"
        maps = self.weights["maps"] > 0
        if not self.has_consistency_losses() or (features == "none" and not maps):
            return nullcontext([])
        return capture(self.unet, features, maps)

    def inputs(self, batch: dict, draws: Draws) -> tuple[Tensor, dict[str, Tensor]]:
        """Clean latents (B, m, F, C, h, w) and the conditions, in some examples without the person."""
        clean = torch.stack([self.as_latents(batch[name]) for name in ("video", "depth")[: self.modalities]], 1)
        conditions = self.encode_conditions(batch)
        tokens = conditions["tokens"]
        dropped = draws.uniform("drop", len(tokens)).to(tokens.device) < DROP_PERSON
        conditions["tokens"] = torch.where(dropped[:, None, None], self.no_person(batch["person"]).to(tokens), tokens)
        return clean, conditions

    def encode_conditions(self, batch: dict) -> dict[str, Tensor]:
        """Conditions: tokens (B, T, D) of the person, the room (B, C, h, w), pose pictures (B, F, 3, H, W) in [0, 1]."""
        person = batch["person"]
        tokens = self.encoders.person(person) if person.dtype == torch.uint8 else person
        conditions = {"tokens": tokens, "room": self.as_latents(batch["room"])}
        if self.controlnet is not None:
            conditions["pose"] = batch["pose"].float() / 255
        return conditions

    def no_person(self, person: Tensor) -> Tensor:
        """(T, D) tokens that stand for no person, the same in every step; made from the first picture's size."""
        if self.no_person_tokens is None:
            self.no_person_tokens = self.encoders.no_person(person)
        return self.no_person_tokens

    def as_latents(self, pictures: Tensor) -> Tensor:
        """(..., 3, H, W) uint8 to (..., C, h, w); latents are returned unchanged."""
        if pictures.dtype != torch.uint8:
            return pictures
        return self.encoders.latents(pictures.flatten(0, -4)).unflatten(0, pictures.shape[:-3])

    def predict(self, noisy: Tensor, time: Tensor, conditions: dict[str, Tensor]) -> Tensor:
        """The network's output (B, m, F, C, h, w); each clip is one chunk of the batch."""
        clips, m, frames = noisy.shape[:3]
        each = lambda x: x.unsqueeze(1).expand(-1, m * frames, *x.shape[1:]).flatten(0, 1)
        flat = noisy.flatten(0, 2)
        labels = None if m == 2 else flat.new_zeros(len(flat), dtype=torch.long)
        tokens, times = self.context(conditions["tokens"], m, frames), each(time)
        shared = {"chunks": clips, "modalities": m}
        control = self.control(flat, times, tokens, conditions, **shared)
        if (
            "given" in conditions
        ):  # after the ControlNet, which in a host's sampler reads latents that are noisy everywhere
            given = conditions["given"].repeat_interleave(frames, 1).flatten()
            flat = torch.where(unsqueeze_like(flat, given), conditions["clean"].flatten(0, 2), flat)
            times = times.masked_fill(given, 0)
        output = self.unet(flat, times, tokens, labels=labels, background=each(conditions["room"]), control=control,
                           **shared)  # fmt: skip
        return output.float().view(noisy.shape)

    def control(
        self, latents: Tensor, times: Tensor, tokens: Tensor, conditions: dict[str, Tensor], **shared
    ) -> dict | None:
        """The pose ControlNet's residuals for (B m F, C, h, w) latents, zero for clips without poses."""
        if self.controlnet is None:
            return None
        down, mid = self.controlnet(latents, times, tokens, conditions["pose"].flatten(0, 1), **shared)
        if "posed" in conditions:
            posed = conditions["posed"].repeat_interleave(len(latents) // len(conditions["posed"]))
            down, mid = [x * unsqueeze_like(x, posed) for x in down], mid * unsqueeze_like(mid, posed)
        return {"down": down, "mid": mid}

    def context(self, tokens: Tensor, m: int, frames: int) -> Tensor:
        """(B, T, D) tokens of the person, projected for the cross-attention of each latent, (B m F, T, width)."""
        streams = self.streams()
        projected = torch.stack([streams[min(i, len(streams) - 1)].clip_proj(tokens) for i in range(m)], 1)
        return projected[:, :, None].expand(-1, -1, frames, -1, -1).flatten(0, 2)

    # -- what comes out --------------------------------------------------------------------------------------------

    def pictures(self, device: torch.device) -> Tensor:
        """For two clips: the ground truth above a sample, video and depth side by side."""
        rows = []
        for index in range(2):
            batch = {name: value[None].to(device) for name, value in self.sample(index).items()}
            draws = Draws(self.settings.seed, index)
            clean, _ = self.inputs(batch, draws)
            for latents in (clean, self.sample_pair(batch, draws.normal("start", clean))):
                some = latents[0, :, :: max(1, latents.shape[2] // 4)].flatten(0, 1)
                rows.append(torch.cat(list(self.encoders.pictures(some)), 2))
        return torch.cat(rows, 1).permute(1, 2, 0)

    def sample_pair(self, batch: dict, noise: Tensor, steps: int = 20) -> Tensor:
        """(B, m, F, C, h, w) latents of a batch from noise, by DDIM without guidance."""
        predict = partial(self.predict, conditions=self.encode_conditions(batch))
        return sample_ddim(predict, noise, self.noise.schedule, self.unet.video.prediction, steps)

    def export(self, folder: Path) -> list[Path]:
        """The U-Net, its LoRA and the pose ControlNet, in half precision, as the pack's loaders open them."""
        state = lambda net: {name: value for name, value in net.state_dict().items() if not is_lora(name)}
        half = lambda net: {name: value.detach().cpu().half() for name, value in state(net).items()}
        notes = recommended_note(of_family(self.unet.video), self.clips, self.frames or self.clips.frames)
        notes |= {"depth_polarity": self.polarity} if self.modalities == 2 else {}
        files = [save_model(folder / "model.safetensors", half(self.unet), self.unet.video, **notes)]
        if self.settings.trains == "lora":
            files.append(folder / "lora.safetensors")
            save_file(lora_file(self.unet), files[-1])
        if self.controlnet is not None:
            files.append(save_model(folder / "pose.safetensors", half(self.controlnet), self.controlnet.video))
        return files


def unsqueeze_like(like: Tensor, values: Tensor) -> Tensor:
    """(B, ...) values with trailing dimensions of 1 added to match `like`."""
    return values.reshape(*values.shape, *[1] * (like.ndim - values.ndim))
