"""Convert Checkpoint: old files in, safe files out, and nothing else."""

from pathlib import Path

import folder_paths
import pytest
import torch
from pack.models.files import open_controlnet, open_model, open_motion_module
from pack.models.unet.config import SD1, TINY
from pack.models.unet.switches import with_switches
from pack.nodes.files.convert import ConvertCheckpoint
from pack.nodes.host.unet.model import native_model
from tiny.flow_files import released_name
from tiny.model import PICTURES, ksampler, latent, tiny_config, tiny_weights

WIDE = {"attention_head_dim": 8}  # no tensor tells how many heads there are, and a pickle carries no configuration


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """Folders that the host lists as models and its output."""
    names = ("diffusion_models", "checkpoints", "controlnet", "animatediff_models", "flow_models")
    every = folder_paths.supported_pt_extensions
    folders = folder_paths.folder_names_and_paths | {name: ([str(tmp_path / name)], every) for name in names}
    for name in names:
        (tmp_path / name).mkdir()
    monkeypatch.setattr(folder_paths, "folder_names_and_paths", folders)
    monkeypatch.setattr(folder_paths, "filename_list_cache", {})
    monkeypatch.setattr(folder_paths, "output_directory", str(tmp_path / "output"))
    return tmp_path


def convert(name: str, part="auto", weight_dtype="unchanged", filename_prefix="diffusion_models/%name%"):
    """The name of the new file, which lies where the path says, and the report."""
    path, report = ConvertCheckpoint.execute(name, filename_prefix, part, weight_dtype).result
    path = Path(path)
    assert path.is_absolute() and path.is_file()
    return path.name, report


def motion() -> dict:
    state = tiny_weights(tiny_config(**PICTURES | {"temporal": "motion_modules"}), 4)
    return {k: v for k, v in state.items() if "motion_modules" in k}


def test_a_motion_module(shelf):
    torch.save(
        {"state_dict": {f"module.{k}": v for k, v in motion().items()}}, shelf / "animatediff_models" / "mm.ckpt"
    )
    file, report = convert("mm.ckpt")
    assert file == "mm_00001_.safetensors"
    assert report.startswith("AnimateDiff v3") and "Choose it in Load Motion Module." in report
    _, state, _ = open_motion_module(shelf / "output" / "diffusion_models" / file)
    assert all(torch.equal(state[k], v) for k, v in motion().items())


def test_the_two_files_of_latent_flow(shelf):
    """As LFDM's authors save them: the networks among other things, the U-Net under its wrappers' names."""
    from pack.models.lfdm.autoencoder import FlowAutoencoder
    from pack.models.lfdm.checkpoint import PARTS, open_autoencoder, open_flow_unet
    from pack.models.lfdm.config import TINY_AUTOENCODER, TINY_UNET
    from pack.models.lfdm.unet import FlowUNet

    unet, codec = FlowUNet(TINY_UNET).state_dict(), FlowAutoencoder(TINY_AUTOENCODER)
    names = {released_name(name, tuple(value.shape)): value for name, value in unet.items()}
    torch.save({"diffusion": names, "optimizer_diff": {"state": {}}}, shelf / "flow_models" / "DM.pth")
    torch.save({part: getattr(codec, part).state_dict() for part in PARTS}, shelf / "flow_models" / "LFAE.pth")
    file, report = convert("DM.pth", weight_dtype="fp16")
    assert "choose it in Load Flow Model." in report
    _, found, _ = open_flow_unet(shelf / "output" / "diffusion_models" / file)
    assert found.keys() == unet.keys() and all(torch.equal(found[name], unet[name].half()) for name in unet)
    file, report = convert("LFAE.pth")
    assert "choose it in Load Flow Autoencoder." in report
    _, found, _ = open_autoencoder(shelf / "output" / "diffusion_models" / file)
    state = codec.state_dict()
    assert found and all(torch.equal(value, state[name]) for name, value in found.items())


def test_a_model_in_half_precision(shelf):
    config = tiny_config(**PICTURES | WIDE)
    weights = tiny_weights(config)
    torch.save(weights, shelf / "checkpoints" / "pictures.bin")
    file, report = convert("pictures.bin", weight_dtype="fp16")
    found, state, _ = open_model(shelf / "output" / "diffusion_models" / file)
    assert "Stable Diffusion 1" in report and {v.dtype for v in state.values()} == {torch.float16}
    expected = ksampler(native_model(found, {k: v.half().float() for k, v in weights.items()}), pair=latent(2))
    assert torch.equal(
        ksampler(native_model(found, {k: v.float() for k, v in state.items()}), pair=latent(2)), expected
    )


def test_a_controlnet(shelf):
    from pack.models.unet.controlnet import PoseControlNet

    config = with_switches(SD1, **TINY | WIDE)
    torch.save(PoseControlNet(config).state_dict(), shelf / "controlnet" / "pose.pth")
    file, report = convert("pose.pth", filename_prefix="controlnet/pose")
    assert "Move it to models/duet_controlnets" in report
    assert open_controlnet(shelf / "output" / "controlnet" / file)[0].block_out_channels == (64, 128)
    with pytest.raises(ValueError, match="is a ControlNet in diffusers' form, but"):
        convert("pose.pth", part="model")


def test_nothing_is_overwritten_and_nothing_half_written_stays(shelf):
    torch.save(motion(), shelf / "animatediff_models" / "mm.pt")
    names = [convert("mm.pt")[0] for _ in range(3)]
    written = sorted(p.name for p in (shelf / "output" / "diffusion_models").iterdir())
    assert sorted(names) == written and len(written) == 3
    with pytest.raises(Exception, match="outside the output folder"):
        convert("mm.pt", filename_prefix="../%name%")


def test_code_in_a_file_does_not_run(shelf):
    class Bomb:
        def __reduce__(self):
            return (exec, ("raise SystemExit('it ran')",))

    torch.save({"weights": Bomb()}, shelf / "checkpoints" / "bomb.ckpt")
    with pytest.raises(ValueError, match="holds more than tensors"):
        convert("bomb.ckpt")
    assert not (shelf / "output" / "diffusion_models").exists() or not any(
        (shelf / "output" / "diffusion_models").iterdir()
    )


def test_only_old_files_are_listed_and_opened(shelf):
    for name in ("a.safetensors", "b.ckpt", "c.txt", "d.bin", "e.pth", "f.pt"):
        (shelf / "checkpoints" / name).touch()
    (shelf / "outside.ckpt").touch()
    assert ConvertCheckpoint.GET_SCHEMA().inputs[0].options == ["b.ckpt", "d.bin", "e.pth", "f.pt"]
    for name in ("a.safetensors", "../outside.ckpt", "none.ckpt"):
        with pytest.raises(ValueError, match="Found no file"):
            convert(name)
    assert ConvertCheckpoint.fingerprint_inputs("b.ckpt", "x", "auto", "unchanged")
    with pytest.raises(ValueError, match="it is empty"):
        convert("b.ckpt")
