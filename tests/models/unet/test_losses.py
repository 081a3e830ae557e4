"""The training losses against plain loops over numbers, and what their switches do."""

from math import exp, sqrt

import numpy as np
import pytest
import torch
from pack.models.pair.layout import ClipLayout
from pack.models.unet import losses
from pack.models.unet.attention.capture import Layer

torch.set_num_threads(1)


def random(*shape, seed=0, scale=1.0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) * scale


def shares(*shape, seed=0):
    return random(*shape, seed=seed, scale=2).softmax(-1)


def paired(frames=2):
    layout = ClipLayout()
    layout.cut(4 * frames, 2, 2)
    return layout


# --- plain loops -----------------------------------------------------------------------------------------------------


def softmax(numbers):
    powers = [exp(x - max(numbers)) for x in numbers]
    return [power / sum(powers) for power in powers]


def score(a, b, similarity):
    product, width = sum(x * y for x, y in zip(a, b, strict=True)), len(a)
    if similarity == "dot_scaled":
        return product / sqrt(width)
    if similarity == "cos":
        product /= sqrt(sum(x * x for x in a)) * sqrt(sum(y * y for y in b))
    return product / (1 / sqrt(width))  # over the paper's temperature


def motion_by_loops(video, depth, similarity, reduction):
    clips, frames, tokens, _ = video.shape
    found = []
    for clip in range(clips):
        for now in range(frames - 1):
            for token in range(tokens):
                rows = [
                    softmax([score(x[clip][now][token], other, similarity) for other in x[clip][now + 1]])
                    for x in (video.tolist(), depth.tolist())
                ]
                squares = [(a - b) ** 2 for a, b in zip(*rows, strict=True)]
                found.append(sum(squares) if reduction == "row" else sum(squares) / tokens)
    return sum(found) / len(found)


# --- values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("similarity", losses.SIMILARITIES)
@pytest.mark.parametrize("reduction", losses.REDUCTIONS)
def test_motion_is_that_of_plain_loops(similarity, reduction):
    video, depth = random(2, 3, 6, 5), random(2, 3, 6, 5, seed=1)
    found = losses.motion_consistency(video, depth, similarity, reduction)
    expected = motion_by_loops(video.double(), depth.double(), similarity, reduction)
    assert found.item() == pytest.approx(expected, rel=1e-4) and expected > 1e-3


@pytest.mark.parametrize("reduction", losses.REDUCTIONS)
def test_maps_are_compared_as_plain_loops_do(reduction):
    video, depth = shares(4, 2, 6, 5), shares(4, 2, 6, 5, seed=1)
    total = 0.0
    for index in np.ndindex(4, 2, 6):
        squares = [(a - b) ** 2 for a, b in zip(video[index].tolist(), depth[index].tolist(), strict=True)]
        total += sum(squares) if reduction == "row" else sum(squares) / 5
    assert losses.map_consistency(video, depth, reduction).item() == pytest.approx(total / 48, rel=1e-5)


def test_denoising_is_a_mean_for_each_modality():
    """Chunk by chunk video comes first: errors of 1 in the video and 3 in the depth, whatever the chunk."""
    layout, target = paired(), random(8, 4, 3, 3)
    off = torch.tensor([1.0, 1, 3, 3, 1, 1, 3, 3])[:, None, None, None]
    terms = losses.denoising(target + off, target, layout)
    assert {name: round(value.item(), 4) for name, value in terms.items()} == {"video": 1.0, "depth": 9.0}
    prediction = random(8, 4, 3, 3, seed=1)
    both = sum(losses.denoising(prediction, target, layout).values())
    assert torch.allclose(both, 2 * (prediction - target).square().mean()), "twice the mean over the whole batch"


def test_one_modality_alone_has_one_term():
    layout = ClipLayout()
    layout.cut(3, 1, 1)
    assert list(losses.denoising(random(3, 4, 2, 2), random(3, 4, 2, 2), layout)) == ["video"]


def test_the_error_on_the_person_counts_each_pixel_as_it_is_covered():
    """Of two latents' columns the person fills the left and half of the right: errors 1 and 3 there, 1 and 2 a modality."""
    mask = torch.tensor([255, 255, 255, 0], dtype=torch.uint8).expand(1, 1, 2, 4)
    target = torch.zeros(1, 2, 1, 4, 1, 2)
    off = torch.tensor([[1.0, 3.0], [2.0, 6.0]])[None, :, None, None, None]
    by_hand = (1 * 1 + 0.5 * 9) / 1.5 + (1 * 4 + 0.5 * 36) / 1.5
    assert losses.error_on(mask, target + off, target).item() == pytest.approx(by_hand, rel=1e-5)
    nobody = torch.zeros_like(mask)
    assert losses.error_on(nobody, target + off, target).item() == 0
    with pytest.raises(ValueError, match="must have one shape"):
        losses.error_on(mask, target, target[:, :1])


@pytest.mark.parametrize("similarity", losses.SIMILARITIES)
def test_what_is_alike_costs_nothing_and_a_row_at_most_two(similarity):
    video = random(1, 3, 9, 16)
    assert losses.motion_consistency(video, video.clone(), similarity).item() == 0
    for seed in range(5):
        other = random(1, 3, 9, 16, seed=seed + 1, scale=10)
        assert 0 <= losses.motion_consistency(video, other, similarity).item() <= 2
    one, other = torch.eye(4)[None, None], torch.eye(4).flip(0)[None, None]
    assert losses.map_consistency(one, one).item() == 0
    assert losses.map_consistency(one, other).item() == pytest.approx(2), "two certain looks at different places"
    assert losses.map_consistency(one, other, "paper").item() == pytest.approx(2 / 4)


def test_motion_is_what_counts_and_not_the_features():
    """Depth features that are the video's in another basis move alike; features in another order do not."""
    video = random(2, 3, 8, 16)
    turn = torch.linalg.qr(random(16, 16, seed=3)).Q
    assert losses.motion_consistency(video, video @ turn).item() < 1e-9
    assert losses.motion_consistency(video, video[:, :, [1, 0, 3, 2, 5, 4, 7, 6]] @ turn).item() > 1e-3


# --- why the defaults are not the paper's letters --------------------------------------------------------------------


def gradient(similarity, width=320):
    """The gradient of the loss and the evenness of a field, for unrelated features of unit variance: 0 one token, 1 all."""
    video, depth = random(1, 2, 64, width).requires_grad_(), random(1, 2, 64, width, seed=1)
    losses.motion_consistency(video, depth, similarity).backward()
    field = losses.motion_field(video[:, 0], video[:, 1], similarity).detach()
    evenness = -(field * field.clamp_min(1e-30).log()).sum(-1).mean() / np.log(64)
    return video.grad.norm().item(), evenness.item()


def test_the_literal_similarity_saturates_and_cosines_do_not():
    literal, cosine, scaled = (gradient(name) for name in ("dot_literal", "cos", "dot_scaled"))
    print(f"gradient and evenness: literal {literal}, cosine {cosine}, scaled {scaled}")
    assert literal[1] < 0.02 and cosine[1] > 0.85
    assert cosine[0] > 1e-3
    assert cosine == pytest.approx(scaled, rel=0.2), "for features of unit variance they are one"
    video, depth = random(1, 2, 64, 320), random(1, 2, 64, 320, seed=1)
    reach = []
    for similarity in ("dot_literal", "cos"):
        leaf = video.clone().requires_grad_()
        losses.motion_consistency(leaf, depth, similarity).backward()
        reach.append((leaf.grad[0, 0].norm(dim=-1) > 1e-6).float().mean().item())
    assert reach[0] < 0.25 and reach[1] == 1, "tokens of the first frame that learn anything"


def test_the_paper_reduction_is_a_row_over_its_tokens():
    video, depth = random(2, 3, 36, 8), random(2, 3, 36, 8, seed=1)
    row, paper = (losses.motion_consistency(video, depth, reduction=name) for name in losses.REDUCTIONS)
    assert (paper * 36).item() == pytest.approx(row.item(), rel=1e-5)


# --- gradients, memory and precision ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("detach", "learns"), [("none", (True, True)), ("video", (False, True)), ("depth", (True, False))])  # fmt: skip
def test_a_detached_modality_is_a_goal(detach, learns):
    pairs = [(random(1, 2, 6, 8, seed=seed).requires_grad_(), shares(2, 2, 6, 5, seed=seed).requires_grad_()) for seed in (0, 1)]  # fmt: skip
    features, maps = zip(*pairs, strict=True)
    losses.motion_consistency(*features, detach=detach).backward()
    losses.map_consistency(*maps, detach=detach).backward()
    assert tuple(x.grad is not None for x in features) == tuple(x.grad is not None for x in maps) == learns


def test_fields_are_not_kept_for_the_way_back():
    """What waits for the backward pass grows with the features, not with tokens x tokens."""
    video, depth = (random(1, 5, 256, 16, seed=seed).requires_grad_() for seed in (0, 1))
    kept = {}
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.setdefault(x.data_ptr(), x), lambda x: x):
        loss = losses.motion_consistency(video, depth)
    assert sum(x.numel() for x in kept.values()) < 256 * 256
    loss.backward()
    plain = [x.detach().clone().requires_grad_() for x in (video, depth)]
    pairs = [losses.motion_of_pair(plain[0][:, i], plain[0][:, i + 1], plain[1][:, i], plain[1][:, i + 1], "cos", "row") for i in range(4)]  # fmt: skip
    (sum(pairs) / 4).backward()
    assert torch.allclose(video.grad, plain[0].grad) and torch.allclose(depth.grad, plain[1].grad)


def test_half_precision_around_it_changes_nothing():
    video, depth = random(1, 2, 16, 32), random(1, 2, 16, 32, seed=1)
    exact = losses.motion_consistency(video, depth)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(losses.motion_consistency(video, depth), exact)
    assert losses.motion_consistency(video.bfloat16(), depth.bfloat16()).dtype == torch.float32


# --- all layers, and refusals ----------------------------------------------------------------------------------------


def test_layers_are_cut_into_clips_and_summed():
    """Two chunks of two video and two depth frames: each chunk is a clip of its own."""
    layers = [
        Layer("a", features=random(8, 6, 5), maps=shares(8, 2, 6, 3)),
        Layer("b", features=random(8, 4, 7, seed=1), maps=shares(8, 2, 4, 3, seed=1)),
    ]
    terms = losses.consistency(layers, paired())
    motion = maps = 0.0
    for layer in layers:
        video, depth = (torch.stack([layer.features[i : i + 2], layer.features[i + 4 : i + 6]]) for i in (0, 2))
        motion += motion_by_loops(video, depth, "cos", "row")
        video, depth = layer.maps[[0, 1, 4, 5]], layer.maps[[2, 3, 6, 7]]
        maps += ((video - depth) ** 2).sum(-1).mean().item()
    assert terms["motion"].item() == pytest.approx(motion, rel=1e-4)
    assert terms["maps"].item() == pytest.approx(maps, rel=1e-5)
    only = [Layer("a", maps=layers[0].maps)]
    assert list(losses.consistency(only, paired())) == ["maps"], "what was not captured has no loss"


def test_refusals_say_what_to_do():
    one = random(2, 1, 6, 5)
    with pytest.raises(ValueError, match="at least 2, but it has 1: give longer clips, or set the weight"):
        losses.motion_consistency(one, one)
    two = random(2, 2, 6, 5)
    with pytest.raises(ValueError, match="similarity is one of cos, dot_scaled, dot_literal, not 'dot'"):
        losses.motion_consistency(two, two, "dot")
    with pytest.raises(ValueError, match="reduction is one of row, paper, not 'mean'"):
        losses.map_consistency(two, two, "mean")
    with pytest.raises(ValueError, match="detach is one of none, video, depth, not 'both'"):
        losses.map_consistency(two, two, detach="both")
    with pytest.raises(ValueError, match=r"one shape, but they are \(2, 2, 6, 5\) and \(2, 1, 6, 5\)"):
        losses.motion_consistency(two, one)
    with pytest.raises(ValueError, match="there are 2 modalities and 0 layers"):
        losses.consistency([], paired())


# --- one-shot tuning -------------------------------------------------------------------------------------------------


def test_temporal_consistency_by_hand():
    """Two clips of three frames of two numbers: squares of differences between neighbours, by the share of the clean."""
    made = torch.tensor([[[1.0, 2], [2, 4], [5, 4]], [[0, 0], [1, 0], [1, 1]]]).reshape(2, 3, 2, 1, 1)
    clip = torch.tensor([[[0.0, 1], [1, 1], [3, 1]], [[2, 2], [2, 2], [2, 2]]]).reshape(2, 3, 2, 1, 1)
    signal = torch.tensor([0.5, 1.0])
    zero = (0.25 * (1 + 4 + 9 + 0) / 4 + (1 + 0 + 0 + 1) / 4) / 2
    source = (0.25 * (0 + 4 + 1 + 0) / 4 + (1 + 0 + 0 + 1) / 4) / 2
    assert losses.temporal_consistency(made, clip, signal, "zero").item() == pytest.approx(zero)
    assert losses.temporal_consistency(made, clip, signal).item() == pytest.approx(source)


def test_temporal_consistency_is_silent_where_it_should_be():
    clip, signal = random(2, 4, 3, 5, 5), torch.tensor([0.9, 0.1])
    shifted = clip + random(2, 1, 3, 5, 5, seed=1)
    assert losses.temporal_consistency(shifted, clip, signal).item() < 1e-12, "the clip's own motion costs nothing"
    still = clip[:, :1].expand_as(clip)
    assert losses.temporal_consistency(still, clip, signal, "zero").item() == 0
    assert losses.temporal_consistency(still, clip, signal).item() > 0.1, "stilled motion does"


def test_temporal_consistency_refuses_what_has_no_neighbours():
    one = random(1, 1, 3, 5, 5)
    with pytest.raises(ValueError, match="at least 2, but it has 1"):
        losses.temporal_consistency(one, one, torch.ones(1))
    with pytest.raises(ValueError, match="source, zero"):
        losses.temporal_consistency(one, one, torch.ones(1), "none")
