"""Inversion against diffusers' own inverse scheduler, and on denoisers whose ideal answer is known.

A mixture of Gaussians has an exact posterior mean: what a network trained on it for ever would answer.
"""

from itertools import pairwise

import pytest
import torch
from diffusers import DDIMInverseScheduler
from pack.models.oneshot.inversion import actual_prediction, error_images, invert, reconstruction_error, rising
from pack.models.unet.schedule import NoiseSchedule

torch.set_num_threads(1)

SCHEDULE = NoiseSchedule()
SIGMAS = SCHEDULE.noise / SCHEDULE.signal  # (1000,)
SHAPE = (4, 4, 4)  # of one latent: C h w


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def uniform(steps: int) -> torch.Tensor:
    """The host's ddim_uniform, from clean to noise."""
    return torch.cat((torch.zeros(1), SIGMAS[1 :: 1000 // steps]))


def euler(denoise, x, sigmas):
    """The host's euler, from noise to clean."""
    for high, low in pairwise(sigmas.flip(0)):
        x = x + (x - denoise(x, high)) / high * (low - high)
    return x


def mixture(spread=(0.2, 1.0), kinds=6, seed=1):
    """The posterior mean of clean latents, and clips drawn from the same: means that differ, texture of every size."""
    means = random(kinds, 64, seed=seed)
    width = torch.logspace(*torch.tensor(spread).log10().tolist(), 64)

    def denoise(x, sigma):
        x, power = x.flatten(1)[:, None], width**2 + sigma**2
        share = (-0.5 * ((x - means) ** 2 / power).sum(-1)).softmax(-1)[..., None]
        return (share * (means + (x - means) * width**2 / power)).sum(1).unflatten(1, SHAPE)

    def draw(count):
        chosen = torch.arange(count) % kinds
        return (means[chosen] + width * random(count, 64, seed=seed + 1)).unflatten(1, SHAPE)

    return denoise, draw


def network(z, t):
    """An answer (B, C, h, w) that is smooth in the latent and in the step, and right about nothing."""
    turn = torch.linalg.qr(random(4, 4, seed=3))[0]
    return torch.einsum("oc,bchw->bohw", turn, torch.tanh(z + t / 1000)) * 0.7 + 0.1 * z.roll(1, -1)


def as_denoiser(kind):
    """The same network as samplers call it."""

    def denoise(x, sigma):
        t = (SIGMAS - sigma).abs().argmin()
        signal, noise = SCHEDULE.signal[t], SCHEDULE.noise[t]
        answer = network(x * signal, t)
        return x - sigma * answer if kind == "eps" else signal * (x * signal) - noise * answer

    return denoise


@pytest.mark.parametrize("kind, name", [("eps", "epsilon"), ("v", "v_prediction")])
@pytest.mark.parametrize("steps", [20, 50])
def test_one_evaluation_is_diffusers_inverse_scheduler(kind, name, steps):
    theirs = DDIMInverseScheduler(
        1000, 0.00085, 0.012, "scaled_linear", clip_sample=False, set_alpha_to_one=False, steps_offset=1,
        prediction_type=name,
    )  # fmt: skip
    theirs.set_timesteps(steps)
    z = clip = random(3, *SHAPE, seed=2)
    for t in theirs.timesteps:
        z = theirs.step(network(z, t), t, z).prev_sample
    sigmas = torch.cat((SIGMAS[:1], SIGMAS[theirs.timesteps]))
    x = invert(as_denoiser(kind), clip * (1 + sigmas[0] ** 2) ** 0.5, sigmas, kind)
    assert reconstruction_error(x / (1 + sigmas[-1] ** 2) ** 0.5, z)[0] < 1e-5


def returns(denoise, clip, steps, capsys, name):
    """Relative errors of the clip through euler: by evaluations a step, and by the host's FlipSigmas with euler up."""
    sigmas = uniform(steps)
    errors = {
        n: reconstruction_error(euler(denoise, invert(denoise, clip, sigmas, "eps", n), sigmas), clip)[0]
        for n in (1, 3, 5)
    }
    flipped = torch.cat((torch.tensor([1e-4]), sigmas[1:]))  # it cannot start at 0
    up = euler(denoise, clip, flipped.flip(0))
    errors["flip"] = reconstruction_error(euler(denoise, up, sigmas), clip)[0]
    with capsys.disabled():
        print(f"\n{name}, {steps} steps:", {key: f"{value:.1e}" for key, value in errors.items()}, end=" ")
    return errors


def test_exact_inversion_comes_back_where_flipped_sigmas_do_not(capsys):
    denoise, draw = mixture()
    errors = returns(denoise, draw(8), 50, capsys, "mixture of Gaussians")
    assert errors[5] < 1e-4 and errors[5] < errors[3] < errors[1]
    assert errors["flip"] > 100 * errors[5]


def test_fewer_steps_need_more_evaluations():
    denoise, draw = mixture()
    clip, sigmas = draw(4), uniform(20)
    back = lambda n: reconstruction_error(euler(denoise, invert(denoise, clip, sigmas, "eps", n), sigmas), clip)[0]
    assert back(12) < 1e-4 < back(3) and back(12) < back(5)


@pytest.fixture(scope="module")
def trained():
    """A small network that learned for a few seconds to clean textured latents (B, C, h, w) of two looks."""
    torch.manual_seed(0)
    conv = lambda inside, outside, size: torch.nn.Conv2d(inside, outside, size, padding=size // 2)
    net = torch.nn.Sequential(conv(5, 32, 3), torch.nn.SiLU(), conv(32, 32, 3), torch.nn.SiLU(), conv(32, 4, 1))

    def denoise(x, sigma):
        sigma = torch.as_tensor(sigma).reshape(-1, 1, 1, 1).expand(len(x), 1, 1, 1)
        level = sigma.log().expand(-1, 1, *x.shape[-2:]) / 4
        kept = 1 / (1 + sigma**2)
        return kept * x + sigma * kept.sqrt() * net(torch.cat((x * kept.sqrt(), level), 1))

    def draw(count, g):
        base = torch.randn(count, 4, 1, 1, generator=g).sign() * torch.linspace(0.3, 1.2, 4).reshape(4, 1, 1)
        blur = torch.nn.functional.avg_pool2d(torch.randn(count, 4, 8, 8, generator=g), 3, 1, 1)
        return base + blur + 0.3 * torch.randn(count, 4, 8, 8, generator=g)

    def loss_on(count, g, denoise):
        clean = draw(count, g)
        sigma = (torch.randn(count, 1, 1, 1, generator=g) * 1.5 - 0.5).exp()
        found = denoise(clean + sigma * torch.randn(clean.shape, generator=g), sigma)
        return ((1 + sigma**2) / sigma**2 * (found - clean) ** 2).mean()

    g, learn = torch.Generator().manual_seed(1), torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(250):
        loss = loss_on(32, g, denoise)
        learn.zero_grad()
        loss.backward()
        learn.step()
    net.requires_grad_(False)
    ignorant = lambda x, sigma: x / (1 + sigma**2)
    gained = [loss_on(256, torch.Generator().manual_seed(8), one).item() for one in (denoise, ignorant)]
    return denoise, draw(4, torch.Generator().manual_seed(9)), gained[0] / gained[1]


def test_exact_inversion_of_a_trained_network(trained, capsys):
    denoise, clip, left = trained
    assert left < 0.75, "it has learned, against a network that answers nothing"
    errors = returns(denoise, clip, 50, capsys, f"trained network ({left:.2f} of the loss left)")
    assert errors[5] < 1e-4 < errors["flip"]


def test_the_noise_of_a_clip_is_as_large_as_noise(trained):
    denoise, clip, _ = trained
    sigmas = uniform(50)
    x = invert(denoise, clip, sigmas, evaluations=3)
    assert 0.7 < (x / (1 + sigmas[-1] ** 2) ** 0.5).std() < 1.3


def test_sigmas_rise_or_fall_and_parts_join():
    denoise, draw = mixture()
    clip, sigmas = draw(2), uniform(10)
    whole = invert(denoise, clip, sigmas)
    assert torch.equal(invert(denoise, clip, sigmas.flip(0)), whole)
    assert torch.equal(invert(denoise, invert(denoise, clip, sigmas[:5]), sigmas[4:]), whole)


def test_every_step_is_reported_and_evaluated_as_often_as_asked():
    evaluated, reported = [], []

    def denoise(x, sigma):
        evaluated.append(sigma.item())
        return 0.5 * x

    invert(
        denoise, random(1, *SHAPE), uniform(5), "eps", 3, lambda i, x, sigma, clean: reported.append((i, sigma.item()))
    )
    levels = uniform(5)[1:].tolist()
    assert reported == list(enumerate(levels)) and evaluated == [level for level in levels for _ in range(3)]


@pytest.mark.parametrize("sigmas, words", [
    (torch.tensor([1.0]), "1 step or more, got 1"),
    (torch.zeros(0), "got 0"),
    (torch.tensor([0.0, 2.0, 1.0, 3.0]), "only rise or only fall"),
    (torch.tensor([0.0, 1.0, 1.0]), "only rise or only fall"),
    (torch.tensor([-1.0, 1.0]), "none below 0"),
    (torch.tensor([0.0, torch.nan]), "only rise"),
])  # fmt: skip
def test_sigmas_that_lead_nowhere_are_refused(sigmas, words):
    with pytest.raises(ValueError, match=words):
        rising(sigmas)


def test_a_prediction_that_is_used_wrongly_is_found_by_its_answer_to_noise():
    """The ideal answers of both kinds to noise at a high level, used rightly and as the other."""
    sigma, noise = 14.6, random(2, *SHAPE)
    signal, share = (1 + sigma**2) ** -0.5, sigma * (1 + sigma**2) ** -0.5
    seen = noise * share
    read = {"eps": lambda answer: sigma * noise - sigma * answer, "v": lambda answer: signal * seen - share * answer}
    clean = {"eps": noise, "v": signal * noise}  # what each predicts where the clean latent is 0
    for true, answer in clean.items():
        for declared, reading in read.items():
            assert actual_prediction(noise, reading(answer), sigma) == (None if true == declared else true)
    assert actual_prediction(noise, sigma * noise, 1.0) is None, "at a low level noise and clip cannot be separated"


def test_errors_of_frames_and_their_picture():
    clip = random(3, 4, 2, 5)
    size = clip.square().mean().sqrt()
    other = clip.clone()
    other[1] += 0.1 * size
    error, frames = reconstruction_error(other, clip)
    assert torch.allclose(frames, torch.tensor([0, 0.1, 0]), atol=1e-6) and error == pytest.approx(
        0.1 / 3**0.5, rel=1e-5
    )
    picture = error_images(other, clip)
    assert picture.shape == (3, 16, 40, 3)
    bright = picture.mean((1, 2, 3))
    assert bright[0] == bright[2] < 0.02 and bright[1] > 0.4
