"""Load Video LoRA on files in the folder of the host: every form, files that fit in part, and those that do not."""

import folder_paths
import pytest
import torch
from pack.nodes.host.unet.lora import add_lora, fit_lora
from pack.nodes.unet.lora import LoadVideoLora
from safetensors.torch import save_file
from tiny.model import PICTURES, gap, ksampler, latent, noise, tiny_model

from .test_weights import FORMS, TARGET, lora


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder that the host lists as models/loras."""
    folders = folder_paths.folder_names_and_paths | {"loras": ([str(tmp_path)], {".safetensors", ".pt"})}
    monkeypatch.setattr(folder_paths, "folder_names_and_paths", folders)
    monkeypatch.setattr(folder_paths, "filename_list_cache", {})
    return tmp_path


def load(shelf, model, state: dict, strength: float = 1.0) -> tuple:
    save_file(state, str(shelf / "style.safetensors"))
    return LoadVideoLora.execute(model, "style.safetensors", strength).result


@pytest.mark.parametrize("form", FORMS)
def test_every_form_acts_alike_and_scales(shelf, model, form):
    patched, report = load(shelf, model, lora(form))
    assert report == "LoRA: 2 of 2 tensors fit and change 1 weights of the model."
    assert torch.equal(ksampler(patched), ksampler(add_lora(model, lora("kohya"), 1.0)[0]))
    silent, _ = load(shelf, model, lora(form), 0.0)
    assert torch.equal(ksampler(silent), ksampler(model))


def test_loras_follow_one_another_on_the_same_weight(shelf, model):
    once, _ = load(shelf, model, lora("kohya"), 0.5)
    twice, report = load(shelf, once, lora("PEFT"), 0.5)
    assert "2 of 2" in report
    assert gap(ksampler(twice), ksampler(load(shelf, model, lora("host"))[0])) < 1e-5


def test_a_file_that_fits_in_part_says_how_much(shelf, model):
    other = {"lora_unet_no_such_place.diff": noise((4, 4)), "lora_te_layer_0.diff": noise((4, 4))}
    alpha = {f"{FORMS['kohya'][0]}.alpha": torch.tensor(4)}
    _, report = load(shelf, model, lora("kohya") | alpha | other)
    assert report.startswith("LoRA: 3 of 5 tensors fit and change 1 weights")
    assert "1 of the text encoder" in report
    assert "1 fit nothing in this model, such as lora_unet_no_such_place.diff" in report


def test_a_lora_of_a_wider_model_is_refused(shelf, model):
    name, down, up = FORMS["kohya"]
    wide = {f"{name}.{down}": noise((4, 320)), f"{name}.{up}": noise((320, 4))}
    with pytest.raises(ValueError, match="style.safetensors cannot be used here. None of the 2 tensors"):
        load(shelf, model, wide)
    assert fit_lora(model, wide)[0] == {}


@pytest.mark.parametrize(
    "state, words",
    [
        ({"down_blocks.0.motion_modules.0.x.weight": torch.zeros(4)}, "AnimateDiff motion module, but a LoRA was"),
        (
            {"something.else": torch.zeros(4)},
            "None of the 1 tensors of this LoRA fits the model, for example something",
        ),
        ({"lora_unet_x.lora_up.weight": torch.tensor([float("nan")])}, "NaN or infinite numbers in lora_unet_x"),
    ],
)
def test_other_files_are_refused_in_words(shelf, model, state, words):
    with pytest.raises(ValueError, match=words):
        load(shelf, model, state)


def test_a_motion_lora(shelf):
    moving = tiny_model(**PICTURES | {"temporal": "motion_modules"})
    place = "down_blocks.0.motion_modules.0.temporal_transformer.transformer_blocks.0.attention_blocks.0.processor.to_q"
    state = {f"{place}_lora.down.weight": noise((4, 64), 1), f"{place}_lora.up.weight": noise((64, 4), 2) * 4}
    patched, report = load(shelf, moving, state)
    assert "2 of 2" in report
    assert gap(ksampler(patched, pair=latent(3)), ksampler(moving, pair=latent(3))) > 1e-6


def test_convolutions_and_norms(shelf, model):
    conv, norm = "lora_unet_mid_block_resnets_0_conv1", "diffusion_model.mid_block.resnets.0.norm1"
    width = model.model.diffusion_model.mid_block.resnets[0].conv1.weight.shape[0]
    state = {
        f"{conv}.lora_down.weight": noise((4, width, 3, 3)),
        f"{conv}.lora_up.weight": noise((width, 4, 1, 1)),
        f"{norm}.diff": noise((width,)),
        f"{norm}.diff_b": noise((width,)),
    }
    patched, report = load(shelf, model, state)
    assert report.startswith("LoRA: 4 of 4 tensors fit and change 3 weights")
    assert set(patched.patches) == {
        f"diffusion_model.mid_block.resnets.0.{n}" for n in ("conv1.weight", "norm1.weight", "norm1.bias")
    }


def test_the_list_and_the_stamp(shelf, model):
    load(shelf, model, lora("kohya"))
    (shelf / "readme.txt").touch()
    (shelf.parent / "outside.safetensors").touch()
    (name,) = (i for i in LoadVideoLora.GET_SCHEMA().inputs if i.id == "lora_name")
    assert name.options == ["style.safetensors"]
    assert LoadVideoLora.fingerprint_inputs(None, "style.safetensors", 1.0)
    for missing in ("readme.txt", "../outside.safetensors", "none.safetensors"):
        with pytest.raises(ValueError, match="Found no file"):
            LoadVideoLora.execute(model, missing, 1.0)


def test_the_target_is_in_the_model(model):
    assert f"diffusion_model.{TARGET}.weight" in model.model.state_dict()


@pytest.mark.parametrize("kind", [torch.int8, torch.uint8, torch.int32, torch.bool])
def test_whole_numbers_are_no_weights(shelf, model, kind):
    name, down, up = FORMS["kohya"]
    state = lora("kohya")
    state[f"{name}.{up}"] = (state[f"{name}.{up}"] * 50).to(kind)
    with pytest.raises(
        ValueError, match=f"style.safetensors stores {name}.{up} as {str(kind)[6:]}, but a LoRA is floating"
    ):
        load(shelf, model, state)


@pytest.mark.parametrize("form", FORMS)
def test_half_a_lora_is_refused_by_the_name_of_the_other_half(shelf, model, form):
    for missing in lora(form):
        state = {name: value for name, value in lora(form).items() if name != missing}
        with pytest.raises(ValueError, match=f"style.safetensors has .* without {missing}"):
            load(shelf, model, state)


def test_half_a_lokr_is_refused(shelf, model):
    name = FORMS["kohya"][0]
    with pytest.raises(ValueError, match="style.safetensors lacks the tensor .*hada_w"):
        load(shelf, model, {f"{name}.hada_w1_a": noise((64, 4))})


def test_fp8_is_read_and_its_scales_are_refused(shelf, model):
    small = {name: value.to(torch.float8_e4m3fn) for name, value in lora("kohya").items()}
    same = {name: value.half() for name, value in small.items()}
    assert torch.equal(ksampler(load(shelf, model, small)[0]), ksampler(load(shelf, model, same)[0]))
    scaled = small | {f"{FORMS['kohya'][0]}.lora_up.weight_scale": torch.tensor(0.5)}
    with pytest.raises(
        ValueError, match="style.safetensors is quantised: .*lora_up.weight_scale scales another tensor"
    ):
        load(shelf, model, scaled)
