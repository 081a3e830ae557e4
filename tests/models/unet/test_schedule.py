"""The noise schedule against diffusers' own."""

import pytest
import torch
from diffusers import DDPMScheduler
from pack.models.unet.schedule import NoiseSchedule

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def both():
    theirs = DDPMScheduler(1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    return NoiseSchedule(), theirs


def test_noise_and_velocity_are_those_of_stable_diffusion(both):
    ours, theirs = both
    g = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 5, 4, 8, 8, generator=g)
    t = torch.tensor([0, 1, 417, 998, 999])
    assert torch.allclose(ours.add_noise(clean, noise, t), theirs.add_noise(clean, noise, t), atol=2e-5)
    assert torch.allclose(ours.velocity(clean, noise, t), theirs.get_velocity(clean, noise, t), atol=2e-5)
    assert ours.target("eps", clean, noise, t) is noise
    assert torch.equal(ours.target("v", clean, noise, t), ours.velocity(clean, noise, t))


def test_it_goes_from_almost_clean_to_almost_noise(both):
    ours, _ = both
    assert torch.allclose(ours.signal**2 + ours.noise**2, torch.ones(1000), atol=1e-6)
    assert ours.signal[0].item() == pytest.approx((1 - 0.00085) ** 0.5) and ours.signal[999] < 0.07
    assert (ours.signal.diff() < 0).all()


def test_one_step_serves_all_and_the_type_is_kept(both):
    ours, _ = both
    clean, noise = torch.ones(3, 4, 2, 2, dtype=torch.bfloat16), torch.zeros(3, 4, 2, 2, dtype=torch.bfloat16)
    one = ours.add_noise(clean, noise, torch.tensor(417))
    assert one.dtype == torch.bfloat16 and torch.equal(one, ours.add_noise(clean, noise, torch.full((3,), 417)))


def test_prediction_and_noise_come_back_from_the_velocity(both):
    ours, _ = both
    g = torch.Generator().manual_seed(1)
    clean, noise = torch.randn(2, 3, 4, 8, 8, generator=g)
    t = torch.tensor([5, 500, 999])
    signal, sigma = ours.rates(t, clean)
    noisy, v = ours.add_noise(clean, noise, t), ours.velocity(clean, noise, t)
    assert torch.allclose(signal * noisy - sigma * v, clean, atol=1e-5)
    assert torch.allclose(sigma * noisy + signal * v, noise, atol=1e-5)
