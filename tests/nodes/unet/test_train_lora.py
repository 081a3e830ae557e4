"""The stock Train LoRA on our models: it trains models of pictures, and is refused where it would take a clip apart."""

import comfy.sd
import pytest
import torch
from comfy_extras.nodes_train import TrainLoraNode
from pack.nodes.host.character.conditioning import BODY, LAYERS, REFERENCE
from tiny.model import PICTURES, conditioning, controlled, controlnet, gap, hints, ksampler, latent, noise, tiny_model

FRAMES = 2
FAMILIES = {
    "pair": {},
    "motion": PICTURES | {"temporal": "motion_modules"},
    "one-shot": PICTURES | {"temporal": "native", "temporal_place": "after_feed_forward",
                            "self_attention": "sparse_causal"},
    "character": PICTURES | {"in_channels": 8, "reference": True, "temporal": "motion_modules",
                             "motion_code": (8, 8, 16, 24)},
    "depth": PICTURES | {"in_channels": 5},
}  # fmt: skip
DEFAULTS = {
    "batch_size": 1, "grad_accumulation_steps": 1, "steps": 3, "learning_rate": 0.01, "rank": 4, "optimizer": "AdamW",
    "loss_function": "MSE", "seed": 0, "training_dtype": "bf16", "lora_dtype": "bf16", "quantized_backward": False,
    "algorithm": "LoRA", "gradient_checkpointing": True, "checkpoint_depth": 1, "offloading": False,
    "existing_lora": "[None]", "bucket_mode": False, "bypass_mode": False,
}  # fmt: skip


def train(model, positive, count: int = FRAMES, **changes):
    """The node as the host runs it: under inference mode, every input a list."""
    latents = {"samples": noise((count, 4, 8, 8), 3)}
    with torch.inference_mode():
        given = {name: [value] for name, value in {**DEFAULTS, **changes}.items()}
        return TrainLoraNode.execute([model], [latents], positive=[positive], **given).result


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_of_clips_is_refused_and_our_training_named(family):
    model = tiny_model(**FAMILIES[family])
    body = {LAYERS: noise((FRAMES, 4, 8, 8), 20), BODY: (hints(FRAMES, 64).movedim(-1, 1),)}
    given = body | {REFERENCE: noise((1, 4, 8, 8), 1)} if family == "character" else {}
    given |= {"duet_depth": noise((1, 1, 8, 8), 5)} if family == "depth" else {}
    with pytest.raises(
        ValueError, match="Train LoRA draws frames in random order.*Train Model of Duet's training nodes"
    ):
        train(model, conditioning(1, **given), model.model.video.modalities * FRAMES)
    assert torch.isfinite(ksampler(tiny_model())).all()


SETTINGS = [
    {},
    {"training_dtype": "fp32", "lora_dtype": "fp32"},
    {"training_dtype": "fp32", "lora_dtype": "fp32", "gradient_checkpointing": False},
    {"checkpoint_depth": 3},
    {"bypass_mode": True, "training_dtype": "none"},
    {"batch_size": 2},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: " ".join(map(str, settings)) or "defaults")
@pytest.mark.parametrize("tokens", [False, True], ids=["text", "projected"])
def test_a_model_of_pictures_is_trained_and_its_lora_acts(settings, tokens):
    with torch.inference_mode():
        model = tiny_model(**PICTURES, **({"foreground_width": 32} if tokens else {}))
        positive, negative = (conditioning(seed, width=32 if tokens else 768) for seed in (1, 2))
    lora, losses, steps = train(model, positive, **settings)
    assert steps == 3 and len(losses["loss"]) == 3 and all(loss == loss for loss in losses["loss"])
    trained = [name for name, value in lora.items() if value.abs().max() > 0]
    assert len(trained) > len(lora) / 2
    assert any("clip_proj" in name for name in trained) == tokens
    patched = comfy.sd.load_lora_for_models(model, None, lora, 1.0, 0.0)[0]
    plain = ksampler(model, positive, negative, latent(FRAMES))
    assert gap(ksampler(patched, positive, negative, latent(FRAMES)), plain) > 1e-4


def test_a_controlnet_beside_the_training_is_refused():
    with torch.inference_mode():
        model = tiny_model(**PICTURES)
        positive = controlled(controlnet(), hints(1))[0]
    with pytest.raises(
        ValueError, match="Train LoRA cannot train a model beside a ControlNet.*before Apply ControlNet"
    ):
        train(model, positive, training_dtype="fp32", lora_dtype="fp32")
