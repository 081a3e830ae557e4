"""Stored examples: what they depend on, and how processes share them."""

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from pack.training.data.character import layered_clip
from pack.training.data.stage import StageClips
from pack.training.encode import code_key
from pack.training.encode.pair_pictures import pictures_of
from safetensors.torch import load_file

pytestmark = pytest.mark.long(seconds=60)

ROOT = Path(__file__).resolve().parents[3]
ENCODE = """
import runpy, sys
runpy.run_path(sys.argv[1] + "/training/launch.py")["load_packs"]()
import torch
from duet.models.unet.small_vae import SmallVAE
from duet.training.page.settings import RunSettings
from duet.training.recipes import make_recipe
from safetensors.torch import save_file
torch.manual_seed(0)
save_file(SmallVAE().state_dict(), sys.argv[1] + "/vae.safetensors")
shape = {"block_out_channels": [32, 64], "attention_levels": [True, False], "layers_per_block": 1,
         "attention_head_dim": 4, "cross_attention_dim": 32}
model = {"vae": sys.argv[1] + "/vae.safetensors", "kept": sys.argv[1] + "/clips.safetensors", "config": shape}
data = {"kind": "stage", "clips": 1, "size": 32, "frames": 1}
make_recipe(RunSettings("idol_image", data, sys.argv[1], model)).prepare(torch.device("cpu"))
"""


def encode(repository) -> tuple[int, dict]:
    """Runs the first steps of a training there: when its file of clips was written, and what it holds."""
    done = subprocess.run([sys.executable, "-c", ENCODE, str(repository)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    file = repository / "clips.safetensors"
    return file.stat().st_mtime_ns, load_file(file)


@pytest.fixture
def repository(tmp_path):
    """The code of both packs, to be changed."""
    unwanted = shutil.ignore_patterns("__pycache__", "weights", "*.jpg", "*.png")
    for name in ("models", "nodes", "training"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=unwanted)
    shutil.copy(ROOT / "__init__.py", tmp_path)
    return tmp_path


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def test_clips_are_rendered_again_after_the_renderer_changed(repository):
    """And not after a comment changed, nor the loss."""
    first, before = encode(repository)
    stage = repository / "models" / "stage" / "actors.py"
    stage.write_text(stage.read_text(encoding="utf-8") + "\n# a remark\n", encoding="utf-8")
    change(repository / "models" / "unet" / "losses.py", "import torch\n", "import torch\n\nUNUSED = 1\n")
    assert encode(repository)[0] == first
    change(repository / "models" / "pose" / "drawing.py", "RIM = 0.6", "RIM = -3.0")
    second, after = encode(repository)
    assert second != first and not torch.equal(before["0.pose"], after["0.pose"])


LOADED = """
import json, runpy, sys
runpy.run_path(sys.argv[1])["load_packs"]()
from duet.training.data.stage import StageClips
from duet.training.data.character import layered_clip
from duet.training.encode.pair_pictures import pictures_of
clips = StageClips(clips=16, size=32, frames=2)
for index in range(16):
    clips[index], layered_clip(clips, index), pictures_of(clips, "near is white", index)
print(json.dumps([name for name in sys.modules if name.startswith("duet.")]))
"""


def test_all_code_that_makes_a_clip_counts():
    """Whatever rendering in a new process has imported in the end."""
    launch = str(ROOT / "training" / "launch.py")
    done = subprocess.run([sys.executable, "-c", LOADED, launch], capture_output=True, text=True, check=True)
    loaded = {name.removeprefix("duet.") for name in json.loads(done.stdout)}
    clips = StageClips(clips=1, size=32, frames=1)
    found = set()
    for raw in (clips.__getitem__, partial(layered_clip, clips), partial(pictures_of, clips, "near is white")):
        found |= code_key.imported_by(*code_key.modules_of(raw))
    found = {name.removeprefix("pack.") for name in found}
    packages = {"models", "training"}  # they import nothing
    assert "models.stage.body.capsules" in loaded and "models.depth.colormap" in loaded
    assert loaded - packages <= found, sorted(loaded - packages - found)
    assert not {name for name in found if name.startswith(("training.recipes", "training.page", "models.baselines"))}


SHARE = """
import runpy, sys
runpy.run_path(sys.argv[1])["load_packs"]()
import torch, torch.distributed as dist
from duet.training.encode.shared import for_each, share_work
dist.init_process_group("gloo")
own = lambda: sum(int(line.split()[1]) for line in open("/proc/self/smaps_rollup") if line.startswith(("Anonymous", "Swap:"))) / 1024
make = lambda number: {"a": torch.full((1 << 20,), float(number)), "b": torch.tensor([number])}
before = own()
for again in range(2):
    examples = share_work(for_each(make), 96, sys.argv[2])
    assert [int(example["b"]) for example in examples] == list(range(96))
    assert all((example["a"] == number).all() for number, example in enumerate(examples))
print("own", round(own() - before), flush=True)
dist.barrier()
"""


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs /proc to see the memory of a process")
def test_processes_share_their_examples_in_memory(tmp_path):
    """Of 384 MiB of examples no process keeps even its own half to itself."""
    (tmp_path / "share.py").write_text(SHARE)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2",
               str(tmp_path / "share.py"), str(ROOT / "training" / "launch.py"), str(tmp_path / "run")]  # fmt: skip
    # The C library otherwise may keep freed tensors for the next ones: what counts is what the process still holds.
    variables = os.environ | {"MALLOC_MMAP_THRESHOLD_": str(2**20)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=variables)
    assert done.returncode == 0, done.stderr
    kept = [int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("own")]
    assert len(kept) == 2 and max(kept) < 100, kept
    assert not list((tmp_path / "run").rglob("*.safetensors")), "nothing is left on the disk"
