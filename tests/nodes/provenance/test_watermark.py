"""Embed Watermark and Detect Watermark: a number goes in and comes out, and what cannot be marked is refused in a sentence."""

import sys

import pytest
import torch
from pack.nodes.provenance.reports import named
from pack.nodes.provenance.watermark import DetectWatermark, EmbedWatermark
from tiny.textured import textured_clip


@pytest.fixture(scope="module")
def clip():
    return textured_clip(3, 256)


@pytest.fixture(scope="module")
def marked(clip):
    return EmbedWatermark.execute(clip, 4711, 1.5).args


def detect(images, expected_id=-1, max_frames=24):
    return DetectWatermark.execute(images, expected_id, max_frames).args


def test_a_number_goes_in_and_comes_out(clip, marked):
    images, report = marked
    assert images.shape == clip.shape and images.dtype == torch.float32 and not torch.equal(images, clip)
    assert report.startswith("Watermark 4711 in 3 frames: 32 of 32 bits are read back") and "PSNR 38." in report
    found, number, text = detect(images)
    assert found is True and number == 4711 and "p 3.1e-05 for 65536 numbers" in text


def test_one_frame_is_enough_and_an_expected_number_is_surer(marked):
    found, number, text = detect(marked[0], 4711, 1)
    assert found and number == 4711 and "over 1 frame (" in text and "for 1 number" in text
    assert detect(EmbedWatermark.execute(marked[0][:1], 9, 1.5).args[0][..., :3], 9)[0]


def test_a_clip_without_a_mark(clip):
    found, number, text = detect(clip, 4711, 1)
    assert found is False and number == -1 and text.startswith("No watermark found") and "28 with the right" in text


def test_alpha_stays_and_one_channel_becomes_three(clip):
    alpha = torch.full((1, 256, 256, 1), 0.25)
    images, _ = EmbedWatermark.execute(torch.cat([clip[:1], alpha], -1), 5, 1.0).args
    assert images.shape[-1] == 4 and torch.equal(images[..., 3:], alpha)
    images, report = EmbedWatermark.execute(clip[:1, ..., :1], 5, 2.0).args
    assert images.shape[-1] == 3 and "the pictures are grey" in report


def test_flat_frames_are_named(clip):
    images = clip.clone()
    images[1] = 0.5
    _, report = EmbedWatermark.execute(images, 4711, 1.5).args
    assert report.endswith("too flat or too smooth to be found alone: frame 1.")


def test_names_of_frames():
    assert named([3]) == "frame 3" and named([0, 1, 2, 5, 8, 9]) == "frames 0 to 2, 5, 8 to 9"


def test_smooth_depth_is_refused_and_grey_clips_are_warned_about(clip, caplog):
    ramp = torch.linspace(0, 1, 256)[:, None, None].expand(1, 256, 256, 3)
    with pytest.raises(ValueError, match="depth and masks cannot hold a watermark"):
        EmbedWatermark.execute(ramp, 1, 1.0)
    assert "If they are depth or masks, leave this node out" in caplog.text


@pytest.mark.parametrize("images, sentence", [
    (torch.rand(2, 255, 300, 3), "at least 256 x 256, got 300 x 255"),
    (torch.rand(0, 256, 256, 3), "at least one frame"),
    (torch.full((1, 256, 256, 3), float("nan")), "NaN or infinite values, the first in frame 0"),
    (torch.full((1, 256, 256, 3), 0.5), "expected frames with texture, but only"),
    (torch.full((1, 256, 256, 3), 200.0), "expected values from 0 to 1"),
    (torch.rand(256, 256, 3), "expected an IMAGE batch"),
], ids=["small", "none", "nan", "grey", "bytes", "shape"])  # fmt: skip
def test_what_cannot_be_marked_is_refused(images, sentence):
    with pytest.raises(ValueError, match=sentence):
        EmbedWatermark.execute(images, 1, 1.0)


@pytest.mark.parametrize("images", [torch.rand(0, 256, 256, 3), torch.full((1, 64, 64, 3), float("nan"))])
def test_what_cannot_be_searched_is_refused(images):
    with pytest.raises(ValueError, match="images: expected"):
        detect(images)


def test_small_and_flat_pictures_can_be_searched():
    assert not detect(torch.rand(1, 1, 1, 3))[0] and not detect(torch.zeros(1, 40, 30, 3))[0]


@pytest.mark.parametrize("call", [lambda clip: EmbedWatermark.execute(clip, 1, 1.0), detect], ids=["embed", "detect"])
def test_a_missing_package_is_named_with_its_command(clip, call, monkeypatch):
    monkeypatch.setitem(sys.modules, "imwatermark", None)
    with pytest.raises(ImportError, match="needs the package invisible-watermark.*`pip install --no-deps"):
        call(clip)
