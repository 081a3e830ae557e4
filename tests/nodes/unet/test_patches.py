"""Nodes that patch a MODEL: on our U-Net they do what they do on the host's own with the same weights, or are refused."""

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
from comfy_extras.nodes_model_merging import ModelMergeBlocks
from comfy_extras.nodes_pag import PerturbedAttentionGuidance
from comfy_extras.nodes_sag import SelfAttentionGuidance
from comfy_extras.nodes_tomesd import TomePatchModel
from tiny.host_unet import models_of_both
from tiny.model import conditioning, gap, ksampler, latent

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
