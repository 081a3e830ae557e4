"""The files that training starts from: listed as the loaders list them, and opened by the recipes."""

import pytest
import torch
from pack.models.unet.small_vae import SmallVAE
from pack.training.page.settings import RunSettings
from pack.training.recipes import make_recipe
from safetensors.torch import save_file

folder_paths = pytest.importorskip("folder_paths")


@pytest.fixture
def folder(tmp_path):
    """A folder of models with a file of every kind."""
    state = SmallVAE().start_as_thumbnail().state_dict()
    for name in ("a.safetensors", "b.sft"):
        save_file(state, tmp_path / name)
    for name in ("c.ckpt", "d.pth", "e.pt", "f.bin"):
        torch.save(state, tmp_path / name)
    (tmp_path / "g.txt").write_text("a remark")
    kept = {kind: list(folder_paths.folder_names_and_paths[kind][0]) for kind in ("diffusion_models", "vae")}
    for kind in kept:
        folder_paths.add_model_folder_path(kind, str(tmp_path))
    yield tmp_path
    for kind, paths in kept.items():
        folder_paths.folder_names_and_paths[kind][0][:] = paths


def test_training_lists_what_the_loaders_open(folder):
    from pack.nodes.host.files.folders import list_files
    from pack.training.page import host

    names = set("a.safetensors b.sft c.ckpt d.pth e.pt f.bin".split())
    for kinds in (("diffusion_models", "checkpoints"), ("vae",)):
        found = host.list_files(*kinds)
        assert names <= set(found) and "g.txt" not in found
        assert set(found) == set(list_files(*kinds))


@pytest.mark.parametrize("name", ["a.safetensors", "b.sft", "c.ckpt", "d.pth", "e.pt", "f.bin"])
def test_recipes_open_every_file_of_the_list(folder, name):
    data = {"kind": "stage", "clips": 1, "size": 32, "frames": 1}
    further = make_recipe(RunSettings("vae", data, "", {"init": str(folder / name)}))
    pair = make_recipe(RunSettings("idol_image", data, "", {"vae": str(folder / name), "config": SHAPE}))
    for one, other in zip(further.vae.state_dict().values(), pair.encoders.vae.state_dict().values(), strict=True):
        assert torch.equal(one, other)


SHAPE = {
    "block_out_channels": [32, 64], "attention_levels": [True, False], "layers_per_block": 1, "attention_head_dim": 4,
    "cross_attention_dim": 32,
}  # fmt: skip
