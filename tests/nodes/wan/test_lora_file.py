"""A LoRA that was trained on a pair is read by ComfyUI's own loader of LoRAs, whole and with nothing left over."""

import comfy.lora
import comfy.lora_convert
import torch
from pack.nodes.host.wan.model import native_wan_pair
from pack.training.loop.lora import add_lora_to, lora_file
from pack.training.recipes.wan_network import LORA_LAYERS

from .test_pictures import random, trained


@torch.no_grad()
def test_it_changes_the_sampled_network_as_the_trained_one():
    from dataclasses import asdict

    network = trained(patch_size=(1, 2, 2))
    plain = native_wan_pair(asdict(network.shape), dict(network.state_dict()), dtype=torch.float32)
    torch.manual_seed(0)
    added = add_lora_to(network, 2, LORA_LAYERS)
    assert len(added) == 10 * network.shape.num_layers
    for name in added:
        torch.nn.init.normal_(network.get_submodule(name).lora_up.weight, std=0.3)
    weights = {name: value.float() for name, value in lora_file(network).items()}
    keys = comfy.lora.model_lora_keys_unet(plain.model, {})
    patches = comfy.lora.load_lora(comfy.lora_convert.convert_lora(weights), keys)
    assert len(patches) == len(added) and set(plain.clone().add_patches(patches, 1.0)) == set(patches)

    patched = plain.clone()
    patched.add_patches(patches, 1.0)
    patched.patch_model()
    latents, text, time = random(2, 4, 4, 8, 4), random(2, 7, 24, seed=1), torch.tensor([700.0])
    options = {"cond_or_uncond": [0], "sample_sigmas": torch.ones(1)}
    theirs = patched.model.diffusion_model(latents, time.repeat(2), text, transformer_options=options, modality="depth")
    ours = network(latents, time, text, "depth")
    patched.unpatch_model()
    before = plain.model.diffusion_model(latents, time.repeat(2), text, transformer_options=options, modality="depth")
    assert (ours - theirs).abs().max() < 2e-3 * theirs.abs().max(), "the file is in half precision"
    assert (theirs - before).abs().max() > 0.05 * theirs.abs().max()
