"""A marked clip keeps its number through compression; alpha, HDR and clips without a mark stay what they are."""

import importlib.util
from pathlib import Path

import pytest
import torch
from pack.models.evaluate.metrics import psnr
from pack.models.provenance.clip import eight_bits, evenly, fewest_bits, find_number, judge, mark_clip
from pack.models.provenance.code import BITS, chance, matched
from pack.models.provenance.rivagan import Rivagan
from tiny.textured import textured_clip

NUMBER = 4711
LOSSY = Path(__file__).resolve().parents[3] / "benchmarks" / "_lossy.py"


def load(path):
    """A file of the benchmarks, which are no package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


lossy = load(LOSSY)


@pytest.fixture(scope="module")
def network():
    return Rivagan()


@pytest.fixture(scope="module")
def clip():
    return textured_clip(3, 256)


@pytest.fixture(scope="module")
def marked(network, clip):
    return mark_clip(clip, NUMBER, 1.5, network)


def accuracy(network, images):
    """The share of right bits of all frames, and the finding of all together."""
    scores = torch.stack([network.scores(frame) for frame in images])
    return matched(scores, NUMBER).float().mean().item() / BITS, judge(scores, None)


def test_the_mark_is_read_back_and_hardly_seen(clip, marked):
    assert matched(marked.scores, NUMBER).min() >= 30
    assert marked.psnr.min() > 38 and psnr(eight_bits(marked.images), eight_bits(clip)) > 38


@pytest.mark.parametrize(
    "attack", [lambda clip: lossy.jpeg(clip, 70), lambda clip: lossy.h264(clip, 23)], ids=["jpeg", "h264"]
)
def test_it_survives_compression(network, marked, attack):
    share, finding = accuracy(network, attack(marked.images))
    assert share >= 0.95 and finding.number == NUMBER and finding.sure


def test_a_clip_without_a_mark_has_none(network, clip):
    finding = find_number(clip[:2], None, network)
    assert not finding.sure and not find_number(clip[:1], NUMBER, network).sure


def test_a_mirrored_clip_is_recognised(network, marked):
    finding = find_number(marked.images[:2].flip(2), None, network)
    assert finding.sure and finding.mirrored and finding.number == NUMBER


def test_another_number_is_not_confirmed(network, marked):
    assert not find_number(marked.images[:1], NUMBER + 1, network).sure


def test_an_expected_number_needs_fewer_bits():
    fewest = fewest_bits()
    assert chance(fewest, 2) < 1e-4 <= chance(fewest - 1, 2) and fewest == 28


def test_alpha_and_hdr_stay(network, clip):
    alpha = torch.rand(1, 256, 256, 1, generator=torch.Generator().manual_seed(0))
    bright = torch.cat([clip[:1].clone(), alpha], -1)
    bright[:, :32, :, :3] *= 8
    out = mark_clip(bright, NUMBER, 1.0, network).images
    lights = bright[..., :3] > 1.1
    assert torch.equal(out[..., 3], bright[..., 3]) and lights.any()
    assert (out[..., :3] - bright[..., :3])[lights].abs().max() < 2.05 / 255
    assert out[..., :3][~lights].max() <= 1.1 and out.min() >= 0


def test_strength_scales_what_is_added(network, clip, marked):
    weak = mark_clip(clip[:1], NUMBER, 0.5, network).images - clip[:1]
    inside = (clip[:1] > 0.02) & (clip[:1] < 0.98)
    assert ((marked.images[:1] - clip[:1]) / 3 - weak)[inside].abs().max() < 1e-6


@pytest.mark.parametrize("grey", [0.0, 0.5, 1.0])
def test_flat_pictures_cannot_hold_it(network, grey):
    marked = mark_clip(torch.full((1, 256, 256, 3), grey), NUMBER, 1.0, network)
    assert not judge(marked.scores, NUMBER).sure and 0 <= marked.images.min() and marked.images.max() <= 1


def test_frames_are_spread_over_the_clip():
    assert evenly(5, 0) == evenly(5, 5) == evenly(5, 9) == [0, 1, 2, 3, 4]
    assert evenly(10, 1) == [5] and evenly(12, 3) == [2, 6, 10]
