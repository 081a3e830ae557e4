"""The host's own Wan-Animate, VACE and SCAIL-2, small and random, sampled with what the nodes make."""

from functools import cache

import comfy.clip_vision
import pytest
import torch
from comfy_extras.nodes_scail import WanSCAILToVideo
from comfy_extras.nodes_wan import TrimVideoLatent, WanAnimateToVideo, WanVaceToVideo
from pack.models.choices import DEPTH_TYPES
from pack.models.stage import render, sample_scene
from pack.nodes.layers.decompose import DecomposeLayers
from pack.nodes.swap.generators import ScailInputs, VaceInputs, WanAnimateInputs
from tiny.generators import WIDTH, generator, wan_vae

import nodes

pytestmark = pytest.mark.long(seconds=60)

FRAMES, SIDE = 5, 64


@pytest.fixture(scope="module", autouse=True)
def no_gradients():
    with torch.inference_mode():
        yield
    parts_of.cache_clear()


@cache
def clip():
    return render(sample_scene(7, frames=FRAMES, height=SIDE, width=SIDE, frame_rate=6.0, action="walk", objects=0))


@cache
def layers():
    stage = clip()
    how = (DEPTH_TYPES[0], "object masks", 0.4, 0.15, 0.25)
    return DecomposeLayers.execute(stage.rgb, stage.person_mask, *how).result[0]


def text(seed):
    return [[torch.randn(1, 7, WIDTH, generator=torch.Generator().manual_seed(seed)), {}]]


def image_tokens():
    """What CLIP ViT-H gives of a picture."""
    out = comfy.clip_vision.Output()
    out["penultimate_hidden_states"] = torch.randn(1, 257, 1280, generator=torch.Generator().manual_seed(5))
    return out


def values(node, **given):
    """The outputs of a node of ours by name, of the one part."""
    result = node.execute(layers=[layers()], **{name: [value] for name, value in given.items()}).result
    names = [output.display_name for output in node.GET_SCHEMA().outputs]
    return {name: value[0] for name, value in zip(names, result, strict=True)}


def taken(node, made):
    """What an input of the host's node has the name of."""
    ids = {one.id for one in node.GET_SCHEMA().inputs}
    return {name: value for name, value in made.items() if name in ids}


REFERENCE = torch.rand(1, SIDE, SIDE, 3, generator=torch.Generator().manual_seed(2))
MASK = torch.zeros(1, SIDE, SIDE).index_fill(2, torch.arange(20, 44), 1.0)
AREA = {"grow_mask": 2, "block_size": 8}
WAYS = {
    "animate": (
        WanAnimateInputs, WanAnimateToVideo, {"reference_image": REFERENCE, "keypoints": None, **AREA},
        {"batch_size": 1, "continue_motion_max_frames": 5, "video_frame_offset": 0, "clip_vision_output": None},
    ),
    "vace": (
        VaceInputs, WanVaceToVideo, {"reference_image": REFERENCE, "reference_mask": MASK, "keypoints": None, **AREA},
        {"batch_size": 1, "strength": 1.0},
    ),
    "scail2": (
        ScailInputs, WanSCAILToVideo, {"reference_image": REFERENCE, "reference_mask": MASK},
        {"batch_size": 1, "replacement_mode": True, "pose_strength": 1.0, "pose_start": 0.0, "pose_end": 1.0,
         "video_frame_offset": 0, "previous_frame_count": 5, "clip_vision_output": None},
    ),
}  # fmt: skip


@cache
def parts_of(kind):
    return generator(kind), wan_vae()


def sampled(kind, **changes):
    """The decoded pictures of a swap with one kind of model."""
    ours, host, given, how = WAYS[kind]
    given = given | ({"keypoints": clip().keypoints} if "keypoints" in given else {}) | changes
    how = how | ({"clip_vision_output": image_tokens()} if "clip_vision_output" in how else {})
    (model, vae), made = parts_of(kind), values(ours, **given)
    out = host.execute(positive=text(1), negative=text(2), vae=vae, **how, **taken(host, made)).result
    latent = nodes.KSampler().sample(model, 3, 1, 1.0, "euler", "simple", *out[:3])[0]
    if kind != "scail2":
        latent = TrimVideoLatent.execute(latent, out[3]).result[0]
    return nodes.VAEDecode().decode(vae, latent)[0]


@cache
def unchanged(kind):
    return sampled(kind)


@pytest.mark.parametrize("kind", WAYS)
def test_the_host_s_model_reads_what_the_nodes_make(kind):
    pictures = unchanged(kind)
    assert pictures.shape == (FRAMES, SIDE, SIDE, 3) and torch.isfinite(pictures).all() and pictures.std() > 0.01
    other = sampled(kind, reference_image=1 - REFERENCE)
    assert (pictures - other).abs().max() > 1e-3, "the reference is read"


NO_POSE = {"pose_images": torch.zeros(FRAMES, SIDE, SIDE, 3)}
CHANGES = [("animate", {"grow_mask": 16} | NO_POSE), ("vace", {"grow_mask": 16}), ("vace", NO_POSE)]
CHANGES += [("scail2", {"reference_mask": MASK.roll(12, 2)})]


@pytest.mark.parametrize("kind, change", CHANGES)
def test_area_pose_and_people_are_read(kind, change):
    assert (unchanged(kind) - sampled(kind, **change)).abs().max() > 1e-3
