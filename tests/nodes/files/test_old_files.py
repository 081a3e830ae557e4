"""One policy for old files: every loader lists them, opens their tensors, and runs nothing in them."""

import folder_paths
import pytest
import torch
from pack.models.unet.config import SD1, TINY
from pack.models.unet.controlnet import PoseControlNet
from pack.models.unet.switches import with_switches
from pack.nodes.host.files.folders import TENSORS_ONLY
from pack.nodes.unet.controlnet import LoadPoseControlNet
from pack.nodes.unet.loaders import LoadVideoModel
from pack.nodes.unet.lora import LoadVideoLora
from pack.nodes.unet.motion_module import LoadMotionModule
from tiny.model import PICTURES, tiny_config, tiny_model, tiny_weights

HEADS = {"attention_head_dim": 8}  # no tensor shows them, and an old file carries no configuration


def motion() -> dict:
    state = tiny_weights(tiny_config(**PICTURES | {"temporal": "motion_modules"}), 4)
    return {name: value for name, value in state.items() if "motion_modules" in name}


def lora() -> dict:
    shape = tiny_weights(tiny_config(**PICTURES))["mid_block.resnets.0.conv1.weight"].shape
    key = "diffusion_model.mid_block.resnets.0.conv1"
    return {
        f"{key}.lora_up.weight": torch.randn(shape[0], 4, 1, 1),
        f"{key}.lora_down.weight": torch.randn(4, shape[1], 3, 3),
    }


LOADERS = {  # folder, ending, what the file holds, the node, its inputs but for the name
    "model": ("checkpoints", ".ckpt", lambda: tiny_weights(tiny_config(**PICTURES | HEADS)), LoadVideoModel, ("none",)),
    "motion": ("animatediff_models", ".pth", motion, LoadMotionModule, ()),
    "lora": ("loras", ".pt", lora, LoadVideoLora, (1.0,)),
    "controlnet": (
        "controlnet", ".bin", lambda: PoseControlNet(with_switches(SD1, **TINY | HEADS)).state_dict(), LoadPoseControlNet, (),
    ),
}  # fmt: skip


class Code:
    def __reduce__(self):
        return (exec, ("raise SystemExit('it ran')",))


@pytest.mark.parametrize("kind", LOADERS)
def test_every_loader_opens_an_old_file_and_runs_nothing_in_it(kind, tmp_path, monkeypatch):
    folder, ending, weights, node, more = LOADERS[kind]
    folders = folder_paths.folder_names_and_paths | {folder: ([str(tmp_path)], {".safetensors", ending})}
    monkeypatch.setattr(folder_paths, "folder_names_and_paths", folders)
    monkeypatch.setattr(folder_paths, "filename_list_cache", {})
    torch.save(weights(), tmp_path / f"old{ending}")
    torch.save({"weights": Code()}, tmp_path / f"code{ending}")
    (name,) = (i for i in node.GET_SCHEMA().inputs if i.id.endswith("_name"))
    assert {f"old{ending}", f"code{ending}"} <= set(name.options) and TENSORS_ONLY in name.tooltip
    model = (tiny_model(**PICTURES),) if kind in ("motion", "lora") else ()
    assert node.execute(*model, f"old{ending}", *more).result[0] is not None
    assert node.fingerprint_inputs(*model, f"old{ending}", *more)
    with pytest.raises(ValueError, match="nothing else is read from a pickle"):
        node.execute(*model, f"code{ending}", *more)
