"""LoRAs of the host act on every weight of a flow model, as a patch and as a hook alike, and leave nothing behind."""

import gc
import weakref
from dataclasses import replace

import comfy.hooks
import pytest
import torch
from comfy.patcher_extension import WrappersMP
from pack.models.lfdm.config import TINY_UNET
from pack.models.lfdm.unet import FlowUNet
from pack.nodes.host.lfdm.model import native_flow_model, text_conditioning, with_still
from pack.nodes.host.lfdm.sampling import PARTS
from tiny.model import gap, noise, random_weights

import nodes as host

FRAMES, SIDE = 5, 8
NATOPS = replace(TINY_UNET, upsample="conv", null="learned")


def weights(config) -> dict[str, torch.Tensor]:
    return random_weights(FlowUNet(config), 0, 0.7).state_dict()


@pytest.fixture(scope="module", params=[TINY_UNET, NATOPS], ids=["MUG", "NATOPS"])
def model(request):
    return native_flow_model(request.param, weights(request.param))


def change(model, names: list[str], scale: float = 0.2) -> dict[str, torch.Tensor]:
    """A file of differences for these weights, in the host's own form."""
    state = model.model.diffusion_model.state_dict()
    return {
        f"diffusion_model.{name.removesuffix('.weight').removesuffix('.bias')}."
        + ("diff_b" if name.endswith(".bias") else "diff"): noise(state[name].shape, 50 + i) * scale
        for i, name in enumerate(names)
    }


def conditioning(seed: int | None = 1, hooks=None) -> list:
    text = torch.zeros(1, 768) if seed is None else noise((1, 768), seed)
    given = with_still(text_conditioning(text), noise((1, 12, SIDE, SIDE), 20))
    return comfy.hooks.set_hooks_for_conditioning(given, hooks)


def sample(model, hooks=None, steps: int = 2, cfg: float = 1.5):
    latent = {"samples": torch.zeros(1, 3, FRAMES, SIDE, SIDE)}
    both = conditioning(1, hooks), conditioning(None, hooks)
    return host.common_ksampler(model, 7, steps, cfg, "euler", "simple", *both, latent)[0]["samples"]


def patched(model, lora: dict, strength: float = 1.0):
    """What LoraLoaderModelOnly gives for a file of this content."""
    from comfy.sd import load_lora_for_models

    return load_lora_for_models(model, None, lora, strength, 0)[0]


def hooked(lora: dict, strength: float = 1.0):
    """What Create Hook LoRA gives for it."""
    return comfy.hooks.create_hook_lora(lora, strength, 0.0)


def kinds(model) -> list[list[str]]:
    """All weights in one list, then one of each kind: of each class of layers with each of its shapes' sizes."""
    network, found = model.model.diffusion_model, {}
    for place, module in network.named_modules():
        for name, value in module.named_parameters(recurse=False):
            if place:  # the host adds no patch to a weight of the network itself, the text vector of an empty prompt
                found.setdefault((type(module).__name__, name, value.ndim), f"{place}.{name}")
    everything = [name for name in network.state_dict() if "." in name]
    return [everything, *([name] for name in found.values())]


def test_every_weight_is_changed_alike_by_a_patch_and_by_a_hook(model):
    plain, silent, apart = sample(model), [], []
    for names in kinds(model):
        lora = change(model, names, 0.02 if len(names) > 1 else 0.2)
        one, other = sample(patched(model, lora)), sample(model, hooked(lora))
        if gap(one, plain) < 1e-6:
            silent.append(names[0])
        if gap(one, other) > 1e-5:
            apart.append(names[0])
    assert not silent and not apart, (silent, apart)


def test_strengths_and_two_hooks_add_up(model):
    first, second = change(model, ["init_conv.weight"]), change(model, ["mid_block1.block1.proj.weight"])
    both = hooked(first, 0.5).clone_and_combine(hooked(second, -0.3))
    assert gap(sample(model, both), sample(patched(patched(model, first, 0.5), second, -0.3))) < 1e-5
    assert gap(sample(model, hooked(first, 0.0)), sample(model)) < 1e-5


def test_a_hook_on_one_conditioning_leaves_the_other(model):
    """Both meet in one batch; a part of the network kept for one must not serve the other."""
    lora = change(model, ["init_conv.weight"])
    latent = {"samples": torch.zeros(1, 3, FRAMES, SIDE, SIDE)}
    run = lambda positive, negative: host.common_ksampler(
        model, 7, 2, 1.5, "euler", "simple", positive, negative, latent
    )[0]["samples"]
    hook = hooked(lora)
    outs = [run(conditioning(1, a), conditioning(None, b)) for a in (None, hook) for b in (None, hook)]
    for i, one in enumerate(outs):
        assert all(gap(one, other) > 1e-4 for other in outs[i + 1 :])


def test_keyframes_change_the_strength_while_sampling(model):
    lora = change(model, ["init_conv.weight"])
    keyframes = comfy.hooks.HookKeyframeGroup()
    for percent, strength in ((0.0, 0.0), (0.5, 1.0)):
        keyframes.add(comfy.hooks.HookKeyframe(strength, start_percent=percent, guarantee_steps=0))
    hook = hooked(lora)
    hook.set_keyframes_on_hooks(keyframes)
    late, always, never = sample(model, hook, steps=4), sample(model, hooked(lora), steps=4), sample(model, steps=4)
    assert gap(late, always) > 1e-4 and gap(late, never) > 1e-4
    without_store = model.clone()
    forget = lambda executor, *args, **kwargs: (
        executor.class_obj.model_options["transformer_options"].pop(PARTS) and (executor(*args, **kwargs))
    )
    without_store.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, "forget", forget)
    assert gap(sample(without_store, hook, steps=4), late) < 1e-6, "kept parts are those of the current strength"


def test_the_still_image_is_convolved_once_for_each_conditioning_and_nothing_of_it_stays(model):
    kept, network = [], model.model.diffusion_model
    plain = network.still_part
    network.still_part = lambda features: kept.append(weakref.ref(part := plain(features))) or part
    try:
        sample(model, steps=4)
        assert len(kept) == 2
        sample(model, hooked(change(model, ["init_conv.weight"])), steps=4)
        assert len(kept) == 4
    finally:
        del network.still_part
    gc.collect()
    assert not [one for one in kept if one() is not None]
    assert PARTS not in model.model_options["transformer_options"]
