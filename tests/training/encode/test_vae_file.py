"""The VAE of a single checkpoint file, beside the host's own network and diffusers' own conversion."""

import pytest
import torch
from diffusers import AutoencoderKL
from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint
from pack.models.files.reading import Weights, read_weights
from pack.training.encode import vae_file
from pack.training.encode.encoders import open_vae
from safetensors.torch import save_file

DIMENSIONS = {"double_z": True, "z_channels": 4, "resolution": 256, "in_channels": 3, "out_ch": 3, "ch": 128,
              "ch_mult": [1, 2, 4, 4], "num_res_blocks": 2, "attn_resolutions": [], "dropout": 0.0}  # fmt: skip


def test_names_are_those_of_the_host_and_of_diffusers():
    autoencoder = pytest.importorskip("comfy.ldm.models.autoencoder")
    with torch.device("meta"):
        theirs = autoencoder.AutoencoderKL(ddconfig=DIMENSIONS, embed_dim=4).state_dict()
        ours = AutoencoderKL(**vae_file.SHAPE)
    renamed = {vae_file.diffusers_name(name): value for name, value in theirs.items()}
    wanted = ours.state_dict()
    assert renamed.keys() == wanted.keys() and len(renamed) == len(theirs) == 248
    for name, value in renamed.items():
        assert vae_file.as_matrix(value, wanted[name]).shape == wanted[name].shape, name
    converted = convert_ldm_vae_checkpoint({f"first_stage_model.{name}": v for name, v in theirs.items()}, ours.config)
    assert converted.keys() == renamed.keys()
    for name, value in converted.items():
        assert value.numel() == renamed[name].numel() and (value.ndim == 2 or value is renamed[name]), name
    assert all(vae_file.diffusers_name(name) == name for name in wanted)


@pytest.mark.parametrize("prefix", ["first_stage_model.", ""])
def test_it_is_read_out_of_a_checkpoint_and_answers_as_it_did(monkeypatch, tmp_path, prefix):
    monkeypatch.setitem(vae_file.SHAPE, "block_out_channels", (8, 8, 16, 16))
    monkeypatch.setitem(vae_file.SHAPE, "norm_num_groups", 4)
    autoencoder = pytest.importorskip("comfy.ldm.modules.diffusionmodules.model")
    from pack.training.encode.encoders import Encoders
    from tiny.files import random_state

    torch.manual_seed(0)
    vae = AutoencoderKL(**vae_file.SHAPE)
    vae.load_state_dict(random_state(vae, 3, gain=1.0))
    with torch.device("meta"):
        names = dict.fromkeys(autoencoder.Encoder(**DIMENSIONS).state_dict())
    back = {vae_file.diffusers_name(f"encoder.{name}"): f"encoder.{name}" for name in names}
    state = {prefix + back.get(name, name): value for name, value in vae.state_dict().items()}
    assert any(".down.0.block.0." in name for name in state)
    save_file({**state, "model.diffusion_model.rest": torch.zeros(3)}, tmp_path / "checkpoint.safetensors")
    read, small = open_vae(tmp_path / "checkpoint.safetensors")
    assert not small and all(torch.equal(value, vae.state_dict()[name]) for name, value in read.state_dict().items())
    pictures = (torch.rand(2, 3, 32, 32) * 255).to(torch.uint8)
    latents = Encoders(str(tmp_path / "checkpoint.safetensors")).latents(pictures)
    with torch.no_grad():
        mode = vae.encode(pictures.float() / 255 * 2 - 1).latent_dist.mode()
    assert torch.allclose(latents, mode * 0.18215, atol=1e-5)


def test_a_file_without_a_whole_vae_is_refused(tmp_path):
    save_file({"first_stage_model.encoder.conv_in.weight": torch.zeros(128, 3, 3, 3)}, tmp_path / "half.safetensors")
    with pytest.raises(ValueError, match="half.safetensors holds no whole VAE.*247 of 248 weights are missing"):
        vae_file.load_vae(read_weights(tmp_path / "half.safetensors"))
    empty = Weights(tmp_path / "half.safetensors", {}, {}, dict().__getitem__)
    with pytest.raises(ValueError, match="248 of 248"):
        vae_file.load_vae(empty)
