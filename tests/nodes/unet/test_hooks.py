"""A LoRA as a hook of a conditioning is the LoRA as a patch of the model, on every kind of layer that has weights."""

import gc
import weakref

import comfy.hooks
import comfy.model_management as memory
import comfy.sd
import pytest
from pack.nodes.host.character.conditioning import BODY, LAYERS, REFERENCE
from tiny.model import PICTURES, conditioning, controlled, controlnet, gap, hints, ksampler, latent, noise, tiny_model

FRAMES = 2
CHARACTER = {**PICTURES, "in_channels": 8, "reference": True, "temporal": "motion_modules", "motion_mid_block": True}
FAMILIES = {
    "pair": {"foreground_width": 32},
    "two networks": {"foreground_width": 32, "streams": "separate", "cross_modal": "none", "label": False},
    "character": CHARACTER | {"motion_code": (8, 8, 16, 24)},
    "one-shot": PICTURES | {"temporal": "native", "temporal_place": "after_feed_forward",
                            "self_attention": "sparse_causal"},
}  # fmt: skip
models = {}


def model_of(family: str):
    if family not in models:
        models[family] = tiny_model(**FAMILIES[family])
    return models[family]


def groups(family: str) -> list[str]:
    """One weight of each kind of layer in each part of a model."""
    names = [name for name in model_of(family).model.state_dict() if name.endswith(".weight")]
    kinds = {}
    for name in names:
        words = [word for word in name.split(".") if not word.isdigit()]
        part = next((word for word in words if word in ("reference", "pose_guider", "depth")), "")
        kinds.setdefault((part, *words[-2:]), name)
    return list(kinds.values())


def given(family: str) -> tuple[list, list, dict]:
    """Positive, negative and latent for a family."""
    if family == "character":
        body = {LAYERS: noise((FRAMES, 4, 8, 8), 20), BODY: (20 * hints(FRAMES, 64).movedim(-1, 1),)}
        positive = conditioning(3, **body, **{REFERENCE: noise((1, 4, 8, 8), 1)})
        return positive, conditioning(4, **body), latent(FRAMES)
    extra = (
        {"duet_background": noise((FRAMES, 4, 8, 8), 9)} if model_of(family).model.video.background == "conv" else {}
    )
    width = model_of(family).model.video.token_width or 768
    count = FRAMES * model_of(family).model.video.modalities
    return conditioning(1, width=width, **extra), conditioning(2, width=width, **extra), latent(count)


def change_of(model, name: str) -> dict:
    weight = model.model.state_dict()[name]
    return {f"{name.removesuffix('.weight')}.diff": noise(tuple(weight.shape), 11) * weight.std().clamp(min=0.1)}


def sampled(model, positive: list, negative: list, pair: dict, **rest):
    """The last two of eight steps, where what a model predicts is not small beside the noise."""
    return ksampler(model, positive, negative, pair, **{"steps": 8, "start_step": 6, **rest})


def with_hook(conds: list, lora: dict, strength: float = 1.0, keyframes=()) -> list:
    hooks = comfy.hooks.create_hook_lora(lora=lora, strength_model=strength, strength_clip=0.0)
    if keyframes:
        group = comfy.hooks.HookKeyframeGroup()
        for start, value in keyframes:
            group.add(comfy.hooks.HookKeyframe(strength=value, start_percent=start))
        hooks.set_keyframes_on_hooks(group)
    return comfy.hooks.set_hooks_for_conditioning(conds, hooks)


def patched(model, lora: dict, strength: float = 1.0):
    return comfy.sd.load_lora_for_models(model, None, lora, strength, 0.0)[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_hook_is_a_patch_on_every_kind_of_layer(family):
    model, (positive, negative, pair) = model_of(family), given(family)
    plain, names, wrong = sampled(model, positive, negative, pair, start_step=7), groups(family), {}
    for name in names:
        lora = change_of(model, name)
        expected = sampled(patched(model, lora), positive, negative, pair, start_step=7)
        found = sampled(model, with_hook(positive, lora), with_hook(negative, lora), pair, start_step=7)
        if not gap(found, expected) < 1e-5 < gap(plain, expected):
            wrong[name] = gap(found, expected), gap(plain, expected)
    assert len(names) > 15 and not wrong


LATE = [
    ("pair", "diffusion_model.clip_proj.weight"),
    ("two networks", "diffusion_model.streams.depth.clip_proj.weight"),
    ("character", "diffusion_model.reference.conv_in.weight"),
    ("character", "diffusion_model.pose_guider.conv_in.weight"),
]


@pytest.mark.parametrize("family, name", LATE)
def test_a_hook_of_one_side_changes_that_side_alone(family, name):
    model, lora = model_of(family), change_of(model_of(family), name)
    positive, negative, pair = given(family)
    parts = {"cfg": 0.0}  # with a guidance of 0 the answer is the negative's
    plain = sampled(model, positive, negative, pair, **parts)
    assert gap(sampled(model, with_hook(positive, lora), negative, pair, **parts), plain) < 1e-6
    assert gap(sampled(model, positive, with_hook(negative, lora), pair, **parts), plain) > 1e-5 or (
        "reference" in name  # the negative has no character
    )


@pytest.mark.parametrize("family, name", LATE)
def test_keyframes_change_the_strength_between_steps(family, name):
    model, lora = model_of(family), change_of(model_of(family), name)
    positive, negative, pair = given(family)
    hook = lambda conds: with_hook(conds, lora, keyframes=((0.0, 1.0), (0.93, 0.25)))
    found = sampled(model, hook(positive), hook(negative), pair)
    first = sampled(patched(model, lora), positive, negative, pair, last_step=7)
    rest = {"start_step": 7, "disable_noise": True}
    expected = sampled(patched(model, lora, 0.25), positive, negative, {"samples": first}, **rest)
    same = sampled(patched(model, lora), positive, negative, {"samples": first}, **rest)
    assert gap(found, expected) < 1e-5 < gap(same, expected)


def test_the_character_is_read_again_only_where_a_hook_changes_what_reads_it():
    model, calls = model_of("character"), []
    positive, negative, pair = given("character")
    other = "diffusion_model.mid_block.attentions.0.transformer_blocks.0.attn1.to_q.weight"
    frames = ((0.0, 1.0), (0.93, 0.25))
    count = model.model.diffusion_model.reference.conv_in.register_forward_hook(lambda *_: calls.append(1))
    try:
        for lora, expected in ((None, 1), (other, 1), ("diffusion_model.reference.conv_in.weight", 2)):
            calls.clear()
            hooked = positive if lora is None else with_hook(positive, change_of(model, lora), keyframes=frames)
            sampled(model, hooked, negative, pair, start_step=4)
            assert len(calls) == expected, lora
    finally:
        count.remove()


def test_controlnets_read_the_projected_tokens_under_hooks():
    model, lora = model_of("pair"), change_of(model_of("pair"), "diffusion_model.clip_proj.weight")
    positive, negative, pair = given("pair")
    run = lambda model, hook=lambda conds: conds: sampled(
        model, *controlled(controlnet(), hints(FRAMES), hook(positive), hook(negative)), pair
    )
    expected = run(patched(model, lora))
    assert gap(run(model, lambda conds: with_hook(conds, lora)), expected) < 1e-5 < gap(run(model), expected)


def test_nothing_of_a_sampling_outlives_it():
    model, kept = model_of("character"), []
    read = model.model.diffusion_model.read_reference

    def spy(*args):
        found = read(*args)
        kept.extend(weakref.ref(part) for part in found[0])
        return found

    model.model.diffusion_model.read_reference = spy
    try:
        sampled(model, *given("character"))
    finally:
        del model.model.diffusion_model.read_reference
    memory.unload_all_models()
    gc.collect()
    assert kept and not any(ref() is not None for ref in kept)
