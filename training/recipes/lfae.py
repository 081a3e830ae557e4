"""Stage 1 of LFDM: the flow auto-encoder is trained to render one frame of a pair from the other (section 3.2).

Letters: B pairs, H and W pixels, h and w of the flow.
"""

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from ...models.flow.warp import colour_wheel
from ...models.lfdm.autoencoder import FlowAutoencoder
from ...models.lfdm.checkpoint import open_autoencoder, save
from ...models.lfdm.config import MUG_AUTOENCODER
from ...models.lfdm.equivariance import AFFINE_SPREAD, BEND_SPREAD, CONTROL_POINTS, Bend, affine_loss, shift_loss
from ...models.lfdm.inference import check_picture
from ...models.lfdm.perceptual import VGG19, perceptual, photometric
from ...models.lfdm.regions import Regions
from ...models.lfdm.warp import Motion, coordinate_grid, resized, warp
from ...models.stage.motion import MOVES, ROOM, StageMotion, as_grid
from ...models.unet.attention.capture import full_precision
from ..data.labelled import AsLabelled, as_labelled
from ..encode.jitter import PAIRS
from ..encode.shared import for_each, share_work
from ..loop.draws import Draws
from ..page.limits import check_names
from .base import Recipe
from .limbs import LIMBS, MIRRORED, limb_error, limb_masks
from .true_flow import coarse_motion, mirrored_motion, refuse_unknown_flow

# The paper's, but for "photometric", whose terms are smaller than those of VGG19, and "warped", which is ours: the
# plain warp of the source against the driving picture, so that flow is trained before the decoder can inpaint. "flow"
# and "limbs" are ours too: the stage has the exact flow, and where each limb is.
WEIGHTS = {
    "perceptual": 10.0, "photometric": 50.0, "warped": 0.0, "flow": 0.0, "limbs": 0.0, "shift": 10.0, "affine": 10.0,
}  # fmt: skip
STAGE_TERMS = ("flow", "limbs")
DECODER = ("generator.bottleneck.", "generator.up_blocks.", "generator.final.")
NORM_BATCHES = 24  # batches over which the norms' means and spreads are measured


class TrainCodec(Recipe):
    """Regions, background, flow, encoder and decoder together, or the decoder alone for new people."""

    def __init__(self, settings):
        super().__init__(settings)
        refuse_unsupported(settings)
        self.weights = WEIGHTS | settings.losses
        self.clips = self.open_clips(settings.data)
        self.codec = start_codec(settings.model)
        vgg = settings.model.get("vgg")
        self.vgg = VGG19.from_file(vgg) if vgg else None
        self.decoder_only = bool(settings.model.get("decoder_only", False))
        if self.decoder_only and not settings.model.get("init"):
            raise ValueError("decoder_only fits the decoder of a codec to new people: name its file in model, init.")
        self.flow = refuse_unknown_flow(settings.model, settings.data)
        if self.flow == "true" and not self.decoder_only:
            raise ValueError(
                "With flow true the flow estimator would not be trained: set decoder_only, or use the loss flow."
            )
        # A background predictor is initialised to no motion; its gradient would dominate all others.
        frozen = "bg_predictor." if settings.model.get("still_camera", False) else ()
        for name, value in self.codec.named_parameters():
            value.requires_grad_(name.startswith(DECODER) if self.decoder_only else not name.startswith(frozen))
        self.kept: list[Tensor] | None = None
        self.motions: list[StageMotion] = []
        self.refuse_missing_targets()
        self.train()

    def refuse_missing_targets(self) -> None:
        """Refuses terms whose targets this data or this autoencoder does not have."""
        for name in STAGE_TERMS:
            if self.weights[name] and self.settings.data["kind"] != "stage":
                raise ValueError(
                    f"Only the stage has exact {name}: leave {name} out of losses, or use data of kind stage."
                )
        if self.weights["limbs"] and self.codec.config.regions != len(LIMBS):
            raise ValueError(
                f"The figure has {len(LIMBS)} limbs, but this codec has {self.codec.config.regions} regions: leave limbs out "
                f"of losses, or set regions to {len(LIMBS)}."
            )

    def open_clips(self, data: dict):
        return as_labelled(super().open_clips(data))

    def train(self, mode: bool = True) -> "TrainCodec":
        """Sets the mode, but keeps frozen modules in eval mode, so that their norms do not change."""
        super().train(mode)
        for module in self.modules():
            if not any(value.requires_grad for value in module.parameters()):
                module.eval()
        return self

    # -- data ----------------------------------------------------------------------------------------------------

    def prepare(self, device: torch.device) -> None:
        """Renders clips and exact motion once; clips of a folder are read when they are needed."""
        check_picture(self.clips.pictures(0, [0]), self.codec.config.step, "every clip (size, in data)")
        if self.settings.model.get("cache", isinstance(self.clips, AsLabelled)):
            examples = share_work(for_each(self.whole_clip), len(self.clips), self.settings.folder)
            self.kept = [example["video"] for example in examples]
        if self.flow == "true" or any(self.weights[name] for name in STAGE_TERMS):
            motions = share_work(for_each(self.true_motion), len(self.clips), self.settings.folder)
            scenes = (self.clips.source.scene(index) for index in range(len(motions)))
            self.motions = [StageMotion(**m, camera=scene.view()) for m, scene in zip(motions, scenes, strict=True)]

    def true_motion(self, index: int) -> dict[str, Tensor]:
        """The tensors of a clip's exact motion."""
        motion = StageMotion.of(self.clips.source.scene(index))
        return {"layer": motion.layer, "owner": motion.owner, "poses": motion.poses,
                "depth": motion.depth.half()}  # fmt: skip  # thousands are kept

    def whole_clip(self, index: int) -> dict[str, Tensor]:
        return {"video": self.clips.pictures(index, range(self.clips.count(index)))}

    def sample(self, place: int) -> dict[str, Tensor]:
        """Two frames of a clip, half of them swapped, a quarter mirrored, with jittered colours."""
        r = self.draw(place).python("pair")
        index = self.item(place, len(self.clips))
        count = self.clips.count(index)
        positions = sorted(r.sample(range(count), 2)) if count > 1 else [0, 0]
        pair = self.clips.pictures(index, positions) if self.kept is None else self.kept[index][positions]
        swapped = r.random() < 0.5
        mirrored = not swapped and r.random() < 0.5
        pair = pair.flip(0) if swapped else pair
        positions = positions[::-1] if swapped else positions
        targets = self.exact_targets(index, positions, mirrored)
        if self.flow == "true":  # the decoder must render from either flow, so every other pair keeps the estimated one
            use_exact = {"use_exact": torch.tensor(place % 2 == 1)}
            targets |= self.coarse_flow(self.motions[index], positions, mirrored) | use_exact
        pair = PAIRS(pair.flip(-1) if mirrored else pair, r)
        return {"source": pair[0], "driving": pair[1], **targets}

    def exact_targets(self, index: int, positions: list[int], mirrored: bool) -> dict[str, Tensor]:
        """Targets from the stage for the terms that have a weight: flow (H, W, 2) with its kind, limbs (2, K, H, W)."""
        found = {}
        if self.weights["flow"]:
            found |= self.true_flow(self.motions[index], positions, mirrored)
        if self.weights["limbs"]:
            motion = self.motions[index]
            masks = limb_masks(motion.layer[positions], motion.owner[positions])
            found["limbs"] = masks[:, MIRRORED].flip(-1) if mirrored else masks
        return found

    def coarse_flow(self, motion: StageMotion, positions: list[int], mirrored: bool) -> dict[str, Tensor]:
        """The exact flow at the autoencoder's resolution: cells (h, w, 2) and occlusion (1, h, w)."""
        cells = tuple(round(side * self.codec.config.scale) for side in motion.depth.shape[-2:])
        found = coarse_motion(motion, positions[1:], positions[:1], cells)
        grid, occlusion = mirrored_motion(*found) if mirrored else found
        return {"cells": grid[0], "occlusion": occlusion[0]}

    @staticmethod
    def true_flow(motion: StageMotion, positions: list[int], mirrored: bool) -> dict[str, Tensor]:
        """Of the driving frame's pixels, where they lie in the source (H, W, 2), and what they belong to (H, W)."""
        flow, kind = motion.flow(positions[1:], positions[:1])
        if mirrored:
            flow, kind = flow.flip(2) * flow.new_tensor([-1.0, 1.0]), kind.flip(2)
        return {"grid": as_grid(flow)[0], "kind": kind[0]}

    # -- loss ----------------------------------------------------------------------------------------------------

    def forward(self, batch: dict, draws: Draws) -> tuple[Tensor, dict[str, Tensor]]:
        source, driving = (batch[name].float() / 255 for name in ("source", "driving"))
        net = self.codec
        start, regions = net.region_predictor(source), net.region_predictor(driving)
        background = net.bg_predictor(source, driving)
        motion = net.generator.pixelwise_flow_predictor(source, start, regions, background)
        if self.flow == "true":
            motion = replace_with_exact(motion, batch)
        rendered = net.generator.decode(net.generator.encode(source), motion)
        terms = self.reconstruction_term(rendered.float(), driving)
        if self.weights["warped"]:
            terms["warped"] = (warp(source, motion.grid) - driving).abs().mean()
        if self.weights["flow"]:
            terms["flow"] = flow_error(motion, batch["grid"], batch["kind"])
        if self.weights["limbs"]:
            limbs = batch["limbs"].unbind(1)
            terms["limbs"] = (limb_error(start.heat_map, limbs[0]) + limb_error(regions.heat_map, limbs[1])) / 2
        if not self.decoder_only:
            terms |= self.equivariance_terms(regions, driving, draw_bend(draws, driving))
        loss = sum(self.weights[name] * term for name, term in terms.items())
        return loss, terms | {"seen": motion.occlusion.mean()}

    def equivariance_terms(self, regions: Regions, driving: Tensor, bend: Bend) -> dict[str, Tensor]:
        """Losses that compare the regions of a bent picture with the bent regions."""
        with full_precision(driving):
            picture = bend.warp_picture(driving)
        bent = self.codec.region_predictor(picture)
        with full_precision(driving):
            return {"shift": shift_loss(regions, bent, bend), "affine": affine_loss(regions, bent, bend)}

    def reconstruction_term(self, rendered: Tensor, driving: Tensor) -> dict[str, Tensor]:
        """The picture loss: perceptual with VGG19, else photometric."""
        if self.vgg is None:
            return {"photometric": photometric(rendered, driving)}
        return {"perceptual": perceptual(self.vgg, rendered, driving)}

    # -- what comes out --------------------------------------------------------------------------------------------

    @torch.no_grad()
    def measure_norms(self) -> None:
        """Measures means and spreads of the trained norms again from examples.

        While training every batch is measured by itself, so these are no part of a checkpoint, and those of averaged
        weights are not measured otherwise.
        """
        norms = [m for m in self.codec.modules() if isinstance(m, nn.BatchNorm2d) and m.weight.requires_grad]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.train().momentum = None  # the plain mean of all batches
        for number in range(NORM_BATCHES):
            places = range(number * self.settings.batch, (number + 1) * self.settings.batch)
            pairs = [self.sample(place) for place in places]
            self.codec(*(self.stacked(pairs, name) for name in ("source", "driving")))
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.eval().momentum = momentum

    def stacked(self, pairs: list[dict], name: str) -> Tensor:
        device = self.codec.generator.final.weight.device
        return torch.stack([pair[name] for pair in pairs]).to(device).float() / 255

    def pictures(self, device: torch.device) -> Tensor:
        """Eight pairs: source, driving, painted, and the flow as colours."""
        self.measure_norms()
        pairs = [self.sample(place) for place in range(8)]
        source, driving = self.stacked(pairs, "source"), self.stacked(pairs, "driving")
        rendered, motion = self.codec(source, driving)
        wheel = torch.nn.functional.interpolate(paint_flow(motion), source.shape[-2:])
        rows = [torch.cat(list(row), 2) for row in (source, driving, rendered, wheel)]
        return torch.cat(rows, 1).permute(1, 2, 0)

    def export(self, folder: Path) -> list[Path]:
        """The codec in half precision, except tensors of one number for each channel."""
        self.measure_norms()
        return [save(folder / "codec.safetensors", self.codec.config, to_half(self.codec.state_dict()))]


def draw_bend(draws: Draws, like: Tensor) -> Bend:
    """A bend for each of (B, 3, H, W) pictures."""
    noise = draws.normal("affine", like.new_empty(len(like), 2, 3))
    return Bend(AFFINE_SPREAD * noise, BEND_SPREAD * draws.normal("bend", like.new_empty(len(like), CONTROL_POINTS**2)))


def paint_flow(motion: Motion) -> Tensor:
    """(B, 3, h, w): where each point came from, as the colour of a wheel, dark where it is hidden."""
    offset = motion.grid - coordinate_grid(*motion.grid.shape[1:3], motion.grid)
    colours = colour_wheel(offset, offset.norm(dim=-1).amax().clamp_min(1e-3))
    return colours.permute(0, 3, 1, 2) * (0.5 + 0.5 * motion.occlusion)


def replace_with_exact(motion: Motion, batch: dict) -> Motion:
    """B motions, replaced by the exact one in the pairs that use it."""
    use_exact = batch["use_exact"].view(-1, 1, 1, 1)
    select = lambda exact, found: torch.where(use_exact, exact.to(found), found)
    return Motion(select(batch["cells"], motion.grid), select(batch["occlusion"], motion.occlusion))


def flow_error(motion: Motion, truth: Tensor, kind: Tensor) -> Tensor:
    """Mean distance of a motion's grid from the exact one (B, H, W, 2), the person and the scene weighted equally."""
    error = (resized(motion.grid, truth.shape[1:3]) - truth).abs().sum(-1)
    return sum((error * (kind == what)).sum() / (kind == what).sum().clamp_min(1) for what in (ROOM, MOVES))


def to_half(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.half() if value.ndim > 1 else value for name, value in state.items()}


def start_codec(model: dict) -> FlowAutoencoder:
    """A codec from a file, or a new one: the released shape, but for what `config` changes."""
    if not model.get("init"):
        return FlowAutoencoder(configured(MUG_AUTOENCODER, model))
    config, state, _ = open_autoencoder(model["init"], model.get("heat_map_padding"))
    codec = FlowAutoencoder(config)
    counters = {name: value for name, value in codec.state_dict().items() if name.endswith("num_batches_tracked")}
    codec.load_state_dict(counters | {name: value.float() for name, value in state.items()})
    return codec


def configured(base, model: dict):
    """A configuration with what the settings change; names that it does not have are refused."""
    shape = model.get("config", {})
    check_names("model: config", shape, vars(base))
    return type(base).from_json(json.dumps(json.loads(base.to_json()) | shape))


def refuse_unsupported(settings) -> None:
    """Refuses settings that the flow recipes would ignore."""
    if settings.trains != "all":
        raise ValueError(f"The recipe {settings.recipe} trains all of its network: set trains to all.")
    if settings.gradient_checkpointing:
        raise ValueError(f"The recipe {settings.recipe} computes nothing twice: leave gradient_checkpointing out.")
    if settings.sharding == "full" and settings.recipe == "lfae":
        raise ValueError("The flow auto-encoder fits any GPU whole: leave sharding out.")
