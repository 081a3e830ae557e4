"""Depth packed into picture channels and the VAE that reads and writes both (the LDM3D-like baseline)."""

import pytest
import torch
from diffusers import AutoencoderKL
from pack.models import ldm3d


def test_depth_packs_into_three_channels():
    depth = torch.linspace(0, 1, 70001, dtype=torch.float64)[None, None, None].float()
    picture = ldm3d.pack(depth)
    assert (ldm3d.unpack(picture) - depth).abs().max() < 1 / 65535
    levels = torch.arange(65536) / 65535
    again = ldm3d.unpack(ldm3d.pack(levels[None, None, None]))
    assert torch.equal((again * 65535).round().flatten(), torch.arange(65536.0)), "each of the 16-bit levels"
    saved = (ldm3d.pack(torch.full((1, 1, 1, 1), 0xAB12 / 65535)) * 255).flatten().round().tolist()
    assert saved == [0, 0xAB, 0x12], "G * 256 + B"
    picture, depth = torch.rand(2, 3, 8, 8), torch.rand(2, 1, 8, 8)
    back = ldm3d.picture_and_depth(ldm3d.six(picture, depth))
    assert (back[0] - picture).abs().max() < 1e-6 and (back[1] - depth).abs().max() < 1 / 65535


@pytest.mark.parametrize(("make", "shape", "words"), [
    (ldm3d.pack, (1, 3, 4, 4), "one channel.*3, 4, 4"),
    (ldm3d.unpack, (1, 6, 4, 4), "3 channels.*6, 4, 4"),
])  # fmt: skip
def test_pictures_of_another_kind_are_refused(make, shape, words):
    with pytest.raises(ValueError, match=words):
        make(torch.zeros(shape))


def fill(net, seed=0, std=0.05):
    """Every tensor random and none zero, so that no block is trivial."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in net.named_parameters():
            p.copy_(torch.randn(p.shape, generator=g) * std + (1.0 if "norm" in name and "weight" in name else 0.0))
    return net.eval()


def vae(channels):
    return AutoencoderKL(
        channels, channels, ("DownEncoderBlock2D",) * 2, ("UpDecoderBlock2D",) * 2, (32, 32), latent_channels=4
    ).eval()


def test_a_widened_vae_treats_pictures_as_before():
    narrow, wide = fill(vae(3), std=0.1), vae(6)
    wide.load_state_dict(ldm3d.widened(narrow.state_dict()))
    picture, depth = torch.rand(2, 3, 16, 16) * 2 - 1, torch.rand(2, 1, 16, 16)
    both = ldm3d.six(picture / 2 + 0.5, depth)
    both[:, :3] = picture
    with torch.no_grad():
        latent = narrow.encode(picture).latent_dist.mode()
        assert torch.allclose(wide.encode(both).latent_dist.mode(), latent, atol=1e-6)
        answer, expected = wide.decode(latent).sample, narrow.decode(latent).sample
    assert torch.allclose(answer[:, :3], expected, atol=1e-6) and torch.allclose(answer[:, 3:], expected, atol=1e-6)
    wide.encode(both).latent_dist.mode().square().mean().backward()
    assert wide.encoder.conv_in.weight.grad[:, 3:].any(), "silent inputs still learn"
    with pytest.raises(ValueError, match="VAE for pictures with 3 channels"):
        ldm3d.widened(wide.state_dict())
    with pytest.raises(ValueError, match="None"):
        ldm3d.widened({})
