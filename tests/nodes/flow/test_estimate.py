"""Estimate Flow: the host's own RAFT as a model, the report with its mask, and inputs that do not go together.

RAFT has random weights here, so only the way to it and back is tested, not how good its flow is.
"""

import re

import comfy.model_management as memory
import comfy.model_patcher
import folder_paths
import pytest
import torch
from comfy_extras.nodes_void import OpticalFlowLoader
from pack.models.lfdm.autoencoder import FlowAutoencoder
from pack.models.lfdm.config import TINY_AUTOENCODER
from pack.models.stage import render, sample_scene
from pack.nodes.flow.estimate import EstimateFlow
from pack.nodes.flow.trust import trust_report
from pack.nodes.host.flow import raft
from pack.nodes.host.lfdm.autoencoder import HostAutoencoder
from torchvision.models.optical_flow import raft_large, raft_small

NAN = float("nan")


def patcher(network):
    """A network as the host's loader hands it on."""
    return comfy.model_patcher.ModelPatcher(
        network.eval(), load_device=memory.get_torch_device(), offload_device=memory.unet_offload_device()
    )


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    return patcher(raft_small(weights=None))


@pytest.fixture(scope="module")
def clip():
    return render(sample_scene(5, frames=3, height=96, width=136, action="wave", objects=0)).rgb


def directly(network, start, end, low, right):
    """RAFT called as torchvision describes it: planes from -1 to 1, sides of multiples of 8 and at least 128."""
    planes = [one.movedim(-1, 0)[None] for one in (start, end)]
    planes = [2 * torch.nn.functional.pad(one, (0, right, 0, low), mode="replicate") - 1 for one in planes]
    with torch.no_grad():
        return network(*planes)[-1][0].movedim(0, -1)[: start.shape[0], : start.shape[1]]


def test_raft_is_given_both_pictures_as_it_needs_them(small, clip):
    flow = EstimateFlow.execute(clip, optical_flow=small)[0]
    expected = directly(small.model, clip[0], clip[1], low=32, right=0)
    back = directly(small.model, clip[1], clip[0], low=32, right=0)
    assert torch.allclose(flow["forward"][0], expected, atol=1e-4)
    assert torch.allclose(flow["backward"][0], back, atol=1e-4) and not torch.allclose(expected, back)
    assert set(flow["forward_valid"].unique().tolist()) <= {0.0, 1.0}


def test_a_still_image_goes_through_raft_too(small, clip):
    flow = EstimateFlow.execute(clip, clip[:1], optical_flow=small)[0]
    assert flow["to_picture"].shape == (3, 96, 136, 2) and flow["to_picture"].isfinite().all()


def test_the_file_of_the_host_s_loader_is_taken(tmp_path, monkeypatch, clip):
    """raft_large as the host reads it from models/optical_flow, with random weights."""
    torch.manual_seed(0)
    network = raft_large(weights=None)
    torch.save(network.state_dict(), tmp_path / "raft_large.pth")
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "optical_flow", ([str(tmp_path)], {".pth"}))
    model = OpticalFlowLoader.execute("raft_large.pth")[0]
    flow = EstimateFlow.execute(clip[:2, :, :64], optical_flow=model)[0]
    expected = directly(network.eval(), clip[0, :, :64], clip[1, :, :64], low=32, right=64)
    assert torch.allclose(flow["forward"][0], expected, atol=1e-3)


def test_large_pictures_are_estimated_smaller_and_their_flow_is_scaled(small, monkeypatch):
    monkeypatch.setattr(raft, "LARGEST", 136)
    large = render(sample_scene(5, frames=2, height=192, width=272, action="wave", objects=0)).rgb
    flow = EstimateFlow.execute(large, optical_flow=small)[0]["forward"][0]
    half = raft.resized(large.movedim(-1, 1), (96, 136)).movedim(1, -1)
    expected = directly(small.model, half[0], half[1], low=32, right=0)
    assert flow.shape == (192, 272, 2)
    assert torch.allclose(flow.mean((0, 1)), 2 * expected.mean((0, 1)), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("size, working, pad", [
    ((96, 136), (96, 136), (32, 0)), ((540, 960), (540, 960), (4, 0)), ((1080, 1920), (576, 1024), (0, 0)),
    ((1920, 1080), (1024, 576), (0, 0)), ((1, 1), (1, 1), (127, 127)), ((4, 4096), (1, 1024), (127, 0)),
])  # fmt: skip
def test_sizes_that_raft_can_read(size, working, pad):
    assert raft.working_size(size) == working and raft.padding(working) == pad


def test_a_clip_that_does_not_fit_is_refused_before_the_model_is_loaded(small, monkeypatch):
    monkeypatch.setattr("pack.nodes.host.memory.free_memory", lambda: 10**8)
    with pytest.raises(ValueError, match=r"Optical flow of 640 x 480 by RAFT needs about .* use a smaller clip"):
        EstimateFlow.execute(torch.rand(2, 480, 640, 3), optical_flow=small)


def test_another_model_is_refused():
    for model, name in (("a name", "str"), (object(), "object"), (patcher(torch.nn.Linear(1, 1)), "Linear")):
        with pytest.raises(ValueError, match=f"optical_flow: expected RAFT from Load Optical Flow Model, got {name}"):
            EstimateFlow.execute(torch.rand(2, 32, 32, 3), optical_flow=model)


def test_two_models_are_refused(small):
    torch.manual_seed(0)
    autoencoder = HostAutoencoder(FlowAutoencoder(TINY_AUTOENCODER).eval())
    with pytest.raises(ValueError, match="autoencoder and optical_flow: expected one of them, got both"):
        EstimateFlow.execute(torch.rand(2, 64, 64, 3), None, autoencoder, small)


# --- the report ------------------------------------------------------------------------------------------------------


def by_hand():
    """Two pairs of a clip of three frames: the first all reliable, of the second the left quarter is not."""
    valid = torch.ones(2, 8, 8)
    valid[1, :, :2] = 0
    return {"forward": torch.zeros(2, 8, 8, 2), "forward_valid": valid}


def test_the_report_names_shares_and_the_worst_frame():
    mask = torch.zeros(1, 16, 16)
    mask[:, :, :8] = 1  # the left half, in pixels of the clip
    assert trust_report(by_hand()) == (
        "To the next frame: 87.5 % of the pixels are reliable, 75.0 % in frame 1, the lowest."
    )
    assert trust_report(by_hand(), mask) == (
        "To the next frame: 87.5 % of the pixels are reliable, 75.0 % in frame 1, the lowest; in the mask 75.0 % of the "
        "pixels are reliable, 50.0 % in frame 1, the lowest."
    )


def test_each_frame_counts_with_its_own_mask():
    """To the previous frame the first flow begins in frame 1."""
    flow = {"backward": by_hand()["forward"], "backward_valid": by_hand()["forward_valid"]}
    masks = torch.zeros(3, 8, 8)
    masks[2, :, :2] = 1
    assert "in the mask 0.0 % of the pixels are reliable, 0.0 % in frame 2, the lowest" in trust_report(flow, masks)
    masks = masks.roll(-1, 0)
    assert "in the mask 100.0 % of the pixels are reliable, 100.0 % in frame 1" in trust_report(flow, masks)


def test_no_person_in_the_mask_is_said_and_the_flow_is_still_there(clip):
    flow, report = EstimateFlow.execute(clip, mask=torch.zeros(3, 96, 136)).result
    assert flow["forward"].shape == (2, 96, 136, 2)
    assert report.count("in the mask no pixel is white") == 2


def test_little_that_is_reliable_says_what_to_do():
    flow = by_hand()
    flow["forward_valid"] *= 0
    assert "Less than half is reliable: use a clip" in trust_report(flow)
    assert "Less than half" not in trust_report(by_hand())


def test_the_report_of_a_clip_has_both_directions_and_the_person(clip):
    mask = render(sample_scene(5, frames=3, height=96, width=136, action="wave", objects=0)).person_mask
    lines = EstimateFlow.execute(clip, mask=mask)[1].splitlines()
    assert [line.split(":")[0] for line in lines] == ["To the next frame", "To the previous frame"]
    for line in lines:
        whole, person = (float(share) for share in re.findall(r"([\d.]+) % of the pixels", line))
        assert whole != person and 50 < min(whole, person) and max(whole, person) <= 100
    still = EstimateFlow.execute(clip, clip[:1], mask=mask)[1]
    assert still.startswith("To the still image: ") and "; in the mask " in still


@pytest.mark.parametrize("mask, words", [
    (torch.full((3, 96, 136), NAN), "mask: expected finite numbers"),
    (torch.ones(2, 96, 136), "mask: expected 1 or 3 masks for 3 frames, got 2"),
    (255 * torch.ones(1, 96, 136), "mask: expected values from 0 to 1"),
])  # fmt: skip
def test_a_mask_that_does_not_fit_is_refused(clip, mask, words):
    with pytest.raises(ValueError, match=words):
        EstimateFlow.execute(clip, mask=mask)


def test_nan_in_the_still_image_is_refused(clip):
    with pytest.raises(ValueError, match="still_image: expected finite numbers"):
        EstimateFlow.execute(clip, clip[:1] * NAN)
