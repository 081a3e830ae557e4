"""bench autoencoder on one small clip: an auto-encoder of 16 channels is measured as one of 4."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pack.models.unet.small_vae import SmallVAE
from safetensors.torch import save_file

pytestmark = pytest.mark.long(seconds=30)

ROOT = Path(__file__).resolve().parents[2]


def measured(*arguments):
    small = ["--clips", "1", "--frames", "2", "--size", "64", "--json"]
    command = [sys.executable, str(ROOT / "benchmarks" / "autoencoder.py"), *small, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_shipped_one_returns_more_than_one_that_starts(tmp_path):
    save_file(SmallVAE(16).state_dict(), tmp_path / "vae.safetensors")
    shipped, new = measured(), measured("--vae", str(tmp_path / "vae.safetensors"))
    assert (shipped["channels"], new["channels"]) == (4, 16)
    assert shipped["psnr"] > new["psnr"] + 2 and shipped["psnr"] > shipped["psnr_person"] + 2
    assert shipped["each"][0]["psnr"] == shipped["psnr"], "one clip is its own mean"
