"""Words of a model's own as the host's conditioning, beside its depth channel."""

import comfy.samplers
import pytest
import torch
from comfy_extras.nodes_custom_sampler import Guider_DualCFG
from pack.models.unet.words import token_width, word_tokens
from pack.nodes.oneshot.depth_channel import EncodeDepth
from pack.nodes.unet.loaders import ADDED_LAYERS
from tiny.model import PICTURES, conditioning, gap, ksampler, latent, noise, tiny_model

import nodes as host

WORDS = ("a", "ball", "blue", "red")
KIND = {**PICTURES, "in_channels": 5, "words": WORDS, "foreground_width": token_width(WORDS)}


@pytest.fixture(scope="module")
def model():
    return tiny_model(**KIND)


def encode(text):
    return [[word_tokens(text, WORDS)[None], {}]]


def with_depth(positive, negative, depth=None):
    depth = torch.rand((2, 64, 64, 1), generator=torch.Generator().manual_seed(0)) if depth is None else depth
    return EncodeDepth.execute(positive, negative, depth.expand(-1, -1, -1, 3), "per clip").result


def test_the_network_reads_the_vectors_of_its_table(model):
    """The host's sampler passes the words on unchanged."""
    seen = []
    net = model.model.diffusion_model
    key = net.transformer_blocks()[0].attn2.to_k
    hook = key.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        ksampler(model, *with_depth(encode("red ball"), encode("")), latent(2), steps=1)
    finally:
        hook.remove()
    table = net.clip_proj.weight.detach().T.reshape(3, 4, -1)
    vectors = max(seen[0], key=lambda chunk: chunk.abs().max())
    assert torch.allclose(vectors[0], table[0, 3] + table[1, 1], atol=1e-5)
    assert torch.allclose(vectors[1], table[0, 1], atol=1e-5) and not vectors[2:].any()


def test_stock_nodes_mix_sentences(model):
    red, blue, nothing = (encode(text) for text in ("red ball", "blue ball", ""))
    sample = lambda positive: ksampler(model, *with_depth(positive, nothing), latent(2), steps=1)
    average = host.ConditioningAverage().addWeighted
    assert gap(sample(average(red, blue, 1.0)[0]), sample(red)) < 1e-6
    middle = sample(average(red, blue, 0.5)[0])
    assert min(gap(middle, sample(red)), gap(middle, sample(blue))) > 1e-4


def test_the_strength_of_depth_goes_from_none_to_plain_guidance(model):
    """Dual CFG Guider as the workflow depth_strength wires it: 0 is the flat depth, the words' number the full depth."""
    words, nothing = encode("red ball"), encode("")
    full, flat = with_depth(words, nothing), with_depth(words, nothing, torch.full((1, 64, 64, 1), 0.5))

    def guided(kind, conds, *cfg):
        guider = kind(model)
        guider.set_conds(*conds)
        guider.set_cfg(*cfg)
        euler = comfy.samplers.sampler_object("euler")
        return guider.sample(noise((2, 4, 8, 8)), torch.zeros(2, 4, 8, 8), euler, torch.tensor([1.0, 0.0]), seed=0)

    dual = lambda strength: guided(Guider_DualCFG, (full[0], flat[0], flat[1]), strength, 4.0)
    plain = lambda *conds: guided(comfy.samplers.CFGGuider, conds, 4.0)

    assert gap(dual(0.0), plain(*flat)) < 1e-5
    assert gap(dual(4.0), plain(full[0], flat[1])) < 1e-5
    assert gap(dual(2.0), (dual(0.0) + dual(4.0)) / 2) < 1e-5 < gap(dual(0.0), dual(4.0))


def test_a_text_encoders_tokens_are_refused_with_the_node_that_fits():
    one_shot = tiny_model(**{**KIND, **ADDED_LAYERS["video tuning"], "cross_attention_dim": 32})
    with pytest.raises(
        ValueError,
        match="width 32 or 12, got 768: encode it with CLIP Text Encode and the clip output of Load Video Model",
    ):
        ksampler(one_shot, *with_depth(conditioning(1), conditioning(2)), latent(2))
