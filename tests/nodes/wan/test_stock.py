"""Stock nodes and LoRAs change the pair as they change ComfyUI's own Wan, whose weights it has here."""

import comfy.lora_convert
import comfy.sd
import pytest
import torch
from comfy_extras import (
    nodes_apg,
    nodes_cfg,
    nodes_context_windows,
    nodes_easycache,
    nodes_eps,
    nodes_mahiro,
    nodes_slg,
    nodes_tcfg,
)
from comfy_extras.nodes_model_advanced import ModelSamplingSD3, RescaleCFG
from pack.models.wan.layout import side_by_side
from pack.nodes.host.wan.model import native_wan_pair
from tiny.wan import both_models, pair_state, sample_wan

CLOSE = 2e-5  # of the largest value: cfg above 1 and four steps amplify the rounding of float32


@pytest.fixture(scope="module")
def both():
    return both_models()


@pytest.fixture(scope="module")
def plain_result(both):
    return results(*both)


def results(pair, own, cfg=3.0, frames=3):
    """The pair's streams side by side, and ComfyUI's own Wan on the same latents."""
    g = torch.Generator().manual_seed(1)
    noise, tokens = torch.randn(2, 48, frames, 6, 8, generator=g), torch.randn(1, 7, 24, generator=g)
    ours = side_by_side(sample_wan(pair, noise, tokens.repeat(2, 1, 1), "depth", cfg))
    return ours, sample_wan(own, side_by_side(noise), tokens, cfg=cfg)


def apart(a, b):
    return ((a - b).abs().max() / b.abs().max()).item()


def v3(node, *args, **kwargs):
    return lambda model: node.execute(model, *args, **kwargs).result[0]


def block_patch(model):
    model = model.clone()
    model.set_model_patch(lambda args: {"img": args["img"] + args["img"].roll(1, -1)}, "double_block")
    return model


def block_replacement(model):
    model = model.clone()
    model.set_model_patch_replace(
        lambda args, extra: {"img": extra["original_block"](args)["img"].roll(1, -1)}, "dit", "double_block", 1
    )
    return model


def attention_override(model):
    model = model.clone()
    model.model_options["transformer_options"]["optimized_attention_override"] = lambda func, *args, **kwargs: (
        0.8 * func(*args, **kwargs)
    )
    return model


def attention_patch(model):
    model = model.clone()
    model.set_model_attn1_patch(lambda args: args["x"] * 0.7)
    return model


NODES = {
    "Skip Layer Guidance": v3(nodes_slg.SkipLayerGuidanceDiT, 3.0, 0.0, 1.0, "1", "", 0.0),
    "Skip Layer Guidance, simple": v3(nodes_slg.SkipLayerGuidanceDiTSimple, 0.0, 1.0, "1", ""),
    "EasyCache": v3(nodes_easycache.EasyCacheNode, 1.5, 0.0, 1.0, False),
    "LazyCache": v3(nodes_easycache.LazyCacheNode, 1.5, 0.0, 1.0, False),
    "CFG Norm": v3(nodes_cfg.CFGNorm, 0.6),
    "Mahiro": v3(nodes_mahiro.Mahiro),
    "Epsilon Scaling": v3(nodes_eps.EpsilonScaling, 1.1),
    "Model Sampling SD3": lambda model: ModelSamplingSD3().patch(model, 3.0)[0],
    "Rescale CFG": lambda model: RescaleCFG().patch(model, 0.7)[0],
    "a patch of blocks": block_patch,
    "a replaced block": block_replacement,
    "an override of attention": attention_override,
    "a patch of self-attention": attention_patch,
}  # fmt: skip


# They take the mean or the length of a latent of the batch: of each stream apart, where one wide clip has one for all.
BY_LATENT = {
    "CFG Zero Star": v3(nodes_cfg.CFGZeroStar),
    "APG": v3(nodes_apg.APG, 0.7, 1.0, 0.1),
    "TCFG": v3(nodes_tcfg.TCFG),
}


@pytest.mark.parametrize("name", BY_LATENT)
def test_a_stock_node_that_looks_at_each_latent_acts(both, plain_result, name):
    ours, theirs = results(*map(BY_LATENT[name], both))
    assert 20 * CLOSE < apart(ours, plain_result[0]) < 3 * apart(theirs, plain_result[1])


@pytest.mark.parametrize("name", NODES)
def test_a_stock_node_acts_as_on_comfyuis_own_wan(both, plain_result, name):
    ours, theirs = results(*map(NODES[name], both))
    assert apart(ours, theirs) < CLOSE
    assert apart(theirs, plain_result[1]) > 20 * CLOSE, "the node changes something"


def lora(block_names):
    g = torch.Generator().manual_seed(5)
    state = {}
    for name, (rows, columns) in block_names.items():
        state[f"{name}.lora_down.weight"] = torch.randn(4, columns, generator=g) * 0.3
        state[f"{name}.lora_up.weight"] = torch.randn(rows, 4, generator=g) * 0.3
        state[f"{name}.alpha"] = torch.tensor(4.0)
    return state


LAYERS = {
    "self_attn.q": (48, 48), "self_attn.o": (48, 48), "cross_attn.k": (48, 48), "cross_attn.v": (48, 48), "ffn.0": (96, 48),
    "ffn.2": (48, 96),
}  # fmt: skip
FORMS = {
    "diffusion_model": lambda i, name: f"diffusion_model.blocks.{i}.{name}",
    "kohya": lambda i, name: f"lora_unet_blocks_{i}_{name.replace('.', '_')}",
}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("form", FORMS)
def test_a_lora_of_wan_changes_both_streams_alike(both, plain_result, form, layer):
    for block in range(2):
        state = comfy.lora_convert.convert_lora(lora({FORMS[form](block, layer): LAYERS[layer]}))
        pair, own = (comfy.sd.load_lora_for_models(model, None, state, 1.0, 0)[0] for model in both)
        ours, theirs = results(pair, own)
        assert apart(ours, theirs) < CLOSE
        assert apart(theirs, plain_result[1]) > 20 * CLOSE, "the LoRA changes something"


VIDEO_ONLY = {"patch_embedding": ((4, 48, 1, 2, 2), (48, 4, 1, 1, 1)), "head.head": ((4, 48), (192, 4))}


@pytest.mark.parametrize("layer", VIDEO_ONLY)
@pytest.mark.parametrize("form", ["diffusion_model.{}", "lora_unet_{}"])
def test_a_lora_of_the_first_or_the_last_layer_changes_that_of_the_video(form, layer, caplog):
    g = torch.Generator().manual_seed(5)
    down, up = (torch.randn(shape, generator=g) * 0.3 for shape in VIDEO_ONLY[layer])
    name = form.format(layer if "." in form else layer.replace(".", "_"))
    state = {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up, f"{name}.alpha": torch.tensor(4.0)}
    config, weights = pair_state()
    pair = native_wan_pair(config, dict(weights), dtype=torch.float32, disable_dynamic=True)
    patched = comfy.sd.load_lora_for_models(pair, None, comfy.lora_convert.convert_lora(state), 1.0, 0)[0]
    assert "not loaded" not in caplog.text.lower()
    place = f"{layer}.weight"
    changed = weights | {place: weights[place] + (up.flatten(1) @ down.flatten(1)).view_as(weights[place])}
    merged = native_wan_pair(config, changed, dtype=torch.float32, disable_dynamic=True)
    ours, theirs, plain = (alone(model) for model in (patched, merged, pair))
    assert apart(ours, theirs) < CLOSE and apart(plain, theirs) > 20 * CLOSE


def alone(model):
    g = torch.Generator().manual_seed(1)
    return sample_wan(model, torch.randn(2, 48, 2, 4, 6, generator=g), torch.randn(2, 7, 24, generator=g), "depth")


WINDOWS = {
    "Context Windows (Manual)": v3(nodes_context_windows.ContextWindowsManualNode, 4, 2, "standard_static", 1, False, "pyramid", 2, False),
    "Context Windows (Manual), without the frame before": v3(
        nodes_context_windows.ContextWindowsManualNode, 4, 2, "standard_uniform", 1, False, "relative", 2, True, causal_window_fix=False
    ),
    "Wan Context Windows": v3(nodes_context_windows.WanContextWindowsManualNode, 13, 8, "standard_uniform", 1, False, "pyramid", True),
}  # fmt: skip


@pytest.mark.parametrize("name", WINDOWS)
def test_context_windows_cut_both_streams_as_they_cut_comfyuis_own_wan(both, name):
    ours, theirs = results(*map(WINDOWS[name], both), frames=7)
    assert apart(ours, theirs) < CLOSE
    assert apart(theirs, results(*both, frames=7)[1]) > 20 * CLOSE, "the windows change something"


def test_windows_along_the_batch_are_refused(both):
    torn = v3(nodes_context_windows.ContextWindowsManualNode, 1, 0, "standard_static", 1, False, "pyramid", 0, False)
    with pytest.raises(ValueError, match="set dim to 2"):
        alone(torn(both[0]))
