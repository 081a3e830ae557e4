"""The demo's small picture model of depth and of the stage's vocabulary, from which one-shot tuning starts.

Its projection of tokens is the table of word vectors (models/unet/words.py), so it is trained and saved with the network.
Letters as in with_depth.py.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from ...models.files import open_model, save_model
from ...models.files.recommended import of_family
from ...models.stage.caption import VOCABULARY
from ...models.unet.config import SD1
from ...models.unet.network import VideoUNet
from ...models.unet.switches import with_switches
from ...models.unet.words import token_width, word_tokens
from ..data import without_caption
from ..encode.kept import load_or_encode
from ..loop.draws import Draws
from .recommend import recommended_note
from .shape import shape_from_settings
from .with_depth import WithDepth

SHAPE = {  # 3.7 million numbers, 7.1 MiB in half precision
    "in_channels": 5, "block_out_channels": (64, 96, 96), "attention_levels": (True, True, False),
    "layers_per_block": 1, "attention_head_dim": 4, "cross_attention_dim": 64, "prediction": "v",
}  # fmt: skip
DROP = {"words": 0.1, "depth": 0.1}  # shares of examples without them, so that guidance can weight each one separately


class DepthWords(WithDepth):
    def __init__(self, settings):
        super().__init__(settings)
        if missing := without_caption(self.clips):
            raise ValueError(
                f"depth_words trains on captions, which {len(missing)} of the clips of kind {settings.data['kind']} do not "
                f"have, such as {missing[0]}: write what each shows into a text file beside it, or take data of kind stage."
            )
        if settings.trains != "all":
            raise ValueError(f"depth_words trains a small network whole: set trains to all, not {settings.trains}.")
        self.unet = start_unet(settings.model)
        if settings.gradient_checkpointing:
            self.unet.enable_gradient_checkpointing()
        self.kept: list[dict[str, Tensor]] | None = None
        if torch.cuda.is_available():  # on a CPU, group norms of this format take many times as long
            self.unet.to(memory_format=torch.channels_last)

    def prepare(self, device: torch.device) -> None:
        """Encode every clip and its caption once; the depth is in one range over the frames of a clip."""
        about = replace(self.settings, data={**self.settings.data, "depth_range": self.depth_range})
        kept = load_or_encode(self.clips.__getitem__, partial(self.encode_clip, device=device), len(self.clips), about)
        captions = [word_tokens(self.clips.caption(index), self.unet.video.words).bool() for index in range(len(kept))]
        self.kept = [{**clip, "tokens": tokens} for clip, tokens in zip(kept, captions, strict=True)]

    def sample(self, place: int) -> dict[str, Tensor]:
        """One frame of a clip."""
        clip = self.kept[self.item(place, len(self.kept))]
        frame = self.draw(place).python("frame").randrange(len(clip["video"]))
        return {"video": clip["video"][frame, None], "depth": clip["depth"][frame, None], "tokens": clip["tokens"]}

    def forward(self, batch: dict, draws: Draws) -> tuple[Tensor, dict[str, Tensor]]:
        output, target, *_ = self.denoise(batch["video"], self.drop_conditions(batch, draws), draws)
        loss = (output - target).square().mean()
        return loss, {"video": loss}

    def drop_conditions(self, batch: dict, draws: Draws) -> dict[str, Tensor]:
        """Tokens (B, T, D) and depth (B, 1, 1, h, w), some examples with zero tokens or zero depth."""
        count = len(batch["video"])
        kept = {name: draws.uniform(name, count).to(batch["video"].device) >= share for name, share in DROP.items()}
        return {
            "tokens": batch["tokens"] & kept["words"][:, None, None],
            "depth": batch["depth"] * kept["depth"][:, None, None, None, None],
        }

    def pictures(self, device: torch.device) -> Tensor:
        """Six examples above samples from their tokens and their depth, (H, W, 3)."""
        return torch.cat([self.preview(place, device) for place in range(6)], 2).permute(1, 2, 0)

    def export(self, folder: Path) -> list[Path]:
        state = {name: value.detach().cpu().half() for name, value in self.unet.state_dict().items()}
        notes = {"depth_range": self.depth_range, "steps": self.settings.steps}
        notes |= recommended_note(of_family(self.unet.video), self.clips)
        return [save_model(folder / "model.safetensors", state, self.unet.video, **notes)]


def start_unet(model: dict) -> VideoUNet:
    """A network with word vectors from a file, or a new one of the shape in the settings."""
    if model.get("init"):
        config, state, _ = open_model(model["init"])
        if not config.words:
            raise ValueError(
                f"{Path(model['init']).name} has no words of its own: name a model of the recipe depth_words as init, or none."
            )
        unet = VideoUNet(config)
        unet.load_state_dict({name: value.float() for name, value in state.items()})
        return unet
    shape = shape_from_settings(model)
    words = {"words": VOCABULARY, "foreground_width": token_width(VOCABULARY)}
    return VideoUNet(with_switches(SD1, **SHAPE | shape | words))
