"""RivaGAN's networks against onnxruntime and the package's own reader, and pictures in parts."""

import sys
from pathlib import Path

import imwatermark
import onnxruntime
import pytest
import torch
from imwatermark import WatermarkDecoder
from pack.models.provenance import rivagan
from pack.models.provenance.clip import eight_bits
from pack.models.provenance.code import words
from pack.models.provenance.rivagan import Rivagan
from tiny.textured import textured_clip

BITS = words()[4711]


@pytest.fixture(scope="module")
def network():
    return Rivagan()


@pytest.fixture(scope="module")
def picture():
    return textured_clip(1, 288)[0, :256]


def session(part):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    path = Path(imwatermark.__file__).with_name(f"rivagan_{part}.onnx")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def test_both_networks_compute_what_onnxruntime_does(network, picture):
    pictures = network.as_input(picture)[:, :, None].numpy()
    marked = session("encoder").run(None, {"frame": pictures, "data": BITS[None].float().numpy()})[0]
    added = torch.from_numpy(marked - pictures)[0, :, 0].flip(0).movedim(0, -1) / 2
    assert (network.mark(picture, BITS) - added).abs().max() < 1e-5
    scores = torch.from_numpy(session("decoder").run(None, {"frame": pictures})[0][0])
    assert (network.scores(picture) - scores).abs().max() < 1e-3


def test_the_package_reads_our_mark(network, picture):
    marked = eight_bits((picture + network.mark(picture, BITS)).clamp(0, 1))
    WatermarkDecoder.loadModel()
    read = WatermarkDecoder("bits", 32).decode((marked.flip(-1) * 255).round().byte().numpy(), "rivaGan")
    assert (torch.tensor(read) == BITS).sum() >= 31  # its threshold is not 0


def test_parts_of_a_picture_give_what_the_whole_gives(network, picture, monkeypatch):
    added, scores = network.mark(picture, BITS), network.scores(picture)
    monkeypatch.setattr(rivagan, "PART", 100)
    assert len(list(rivagan.parts(256, 288, 20))) == 9
    assert (network.mark(picture, BITS) - added).abs().max() < 1e-5
    assert (network.scores(picture) - scores).abs().max() < 1e-3


def test_no_more_than_two_steps_of_255_are_added(network, picture):
    added = network.mark(picture, BITS).abs()
    assert 1 < 255 * added.max() < 2.05


def test_it_stops_between_parts(picture, monkeypatch):
    calls = []
    monkeypatch.setattr(rivagan, "PART", 150)
    Rivagan(stop=lambda: calls.append(1)).scores(picture[:160, :160])
    assert len(calls) == 4


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "imwatermark", None)
    with pytest.raises(ImportError, match="pip install --no-deps invisible-watermark"):
        Rivagan()
