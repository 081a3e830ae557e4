"""The person alone: training and sampling paint the rest of a picture alike, for the VAE and for CLIP."""

import json
from pathlib import Path

import pytest
import torch
from pack.models.stage import render, sample_scene
from pack.training.data.pictures import cut_out
from pack.training.encode import augment
from pack.training.encode.encoders import Encoders
from safetensors.torch import load_file

sd = pytest.importorskip("comfy.sd")

VAE = Path(__file__).resolve().parents[3] / "weights" / "vae" / "duet_vae_128.safetensors"
SIDE = 224  # CLIP's own, so that nobody resizes
CLIP = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "projection_dim": 32,
}  # fmt: skip


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(0)
    model = CLIPVisionModelWithProjection(CLIPVisionConfig(**CLIP, image_size=SIDE, patch_size=14)).eval()
    for value in model.parameters():
        torch.nn.init.normal_(value, std=0.2)
    folder = tmp_path_factory.mktemp("clip")
    model.save_pretrained(folder)
    return folder, model.state_dict()


@pytest.fixture(scope="module")
def person():
    """A frame (1, H, W, 3) in 8 bits with the mask (1, H, W) of its person."""
    clip = render(sample_scene(220, frames=1, height=SIDE, width=SIDE, objects=0))
    return (clip.rgb * 255).round() / 255, (clip.person_mask * 255).round() / 255


def trained_on(person) -> dict[str, torch.Tensor]:
    """What runs show of this person, (1, 3, H, W) uint8: clips in folders, and the stage's augmented pictures."""
    picture, mask = ((part[0] * 255).round().to(torch.uint8) for part in person)
    from_folder = torch.from_numpy(cut_out(picture.numpy(), mask.numpy())).permute(2, 0, 1)
    return {"folder": from_folder[None], "augmented": augment.cut_out(picture.permute(2, 0, 1), mask)[None]}


def encoded(person, **models):
    from pack.nodes.pair.conditioning import EncodePairCharacter

    return EncodePairCharacter.execute(*person, **models).result[0][0][0]


def apart(one, other) -> float:
    return ((one - other).square().mean().sqrt() / other.std()).item()


def test_a_small_model_is_shown_the_grey_that_it_was_trained_on(person):
    vae = sd.VAE(sd=load_file(VAE))
    sampled, encoders = encoded(person, vae=vae), Encoders(str(VAE))
    for name, picture in trained_on(person).items():
        assert apart(sampled, encoders.person(picture)) < 0.02, name


def test_clip_is_shown_its_mean_colour(person, clip_folder):
    import comfy.clip_vision

    folder, state = clip_folder
    config = {
        **CLIP, "model_type": "clip_vision_model", "image_size": SIDE, "patch_size": 14, "num_channels": 3,
        "hidden_act": "quick_gelu", "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }  # fmt: skip
    (folder / "host.json").write_text(json.dumps(config))
    vision = comfy.clip_vision.ClipVisionModel(str(folder / "host.json"))
    vision.load_sd(state)
    sampled, encoders = encoded(person, clip_vision=vision), Encoders(str(VAE), str(folder))
    for name, picture in trained_on(person).items():
        assert apart(sampled, encoders.person(picture)) < 0.02, name
