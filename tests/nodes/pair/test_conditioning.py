"""The character as tokens and the scene as latents, with the host's own CLIP vision model and VAE."""

import comfy.clip_vision
import comfy.sd
import pytest
import torch
from pack.models.pair import foreground
from pack.nodes.host.pair.vision import clip_tokens
from pack.nodes.pair.conditioning import EncodePairCharacter, EncodePairScene
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

import nodes as host

TINY = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "projection_dim": 32,
}


@pytest.fixture(scope="module")
def vision(tmp_path_factory):
    """A tiny CLIP in transformers and the same weights in the host's ClipVisionModel."""
    import json

    torch.manual_seed(0)
    reference = CLIPVisionModelWithProjection(CLIPVisionConfig(**TINY, image_size=224, patch_size=14)).eval()
    for p in reference.parameters():
        torch.nn.init.normal_(p, std=0.2)
    config = {
        **TINY, "model_type": "clip_vision_model", "image_size": 224, "patch_size": 14, "num_channels": 3,
        "hidden_act": "quick_gelu", "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_std": [0.26862954, 0.26130258, 0.27577711],
    }  # fmt: skip
    path = tmp_path_factory.mktemp("clip") / "clip.json"
    path.write_text(json.dumps(config))
    model = comfy.clip_vision.ClipVisionModel(str(path))
    missing, unexpected = model.load_sd(reference.state_dict())
    assert not missing, missing
    return reference, model


def test_all_tokens_are_those_of_the_reference_with_its_last_norm(vision):
    reference, model = vision
    image = torch.rand(1, 224, 224, 3)
    mean, std = torch.tensor(foreground.CLIP_MEAN), torch.tensor([0.26862954, 0.26130258, 0.27577711])
    with torch.no_grad():
        rounded = torch.round(255 * image) / 255  # the host rounds to 8 bits
        hidden = reference.vision_model(((rounded - mean) / std).movedim(-1, 1)).last_hidden_state
        expected = reference.vision_model.post_layernorm(hidden)
    tokens = clip_tokens(model, image)
    assert tokens.shape == (1, 257, 64)
    assert (tokens - expected).norm() / expected.norm() < 1e-3
    assert (model.encode_image(image)["last_hidden_state"] - expected).norm() / expected.norm() > 0.1, (
        "the norm matters"
    )


def test_outside_the_mask_nothing_counts(vision):
    _, model = vision
    mask = torch.zeros(1, 224, 224)
    mask[:, 60:160, 60:160] = 1
    one, two = torch.rand(1, 224, 224, 3), torch.rand(1, 224, 224, 3)
    two[:, 60:160, 60:160] = one[:, 60:160, 60:160]
    a, b = (EncodePairCharacter.execute(image, mask, model)[0][0][0] for image in (one, two))
    assert torch.equal(a, b)
    assert not torch.equal(a, EncodePairCharacter.execute(one, None, model)[0][0][0])


def test_the_negative_is_a_picture_of_zeros(vision):
    """No person is the mean colour: zero once CLIP has normalised it, to 8 bits."""
    _, model = vision
    positive, negative = EncodePairCharacter.execute(torch.rand(1, 224, 224, 3), None, model).result
    again = EncodePairCharacter.execute(torch.rand(1, 224, 224, 3), None, model)[1]
    assert torch.equal(negative[0][0], again[0][0]) and not torch.equal(positive[0][0], negative[0][0])


def pixel_vae():
    return host.VAELoader().load_vae("pixel_space")[0]


def test_latent_tokens_hold_content_and_position():
    latents = torch.randn(1, 4, 16, 12)
    tokens = foreground.latent_tokens(latents)
    assert tokens.shape == (1, 48, foreground.latent_width()) and foreground.latent_width() == 32
    positions = tokens[0, :, 16:]
    assert len(positions.unique(dim=0)) == 48, "every position has a code of its own"
    assert torch.equal(tokens[0, 7, :16].view(4, 2, 2), latents[0, :, 2:4, 2:4] * 0.18215), "second row, second patch"
    with pytest.raises(ValueError, match="16 x 16 pixels"):
        foreground.latent_tokens(torch.randn(1, 4, 1, 8))


def test_without_an_encoder_the_character_is_refused():
    with pytest.raises(ValueError, match="clip_vision and vae: expected one of them.*connect the VAE"):
        EncodePairCharacter.execute(torch.rand(1, 64, 64, 3))


def test_the_scene_is_grey_where_the_person_was_and_inputs_stay():
    image, mask = torch.rand(3, 32, 32, 3), torch.zeros(3, 32, 32)
    mask[:, :, 16:] = 1
    positive, negative = [[torch.zeros(1, 4, 8), {"pooled_output": None}]], [[torch.ones(1, 4, 8), {}]]
    out = EncodePairScene.execute(positive, negative, pixel_vae(), image, mask).result
    latents = out[0][0][1]["duet_background"]
    assert torch.equal(latents, out[1][0][1]["duet_background"]) and latents.shape[0] == 3
    assert latents[..., 16:].std() < 1e-6, "one grey"
    assert latents[..., :16].std() > 0.1
    assert "duet_background" not in positive[0][1] and "pooled_output" in out[0][0][1]


def test_counts_that_do_not_match_are_refused():
    with pytest.raises(ValueError, match="expected 1 or 3 masks for 3 frames, got 2"):
        EncodePairScene.execute([], [], pixel_vae(), torch.rand(3, 32, 32, 3), torch.zeros(2, 32, 32))
