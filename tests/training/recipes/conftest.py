"""What the tests of recipes share: one thread, and a small VAE with random weights."""

import pytest
import torch
from pack.models.unet.small_vae import SmallVAE
from safetensors.torch import save_file


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def vae(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("vae") / "vae.safetensors"
    save_file(SmallVAE().state_dict(), path)
    return str(path)
