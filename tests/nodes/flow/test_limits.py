"""Nodes of flow ask for memory before they fill it, look for Cancel in every frame, and take no NaN."""

import comfy.model_management as memory
import comfy.utils
import pytest
import torch
from pack.models.lfdm.autoencoder import FlowAutoencoder
from pack.models.lfdm.config import TINY_AUTOENCODER
from pack.nodes.flow.compose import ComposeFlows
from pack.nodes.flow.drawing import DrawFlow
from pack.nodes.flow.estimate import EstimateFlow
from pack.nodes.flow.tensors import FlowToTensor, TensorToFlow
from pack.nodes.flow.warp import WarpByFlow
from pack.nodes.host.lfdm.autoencoder import HostAutoencoder
from pack.nodes.lfdm.conditioning import EncodeStill
from pack.nodes.lfdm.latent import DecodeFlow
from pack.nodes.lfdm.render import AnimateStill

FRAMES, SIDE = 12, 64
COLOURS, ARROWS = {"drawing_style": "color wheel", "max_motion": 0.0}, {"drawing_style": "arrows", "arrow_spacing": 2}


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def flow(*names, frames=FRAMES, side=SIDE):
    parts = {name: 3 * noise(frames, side, side, 2, seed=i) for i, name in enumerate(names)}
    return parts | {f"{name}_valid": torch.ones(frames, side, side) for name in names}


@pytest.fixture(scope="module")
def autoencoder():
    torch.manual_seed(0)
    return HostAutoencoder(FlowAutoencoder(TINY_AUTOENCODER).eval())


picture = noise(1, SIDE, SIDE, 3, seed=8).sigmoid()
clip = noise(FRAMES + 1, SIDE, SIDE, 3, seed=9).sigmoid()
still, small = flow("to_picture"), flow("to_picture", side=SIDE // 4)
mask = torch.zeros(1, SIDE, SIDE)
mask[:, 20:40, 20:40] = 1
NODES = {
    "colours": lambda _: DrawFlow.execute(still, COLOURS, "auto", 2),
    "arrows": lambda _: DrawFlow.execute(still, ARROWS, "auto", 1),
    "a still warped": lambda _: WarpByFlow.execute(picture, still, "auto"),
    "a clip warped": lambda _: WarpByFlow.execute(clip, flow("forward", "backward"), "auto"),
    "a still warped by neighbours": lambda _: WarpByFlow.execute(picture, flow("backward"), "from still"),
    "composed": lambda _: ComposeFlows.execute(still, mask, flow("to_picture")),
    "estimated": lambda _: EstimateFlow.execute(clip),
    "estimated from a still": lambda _: EstimateFlow.execute(clip, picture),
    "rendered": lambda autoencoder: AnimateStill.execute(autoencoder, picture, small),
}
AT_ONCE = {
    "as a tensor": lambda _: FlowToTensor.execute(still, "auto", "frames, 2, height, width"),
    "of a tensor": lambda _: TensorToFlow.execute(still["to_picture"], "to next frame", "auto"),
    "encoded": lambda autoencoder: EncodeStill.execute(autoencoder, noise(1, SIDE, SIDE, 3, seed=77).sigmoid(), [], []),
}


@pytest.mark.parametrize("name", [*NODES, *AT_ONCE])
def test_what_does_not_fit_in_memory_is_refused_before_it_is_filled(autoencoder, monkeypatch, name):
    """The sentence names frames, width and height, and what to lower."""
    monkeypatch.setattr("pack.nodes.host.memory.free_memory", lambda: 1000)
    with pytest.raises(
        ValueError, match=r"needs about \d+\.\d GB of memory, but 0\.0 GB are free: (use|lower) .*(frames|smaller)"
    ):
        (NODES | AT_ONCE)[name](autoencoder)


@pytest.mark.parametrize("name", NODES)
def test_cancel_stops_every_node_after_a_frame(autoencoder, name):
    """As on the host, whose progress bar raises once Cancel was pressed."""
    frames = []

    def bar(value, total, preview, **_):
        frames.append(value)
        memory.throw_exception_if_processing_interrupted()
        memory.interrupt_current_processing(len(frames) == 1)

    comfy.utils.set_progress_bar_global_hook(bar)
    try:
        with pytest.raises(memory.InterruptProcessingException):
            NODES[name](autoencoder)
    finally:
        comfy.utils.set_progress_bar_global_hook(None)
        memory.interrupt_current_processing(False)
    assert len(frames) == 1


def test_a_drawing_of_many_arrows_can_be_stopped_within_a_frame(monkeypatch):
    """The host's bar leaves out calls that do not change it."""
    many, looks = flow("to_picture", frames=1, side=512), []
    monkeypatch.setattr(memory, "throw_exception_if_processing_interrupted", lambda: looks.append(1))
    DrawFlow.execute(many, ARROWS, "auto", 1)
    assert len(looks) >= 3


@pytest.mark.parametrize("run", [
    lambda bad, _: DrawFlow.execute(bad, COLOURS, "auto", 1),
    lambda bad, _: WarpByFlow.execute(picture, bad, "auto"),
    lambda bad, _: ComposeFlows.execute(still, mask, bad),
    lambda bad, _: FlowToTensor.execute(bad, "auto", "frames, height, width, 2"),
    lambda bad, autoencoder: AnimateStill.execute(autoencoder, picture, bad),
])  # fmt: skip
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_flow_with_nan_is_refused_with_their_number_and_frame(autoencoder, run, value):
    bad = flow("to_picture")
    bad["to_picture"][3, :2, 0, 0] = value
    with pytest.raises(
        ValueError, match="flow: expected finite numbers, got 2 NaN or infinite values, the first in frame 3"
    ):
        run(bad, autoencoder)


def test_a_latent_with_nan_is_refused_with_their_number():
    latent = torch.zeros(1, 3, 4, 8, 8)
    latent[0, :, 2, 0, 0] = torch.nan
    with pytest.raises(
        ValueError, match="latent: expected finite numbers, got 3 NaN or infinite values, the first in frame 2"
    ):
        DecodeFlow.execute({"samples": latent}, 0)
