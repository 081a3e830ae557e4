"""One-shot tuning (arXiv 2408.16704, after Tune-A-Video): a depth model is tuned on one clip with one prompt.

Queries of both attentions and the attention over time train: 112 tensors, 74,354,880 numbers in Stable Diffusion 2 with
depth. Letters as in with_depth.py.
"""

from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from ...models.files import open_model
from ...models.files.tuned import is_tuned
from ...models.oneshot.files import Tuning, check_base, fingerprint, save_tuning
from ...models.unet.config import GROUP_NORMS, ONE_SHOT_FIELDS
from ...models.unet.losses import READINGS, temporal_consistency
from ...models.unet.network import VideoUNet
from ...models.unet.words import word_tokens
from ..encode.tokens import read_tokens
from ..loop.draws import Draws
from ..loop.lora import add_lora, is_lora, lora_file
from .with_depth import HALF, WithDepth

FRAMES = 8  # of the clip, evenly spaced; the paper takes 8 to 12
CONSISTENCY = 0.1  # weight of the temporal loss, which the paper does not give


class OneShot(WithDepth):
    def __init__(self, settings):
        super().__init__(settings)
        model, losses = settings.model, settings.losses
        self.number = number_of_clip(model.get("clip_number"), len(self.clips))
        self.weight, self.reading = losses.get("consistency", CONSISTENCY), losses.get("reading", READINGS[0])
        if self.reading not in READINGS:
            raise ValueError(f"losses: reading is one of {', '.join(READINGS)}: not {self.reading!r}.")
        self.unet, self.base = start_unet(model)
        choose_tuned(self.unet, settings.trains, settings.lora_rank, model.get("train_norms", False))
        if settings.gradient_checkpointing:
            self.unet.enable_gradient_checkpointing()
        if settings.sharding == "none":  # shares are of one kind of number
            store_frozen(self.unet, HALF.get(settings.precision))
        self.tokens = self.read_prompt(model)
        self.kept: dict[str, Tensor] | None = None

    # -- data ----------------------------------------------------------------------------------------------------

    def read_prompt(self, model: dict) -> Tensor:
        """(T, D) tokens of the prompt: from a file, or from the model's own word vectors."""
        video = self.unet.video
        if model.get("text"):
            widths = [width for width in (video.cross_attention_dim, video.token_width) if width]
            return read_tokens(Path(model["text"]), widths)
        if not video.words:
            raise ValueError(
                "one_shot ties the clip to a sentence, and this model reads it as tokens of a text encoder: connect CLIP "
                "Text Encode to positive of Training Settings, or name the file that it wrote as text."
            )
        prompt = model.get("prompt", self.clips.caption(self.number) if hasattr(self.clips, "caption") else "")
        if not prompt.strip():
            raise ValueError("one_shot ties the clip to a sentence, but prompt is empty: say what the clip shows.")
        return word_tokens(prompt, video.words)

    def prepare(self, device: torch.device) -> None:
        """Encodes the clip once, with the mode of the VAE's distribution."""
        clip = self.clips[self.number]
        frames = evenly_spaced(len(clip["video"]), self.settings.model.get("frames", FRAMES))
        self.kept = {**self.encode_clip(clip, device, frames), "tokens": self.tokens}

    def sample(self, place: int) -> dict[str, Tensor]:
        return self.kept

    # -- loss ----------------------------------------------------------------------------------------------------

    def forward(self, batch: dict, draws: Draws) -> tuple[Tensor, dict[str, Tensor]]:
        output, target, clean, signal = self.denoise(batch["video"], batch, draws)
        terms = {"video": (output - target).square().mean()}
        if self.weight:
            terms["consistency"] = temporal_consistency(clean, batch["video"], signal, self.reading)
        return terms["video"] + self.weight * terms.get("consistency", 0.0), terms

    # -- what comes out ------------------------------------------------------------------------------------------

    def pictures(self, device: torch.device) -> Tensor:
        """Frames of the clip above a sample from other noise, (H, W, 3)."""
        return self.preview(0, device).permute(1, 2, 0)

    def export(self, folder: Path) -> list[Path]:
        """The tuning, and the LoRA of the queries beside it: then the tuning holds those of the base."""
        settings = self.settings
        state = {name: value for name, value in self.unet.state_dict().items() if is_tuned(name, norms=True)}
        state = {name: value.detach().cpu().half() for name, value in state.items() if not is_lora(name)}
        tuning = Tuning(base=self.base, frames=len(self.kept["video"]), steps=settings.steps, lr=settings.lr,
                        depth_range=self.depth_range)  # fmt: skip
        files = [save_tuning(folder / "tuning.safetensors", state, self.unet.video, tuning)]
        if settings.trains == "lora":
            files.append(folder / "lora.safetensors")
            save_file(lora_file(self.unet), files[-1])
        return files


def number_of_clip(number: int | None, count: int) -> int:
    """Which clip of the data is tuned on."""
    if count == 1 and number is None:
        return 0
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < count:
        request = "does not say which" if number is None else f"asks for number {number!r}"
        raise ValueError(
            f"one_shot trains on one clip, but the data holds {count} and the run {request}: ask for a single clip, with as "
            f"many frames as it has, or set clip_number in model to 0 to {count - 1}."
        )
    return number


def evenly_spaced(count: int, wanted: int) -> list[int]:
    """`wanted` of `count` frames from the first to the last, evenly spaced; all of them where there are fewer."""
    if count < 2 or wanted < 2:
        raise ValueError(
            f"one_shot trains on the motion of a clip, so it needs 2 frames or more, but the clip has {count} and frames is "
            f"{wanted}: take a longer clip, or raise frames."
        )
    return torch.linspace(0, count - 1, min(wanted, count)).round().long().tolist()


def start_unet(model: dict) -> tuple[VideoUNet, str]:
    """A picture model with zero-initialised attention over time, or a tuned one, and the fingerprint of its base."""
    if not model.get("init"):
        raise ValueError(
            "one_shot tunes a model that exists: name Stable Diffusion 2 with depth, Stable Diffusion 1, or the demo's "
            "model of words as init."
        )
    norm = model.get("group_norm")
    if norm not in (None, *GROUP_NORMS):
        raise ValueError(f"model: group_norm is one of {', '.join(GROUP_NORMS)}, not {norm!r}.")
    config, state, _ = open_model(model["init"])
    check_base(config)
    unet = VideoUNet(replace(config, **ONE_SHOT_FIELDS, group_norm=norm or config.group_norm))
    unet.load_state_dict(
        state, strict=False
    )  # a picture model has no attention over time, which stays zero-initialised
    return unet, fingerprint(state)


def choose_tuned(unet: VideoUNet, trains: str = "all", rank: int = 16, norms: bool = False) -> None:
    """What trains: all is Tune-A-Video's choice, adapters the attention over time alone, lora low ranks on the queries.

    Attention over time trains in full everywhere: it is initialised at random, so a LoRA of it would not fit another model.
    """
    if trains == "lora":
        add_lora(unet, rank, ("to_q",))
    for name, value in unet.named_parameters():
        query = name.endswith(".to_q.weight") and ".tem_" not in name
        value.requires_grad_(is_lora(name) or (is_tuned(name, norms) and (trains == "all" or not query)))


def store_frozen(unet: VideoUNet, kind: torch.dtype | None) -> None:
    """Frozen matrices as the step computes with them, which halves their memory; norms and biases stay whole."""
    for value in unet.parameters():
        if kind is not None and not value.requires_grad and value.ndim > 1:
            value.data = value.data.to(kind)
