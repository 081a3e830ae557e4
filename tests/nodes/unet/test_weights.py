"""The weights of the video model: precision, streaming, copies, LoRAs, and the files they come from."""

import os

import comfy.hooks
import comfy.model_management as memory
import comfy.sd
import pytest
import torch
from pack.nodes.host.unet.lora import add_lora
from pack.nodes.host.unet.model import native_model
from pack.nodes.unet.loaders import LoadVideoModel, with_layers
from tiny.model import (
    FRAMES,
    PICTURES,
    conditioning,
    gap,
    ksampler,
    latent,
    noise,
    on,
    tiny_config,
    tiny_model,
    tiny_weights,
)


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def clip(model):
    return ksampler(model)


@pytest.mark.parametrize("dtype, limit", [(torch.float16, 1e-3), (torch.bfloat16, 1e-2)])
def test_half_precision_weights(clip, dtype, limit):
    out = ksampler(tiny_model(dtype=dtype))
    assert torch.isfinite(out).all() and 0 < gap(out, clip) < limit


def test_a_weight_that_is_missing_is_refused():
    state = tiny_weights(tiny_config())
    del state["conv_out.weight"]
    with pytest.raises(ValueError, match="1 are missing.*conv_out.weight"):
        native_model(tiny_config(), state)


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("temporal", ["native", "motion_modules"])
def test_no_weight_is_left_behind_when_a_part_of_the_model_is_on_the_gpu(part, temporal):
    patcher = tiny_model(temporal=temporal)
    assert not on("meta", patcher, part)  # meta stands for the GPU: tensors there hold nothing
    moved = [p.device.type for p in patcher.model.diffusion_model.parameters()].count("meta")
    assert (moved > 0) == (part > 0)


def test_a_model_that_is_partly_loaded_answers_the_same(clip):
    patcher = tiny_model()
    assert not on("cpu", patcher, 0.3)
    assert any(getattr(m, "prev_comfy_cast_weights", None) is not None for m in patcher.model.modules())
    assert gap(ksampler(patcher), clip) < 1e-6


def test_unload_and_sample_again(model, clip):
    memory.unload_all_models()
    assert torch.equal(ksampler(model), clip)


def test_a_deep_copy_has_weights_of_its_own(model, clip):
    copy = model.clone(force_deepcopy=True)
    assert torch.equal(ksampler(copy), clip)
    mine, other = (m.model.diffusion_model.conv_in.weight for m in (model, copy))
    assert mine.data_ptr() != other.data_ptr()


TARGET = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
FORMS = {
    "kohya": ("lora_unet_" + TARGET.replace(".", "_"), "lora_down.weight", "lora_up.weight"),
    "host": ("diffusion_model." + TARGET, "lora_down.weight", "lora_up.weight"),
    "host, A and B": ("diffusion_model." + TARGET, "lora_A.weight", "lora_B.weight"),
    "PEFT": ("unet." + TARGET, "lora_A.weight", "lora_B.weight"),
    "PEFT adapter": ("base_model.model." + TARGET, "lora_A.weight", "lora_B.weight"),
}


def lora(form: str) -> dict[str, torch.Tensor]:
    name, down, up = FORMS[form]
    return {f"{name}.{down}": noise((4, 64), 1), f"{name}.{up}": noise((64, 4), 2)}


@pytest.mark.parametrize("form", ["kohya", "host", "host, A and B"])
def test_stock_lora_loading(model, clip, form):
    patched, _ = comfy.sd.load_lora_for_models(model, None, lora(form), 1.0, 0.0)
    out = ksampler(patched)
    assert gap(out, clip) > 1e-3
    assert torch.equal(out, ksampler(add_lora(model, lora("host"), 1.0)[0]))
    assert torch.equal(ksampler(model), clip)


@pytest.mark.parametrize("form", ["PEFT", "PEFT adapter"])
def test_loras_of_diffusers_are_converted(model, form):
    assert not comfy.sd.load_lora_for_models(model, None, lora(form), 1.0, 0.0)[0].patches
    assert set(add_lora(model, lora(form), 1.0)[0].patches) == {f"diffusion_model.{TARGET}.weight"}
    with pytest.raises(ValueError, match="None of the 1 tensors.*nothing.like"):
        add_lora(model, {"nothing.like.it": noise((1,))}, 1.0)


def test_a_lora_under_partial_load(model):
    patched = add_lora(tiny_model(), lora("host"), 1.0)[0]
    whole = ksampler(add_lora(model, lora("host"), 1.0)[0])
    assert not on("cpu", patched, 0.1)
    assert gap(ksampler(patched), whole) < 1e-5


def test_a_lora_for_one_prompt_only(model, clip):
    hooks = comfy.hooks.create_hook_lora(lora("host"), 1.0, 0.0)
    positive = comfy.hooks.set_hooks_for_conditioning(conditioning(1), hooks)
    out = ksampler(model, positive)
    assert gap(out, clip) > 1e-4
    assert gap(out, ksampler(add_lora(model, lora("host"), 1.0)[0])) > 1e-4
    assert torch.equal(ksampler(model), clip)


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder that the host lists as models/diffusion_models."""
    import folder_paths

    folders = folder_paths.folder_names_and_paths | {"diffusion_models": ([str(tmp_path)], {".safetensors", ".ckpt"})}
    monkeypatch.setattr(folder_paths, "folder_names_and_paths", folders)
    monkeypatch.setattr(folder_paths, "filename_list_cache", {})
    return tmp_path


def test_load_video_model(shelf, clip):
    from pack.models.files import save_model

    config = tiny_config()
    save_model(shelf / "pair.safetensors", tiny_weights(config), config)
    (shelf / "readme.txt").touch()
    names = LoadVideoModel.GET_SCHEMA().inputs[0].options
    assert "pair.safetensors" in names and "readme.txt" not in names
    model, text_encoder, report = LoadVideoModel.execute("pair.safetensors", "none").result
    assert text_encoder is None, "its prompts come from a stock CLIP"
    assert "weights found" in report and torch.equal(ksampler(model), clip)
    assert torch.equal(ksampler(model.clone(force_deepcopy=True)), clip)
    before = LoadVideoModel.fingerprint_inputs("pair.safetensors", "none")
    os.utime(shelf / "pair.safetensors", ns=(1, 1))
    assert LoadVideoModel.fingerprint_inputs("pair.safetensors", "none") != before
    with pytest.raises(ValueError, match="already holds a video model"):
        LoadVideoModel.execute("pair.safetensors", "motion")


@pytest.mark.parametrize("name", ["../pair.safetensors", "readme.txt", "none.safetensors"])
def test_no_file_is_opened_that_is_not_in_the_list(shelf, name):
    (shelf.parent / "pair.safetensors").touch()
    (shelf / "readme.txt").touch()
    with pytest.raises(ValueError, match="Found no file"):
        LoadVideoModel.execute(name, "none")


@pytest.mark.parametrize("layers, count", [("motion and depth", 2 * FRAMES), ("motion", FRAMES)])
def test_new_layers_do_not_change_the_pictures(layers, count):
    plain = tiny_config(**PICTURES)
    state = tiny_weights(plain)
    config, weights = with_layers(plain, state, layers)
    pictures = ksampler(native_model(plain, state), pair=latent(count))
    assert torch.equal(ksampler(native_model(config, weights), pair=latent(count)), pictures)
