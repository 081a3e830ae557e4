"""MIMO (section 3): a character is composited into a scene behind its occluders, and moves as given by pictures of a body.

As in the paper, the denoising network, the reference network and the pose guider are trained
together on pictures first; then, with `trains` set to adapters, the motion modules alone on clips.
Letters: B clips, F frames, C channels and h and w pixels of latents, H and W pixels, T tokens, D width of a token.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

import torch
from torch import Tensor

from ...models.character.guider import body_features
from ...models.files import save_model
from ...models.files.recommended import of_family
from ...models.pair.foreground import latent_tokens
from ...models.unet.schedule import NoiseSchedule
from ...models.unet.small_vae import SCALE
from ..data.character import layered_clip
from ..encode.encoders import Encoders
from ..encode.kept import load_or_encode
from ..loop.draws import Draws
from ..loop.sampling import sample_ddim
from .base import Recipe
from .mimo_network import start_unet, unused_weights
from .recommend import recommended_note
from .with_depth import HALF

MOTIONS = ("code", "skeleton")  # pictures of the motion: of the body in space, or flat as OpenPose draws it
WEIGHTS = {
    "person": 0.2
}  # of the error on the person, beside that of the whole picture; the paper has the latter alone
NO_PERSON, NO_LAYERS, WHITE_SCENE, NO_OCCLUDER = (
    0.1,
    0.05,
    0.15,
    0.4,
)  # shares of examples; the first trains the unconditional prediction of guidance
A_POSE = 0.5  # share of references in A-pose


class Character(Recipe):
    def __init__(self, settings):
        super().__init__(settings)
        model = settings.model
        self.clips = self.open_clips(settings.data)
        self.frames, self.motion = model.get("frames", 2), model.get("motion", MOTIONS[0])
        refuse_unsupported(settings, self.clips, self.frames, self.motion)
        self.weights = WEIGHTS | settings.losses
        self.encoders = Encoders(model["vae"])
        self.unet = start_unet(model, settings.trains == "adapters")
        self.schedule = NoiseSchedule(zero_snr=self.unet.video.zero_snr)
        self.kept: list[dict[str, Tensor]] | None = None
        self.white: Tensor | None = None
        self.choose_trained()
        if torch.cuda.is_available():  # on a CPU, group norms of this format take many times as long
            self.unet.to(memory_format=torch.channels_last)

    def choose_trained(self) -> None:
        """Unfreezes every weight that has a gradient, or the motion modules alone."""
        unused = {id(value) for value in unused_weights(self.unet)}
        for name, value in self.unet.named_parameters():
            chosen = self.settings.trains == "all" or "motion_modules." in name
            value.requires_grad_(chosen and id(value) not in unused)
        if self.settings.gradient_checkpointing:
            self.unet.enable_gradient_checkpointing()

    def in_precision(self, device: torch.device):
        """The trainer's autocast, for code that runs outside a step."""
        half = HALF.get(self.settings.precision)
        return torch.autocast(device.type, half, enabled=half is not None)

    # -- data ----------------------------------------------------------------------------------------------------

    def prepare(self, device: torch.device) -> None:
        """Encode every clip once, with its layers and the pictures of its character."""
        about = replace(self.settings, data={**self.settings.data, "motion": self.motion})
        raw, encode = partial(layered_clip, self.clips), partial(self.encode_clip, device=device)
        self.kept = load_or_encode(raw, encode, len(self.clips), about)
        side = self.clips.size
        self.white = self.latents(torch.full((1, 3, side, side), 255, dtype=torch.uint8), device)

    def latents(self, pictures: Tensor, device: torch.device) -> Tensor:
        """(N, 3, H, W) uint8 to (N, C, h, w), a few at a time: the encoder of Stable Diffusion would fill a GPU."""
        with self.in_precision(device):
            return torch.cat([self.encoders.latents(part.to(device)).cpu() for part in pictures.split(4)])

    def encode_clip(self, clip: dict[str, Tensor], device: torch.device) -> dict[str, Tensor]:
        """A clip as the network reads it: latents, masks (F, 1, h, w), and the motion as pictures (F, 3, H, W)."""
        unoccluded = torch.equal(clip["clear"], clip["video"])
        out = {name: self.latents(clip[name], device) for name in ("video", "plain", "scene", "occluder", "references")}
        like = out["video"]
        out["clear"] = like if unoccluded else self.latents(clip["clear"], device)
        out |= {name: out[name].expand_as(like).contiguous() for name in ("scene", "occluder")}
        share = lambda mask: torch.nn.functional.adaptive_avg_pool2d(mask[:, None] / 255, like.shape[-2:])
        return {**out, "seen": share(clip["seen"]), "whole": share(clip["whole"]), "motion": clip[self.motion]}

    def sample(self, place: int) -> dict[str, Tensor]:
        """Frames of a clip with its layers and its motion, and the character from elsewhere."""
        clip, r = self.kept[self.item(place, len(self.kept))], self.draw(place).python("example")
        kind = self.kind(r)
        frames = choose_frames(len(clip["video"]), self.frames, self.over_time, r)
        selected = {name: clip[name][frames] for name in (kind, "scene", "occluder", "seen", "whole", "motion")}
        scene = self.white.expand_as(selected["scene"]) if kind == "plain" else selected["scene"]
        front = selected["occluder"] * (kind == "video")
        layers = torch.cat((scene, front), 1)[:, : self.unet.video.layer_codes * scene.shape[1]]
        with_layers = kind == "plain" or r.random() >= NO_LAYERS
        reference_number = 0 if r.random() < A_POSE else r.randrange(1, len(clip["references"]))
        return {
            "video": selected[kind],
            "mask": selected["seen" if kind == "video" else "whole"],
            "layers": layers * with_layers,
            "motion": selected["motion"],
            "reference": clip["references"][reference_number],
            "has_person": torch.tensor(r.random() >= NO_PERSON),
        }

    def kind(self, r: Random) -> str:
        """Which picture an example has; only a network with scene latents gets the white scene."""
        codes = self.unet.video.layer_codes
        if codes and r.random() < WHITE_SCENE:
            return "plain"
        return "clear" if codes == 1 or (codes == 2 and r.random() < NO_OCCLUDER) else "video"

    @property
    def over_time(self) -> bool:
        return self.unet.video.temporal is not None

    # -- loss ----------------------------------------------------------------------------------------------------

    def forward(self, batch: dict, draws: Draws) -> tuple[Tensor, dict[str, Tensor]]:
        clean = batch["video"]
        clips, frames = clean.shape[:2]
        # Frames that attend to each other share a step; single frames train better with a step each.
        time = draws.steps("time", self.schedule.steps, clips, 1 if self.over_time else frames)
        time = time.to(clean.device).expand(-1, frames)
        noise, flat = draws.normal("noise", clean), time.flatten()
        noisy = self.schedule.add_noise(clean.flatten(0, 1), noise.flatten(0, 1), flat).view(clean.shape)
        output = self.predict(noisy, time, self.encode_conditions(batch))
        prediction = self.unet.video.prediction
        target = self.schedule.target(prediction, clean.flatten(0, 1), noise.flatten(0, 1), flat).view(clean.shape)
        error, mask = (output - target).square().mean(2, keepdim=True), batch["mask"]
        terms = {"video": error.mean(), "person": (error * mask).sum() / mask.sum().clamp_min(1.0)}
        return sum(self.weights.get(name, 1.0) * term for name, term in terms.items()), terms

    def encode_conditions(self, batch: dict) -> dict:
        """Conditions that do not depend on the step: tokens (B, T, D), layers, reference features and motion features."""
        has_person = batch["has_person"].to(batch["reference"].device)
        tokens = self.unet.clip_proj(latent_tokens(batch["reference"] / SCALE)) * has_person[:, None, None]
        conditions = {"tokens": tokens, "layers": batch["layers"]}
        if self.unet.video.reference:
            features = self.unet.read_reference(batch["reference"], tokens)
            conditions["features"] = [
                one if present else None for one, present in zip(features, has_person, strict=True)
            ]
            if not has_person.any():  # processes that work together wait for a gradient of every weight
                conditions["tokens"] = tokens + 0 * sum(part.sum() for part in features[0])
        if self.unet.video.motion_code:
            pictures = batch["motion"].flatten(0, 1).float() / 255
            conditions["motion"] = body_features(self.unet.pose_guider, pictures, pictures)
        return conditions

    def predict(self, noisy: Tensor, time: Tensor, conditions: dict) -> Tensor:
        """The network's output (B, F, C, h, w) for latents of that shape at (B,) or (B, F) steps."""
        clips, frames = noisy.shape[:2]
        flat = torch.cat((noisy, conditions["layers"]), 2).flatten(0, 1)
        time = time if time.ndim == 2 else time[:, None].expand(-1, frames)
        context = conditions["tokens"][:, None].expand(-1, frames, -1, -1).flatten(0, 1)
        output = self.unet(flat, time.flatten(), context, chunks=clips, reference=conditions.get("features"),
                           motion=conditions.get("motion"))  # fmt: skip
        return output.float().view(noisy.shape)

    # -- what comes out ------------------------------------------------------------------------------------------

    def pictures(self, device: torch.device) -> Tensor:
        """Examples side by side: reference and ground truth above the motion and the sampled frames."""
        return torch.cat([self.preview(place, device) for place in range(4)], 2).permute(1, 2, 0)

    def preview(self, place: int, device: torch.device) -> Tensor:
        """(3, 2 H, (1 + F) W) of one example."""
        example = self.sample(place) | {"has_person": torch.tensor(True)}
        batch = {name: value[None].to(device) for name, value in example.items()}
        start = Draws(self.settings.seed, place).normal("start", batch["video"])
        with self.in_precision(device):
            predict = partial(self.predict, conditions=self.encode_conditions(batch))
            sampled = sample_ddim(predict, start, self.schedule, self.unet.video.prediction)
            truth, sampled = (self.encoders.pictures(latents[0]) for latents in (batch["video"], sampled))
            reference = self.encoders.pictures(batch["reference"])
        rows = (torch.cat((reference, truth)), torch.cat((batch["motion"][0, :1] / 255, sampled)))
        return torch.cat([torch.cat(list(row), 2) for row in rows], 1)

    def export(self, folder: Path) -> list[Path]:
        """One file for Load Character Model, in half precision."""
        state = {name: value.detach().cpu().half() for name, value in self.unet.state_dict().items()}
        notes = {"motion_pictures": self.motion, "steps": self.settings.steps}
        frames = self.frames if self.over_time else self.clips.frames
        notes |= recommended_note(of_family(self.unet.video), self.clips, frames)
        return [save_model(folder / "model.safetensors", state, self.unet.video, **notes)]


def choose_frames(count: int, wanted: int, over_time: bool, r: Random) -> list[int]:
    """Frames of a clip: consecutive ones for a network with layers over time, else any, which vary more."""
    if not over_time:
        return sorted(r.sample(range(count), wanted))
    first = r.randrange(count - wanted + 1)
    return list(range(first, first + wanted))


def refuse_unsupported(settings, clips, frames, motion) -> None:
    """Refuses settings that this recipe would ignore."""
    if not hasattr(clips, "scene"):
        raise ValueError(
            f"mimo trains on clips with exact layers, which those of kind {settings.data['kind']} do not have: "
            "take data of kind stage."
        )
    if settings.trains == "lora":
        raise ValueError("mimo trains no LoRA: set trains to all, or to adapters for the motion modules alone.")
    if settings.model.get("clip"):
        raise ValueError("mimo encodes the character with the VAE, not with CLIP: leave clip out of model.")
    if isinstance(frames, bool) or not isinstance(frames, int) or not 1 <= frames <= clips.frames:
        raise ValueError(
            f"model: frames is how many of a clip's {clips.frames} frames an example has, not {frames!r}: take as many "
            "at most, or longer clips."
        )
    if motion not in MOTIONS:
        raise ValueError(f"model: motion is one of {', '.join(MOTIONS)}, not {motion!r}.")
