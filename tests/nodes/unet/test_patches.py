"""Nodes that patch a MODEL: on our U-Net they do what they do on the host's own with the same weights, or are refused."""

from functools import cache

import pytest
import torch
from comfy_extras.nodes_attention_multiply import (
    UNetCrossAttentionMultiply,
    UNetSelfAttentionMultiply,
    UNetTemporalAttentionMultiply,
)
from comfy_extras.nodes_easycache import EasyCacheNode, LazyCacheNode
from comfy_extras.nodes_freelunch import FreeU, FreeU_V2
from comfy_extras.nodes_hypertile import HyperTile
from comfy_extras.nodes_model_downscale import PatchModelAddDownscale
from comfy_extras.nodes_model_merging import ModelMergeBlocks, ModelMergeSimple
from comfy_extras.nodes_pag import PerturbedAttentionGuidance
from comfy_extras.nodes_sag import SelfAttentionGuidance
from comfy_extras.nodes_tomesd import TomePatchModel
from pack.nodes.host.character.conditioning import BODY, LAYERS, REFERENCE
from pack.nodes.host.unet.attention import PatchedAttention
from pack.nodes.pair.modality import SelectModality
from tiny.host_unet import models_of_both
from tiny.model import (
    PICTURES,
    conditioning,
    controlled,
    gap,
    hints,
    ksampler,
    latent,
    noise,
    random_weights,
    spied,
    tiny_model,
)  # fmt: skip

import nodes as host

FRAMES = 2


@pytest.fixture(scope="module")
def both():
    return models_of_both()


def sampled(model, **rest):
    torch.manual_seed(5)  # HyperTile and ToMe draw from the global generator
    return ksampler(model, pair=latent(FRAMES, size=16), **rest)


@pytest.fixture(scope="module")
def plain(both):
    return [sampled(model) for model in both]


def node(cls, *options):
    return lambda model: getattr(cls.execute(model, *options), "result", None)[0]


def set_patch(name, patch):
    def on(model):
        clone = model.clone()
        clone.set_model_patch(patch, name)
        return clone

    return on


STOCK = {
    "Deep Shrink": node(PatchModelAddDownscale, 3, 2.0, 0.0, 1.0, True, "bicubic", "bicubic"),
    "Deep Shrink in the skip": node(PatchModelAddDownscale, 4, 2.0, 0.0, 1.0, False, "bilinear", "nearest-exact"),
    "Deep Shrink of a third": node(PatchModelAddDownscale, 1, 3.0, 0.0, 1.0, True, "area", "bislerp"),
    "FreeU": node(FreeU, 1.3, 1.4, 0.9, 0.2),
    "FreeU_V2": node(FreeU_V2, 1.3, 1.4, 0.9, 0.2),
    "HyperTile": lambda model: HyperTile.execute(model, 64, 2, 1, False)[0],
    "ToMe": node(TomePatchModel, 0.5),
    "PAG": node(PerturbedAttentionGuidance, 3.0),
    "SAG": node(SelfAttentionGuidance, 0.5, 2.0),
    "self-attention": node(UNetSelfAttentionMultiply, 1.2, 0.9, 1.1, 0.8),
    "cross-attention": node(UNetCrossAttentionMultiply, 1.2, 0.9, 1.1, 0.8),
    "structural": node(UNetTemporalAttentionMultiply, 0.8, 1.0, 1.2, 1.0),
    "EasyCache": node(EasyCacheNode, 3.0, 0.0, 1.0, False),
    "LazyCache": node(LazyCacheNode, 3.0, 0.0, 1.0, False),
    "emb_patch": set_patch("emb_patch", lambda emb, width, options: emb * (1 + width / 128)),
    "middle_block_after_patch": set_patch("middle_block_after_patch", lambda given: {"h": given["h"] * 1.5}),
    "middle_patch": set_patch("middle_patch", lambda x, extra: x * (1 + 0.2 * extra["transformer_index"])),
    "input_block_patch": set_patch("input_block_patch", lambda h, o: h * 1.1 if o["block"][1] % 2 else h),
    "input_block_patch_after_skip": set_patch("input_block_patch_after_skip", lambda h, o: h + 0.1 * o["block"][1]),
}


@pytest.mark.parametrize("name", STOCK)
def test_a_node_does_what_it_does_on_the_hosts_own_unet(both, plain, name):
    theirs, ours = (sampled(STOCK[name](model), steps=4 if "Cache" in name else 2) for model in both)
    assert gap(ours, theirs) < 1e-4
    assert "Cache" in name or gap(ours, plain[1]) > 1e-3


def told(options) -> dict:
    """What a patch can read about its place; patches themselves and what only one host knows left out."""
    known = ("block", "block_index", "transformer_index", "activations_shape", "original_shape", "cond_or_uncond",
             "n_heads", "dim_head", "attn_precision", "sigmas", "sample_sigmas")  # fmt: skip
    return {
        key: options[key].tolist() if hasattr(options[key], "tolist") else options[key]
        for key in known
        if key in options
    }


def spies(calls: list) -> dict:
    """A patch at every point of the U-Net that notes its arguments and changes nothing."""
    shape = lambda x: None if x is None else tuple(x.shape)

    def note(name, *args, options):
        calls.append((name, *map(shape, args), told(options)))

    def after_middle(given):
        note("middle_block_after_patch", *(given[key] for key in ("h", "x", "emb", "context", "timesteps")),
             options=given["transformer_options"])  # fmt: skip
        assert set(given) == {"h", "x", "emb", "context", "y", "timesteps", "transformer_options"}
        return given

    def features(name):
        return lambda *args: (note(name, *args[:-1], options=args[-1]), args[0] if len(args) == 2 else args[:-1])[1]

    def emb(x, width, options):
        note(f"emb_patch {width}", x, options=options)
        return x

    names = ("input_block_patch", "input_block_patch_after_skip", "output_block_patch", "middle_patch",
             "attn1_patch", "attn1_output_patch", "attn2_patch", "attn2_output_patch")  # fmt: skip
    found = {name: features(name) for name in names}
    return found | {"middle_block_after_patch": after_middle, "emb_patch": emb}


def test_every_patch_is_called_where_and_with_what_the_hosts_unet_calls_it(both):
    seen = []
    for model in both:
        calls = []
        for name, patch in spies(calls).items():
            model = set_patch(name, patch)(model)
        sampled(model, steps=1)
        seen.append(calls)
    theirs, ours = seen
    assert len(theirs) > 60 and ours == theirs


def override(seen: list):
    def attention(func, *args, **kwargs):
        seen.append(tuple(args[0].shape))
        return func(*args, **kwargs) * 0.9

    return attention


def overridden(model, seen: list):
    clone = model.clone()
    clone.model_options["transformer_options"]["optimized_attention_override"] = override(seen)
    return clone


def test_an_override_of_attention_reaches_what_it_reaches_on_the_hosts_unet(both):
    seen, out = ([], []), []
    for model, calls in zip(both, seen, strict=True):
        out.append(sampled(overridden(model, calls), steps=1))
    assert seen[0] == seen[1] and len(seen[0]) == 22 and gap(out[1], out[0]) < 1e-4


@pytest.mark.parametrize("family", ["pair", "motion", "character"])
def test_an_override_reaches_attention_over_time_between_modalities_and_to_the_character(family):
    """Every attention layer that a forward pass runs, counted by its output projections."""
    model, (positive, negative, pair) = model_of(family), given(family)
    from diffusers.models.attention_processor import Attention

    layers = [module for module in model.model.diffusion_model.modules() if isinstance(module, Attention)]
    seen, runs = [], []
    hooks = [layer.to_out[0].register_forward_hook(lambda *_: runs.append(1)) for layer in layers]
    plain = ksampler(model, positive, negative, pair, steps=1)
    runs.clear()
    out = ksampler(overridden(model, seen), positive, negative, pair, steps=1)
    for hook in hooks:
        hook.remove()
    extra = sum(isinstance(layer.processor, PatchedAttention) and layer.processor.rule is not None for layer in layers)
    assert len(runs) <= len(seen) <= len(runs) + extra and len(runs) >= len(layers) - 1
    assert gap(out, plain) > 1e-4


def gligen(model):
    """A random GLIGEN with a module for each transformer of the models above."""
    from comfy.gligen import GatedSelfAttentionDense, Gligen, PositionNet
    from comfy.model_patcher import ModelPatcher

    widths = [64, 64, 128, 128, 256, 128, 128, 128, 64, 64, 64]
    modules = [GatedSelfAttentionDense(width, 768, 8, width // 8) for width in widths]
    net = random_weights(Gligen(modules, PositionNet(768, 768), 768))
    for module in net.module_list:
        module.alpha_attn.data.fill_(0.7)
        module.alpha_dense.data.fill_(0.7)
    return ModelPatcher(net, torch.device("cpu"), torch.device("cpu"))


class Clip:
    """What GLIGEN Text Box Apply asks of a text encoder."""

    def tokenize(self, text):
        return text

    def encode_from_tokens(self, tokens, return_pooled=False):
        return noise((1, 5, 768), 8), noise((1, 768), 9)


def test_gligen_does_what_it_does_on_the_hosts_own_unet(both, plain):
    boxes = host.GLIGENTextBoxApply().append(conditioning(1), Clip(), gligen(None), "a ball", 64, 64, 32, 32)[0]
    theirs, ours = (sampled(model, positive=boxes) for model in both)
    assert gap(ours, theirs) < 1e-4 and gap(ours, plain[1]) > 1e-3


def test_merged_blocks_are_those_of_the_hosts_own_unet(both, plain):
    others = models_of_both(seed=4)
    ratios = {"input": 0.2, "middle": 0.9, "out": 0.6}
    theirs, ours = (
        sampled(ModelMergeBlocks().merge(one, other, **ratios)[0]) for one, other in zip(both, others, strict=True)
    )
    assert gap(ours, theirs) < 1e-4
    same = sampled(ModelMergeBlocks().merge(both[1], others[1], input=0.2, middle=0.2, out=0.2)[0])
    assert gap(ours, same) > 1e-3, "middle and out count"
    across = sampled(ModelMergeBlocks().merge(both[1], others[0], **ratios)[0])
    assert gap(across, ours) < 1e-5, "a model of ComfyUI's own loader merges into ours"
    back = sampled(ModelMergeSimple().merge(both[0], others[1], 0.3)[0])
    assert gap(back, sampled(ModelMergeSimple().merge(both[0], others[0], 0.3)[0])) < 1e-4, "and ours into it"


def test_merging_chooses_blocks_of_layers_that_only_our_models_have():
    model, other = tiny_model(), tiny_model(seed=1)
    merged = ModelMergeBlocks().merge(model, other, input=1.0, middle=1.0, out=0.0)[0]
    changed = {key for key, chain in merged.patches.items() if chain[0][0] == 1.0}
    assert {key.split(".")[1] for key in changed} == {"up_blocks", "conv_norm_out", "conv_out"}
    for part in ("cross_modal", "tem_attn", "tem_conv"):
        assert any(part in key for key in changed), part


FAMILIES = {
    "pair": {},
    "two networks": {"streams": "separate", "cross_modal": "none", "label": False},
    "motion": PICTURES | {"temporal": "motion_modules"},
    "one-shot": PICTURES | {"temporal": "native", "temporal_place": "after_feed_forward",
                            "self_attention": "sparse_causal"},
    "character": PICTURES | {"in_channels": 8, "reference": True, "temporal": "motion_modules",
                             "motion_code": (8, 8, 16, 24)},
}  # fmt: skip


@cache
def model_of(family: str):
    return tiny_model(**FAMILIES[family])


def given(family: str, size: int = 16) -> tuple[list, list, dict]:
    count = FRAMES * model_of(family).model.video.modalities
    if family != "character":
        return conditioning(1), conditioning(2), latent(count, size)
    body = {LAYERS: noise((FRAMES, 4, size, size), 20), BODY: (hints(FRAMES, 8 * size).movedim(-1, 1),)}
    who = {REFERENCE: noise((1, 4, size, size), 1)}
    return conditioning(3, tokens=2, **body, **who), conditioning(4, tokens=2, **body), latent(count, size)


ON_CLIPS = {name: STOCK[name] for name in STOCK if "Cache" not in name and name != "structural"}
ON_CLIPS["Deep Shrink"] = node(PatchModelAddDownscale, 1, 2.0, 0.0, 1.0, True, "bicubic", "bicubic")
ON_CLIPS["Deep Shrink in the skip"] = node(PatchModelAddDownscale, 1, 2.0, 0.0, 1.0, False, "bicubic", "bicubic")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_node_acts_on_every_family_or_is_refused(family):
    positive, negative, pair = given(family)
    plain, silent = ksampler(model_of(family), positive, negative, pair), []
    for name, patch in ON_CLIPS.items():
        torch.manual_seed(5)
        if family == "two networks" and name == "SAG":
            with pytest.raises(
                ValueError, match="Self-Attention Guidance: this model has one network for video and one"
            ):
                ksampler(patch(model_of(family)), positive, negative, pair)
            continue
        out = ksampler(patch(model_of(family)), positive, negative, pair)
        assert torch.isfinite(out).all(), name
        if not gap(out, plain) > 1e-4:
            silent.append(name)
    assert not silent


@pytest.mark.parametrize("name", ["video", "depth"])
def test_a_node_acts_on_one_modality_alone(name):
    alone = SelectModality.execute(model_of("pair"), f"{name} only").result[0]
    plain, silent = ksampler(alone, pair=latent(FRAMES, 16)), []
    for title, patch in ON_CLIPS.items():
        torch.manual_seed(5)
        if not gap(ksampler(patch(alone), pair=latent(FRAMES, 16)), plain) > 1e-4:
            silent.append(title)
    assert not silent


@pytest.mark.parametrize("family", ["one-shot", "character"])
def test_hypertile_of_one_tile_a_frame_changes_nothing_and_tiles_see_their_place_in_other_frames(family):
    """Tiles of rows: the first rows of a frame attend to the same rows of the frames that it attends to."""
    model, (positive, negative, pair) = model_of(family), given(family)
    seen = []

    def rows(q, k, v, extra):
        seen.append(q.shape)
        return q.reshape(2 * len(q), -1, q.shape[2]), k, v

    def joined(out, extra):
        return out.reshape(len(out) // 2, -1, out.shape[2])

    tiled = set_patch("attn1_output_patch", joined)(set_patch("attn1_patch", rows)(model))
    once, again = ksampler(tiled, positive, negative, pair), ksampler(tiled, positive, negative, pair)
    assert torch.equal(once, again) and gap(once, ksampler(model, positive, negative, pair)) > 1e-4 and seen


def refused(model, words: str):
    seen = []
    with pytest.raises(ValueError, match=words):
        ksampler(spied(model, seen))
    assert not seen


def test_patches_of_other_models_are_refused_before_the_first_step_by_node_and_patch():
    model = tiny_model()
    refused(
        set_patch("double_block", lambda given: given)(model), "patch double_block belongs to another kind of model"
    )
    refused(set_patch("forward_timestep_embed_patch", (torch.nn.Linear, lambda *_: None))(model),
            "patch forward_timestep_embed_patch belongs")  # fmt: skip
    clone = model.clone()
    clone.set_model_patch_replace(lambda *_: None, "dit", "double_block", 3)
    refused(clone, "replacement of dit belongs to another kind of model")
    clone = model.clone()
    clone.set_model_attn1_replace(lambda *_: None, "input", 44)
    refused(clone, "replaces attention in input 44, but this model has attention in input 1, ")
    clone = model.clone()
    clone.add_object_patch("diffusion_model.default_ref_method", "offset")
    refused(clone, "replaces diffusion_model.default_ref_method, which this model does not have")
    refused(
        UNetTemporalAttentionMultiply.execute(model, 1.0, 0.5, 1.0, 1.0).result[0], "UNet Temporal Attention Multiply"
    )


def test_attention_is_asked_in_float32_for_stable_diffusion_2_as_the_host_asks_it():
    """The host's SD20 sets attn_precision; without it fp16 overflows on some cards."""
    from comfy.supported_models import SD20

    shape = {"cross_attention_dim": 1024, "use_linear_projection": True, "attention_head_dim": (4, 8)}
    precision = {}
    for name, model in (("SD2", tiny_model(**PICTURES, **shape)), ("SD1", tiny_model(**PICTURES))):
        seen = precision.setdefault(name, [])

        def attention(func, *args, seen=seen, attn_precision=None, **kwargs):
            seen.append(attn_precision)
            return func(*args, attn_precision=attn_precision, **kwargs)

        clone = model.clone()
        clone.model_options["transformer_options"]["optimized_attention_override"] = attention
        width = 1024 if name == "SD2" else 768
        ksampler(clone, conditioning(1, width=width), conditioning(2, width=width), latent(FRAMES), steps=1)
    assert set(precision["SD2"]) == {SD20.unet_extra_config["attn_precision"]} == {torch.float32}
    assert set(precision["SD1"]) == {None}


def test_deep_shrink_with_a_controlnet_is_what_it_is_on_the_hosts_unet(both):
    """A ControlNet's features do not fit the smaller ones; both leave them out and say so in the log."""
    net = controlled(controlnet_of_both(), hints(FRAMES, 128))
    shrunk = [STOCK["Deep Shrink"](model) for model in both]
    theirs, ours = (sampled(model, positive=net[0], negative=net[1]) for model in shrunk)
    assert gap(ours, theirs) < 1e-4


def controlnet_of_both():
    from comfy.cldm.cldm import ControlNet as Network
    from comfy.controlnet import ControlNet
    from comfy.ops import disable_weight_init
    from tiny.host_unet import SHAPE

    shape = {key: value for key, value in SHAPE.items() if key not in ("out_channels", "transformer_depth_output")}
    network = Network(**shape, hint_channels=3, operations=disable_weight_init, dtype=torch.float32)
    return ControlNet(random_weights(network, scale=0.3), load_device=torch.device("cpu"))


@pytest.mark.parametrize("cls", [FreeU, FreeU_V2])
def test_freeu_is_refused_where_no_layer_has_the_width_that_it_changes(cls):
    model = tiny_model(block_out_channels=(64, 96))
    refused(cls.execute(model, 1.3, 1.4, 0.9, 0.2).result[0], f"{cls.__name__}: it changes features of 128 and 256 channels, "
            "but this model has 64, 96. Remove")  # fmt: skip
