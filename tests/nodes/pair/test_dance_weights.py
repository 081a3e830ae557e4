"""The shipped pair model on a person it was not trained on, with its recommended settings: both halves, or one from the other."""

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
from pack.nodes.pair.conditioning import EncodePairCharacter, EncodePairScene
from pack.nodes.pair.latent import SplitPair
from pack.nodes.pair.sampler import ALL, AUTO, DEPTH_FROM_VIDEO, VIDEO_FROM_DEPTH, SampleLatent
from pack.nodes.unet.loaders import open_video_model

import nodes as host

ROOT = Path(__file__).resolve().parents[3]
WEIGHTS = ROOT / "weights"
WORKFLOWS = {ALL: "joint_dance", DEPTH_FROM_VIDEO: "video_to_depth", VIDEO_FROM_DEPTH: "depth_to_video"}


def graph_of(task: str) -> tuple[dict, dict]:
    """The shipped workflow of a task, and the inputs of its sampler."""
    graph = json.loads((ROOT / "workflows" / "api" / f"{WORKFLOWS[task]}.json").read_text(encoding="utf-8"))
    return graph, next(n["inputs"] for n in graph.values() if n["class_type"] == "DuetSampleLatent")


@pytest.fixture(scope="module")
def clip():
    """A clip below the seeds of training, with its depth in one range."""
    scene = sample_scene(220, frames=4, height=128, width=128, frame_rate=8.0, objects=0)
    made = render(scene)
    depth = normalize_clip(made.depth, depth_type="distance", depth_scale="inverse")[0]
    return {"video": made.rgb, "depth": depth, "mask": made.person_mask, "pose": made.pose, "room": made.scene_images[:1],
            "person": render_character(scene)[0]}  # fmt: skip


@pytest.fixture(scope="module")
@torch.inference_mode()
def sampled(clip):
    """What each task generates: video (F, H, W, 3) and depth (F, H, W)."""
    vae = comfy.sd.VAE(sd=comfy.utils.load_torch_file(str(WEIGHTS / "vae/duet_vae_128.safetensors")))
    model = open_video_model(str(WEIGHTS / "diffusion_models/duet_dance_128.safetensors"))[0]
    config, state, _ = open_controlnet(WEIGHTS / "controlnet/duet_dance_128_pose.safetensors")
    conds = EncodePairCharacter.execute(clip["person"], vae=vae).result
    conds = EncodePairScene.execute(*conds, vae, clip["room"]).result
    apply = host.NODE_CLASS_MAPPINGS["ControlNetApplyAdvanced"]().apply_controlnet
    conds = apply(*conds, native_controlnet(config, state), clip["pose"], 1.0, 0.0, 1.0, vae=vae)
    pair = {"samples": join(vae.encode(clip["video"]), vae.encode(heat(clip["depth"], "hot")))}
    found = {}
    for task in WORKFLOWS:
        latent = SampleLatent.execute(model, *conds, pair, 3, task, 0, 0.0, AUTO, AUTO, 1.0).result[0]
        video, depth = (vae.decode(half["samples"]).clamp(0, 1) for half in SplitPair.execute(latent).result)
        found[task] = video, HeatMapToDepth.execute(depth, "hot").result[0][..., 0]
    return found


def person(sampled, clip, task: str) -> float:
    """The mean error of the depth on the person."""
    return depth_errors(sampled[task][1], clip["depth"], clip["mask"])["person_mae"]


@pytest.mark.parametrize("task", WORKFLOWS)
def test_the_workflow_gives_the_poses(task):
    """As the fixture does: without poses this model paints an empty room."""
    graph, given = graph_of(task)
    for side in ("positive", "negative"):
        applied = graph[given[side][0]]
        assert applied["class_type"] == "ControlNetApplyAdvanced" and applied["inputs"]["strength"] == 1.0
        source, output = applied["inputs"]["image"]
        assert (graph[source]["class_type"], output) == ("DuetTestVideoTruth", 2)
    assert given["task"] == task


def test_video_and_depth_are_generated_together(sampled, clip):
    video, depth = sampled[ALL]
    assert psnr(video, clip["video"]) > 22
    assert depth_errors(depth, clip["depth"], clip["mask"])["depth_l2"] < 0.006
    assert person(sampled, clip, ALL) < 0.1


def test_a_given_video_stays_and_its_depth_has_the_person(sampled, clip):
    """An empty room is off by half of the range and more."""
    assert person(sampled, clip, DEPTH_FROM_VIDEO) < 0.08
    assert psnr(sampled[DEPTH_FROM_VIDEO][0], clip["video"]) > psnr(sampled[ALL][0], clip["video"]) + 0.3


def test_given_depth_stays_and_its_video_has_the_person(sampled, clip):
    assert person(sampled, clip, VIDEO_FROM_DEPTH) < 0.02 < person(sampled, clip, ALL)
    assert psnr(sampled[VIDEO_FROM_DEPTH][0], clip["video"]) > 22
