"""Stage 2 of LFDM: the U-Net is trained to generate the flow of a picture for a label, on a frozen autoencoder (section 3.3).

Letters: B clips, F frames, C channels of the features, H and W pixels, h and w of the flow.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from ...models.files.recommended import FLOW
from ...models.lfdm.checkpoint import LABEL_VECTORS, load, open_autoencoder, save
from ...models.lfdm.config import MUG_UNET, FlowUNetConfig
from ...models.lfdm.diffusion import FlowSchedule, noise_loss
from ...models.lfdm.inference import AutoencoderInference, check_picture
from ...models.lfdm.labels import LABEL_NAMES, Labels, open_flow_model, open_labels
from ...models.lfdm.state import from_network, motion_of, state_of, to_network
from ...models.lfdm.unet import FlowUNet
from ...models.lfdm.warp import Motion
from ...models.stage.motion import StageMotion
from ..data.labelled import AsLabelled, as_labelled, spread
from ..encode.jitter import CLIPS
from ..encode.shared import for_each, share_work
from ..loop.draws import Draws
from ..loop.sampling import sample_flow
from .base import Recipe
from .lfae import configured, refuse_unsupported, to_half
from .recommend import recommended_note
from .true_flow import coarse_motion, refuse_unknown_flow

NO_TEXT = 0.1  # share of examples without a label, which trains the unconditional prediction of guidance
CHANGEABLE = (
    "prediction",
    "motion",
    "motion_scale",
    "residual",
)  # fields that may change on trained weights, because no tensor shape depends on them
PREVIEW_FRAMES = 6  # frames of a sample picture


class TrainFlow(Recipe):
    def __init__(self, settings):
        super().__init__(settings)
        refuse_unsupported(settings)
        model = settings.model
        self.flow = refuse_unknown_flow(model, settings.data)
        if not model.get("codec"):
            raise ValueError("The recipe lfdm learns the flow of a codec: name one that lfae made in model, codec.")
        self.clips = self.open_clips(settings.data)
        if not self.clips.labels:
            raise ValueError(
                "The recipe lfdm trains a motion for each label, but these clips have none: use data of kind stage, "
                "labelled, mug, mhad or natops."
            )
        config, state, _ = open_autoencoder(model["codec"], model.get("heat_map_padding"))
        self.codec = load(config, state)
        self.inference = AutoencoderInference(self.codec)
        self.unet, labels = start_unet(model, config.feature_width)
        fixed = bool(model.get("vectors"))  # of a text encoder; without it the vectors are trained
        self.labels = start_labels(self.clips.labels, self.unet.config.text_width, labels, not fixed)
        self.labels.weight.requires_grad_(not fixed)
        self.schedule = FlowSchedule.of(self.unet.config)
        self.as_velocity = bool(model.get("as_velocity", False))
        self.no_text = float(model.get("no_text", NO_TEXT))
        self.cache = self.flow == "true" or model.get("cache", isinstance(self.clips, AsLabelled))
        self.kept: list[dict[str, Tensor]] | None = None

    def open_clips(self, data: dict):
        return as_labelled(super().open_clips(data))

    def train(self, mode: bool = True) -> "TrainFlow":
        super().train(mode)
        self.codec.eval()
        return self

    # -- data ----------------------------------------------------------------------------------------------------

    def prepare(self, device: torch.device) -> None:
        """Estimates the flow of every clip once; without `cache` it is estimated for each example, with jittered colours."""
        check_picture(self.clips.pictures(0, [0]), self.codec.config.step, "every clip (size, in data)")
        if self.cache:
            make = for_each(partial(self.whole_clip, device=device))
            self.kept = share_work(make, len(self.clips), self.settings.folder)

    def whole_clip(self, index: int, device: torch.device) -> dict[str, Tensor]:
        """State (3, F, h, w) and features (C, h, w) of all frames of a clip."""
        positions = range(self.clips.count(index))
        video = self.clips.pictures(index, positions).to(device)
        return {name: value[0].half().cpu() for name, value in self.find_flow(index, positions, video).items()}

    def find_flow(self, index: int, positions: Sequence[int], video: Tensor) -> dict[str, Tensor]:
        """State (1, 3, F, h, w) and features (1, C, h, w) of frames (F, 3, H, W): of the estimated flow, or of the exact one."""
        return self.exact_flow(index, positions, video) if self.flow == "true" else self.estimate_flow(video[None])

    @torch.no_grad()
    def exact_flow(self, index: int, positions: Sequence[int], video: Tensor) -> dict[str, Tensor]:
        """The exact flow of frames (F, 3, H, W) of the stage to the first of them, and the features of that frame."""
        with torch.autocast(video.device.type, enabled=False):
            features = self.inference.encode(video[:1].float() / 255).features
        motion, first = StageMotion.of(self.clips.source.scene(index)), [positions[0]] * len(positions)
        grid, occlusion = coarse_motion(motion, positions, first, features.shape[-2:])
        return {"state": state_of(grid[None], occlusion[None]).to(features), "features": features}

    def sample(self, place: int) -> dict[str, Tensor]:
        """A clip's state (3, F, h, w) and features (C, h, w), or its frames, and its label."""
        r = self.draw(place).python("clip")
        index = self.item(place, len(self.clips))
        positions = spread(self.clips.count(index), self.clips.frames, self.clips.sampling, r)
        label = torch.tensor(self.clips.label(index))
        if self.kept is None:
            return {"video": CLIPS(self.clips.pictures(index, positions), r), "label": label}
        clip = self.kept[index]
        return {"state": clip["state"][:, positions], "features": clip["features"], "label": label}

    @torch.no_grad()
    def estimate_flow(self, video: Tensor) -> dict[str, Tensor]:
        """(B, F, 3, H, W) uint8 to states (B, 3, F, h, w) of the flow to the first frame, and its features."""
        video = video.float() / 255
        with torch.autocast(video.device.type, enabled=False):
            motions = [self.inference.estimate(clip[:1], clip) for clip in video]
            features = self.inference.encode(video[:, 0]).features
        grid, occlusion = (torch.stack(part) for part in zip(*motions, strict=True))
        return {"state": state_of(grid, occlusion), "features": features}

    # -- loss ----------------------------------------------------------------------------------------------------

    def forward(self, batch: dict, draws: Draws) -> tuple[Tensor, dict[str, Tensor]]:
        clean, features, text = self.inputs(batch, draws)
        t = draws.steps("time", self.schedule.steps, len(clean)).to(clean.device)
        noise = draws.normal("noise", clean)
        loss, guess = noise_loss(self.unet, self.schedule, clean, noise, t, features, text, self.as_velocity)
        return loss, {"flow": (guess.detach() - clean).abs().mean()}

    def inputs(self, batch: dict, draws: Draws) -> tuple[Tensor, Tensor, Tensor]:
        """Clean states (B, 3, F, h, w), features (B, C, h, w) and label vectors (B, width), some of them empty."""
        flow = self.estimate_flow(batch["video"]) if "video" in batch else batch
        text = self.labels(batch["label"])
        without_text = draws.uniform("no text", len(text)).to(text.device) < self.no_text
        text = torch.where(without_text[:, None], self.unet.null_text(text), text)
        return to_network(flow["state"].float(), self.unet.config), flow["features"].float(), text

    # -- what comes out --------------------------------------------------------------------------------------------

    @torch.no_grad()
    def pictures(self, device: torch.device) -> Tensor:
        """For three clips: the flow of the clip above a sampled one, both rendered from the first frame."""
        rows = []
        for index in range(min(3, len(self.clips))):
            positions = spread(self.clips.count(index), self.clips.frames)
            video = self.clips.pictures(index, positions).to(device)
            flow = self.find_flow(index, positions, video)
            sampled = self.sample_state(flow["features"], self.clips.label(index), flow["state"], index)
            source = self.inference.encode(video[:1].float() / 255)
            for state in (flow["state"], sampled):
                grid, occlusion = (part[0, :: max(1, len(positions) // PREVIEW_FRAMES)] for part in motion_of(state))
                rendered = self.codec.generator.decode(source, Motion(grid, occlusion))
                rows.append(torch.cat(list(rendered), 2))
        return torch.cat(rows, 1).permute(1, 2, 0)

    def sample_state(self, features: Tensor, label: int, like: Tensor, number: int) -> Tensor:
        """A state like (1, 3, F, h, w) for one picture and one label, by 20 steps of DDIM."""
        text = self.labels(torch.tensor([label], device=features.device))
        part = self.unet.still_part(features)
        predict = lambda x, t: self.unet(x, t, text=text, still_part=part).float()
        sampled = sample_flow(predict, Draws(self.settings.seed, number).normal("start", like), self.schedule)
        return from_network(sampled, self.unet.config)

    def export(self, folder: Path) -> list[Path]:
        """The U-Net in half precision with the vectors of its labels beside it."""
        state = to_half(self.unet.state_dict()) | {LABEL_VECTORS: self.labels.weight.detach().half()}
        notes = {LABEL_NAMES: json.dumps(self.clips.labels)} | recommended_note(FLOW, self.clips, self.clips.frames)
        return [save(folder / "flow.safetensors", self.unet.config, state, **notes)]


def start_unet(model: dict, feature_width: int) -> tuple[FlowUNet, Labels | None]:
    """A U-Net from a file or a new one for the codec's features, and the labels that have vectors."""
    labels = open_labels(model["vectors"]) if model.get("vectors") else None
    if not model.get("init"):
        config = replace(configured(MUG_UNET, model), feature_width=feature_width)
        return FlowUNet(replace(config, text_width=labels.vectors.shape[1]) if labels else config), labels
    config, state, _, own = open_flow_model(model["init"])
    if config.feature_width != feature_width:
        raise ValueError(
            f"The flow model of init reads pictures of {config.feature_width} channels, but the codec makes "
            f"{feature_width}: choose two files that belong together."
        )
    unet = FlowUNet(refuse_other_shape(config, configured(config, model)))
    unet.load_state_dict({name: value.float() for name, value in state.items()})
    return unet, labels or own


def refuse_other_shape(config: FlowUNetConfig, changed: FlowUNetConfig) -> FlowUNetConfig:
    """The changed configuration; refuses one that needs another shape than the weights of the file."""
    other = sorted(
        name for name, value in vars(changed).items() if name not in CHANGEABLE and value != getattr(config, name)
    )
    if other:
        raise ValueError(
            f"A flow model that continues from init keeps its shape, but config asks for another {', '.join(other)}: leave "
            f"that out (what may change is {', '.join(CHANGEABLE)}), or start without init."
        )
    return changed


def start_labels(names: tuple[str, ...], width: int, labels: Labels | None, may_grow: bool) -> nn.Embedding:
    """One vector for each label: from the file, or a random one for a new label if the list may grow."""
    table = nn.Embedding(len(names), width)
    if labels is None:
        return table
    if labels.vectors.shape[1] != width:
        raise ValueError(f"The vectors have {labels.vectors.shape[1]} numbers, but the flow model reads {width}.")
    with torch.no_grad():
        for row, name in enumerate(names):
            if not may_grow or name in labels.names:
                table.weight[row] = labels.vector(name)[0]
    return table
