"""Metrics of a flow model on held-out people of the stage: python3 scripts/host.py bench flow_demo [--json]

Every sample is one still picture and one label. Stock sampling, 20 steps through the host, is compared with ancestral sampling
of all steps from the same noise, and with the same 20 steps with the loader's threshold taken out, all without guidance; the
guided row samples as the workflow picture_to_motion does. The motion is measured by its flow: the class of
the nearest true flow among clips of other people (the accuracy of this class on true flow is reported
too), how far it ends from the clip's own true flow (motion is drawn, so this is no goal, but both samplers should be
alike), and the distance of all clips from the true ones by RandomFeatures, whole, by class (cFVD) and by person (sFVD).
"""

import argparse
import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import _host  # noqa: F401
import comfy.sample
import torch
from _pack import ROOT
from comfy.patcher_extension import WrappersMP
from pack.models.choices import ACTIONS
from pack.models.evaluate.flow import (
    RandomFeatures,
    end_point_error,
    frechet_by_group,
    nearest_class,
    pixel_offsets,
    psnr_where,
    signature,
)
from pack.models.evaluate.metrics import frechet
from pack.models.lfdm.checkpoint import load
from pack.models.lfdm.diffusion import FlowSchedule
from pack.models.lfdm.inference import AutoencoderInference
from pack.models.lfdm.labels import open_flow_model
from pack.models.lfdm.state import from_network, motion_of, state_of
from pack.models.stage import render, sample_scene
from pack.models.stage.motion import MOVES, StageMotion
from pack.nodes.host.lfdm.model import native_flow_model, text_conditioning, with_still
from pack.nodes.host.lfdm.sampling import THRESHOLD
from pack.training.loop.sampling import sample_flow

PEOPLE = 6  # different persons among the samples, each in several actions
BANK = 500  # the first seed of the reference clips; samples lie below, training above 1000


def scene_of(seed: int, options, person: int | None = None):
    return sample_scene(
        seed, frames=options.frames, height=options.size, width=options.size, frame_rate=options.fps, objects=0,
        action=ACTIONS[seed % len(ACTIONS)], character_seed=person,
    )  # fmt: skip


def truth_of(seed: int, options) -> dict:
    """A clip below the seeds of training, with its exact flow to the first frame."""
    person = seed % PEOPLE
    scene = scene_of(seed, options, person)
    flow, kind = StageMotion.of(scene).to_first()
    video = render(scene).rgb.permute(0, 3, 1, 2).contiguous()
    return {"video": video, "flow": flow, "kind": kind, "action": scene.action, "person": person}


def reference_motion(options) -> tuple[torch.Tensor, list[str]]:
    """Signatures of the true flow of other people's clips, and their actions."""
    seeds = range(BANK, BANK + options.bank * len(ACTIONS))
    flows = (StageMotion.of(scene_of(seed, options)).to_first()[0] for seed in seeds)
    return torch.stack([signature(flow) for flow in flows]), [ACTIONS[seed % len(ACTIONS)] for seed in seeds]


class Models:
    def __init__(self, options):
        config, state, _, self.labels = open_flow_model(options.model)
        if self.labels is None:
            raise ValueError(f"{options.model.name} has no labels: choose a model that lfdm trained on the stage.")
        self.native = native_flow_model(config, {name: value.clone() for name, value in state.items()})
        self.unet = load(config, {name: value.float() for name, value in state.items()})
        self.codec = AutoencoderInference.from_file(options.codec)

    def inputs(self, truths: list[dict]) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, C, h, w) features of the first frames and (B, width) vectors of the actions."""
        features = self.codec.encode(torch.stack([truth["video"][0] for truth in truths])).features
        return features, torch.cat([self.labels.vector(truth["action"]) for truth in truths])

    def stock(self, truths: list[dict], noise: torch.Tensor, options, model=None, cfg=1.0, sampler="") -> torch.Tensor:
        """(B, 3, F, h, w) states by a sampler of the host."""
        features, text = self.inputs(truths)
        positive, negative = (with_still(text_conditioning(one), features) for one in (text, torch.zeros_like(text)))
        latent = torch.zeros_like(noise)
        return comfy.sample.sample(
            model or self.native, noise, options.steps, cfg, sampler or options.sampler, options.scheduler, positive, negative,
            latent, denoise=1.0, disable_pbar=True, seed=0,
        ).float().cpu()  # fmt: skip

    def without_threshold(self, truths: list[dict], noise: torch.Tensor, options) -> torch.Tensor:
        """The same with the loader's threshold taken out."""
        bare = self.native.clone()
        bare.remove_wrappers_with_key(WrappersMP.PREDICT_NOISE, THRESHOLD)
        return self.stock(truths, noise, options, model=bare)

    def ancestral(self, truths: list[dict], noise: torch.Tensor, options) -> torch.Tensor:
        """The same from the same noise by ancestral sampling, fresh noise in every step."""
        features, text = self.inputs(truths)
        part, g = self.unet.still_part(features), torch.Generator().manual_seed(1)
        predict = lambda x, t: self.unet(x, t, text=text, still_part=part)
        fresh = lambda x: torch.randn(x.shape, generator=g)
        sampled = sample_flow(predict, noise, FlowSchedule.of(self.unet.config), options.ancestral_steps, fresh)
        return from_network(sampled, self.unet.config)

    def own(self, truths: list[dict]) -> torch.Tensor:
        """The flow that the autoencoder estimates from the true clips: the bound of every sampler."""
        found = [self.codec.estimate(truth["video"][:1], truth["video"]) for truth in truths]
        return state_of(*(torch.stack(part) for part in zip(*found, strict=True)))


def evaluate_states(models: Models, truths: list[dict], states: torch.Tensor, signatures, classes, options) -> dict:
    """Metrics of states (B, 3, F, h, w), and the features of their clips."""
    rows, clips, signs = [], [], []
    for truth, state in zip(truths, states, strict=True):
        grid, occlusion = (part[0] for part in motion_of(state[None]))
        offset = pixel_offsets(grid, truth["video"].shape[-2:])
        source = models.codec.encode(truth["video"][:1])
        clip = torch.cat(list(models.codec.render(source, grid, occlusion.clamp(0, 1))))
        visible, moves = truth["kind"] > 0, truth["kind"] == MOVES
        rows.append({"psnr_visible": psnr_where(clip, truth["video"], visible),
                     "psnr_person": psnr_where(clip, truth["video"], moves),
                     "end_point_px": end_point_error(offset, truth["flow"], moves)})  # fmt: skip
        clips.append(clip)
        signs.append(signature(offset))
    found = nearest_class(torch.stack(signs), signatures, classes)
    means = {name: statistics.fmean(row[name] for row in rows) for name in rows[0]}
    hits = sum(one == truth["action"] for one, truth in zip(found, truths, strict=True))
    return {"asked_class": hits / len(truths), **means, "features": RandomFeatures()(torch.stack(clips))}


def distances(sampled: torch.Tensor, true: torch.Tensor, truths: list[dict]) -> dict:
    """Fréchet distances of all clips, by class and by person."""
    groups = {"class": [truth["action"] for truth in truths], "person": [truth["person"] for truth in truths]}
    scale = 1e3  # the features are small
    by = {name: frechet_by_group(sampled * scale, true * scale, who, who) for name, who in groups.items()}
    return {"frechet": frechet(sampled * scale, true * scale),
            **{f"frechet_by_{name}": found["mean"] for name, found in by.items()},
            **{f"frechet_by_{name}_spread": found["spread"] for name, found in by.items()}}  # fmt: skip


def without_model(truths: list[dict], signatures: torch.Tensor, classes: list[str]) -> dict:
    """The accuracy of the class of true flow, and metrics of the still picture."""
    named = nearest_class(torch.stack([signature(truth["flow"]) for truth in truths]), signatures, classes)
    stills = [(t, t["video"][:1].expand_as(t["video"]), t["kind"]) for t in truths]
    return {
        "true_flow_named": sum(a == t["action"] for a, t in zip(named, truths, strict=True)) / len(truths),
        "still_psnr_visible": statistics.fmean(
            psnr_where(sampled, t["video"], kind > 0) for t, sampled, kind in stills
        ),
        "still_psnr_person": statistics.fmean(
            psnr_where(sampled, t["video"], kind == MOVES) for t, sampled, kind in stills
        ),
        "still_end_point_px": statistics.fmean(
            end_point_error(torch.zeros_like(t["flow"]), t["flow"], kind == MOVES) for t, _, kind in stills
        ),
    }


def in_batches(make, truths: list[dict], noise: torch.Tensor, options, at_once: int = 1) -> torch.Tensor:
    size = options.batch

    @torch.inference_mode()  # it holds in one thread alone
    def part(start: int) -> torch.Tensor:
        return make(truths[start : start + size], noise[start : start + size], options)

    with ThreadPoolExecutor(at_once) as pool:
        return torch.cat(list(pool.map(part, range(0, len(truths), size))))


def evaluate(options) -> dict:
    models, truths = Models(options), [truth_of(seed, options) for seed in range(options.samples)]
    signatures, classes = reference_motion(options)
    own = models.own(truths)
    noise = torch.randn(own.shape, generator=torch.Generator().manual_seed(options.seed))
    makers = {
        "codec": lambda some, _, __: models.own(some),
        "stock": models.stock,
        "without_threshold": models.without_threshold,
        "guided": lambda *args: models.stock(*args, cfg=options.cfg, sampler=options.guided_sampler),
        "ancestral": models.ancestral,
    }
    if not options.ancestral_steps:
        del makers["ancestral"]
    true = RandomFeatures()(torch.stack([truth["video"] for truth in truths]))
    found = {"samples": len(truths), "steps": options.steps, "ancestral_steps": options.ancestral_steps}
    found |= without_model(truths, signatures, classes)
    for name, make in makers.items():
        begin = time.perf_counter()
        at_once = options.at_once if name == "ancestral" else 1  # the host samples one after the other
        states = in_batches(make, truths, noise, options, at_once)
        seconds = (time.perf_counter() - begin) / len(truths)
        row = evaluate_states(models, truths, states, signatures, classes, options)
        found[name] = row | distances(row.pop("features"), true, truths) | {"seconds_a_sample": seconds}
    if "ancestral" in found:
        names = ("end_point_px", "frechet", "frechet_by_class", "frechet_by_person")
        found["stock_to_ancestral"] = {name: found["stock"][name] / found["ancestral"][name] for name in names}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--model", type=Path, default=ROOT / "weights/flow_models/duet_flow_64.safetensors")
    parser.add_argument("--codec", type=Path, default=ROOT / "weights/flow_models/duet_flow_codec_64.safetensors")
    parser.add_argument("--samples", type=int, default=60)
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--bank", type=int, default=24, help="reference clips for each action")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--fps", type=float, default=8.0)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--sampler", default="euler")
    parser.add_argument("--scheduler", default="simple")
    parser.add_argument("--cfg", type=float, default=1.5, help="of the guided row")
    parser.add_argument("--guided-sampler", default="euler_ancestral", help="of the guided row")
    parser.add_argument("--ancestral-steps", type=int, default=1000, help="fewer are spread evenly; 0 leaves it out")
    parser.add_argument("--at-once", type=int, default=2, help="batches of ancestral sampling beside each other")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with torch.inference_mode():
        found = evaluate(options)
    if options.json:
        print(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        rows = value.items() if isinstance(value, dict) else [("", value)]
        for what, number in rows:
            print(f"{name:>20} {what:<24} {number:.4f}" if isinstance(number, float) else f"{name:>20} {number}")


if __name__ == "__main__":
    main()
