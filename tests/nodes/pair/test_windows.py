"""Windows on a pair: as good as one run where frames are independent, and never video with the depth of another frame."""

import pytest
import torch
from comfy.latent_formats import SDXL, Flux, StableAudio1, Wan21
from comfy_extras.nodes_context_windows import ContextWindowsManualNode
from pack.nodes.host.choices import CONTEXT_SCHEDULES, FUSE_METHODS
from pack.nodes.lfdm.loaders import open_flow
from pack.nodes.pair.modality import SelectModality
from pack.nodes.pair.windows import SetPairWindows
from tiny.flow_files import write_flow_models
from tiny.host_model import host_model
from tiny.model import (
    conditioning,
    controlled,
    controlnet,
    gap,
    hints,
    ksampler,
    latent,
    noise,
    spied,
    t2i_adapter,
    tiny_model,
)  # fmt: skip

FRAMES = 7


@pytest.fixture(scope="module")
def per_frame():
    """Video and depth of a frame see each other, frames do not."""
    return tiny_model(temporal="none")


@pytest.fixture(scope="module")
def full(per_frame):
    return ksampler(per_frame, pair=latent(2 * FRAMES), steps=1)


def windowed(model, schedule="standard_static", fuse="pyramid", length=4, overlap=2, stride=1, loop=False, free=False):
    return SetPairWindows.execute(model, length, overlap, schedule, fuse, stride, loop, free).result[0]


@pytest.mark.parametrize("schedule", CONTEXT_SCHEDULES)
@pytest.mark.parametrize("fuse", FUSE_METHODS)
def test_windows_equal_one_run_where_frames_are_independent(per_frame, full, schedule, fuse):
    out = ksampler(windowed(per_frame, schedule, fuse), pair=latent(2 * FRAMES), steps=1)
    assert gap(out, full) < 1e-6


@pytest.mark.parametrize("options", [
    {"overlap": 0, "fuse": "overlap-linear"},
    {"stride": 3, "schedule": "standard_uniform"},
    {"stride": 3, "schedule": "looped_uniform", "loop": True},
    {"length": 5, "overlap": 4, "fuse": "overlap-linear"},
])  # fmt: skip
def test_windows_at_the_edges_of_their_options(per_frame, full, options):
    assert gap(ksampler(windowed(per_frame, **options), pair=latent(2 * FRAMES), steps=1), full) < 1e-6


@pytest.mark.parametrize("count", [FRAMES, 2 * FRAMES])
def test_every_window_gets_its_own_hints_masks_and_background(per_frame, count):
    background = noise((count, 4, 8, 8), 4)
    mask = torch.rand(count, 8, 8, generator=torch.Generator().manual_seed(0))
    positive, negative = (conditioning(seed, mask=mask, duet_background=background) for seed in (1, 2))
    conds = controlled(controlnet(), hints(count), *controlled(controlnet(), hints(1, seed=8), positive, negative))
    out = ksampler(windowed(per_frame), *conds, pair=latent(2 * FRAMES), steps=1)
    assert gap(out, ksampler(per_frame, *conds, pair=latent(2 * FRAMES), steps=1)) < 1e-5


def test_the_hints_of_a_window_go_with_it(per_frame, monkeypatch):
    """Each is on the GPU, once for every latent of the batch: of a long clip they would fill it."""
    model, held = windowed(per_frame), []
    handler = model.model_options["context_handler"]
    slice_one = handler.sliced_control
    monkeypatch.setattr(handler, "sliced_control", lambda *a: (slice_one(*a), held.append(len(handler.controls)))[0])
    ksampler(model, *controlled(controlnet(), hints(FRAMES)), pair=latent(2 * FRAMES), steps=1)
    assert len(held) > 4 and max(held) == 1 and not handler.controls


def test_positive_and_negative_of_a_window_are_batched_and_its_memory_is_asked_for(per_frame, monkeypatch):
    seen, asked = [], []
    estimate = per_frame.model.memory_required
    monkeypatch.setattr(
        per_frame.model, "memory_required", lambda shape, **k: asked.append(shape[0]) or estimate(shape, **k)
    )
    ksampler(
        spied(windowed(per_frame), seen), *controlled(controlnet(), hints(FRAMES)), pair=latent(2 * FRAMES), steps=1
    )
    assert seen == [(16, [1, 0])] * 3 and max(asked) == 16


def test_the_stock_windows_are_refused_on_a_pair(per_frame):
    stock = ContextWindowsManualNode.execute(per_frame, 4, 2, "standard_static", 1, False, "pyramid", 0, False).result[
        0
    ]
    with pytest.raises(ValueError, match=r"Context Windows \(Video and Depth\)"):
        ksampler(stock, pair=latent(2 * FRAMES), steps=1)
    assert torch.isfinite(ksampler(windowed(stock), pair=latent(2 * FRAMES), steps=1)).all()


def test_freenoise_shuffles_each_half_alike(per_frame):
    handler = windowed(per_frame, length=3, overlap=1, free=True).model_options["context_handler"]
    handler.modalities = 2
    given = torch.arange(2.0 * FRAMES).reshape(-1, 1, 1, 1)
    out = handler._apply_freenoise(given, None, 0).flatten()
    assert torch.equal(out[FRAMES:], out[:FRAMES] + FRAMES)
    assert out[:3].tolist() == [0, 1, 2] and set(out[3:FRAMES].tolist()) <= {0, 1, 2}
    assert torch.equal(given.flatten(), torch.arange(2.0 * FRAMES))
    free = ksampler(windowed(per_frame, free=True), pair=latent(2 * FRAMES), steps=1)
    assert gap(free, ksampler(windowed(per_frame), pair=latent(2 * FRAMES), steps=1)) > 1e-3


def test_one_modality_alone_has_plain_windows(per_frame):
    alone = SelectModality.execute(windowed(per_frame), "depth only").result[0]
    out = ksampler(alone, pair=latent(FRAMES), steps=1)
    assert (
        gap(out, ksampler(SelectModality.execute(per_frame, "depth only").result[0], pair=latent(FRAMES), steps=1))
        < 1e-6
    )


def test_a_clip_that_fits_one_window_is_sampled_in_one_piece():
    model, seen = tiny_model(), []
    ksampler(spied(windowed(model), seen), pair=latent(8), steps=1)
    assert seen == [(16, [1, 0])]


def test_an_overlap_as_long_as_the_window_is_refused(per_frame):
    with pytest.raises(ValueError, match="lower context_overlap to 3"):
        windowed(per_frame, length=4, overlap=4)


def test_a_flow_model_has_no_batch_of_frames(tmp_path):
    """The windows were ignored silently."""
    write_flow_models(tmp_path)
    model = open_flow(str(tmp_path / "flow_models" / "duet_flow_64.safetensors"))[0]
    with pytest.raises(
        ValueError, match="model: .*batch of frames or .*, got a FlowModel, .* whole clip at once: set fewer frames"
    ):
        windowed(model)


@pytest.mark.parametrize("form", [Wan21, StableAudio1, SDXL, Flux])
def test_a_model_of_the_host_gets_windows_where_its_latent_is_a_batch(per_frame, form):
    model = per_frame.clone()
    model.add_object_patch("latent_format", form())
    if form in (SDXL, Flux):
        assert windowed(model).model_options["context_handler"].context_length == 4
        return
    with pytest.raises(ValueError, match=r"whole clip at once: use ComfyUI's Context Windows \(Manual\)"):
        windowed(model)


def test_a_model_of_the_host_is_sampled_in_windows():
    model, seen = host_model(), []
    hook = model.model.diffusion_model.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    out = ksampler(windowed(model), pair=latent(FRAMES), steps=1)
    assert seen == [8] * 3, "four frames with and without the prompt"
    hook.remove()
    assert gap(out, ksampler(model, pair=latent(FRAMES), steps=1)) < 1e-5


# --- hints that are already prepared -----------------------------------------------------------------------------------


def by_size(net):
    """The host's ControlNet or adapter, keeping prepared hints as newer hosts do: in dictionaries by their size."""

    class BySize(type(net)):
        def get_control(self, x, *args):
            self.cond_hint, self.control_input = self.cond_hints.get(x.shape[2:]), self.control_inputs.get(x.shape[2:])
            out = super().get_control(x, *args)
            self.cond_hints[x.shape[2:]], self.control_inputs[x.shape[2:]] = self.cond_hint, self.control_input
            return out

        def copy(self):
            out = super().copy()
            out.__class__, out.cond_hints, out.control_inputs, out.control_input = BySize, {}, {}, None
            return out

    net.__class__, net.cond_hints, net.control_inputs, net.control_input = BySize, {}, {}, None
    return net


@pytest.mark.parametrize("make", [controlnet, t2i_adapter])
def test_windows_do_not_share_hints_that_are_kept_by_size(per_frame, make):
    conds = controlled(by_size(make()), hints(FRAMES))
    out = ksampler(windowed(per_frame), *conds, pair=latent(2 * FRAMES), steps=1)
    assert gap(out, ksampler(per_frame, *controlled(make(), hints(FRAMES)), pair=latent(2 * FRAMES), steps=1)) < 1e-5


def test_the_copies_of_a_controlnet_for_other_devices_get_the_hints_of_the_window():
    handler = windowed(tiny_model()).model_options["context_handler"]
    handler.modalities = 2
    net = controlnet().copy().set_cond_hint(hints(FRAMES).movedim(-1, 1))
    net.deepclone_multigpu(torch.device("cpu"), autoregister=True)
    for indices in ([0, 1, 2], [4, 5, 6]):
        part = handler.sliced_control(net, handler.paired(indices, FRAMES), 2 * FRAMES)
        (other,) = part.multigpu_clones.values()
        assert torch.equal(other.cond_hint_original, net.cond_hint_original[indices])
    assert len(next(iter(net.multigpu_clones.values())).cond_hint_original) == FRAMES, "the originals stay as they were"
