"""Models as files: opened, given motion, saved and opened again, with the host's own LoRA loader between."""

import comfy.sd
import folder_paths
import pytest
import torch
from comfy.model_patcher import ModelPatcherDynamic
from pack.models.files import open_model
from pack.nodes.files.save import SaveVideoModel
from pack.nodes.host.unet.model import native_model, weights_of
from pack.nodes.unet.motion_module import with_motion
from safetensors.torch import save_file
from tiny.model import gap, ksampler, latent, tiny_config, tiny_model, tiny_weights

PICTURE = {"modalities": 1, "label": False, "temporal": "none", "cross_modal": "none", "background": "none"}


@pytest.fixture(autouse=True)
def output(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_paths, "output_directory", str(tmp_path / "output"))
    return tmp_path / "output"


def motion_file(tmp_path):
    config = tiny_config(**PICTURE | {"temporal": "motion_modules"})
    state = {k: v for k, v in tiny_weights(config, 4).items() if "motion_modules" in k}
    save_file(state, str(tmp_path / "mm.safetensors"))
    return tmp_path / "mm.safetensors"


def test_saved_and_opened_again_it_answers_the_same(output):
    model = tiny_model()
    expected = ksampler(model)
    path = SaveVideoModel.execute(model, "diffusion_models/pair")[0]
    assert path == str(output / "diffusion_models" / "pair_00001_.safetensors")
    config, state, _ = open_model(path)
    assert config == model.model.video
    again = native_model(config, state)
    assert torch.equal(ksampler(again), expected)


def test_files_are_numbered_and_never_overwritten(output):
    model = tiny_model()
    names = [SaveVideoModel.execute(model, "m/pair")[0] for _ in range(3)]
    assert len(set(names)) == 3 and len(list((output / "m").iterdir())) == 3


def test_a_prefix_does_not_leave_the_output_folder():
    with pytest.raises(Exception, match="outside the output folder"):
        SaveVideoModel.execute(tiny_model(), "../escaped")


def with_lora(model):
    key = "diffusion_model.mid_block.resnets.0.conv1"
    shape = model.model.state_dict()[f"{key}.weight"].shape
    lora = {
        f"{key}.lora_up.weight": torch.randn(shape[0], 4, 1, 1),
        f"{key}.lora_down.weight": torch.randn(4, shape[1], 3, 3),
    }
    return comfy.sd.load_lora_for_models(model, None, lora, 1.0, 0.0)[0]


def test_a_lora_is_baked_in(output):
    model = tiny_model()
    patched = with_lora(model)
    expected = ksampler(patched)
    assert gap(expected, ksampler(model)) > 1e-4
    path = SaveVideoModel.execute(patched, "baked")[0]
    config, state, _ = open_model(path)
    again = native_model(config, state)
    assert gap(ksampler(again), expected) < 1e-5


def test_a_lora_is_baked_in_where_the_host_streams_weights():
    """The patcher that the host takes on most GPUs, without what it needs a GPU for: it cannot patch weights in place."""
    plain = with_lora(tiny_model())
    plain.model.dynamic_pins = {plain.load_device: {}}
    streamed = object.__new__(ModelPatcherDynamic)  # on a CPU the class would make one of the plain kind
    streamed.__init__(plain.model, plain.load_device, plain.offload_device)
    streamed.cached_patcher_init, streamed.patches = plain.cached_patcher_init, plain.patches
    before = {name: value.clone() for name, value in plain.model.diffusion_model.state_dict().items()}
    try:
        config, state = weights_of(streamed)
    finally:
        plain.model.dynamic_patchers.clear()  # or it would free pinned memory that it never had
    assert all(torch.equal(value, before[name]) for name, value in streamed.model.diffusion_model.state_dict().items())
    expected = weights_of(plain)
    assert config == expected[0] and state.keys() == expected[1].keys()
    assert all(torch.equal(value, expected[1][name]) for name, value in state.items())
    assert not all(torch.equal(value, before[name]) for name, value in state.items())


def test_motion_joins_the_frames_of_a_clip(tmp_path):
    model = tiny_model(**PICTURE)
    moving, report = with_motion(model, motion_file(tmp_path))
    assert "AnimateDiff" in report.text
    still, clip = (ksampler(m, pair=latent(4)) for m in (model, moving))
    assert gap(clip, still) > 1e-5
    with pytest.raises(ValueError, match="already has motion modules: connect"):
        with_motion(moving, motion_file(tmp_path))


def test_a_model_of_the_host_is_refused():
    class Other:
        model = object()

    with pytest.raises(ValueError, match="Expected a model from Load Video Model"):
        SaveVideoModel.execute(Other(), "x")
