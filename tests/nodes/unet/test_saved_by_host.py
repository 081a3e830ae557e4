"""The stock Save Model and Save Checkpoint on our MODEL: the file opens in Load Video Model and samples the same."""

import comfy.sd
import folder_paths
import pytest
import torch
from comfy_extras.nodes_model_merging import ModelSave, save_checkpoint
from pack.models.files import save_model
from pack.models.files.recommended import PAIR, Recommended
from pack.models.stage.caption import VOCABULARY
from pack.models.unet.words import token_width
from pack.nodes.host.recommended import recommended_of
from pack.nodes.host.unet.lora import add_lora
from pack.nodes.unet.loaders import LoadVideoModel, open_video_model
from tiny.model import PICTURES, conditioning, ksampler, latent, noise, tiny_config, tiny_weights

from .test_weights import lora

CHARACTER = {**PICTURES, "in_channels": 8, "prediction": "v", "zero_snr": True, "reference": True}
FAMILIES = {
    "pair": {"foreground_width": 32},
    "two networks": {"streams": "separate", "cross_modal": "none", "label": False},
    "pictures": PICTURES,
    "motion": PICTURES | {"temporal": "motion_modules", "prediction": "v"},
    "words": PICTURES | {"in_channels": 5, "words": VOCABULARY, "foreground_width": token_width(VOCABULARY)},
    "character": CHARACTER | {"temporal": "motion_modules", "motion_code": (8, 8, 16, 24)},
}  # fmt: skip
SETTINGS = Recommended(128, 128, 3, 4, 2.5, "euler", "sgm_uniform")


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A models folder that is the output folder of the host too."""
    (tmp_path / "diffusion_models").mkdir()
    folders = folder_paths.folder_names_and_paths | {
        "diffusion_models": ([str(tmp_path / "diffusion_models")], {".safetensors"})
    }
    monkeypatch.setattr(folder_paths, "folder_names_and_paths", folders)
    monkeypatch.setattr(folder_paths, "filename_list_cache", {})
    monkeypatch.setattr(folder_paths, "output_directory", str(tmp_path))
    return tmp_path / "diffusion_models"


def opened(shelf, family: str):
    config = tiny_config(**FAMILIES[family])
    path = save_model(shelf / "first.safetensors", tiny_weights(config), config, duet_recommended=SETTINGS.to_json())
    return open_video_model(str(path))[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_what_save_model_writes_opens_as_the_same_model(shelf, family):
    model = opened(shelf, family)
    ModelSave().save(model, "diffusion_models/again")
    again, _, report = LoadVideoModel.execute("again_00001_.safetensors", "none").result
    assert again.model.video == model.model.video and report.startswith("Duet model")
    assert recommended_of(again) == SETTINGS != PAIR
    assert again.model.model_type == model.model.model_type
    theirs, ours = model.model.state_dict(), again.model.state_dict()
    assert theirs.keys() == ours.keys() and all(torch.equal(theirs[name], ours[name]) for name in theirs)


def test_a_lora_is_saved_in_the_weights_and_other_parts_of_a_checkpoint_are_left_aside(shelf):
    model = add_lora(opened(shelf, "pair"), lora("kohya"), 1.0)[0]
    parts = {"first_stage_model.decoder.conv_in.weight": noise((4, 4, 3, 3)), "cond_stage_model.x": noise((4,))}
    path = shelf / "checkpoint.safetensors"
    comfy.sd.save_checkpoint(str(path), model, metadata={"prompt": "{}"}, extra_keys=parts)
    again = open_video_model(str(path))[0]
    run = lambda model: ksampler(model, conditioning(1, width=32), conditioning(2, width=32), latent(6))
    assert torch.equal(run(again), run(model))


def test_a_prompt_beside_it_and_a_damaged_note(shelf):
    model = opened(shelf, "pictures")
    save_checkpoint(model, filename_prefix="diffusion_models/with", output_dir=str(shelf.parent), prompt={"1": "x"})
    assert open_video_model(str(shelf / "with_00001_.safetensors"))[0].model.video == model.model.video
    path = shelf / "broken.safetensors"
    broken = {"duet_notes": torch.tensor([123, 34], dtype=torch.uint8), "model.diffusion_model.x": noise((4,))}
    from safetensors.torch import save_file

    save_file(broken, str(path))
    with pytest.raises(ValueError, match="broken.safetensors .*cannot be read"):
        open_video_model(str(path))
