"""What the host reserves for a step covers the step: its peak, measured in a process of its own on a CPU."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = """
import importlib.util, sys, threading, time
root, host, kind = sys.argv[1:]
sys.argv = sys.argv[:1]
sys.path.insert(0, host)
spec = importlib.util.spec_from_file_location("pack", f"{root}/__init__.py", submodule_search_locations=[root])
sys.modules["pack"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules["pack"])
from comfy.cli_args import args
args.cpu = True
import torch
from pack.models.unet.config import IDOL, ONE_SHOT_SD1
from pack.models.unet.network import VideoUNet
from pack.models.unet.switches import with_switches
from pack.nodes.host.unet.model import native_model
torch.set_num_threads(1)
shape = {"block_out_channels": (320, 320), "attention_levels": (True, False), "layers_per_block": 1}
config = with_switches(IDOL, **shape, foreground_width=0) if kind == "pair" else with_switches(ONE_SHOT_SD1, **shape)
with torch.device("meta"):
    shapes = {name: value.shape for name, value in VideoUNet(config).state_dict().items()}
model = native_model(config, {name: torch.full(size, 0.001) for name, size in shapes.items()}).model

def step(size):
    x, context = torch.ones(8, 4, size, size), torch.ones(8, 77, 768)
    options = {"cond_or_uncond": [1, 0], "sigmas": torch.tensor([5.0])}
    with torch.no_grad():
        model.apply_model(x, torch.full((8,), 5.0), c_crossattn=context, transformer_options=options)

def held():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

step(8)
before, peak, done = held(), [0], threading.Event()
def watch():
    while not done.is_set():
        peak[0] = max(peak[0], held())
        time.sleep(0.001)
thread = threading.Thread(target=watch)
thread.start()
step(32)
done.set()
thread.join()
print(peak[0] - before, model.memory_required((8, 4, 32, 32)))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the memory of a process as Linux shows it")
@pytest.mark.parametrize("kind", ["pair", "sparse causal"])
def test_the_estimate_covers_a_step_and_is_not_twice_as_large(kind):
    import folder_paths

    host = str(Path(folder_paths.__file__).parent)
    out = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(ROOT), host, kind], capture_output=True, text=True, timeout=600
    )
    assert out.returncode == 0, out.stderr[-2000:]
    peak, estimate = map(float, out.stdout.split()[-2:])
    assert peak < estimate < 2 * peak, (peak, estimate)
