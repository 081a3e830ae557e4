"""How exact inversion finds the level above from its earlier trials."""

import pytest
import torch
from pack.models.oneshot.inversion import evaluations_per_step, fixed_point_step, invert, next_trial


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def map_of(values: torch.Tensor, goal: torch.Tensor):
    """A linear map of (B, 4, 4, 4) with the given eigenvalues that leaves `goal` where it is."""
    turn = torch.linalg.qr(random(64, 64, seed=3))[0]
    matrix = turn @ torch.diag(values[torch.arange(64) % len(values)]) @ turn.T
    return lambda x: goal + ((x - goal).flatten(1) @ matrix).view_as(x)


def trials(answer, start, count):
    tried, trial = [], start
    for _ in range(count):
        tried.append((trial, answer(trial)))
        trial = next_trial(tried)
    return trial


def test_one_answer_more_than_there_are_kinds_of_error_is_enough():
    """Eigenvalues of three kinds: four answers are enough, where plain repetition leaves much of the error."""
    goal, start = random(3, 4, 4, 4, seed=1), random(3, 4, 4, 4, seed=2)
    answer = map_of(torch.tensor([0.9, 0.5, -0.4]), goal)
    again = start
    for _ in range(4):
        again = answer(again)
    assert (trials(answer, start, 4) - goal).abs().max() < 1e-4 < 0.1 < (again - goal).abs().max()


def test_an_error_that_grows_is_removed_too():
    goal, start = random(2, 4, 4, 4, seed=1), random(2, 4, 4, 4, seed=2)
    assert (trials(map_of(torch.tensor([1.5, 0.3]), goal), start, 4) - goal).abs().max() < 1e-4


def test_latents_do_not_change_each_other():
    goal, start = random(2, 4, 4, 4, seed=1), random(2, 4, 4, 4, seed=2)
    values = torch.tensor([0.9, 0.7, 0.2, -0.3])
    both = trials(map_of(values, goal), start, 3)
    alone = trials(map_of(values, goal[1:]), start[1:], 3)
    assert torch.allclose(both[1:], alone, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_answer_that_is_already_right_stays(dtype):
    goal = random(2, 4, 4, 4).to(dtype)
    assert torch.equal(trials(lambda x: goal, goal, 4), goal)
    assert torch.allclose(trials(lambda x: goal, 0 * goal, 4), goal, atol=1e-6)


def test_one_evaluation_is_the_papers_rule_and_a_slope_only_moves_the_first_trial():
    x, low, high = random(2, 4, 4, 4), torch.tensor(0.5), torch.tensor(0.8)
    seen = []

    def denoise(trial, sigma):
        seen.append(trial)
        return 0.7 * trial + 0.1 * trial.roll(1, -1)

    once, _ = fixed_point_step(denoise, x, low, high, 1)
    start = x * ((1 + high**2) / (1 + low**2)) ** 0.5
    assert torch.allclose(once, x + (high - low) / high * (start - denoise(start, high)))
    seen.clear()
    slope = random(2, 4, 4, 4, seed=5)
    far, _ = fixed_point_step(denoise, x, low, high, 12, slope)
    assert torch.allclose(seen[0], x + (high - low) * slope) and len(seen) == 12
    assert torch.allclose(far, fixed_point_step(denoise, x, low, high, 12)[0], atol=1e-5)
    back = far + (low - high) / high * (far - denoise(far, high))
    assert torch.allclose(back, x, atol=1e-5), "euler down comes back"


@pytest.mark.parametrize("steps, evaluations", [(50, 5), (20, 3), (10, 8), (1, 5), (7, 2), (30, 1)])
def test_hard_steps_get_more_and_the_total_is_as_asked(steps, evaluations):
    sigmas = torch.cat((torch.zeros(1), torch.logspace(-1.5, 1.1, steps)))
    sigmas[1:] = sigmas[1:].sqrt() * sigmas[-1].sqrt()  # ratios fall towards noise, as in ddim_uniform
    counts = evaluations_per_step(evaluations, sigmas)
    assert len(counts) == steps and sum(counts) == steps * evaluations
    assert min(counts) >= min(2, evaluations) and counts[0] == max(counts)
    assert evaluations_per_step(evaluations, sigmas.flip(0)) == counts


def test_each_level_is_evaluated_as_often_as_its_count():
    seen, sigmas = [], torch.tensor([0.0, 0.1, 0.4, 0.5])

    def denoise(x, sigma):
        seen.append(round(sigma.item(), 3))
        return 0.5 * x

    counts = evaluations_per_step(4, sigmas)
    invert(denoise, random(1, 4, 4, 4), sigmas, "v", counts)
    assert seen == [level for level, count in zip((0.1, 0.4, 0.5), counts, strict=True) for _ in range(count)]
    with pytest.raises(ValueError):
        invert(denoise, random(1, 4, 4, 4), sigmas, "v", counts[:-1])
