"""Heat maps: the formula of hot, round trips of every pixel, and decoding under blur and noise."""

import sys
import time

import pytest
import torch
from pack.models.choices import COLOUR_MAPS
from pack.models.depth import colormap
from pack.models.depth.colormap import ENTRIES, decode, encode, table_of
from pack.models.opencv import import_cv2

RAMP = torch.linspace(0, 1, 4096)


def test_hot_is_the_published_formula():
    corners = torch.tensor([0.0, 0.365079, 0.746032, 1.0])
    expected = torch.tensor([[0.0416, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]])
    assert torch.allclose(encode(corners), expected, atol=1e-5)
    red, green, blue = encode(RAMP).unbind(-1)
    assert torch.allclose(0.365079 * (red - 0.0416) / 0.9584 + 0.380953 * green + 0.253968 * blue, RAMP, atol=2e-6)


@pytest.mark.parametrize("name", COLOUR_MAPS)
def test_round_trip_of_every_depth(name):
    colours = encode(RAMP, name)
    assert colours.min() >= 0 and colours.max() <= 1
    assert (decode(colours, name) - RAMP).abs().max() < 0.1 / 255
    assert (decode((colours * 255).round() / 255, name) - RAMP).abs().max() < 1 / 255


@pytest.mark.parametrize("name", COLOUR_MAPS[2:8])
def test_maps_are_those_of_opencv(name):
    cv2 = import_cv2()
    ramp = torch.arange(256, dtype=torch.uint8)
    bgr = cv2.applyColorMap(ramp[:, None].numpy(), getattr(cv2, f"COLORMAP_{name.upper()}"))[:, 0]
    theirs = torch.from_numpy(bgr[:, ::-1].copy()).float() / 255
    assert (encode(ramp / 255, name) - theirs).abs().max() < 1 / 255
    assert (decode(theirs, name) - ramp / 255).abs().max() < 1 / 255


def test_further_maps_are_the_published_ones_with_warm_colours_near():
    ends = {"spectral": ((94, 79, 162), (158, 1, 66)), "coolwarm": ((59, 76, 192), (180, 4, 38))}
    for name, (far, near) in ends.items():
        assert torch.allclose(
            encode(torch.tensor([0.0, 1.0]), name) * 255, torch.tensor([far, near]).float(), atol=1e-3
        )
    middle = encode(torch.tensor([0.5]), "spectral") * 255
    assert (middle - torch.tensor([255.0, 255.0, 191.0])).abs().max() < 1.5
    cv2 = import_cv2()
    bgr = cv2.applyColorMap(torch.arange(256, dtype=torch.uint8)[:, None].numpy(), cv2.COLORMAP_RAINBOW)[:, 0]
    theirs = torch.from_numpy(bgr[::-1, ::-1].copy()).float() / 255
    assert (encode(torch.arange(256) / 255, "rainbow") - theirs).abs().max() < 1.5 / 255
    warm = encode(torch.tensor([0.0, 1.0]), "rainbow")
    assert warm[1, 0] > warm[1, 2] and warm[0, 2] > warm[0, 0]


@pytest.mark.parametrize("name", COLOUR_MAPS)
def test_decoding_finds_about_the_nearest_colour_of_the_whole_map(name):
    g = torch.Generator().manual_seed(2)
    noisy = encode(torch.rand(4000, generator=g), name) + torch.randn(4000, 3, generator=g) * 0.03
    noisy = noisy.clamp(0, 1)
    nearest = torch.cdist(noisy.double(), table_of(name).T.double()).min(1).values
    found = (encode(decode(noisy, name), name) - noisy).double().norm(dim=-1)
    assert ((found - nearest) > 2e-3).double().mean() < 0.005 and (found - nearest).max() < 0.05


def test_blurred_noisy_person_on_white():
    """A person at depths of 0 to 0.31 before a white background, blurred by 1 pixel, noise of 4/255."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, 192), torch.linspace(-1, 1, 192), indexing="ij")
    depth = torch.where((x / 0.35) ** 2 + (y / 0.8) ** 2 < 1, 0.155 + 0.155 * torch.sin(3 * x + 5 * y), 1.0)
    kernel = torch.exp(-(torch.arange(-4.0, 5) ** 2) / 2)
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)

    def error(name):
        planes = torch.nn.functional.pad(encode(depth, name).permute(2, 0, 1)[:, None], (4, 4, 4, 4), mode="replicate")
        soft = torch.conv2d(torch.conv2d(planes, kernel), kernel.transpose(2, 3))[:, 0].permute(1, 2, 0)
        noise = torch.randn(soft.shape, generator=torch.Generator().manual_seed(0)) * 4 / 255
        return (decode((soft + noise).clamp(0, 1), name) - depth).square().mean()

    assert error("hot") < 6e-4 and error("hot") < 0.5 * error("grey") < 0.5 * error("turbo")


@pytest.mark.parametrize("shape", [(), (1,), (3, 5), (2, 7, 9), (0, 4)])
def test_any_shape(shape):
    depth = torch.rand(shape)
    assert encode(depth).shape == (*shape, 3)
    assert torch.allclose(decode(encode(depth)), depth, atol=1e-4)


def test_chunks_do_not_change_the_answer(monkeypatch):
    colours = torch.rand(5, 33, 3, generator=torch.Generator().manual_seed(5))
    whole = decode(colours)
    monkeypatch.setattr(colormap, "CHUNK", 17)
    assert torch.equal(decode(colours), whole)


@pytest.mark.parametrize("name", COLOUR_MAPS)
def test_depth_out_of_range_is_clamped_and_colours_out_of_range_are_too(name):
    assert torch.equal(encode(torch.tensor([-1.0, 2.0]), name), encode(torch.tensor([0.0, 1.0]), name))
    out = decode(torch.tensor([[-5.0, 9.0, 0.3], [1e9, -1e9, 2.0]]), name)
    assert out.min() >= 0 and out.max() <= 1


def test_a_clip_decodes_in_reasonable_time():
    colours = torch.rand(4, 256, 256, 3)
    decode(colours[:1])
    begin = time.perf_counter()
    decode(colours)
    assert time.perf_counter() - begin < 0.6  # a sixteenth of a 16 x 512 x 512 clip


def test_table_holds_every_colour_of_256():
    every_fourth = table_of("jet").T[:: (ENTRIES - 1) // 255]
    assert torch.allclose(every_fourth, encode(torch.arange(256) / 255, "jet"), atol=1e-5)


def test_unknown_map_is_refused():
    for use in (lambda: encode(RAMP, "bone"), lambda: decode(RAMP[:, None], "bone")):
        with pytest.raises(ValueError, match="colour map out of hot, grey.*got 'bone'"):
            use()


def test_a_missing_opencv_names_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(ImportError, match="opencv-python-headless"):
        import_cv2()
