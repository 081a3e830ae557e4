"""What a flow model cannot serve is refused before its first step, with the name of the node that has to go."""

import re

import comfy.hooks
import comfy.sd
import folder_paths
import pytest
import torch
from comfy_extras.nodes_attention_multiply import (
    UNetCrossAttentionMultiply,
    UNetSelfAttentionMultiply,
    UNetTemporalAttentionMultiply,
)
from comfy_extras.nodes_context_windows import ContextWindowsManualNode
from comfy_extras.nodes_freelunch import FreeU, FreeU_V2
from comfy_extras.nodes_hypernetwork import HypernetworkLoader
from comfy_extras.nodes_hypertile import HyperTile
from comfy_extras.nodes_model_advanced import ModelSamplingContinuousEDM, ModelSamplingDiscrete, ModelSamplingSD3
from comfy_extras.nodes_model_downscale import PatchModelAddDownscale
from comfy_extras.nodes_nag import NAGuidance
from comfy_extras.nodes_pag import PerturbedAttentionGuidance
from comfy_extras.nodes_rope import ScaleROPE
from comfy_extras.nodes_sag import SelfAttentionGuidance
from comfy_extras.nodes_slg import SkipLayerGuidanceDiT
from comfy_extras.nodes_tomesd import TomePatchModel
from pack.models.lfdm.config import TINY_UNET
from pack.models.lfdm.unet import FlowUNet
from pack.nodes.host.lfdm.model import native_flow_model, text_conditioning, with_still
from pack.nodes.host.pair.windows import use_windows
from tiny.model import controlnet, noise, random_weights, spied

import nodes as host

FRAMES, SIDE = 5, 8


@pytest.fixture(scope="module")
def model():
    return native_flow_model(TINY_UNET, random_weights(FlowUNet(TINY_UNET), 0, 0.7).state_dict())


def conditioning(**more) -> list:
    given = with_still(text_conditioning(noise((1, 768), 1)), noise((1, 12, SIDE, SIDE), 20))
    return [[tokens, values | more] for tokens, values in given]


def refused(model, words: str, positive=None) -> None:
    """The sentence comes before the network is run."""
    calls = []
    latent = {"samples": torch.zeros(1, 3, FRAMES, SIDE, SIDE)}
    with pytest.raises(ValueError, match=words):
        host.common_ksampler(
            spied(model, calls), 7, 2, 2.0, "euler", "simple", positive or conditioning(), conditioning(), latent
        )
    assert not calls


PATCHES = {
    "FreeU": lambda model: FreeU.execute(model, 1.1, 1.2, 0.9, 0.2),
    "FreeU_V2": lambda model: FreeU_V2.execute(model, 1.3, 1.4, 0.9, 0.2),
    "HyperTile": lambda model: HyperTile.execute(model, 256, 2, 0, False),
    "TomePatchModel": lambda model: TomePatchModel.execute(model, 0.3),
    "PatchModelAddDownscale": lambda model: PatchModelAddDownscale.execute(
        model, 3, 2.0, 0.0, 0.35, True, "bicubic", "bicubic"
    ),
    "PerturbedAttentionGuidance": lambda model: PerturbedAttentionGuidance.execute(model, 3.0),
    "SelfAttentionGuidance": lambda model: SelfAttentionGuidance.execute(model, 0.5, 2.0),
    "SkipLayerGuidanceDiT": lambda model: SkipLayerGuidanceDiT.execute(model, 3.0, 0.0, 1.0, "1", "1", 0.0),
    "NAGuidance": lambda model: NAGuidance.execute(model, 5.0, 0.5, 1.5),
    "ScaleROPE": lambda model: ScaleROPE.execute(model, 1.0, 0.0, 1.0, 0.0, 1.5, 0.0),
    "ModelSamplingDiscrete": lambda model: ModelSamplingDiscrete().patch(model, "v_prediction", False),
    "ModelSamplingContinuousEDM": lambda model: ModelSamplingContinuousEDM().patch(model, "eps", 120.0, 0.002),
    "ModelSamplingSD3": lambda model: ModelSamplingSD3().patch(model, 3.0),
}


@pytest.mark.parametrize("name", PATCHES)
def test_a_patch_that_the_network_has_no_layer_for_is_refused_by_the_name_of_its_node(model, name):
    node = globals()[name]
    schema = node.GET_SCHEMA() if hasattr(node, "GET_SCHEMA") else None
    shown = schema.display_name or schema.node_id if schema else host.NODE_DISPLAY_NAME_MAPPINGS.get(name, name)
    shown = re.escape(shown)
    refused(PATCHES[name](model)[0], f"^{shown} .*remove {shown} from the flow model's line")


def test_a_hypernetwork_is_refused_though_its_patch_is_not_defined_in_its_node(model, tmp_path, monkeypatch):
    layer = {"linear.weight": noise((8, 8)), "linear.bias": noise((8,))}
    torch.save({8: (layer, layer)}, tmp_path / "h.pt")
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "hypernetworks", ([str(tmp_path)], {".pt"}))
    refused(HypernetworkLoader.execute(model, "h.pt", 1.0)[0], "^Load Hypernetwork patches layers .*remove Load Hyper")


def windows_of_the_host(model):
    return ContextWindowsManualNode.execute(model, 4, 1, "standard_static", 1, False, "pyramid", 2, False)[0]


def windows_of_the_pack(model):
    return use_windows(
        model, length=4, overlap=1, schedule="standard_static", fuse="pyramid", stride=1, closed=False, freenoise=False
    )


@pytest.mark.parametrize("windows", [windows_of_the_host, windows_of_the_pack])
def test_context_windows_are_refused(model, windows):
    try:
        patched = windows(model)
    except ValueError as error:  # by the node itself
        assert "got a FlowModel, whose latent holds a whole clip at once" in str(error)
        return
    refused(patched, "context windows cut the clip into parts: remove the node of context windows")


def test_a_controlnet_is_refused(model):
    pictures = torch.rand((1, 64, 64, 3), generator=torch.Generator().manual_seed(1))
    positive, _ = host.ControlNetApplyAdvanced().apply_controlnet(
        conditioning(), conditioning(), controlnet(), pictures, 1.0, 0.0, 1.0
    )
    refused(model, "positive conditioning has a ControlNet.*remove Apply ControlNet", positive)


@pytest.mark.parametrize("more, words", [
    ({"gligen": ("position", None, [])}, "GLIGEN boxes"),
    ({"duet_background": noise((1, 4, 8, 8))}, "encoded for a video model .background.*Encode Still Image"),
    ({"area": (4, 4, 0, 0)}, "no conditioning for an area"),
])  # fmt: skip
def test_conditioning_of_other_models_is_refused(model, more, words):
    refused(model, words, conditioning(**more))


def test_an_attention_override_is_refused_whoever_places_it(model):
    def my_override(function, *args, **kwargs):
        return function(*args, **kwargs)

    patched = model.clone()
    patched.model_options["transformer_options"]["optimized_attention_override"] = my_override
    refused(patched, "my_override patches layers .*optimized_attention_override")


def test_a_patch_of_a_hook_is_refused_when_the_hook_begins(model):
    """A hook of one conditioning is applied inside the sampling only."""
    hook = comfy.hooks.TransformerOptionsHook(
        {"patches": {"attn1_patch": [lambda q, k, v, extra: (q, k, v)]}}, comfy.hooks.EnumHookScope.HookedOnly
    )
    group = comfy.hooks.HookGroup()
    group.add(hook)
    refused(model, "attn1_patch", conditioning(hooks=group))


def test_a_still_image_with_nan_is_refused_with_their_number(model):
    features = noise((1, 12, SIDE, SIDE), 20)
    features[0, :2, 0, 0] = torch.nan
    refused(model, "2 NaN or infinite values", with_still(text_conditioning(noise((1, 768))), features))


@pytest.mark.parametrize("node", [UNetSelfAttentionMultiply, UNetCrossAttentionMultiply, UNetTemporalAttentionMultiply])
def test_scaled_attention_is_refused_by_the_node(model, node):
    with pytest.raises(ValueError, match="Attention Multiply scale attention of Stable Diffusion.*remove that node"):
        node.execute(model, 0.5, 1.0, 1.0, 1.0)


def test_a_lora_of_another_model_is_refused(model):
    other = {"lora_unet_mid_block_attentions_0_proj_in.lora_up.weight": noise((8, 2)),
             "lora_unet_mid_block_attentions_0_proj_in.lora_down.weight": noise((2, 8))}  # fmt: skip
    with pytest.raises(ValueError, match="Expected a LoRA of a flow model, got one that fits none of its weights"):
        comfy.sd.load_lora_for_models(model, None, other, 1.0, 0.0)


def test_a_model_lists_its_own_weights_to_those_that_merge(model):
    assert set(model.get_key_patches()) == set(model.get_key_patches("diffusion_model."))
    assert {key.removeprefix("diffusion_model.") for key in model.get_key_patches()} == set(
        model.model.diffusion_model.state_dict()
    )


def test_a_latent_with_nan_is_refused_with_their_number(model):
    latent = {"samples": noise((1, 3, FRAMES, SIDE, SIDE), 3)}
    latent["samples"][0, :, 2, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="latent: .* got 3 NaN or infinite values of .* the first in frame 2"):
        host.common_ksampler(model, 7, 2, 2.0, "euler", "simple", conditioning(), conditioning(), latent, denoise=0.5)


def test_a_model_without_any_of_these_samples(model):
    latent = {"samples": torch.zeros(1, 3, FRAMES, SIDE, SIDE)}
    out = host.common_ksampler(model, 7, 2, 2.0, "euler", "simple", conditioning(), conditioning(), latent)[0]
    assert torch.isfinite(out["samples"]).all() and out["samples"].abs().max() < 1.001
