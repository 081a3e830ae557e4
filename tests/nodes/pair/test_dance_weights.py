"""The shipped pair model on somebody it never saw, sampled as the workflows do: both halves, or one from the other."""

import json
from pathlib import Path

import comfy.sd
import comfy.utils
import pytest
import torch
from pack.models.depth.colormap import encode as heat
from pack.models.depth.range import normalize_clip
from pack.models.evaluate.metrics import depth_errors, psnr
from pack.models.files import open_controlnet
from pack.models.pair.layout import join
from pack.models.stage import render, render_character, sample_scene
from pack.nodes.depth.heat_map import HeatMapToDepth
from pack.nodes.host.unet.controlnet import native_controlnet
from pack.nodes.pair.conditioning import EncodeBackground, EncodeForeground
from pack.nodes.pair.latent import SplitVideoDepth
from pack.nodes.pair.sampler import JOINT, TO_DEPTH, TO_VIDEO, ModalityConditionedSampler
from pack.nodes.unet.loaders import open_video_model

import nodes as host

ROOT = Path(__file__).resolve().parents[3]
WEIGHTS = ROOT / "weights"
WORKFLOWS = {JOINT: "joint_dance", TO_DEPTH: "video_to_depth", TO_VIDEO: "depth_to_video"}


def graph_of(mode: str) -> tuple[dict, dict]:
    """The shipped workflow of a mode, and the inputs of its sampler."""
    graph = json.loads((ROOT / "workflows" / "api" / f"{WORKFLOWS[mode]}.json").read_text(encoding="utf-8"))
    return graph, next(n["inputs"] for n in graph.values() if n["class_type"] == "DuetModalityConditionedSampler")


@pytest.fixture(scope="module")
def clip():
    """A clip below the seeds of training, with its depth in one range."""
    scene = sample_scene(220, frames=4, height=128, width=128, fps=8.0, objects=0)
    made = render(scene)
    depth = normalize_clip(made.depth, source="distance", space="inverse")[0]
    return {"video": made.rgb, "depth": depth, "mask": made.human, "pose": made.pose, "room": made.plate[:1],
            "person": render_character(scene)[0]}  # fmt: skip


@pytest.fixture(scope="module")
@torch.inference_mode()
def sampled(clip):
    """What each mode makes: video (F, H, W, 3) and depth (F, H, W)."""
    vae = comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(WEIGHTS / "vae/duet_vae_128.safetensors")))
    model = open_video_model(str(WEIGHTS / "diffusion_models/duet_dance_128.safetensors"))[0]
    config, state, _ = open_controlnet(WEIGHTS / "controlnet/duet_dance_128_pose.safetensors")
    told = EncodeForeground.execute(clip["person"], vae=vae).result
    told = EncodeBackground.execute(*told, vae, clip["room"]).result
    apply = host.NODE_CLASS_MAPPINGS["ControlNetApplyAdvanced"]().apply_controlnet
    told = apply(*told, native_controlnet(config, state), clip["pose"], 1.0, 0.0, 1.0, vae=vae)
    pair = {"samples": join(vae.encode(clip["video"]), vae.encode(heat(clip["depth"], "hot")))}
    found = {}
    for mode in WORKFLOWS:
        given = graph_of(mode)[1]
        how = (given[name] for name in ("steps", "cfg", "sampler_name", "scheduler"))
        made = ModalityConditionedSampler.execute(model, 3, *how, *told, pair, mode, 1.0).result[0]
        video, depth = (vae.decode(half["samples"]).clamp(0, 1) for half in SplitVideoDepth.execute(made).result)
        found[mode] = video, HeatMapToDepth.execute(depth, "hot").result[0][..., 0]
    return found


def person(sampled, clip, mode: str) -> float:
    """The mean error of the depth on the person."""
    return depth_errors(sampled[mode][1], clip["depth"], clip["mask"])["person_mae"]


@pytest.mark.parametrize("mode", WORKFLOWS)
def test_the_workflow_tells_the_poses(mode):
    """As the fixture does: this model goes by them, and paints an empty room where it is told none."""
    graph, given = graph_of(mode)
    for side in ("positive", "negative"):
        told = graph[given[side][0]]
        assert told["class_type"] == "ControlNetApplyAdvanced" and told["inputs"]["strength"] == 1.0
        source, output = told["inputs"]["image"]
        assert (graph[source]["class_type"], output) == ("DuetRenderStageClip", 2)
    assert given["mode"] == mode


def test_video_and_depth_are_made_together(sampled, clip):
    video, depth = sampled[JOINT]
    assert psnr(video, clip["video"]) > 22
    assert depth_errors(depth, clip["depth"], clip["mask"])["depth_l2"] < 0.006
    assert person(sampled, clip, JOINT) < 0.1


def test_a_given_video_stays_and_its_depth_has_the_person(sampled, clip):
    """An empty room is off by half of the range and more."""
    assert person(sampled, clip, TO_DEPTH) < 0.08
    assert psnr(sampled[TO_DEPTH][0], clip["video"]) > psnr(sampled[JOINT][0], clip["video"]) + 0.3


def test_given_depth_stays_and_its_video_has_the_person(sampled, clip):
    assert person(sampled, clip, TO_VIDEO) < 0.02 < person(sampled, clip, JOINT)
    assert psnr(sampled[TO_VIDEO][0], clip["video"]) > 22
