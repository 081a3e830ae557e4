"""Memory of the pair on Wan 2.2 5B by frames and size: python3 scripts/host.py bench wan_memory [--parts table measured] [--json]

table     what tensors hold at most in a pass of the whole network, counted by running it on the meta device, where tensors have
          shapes and no numbers; attention holds no full matrix, as on a GPU. Beside it what ComfyUI expects of such a pass, from
          how much free memory on it puts all weights on the GPU, and what it expects of VAE Decode.
measured  the same network with --blocks blocks of full width and random weights on this CPU: the most memory that a pass took
          beside its weights, as the system counts it, beside what was counted. Each in a process of its own.

8 blocks in bf16 take 5 GB of memory and about half a minute.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from itertools import product
from pathlib import Path
from threading import Event, Thread

import _host  # noqa: F401
import torch
from _pack import ROOT
from comfy.ldm.modules.attention import attention_pytorch

sys.path.insert(0, str(ROOT / "tests"))
from tiny.live_memory import expected, given, in_a_pass, pair_network  # noqa: E402

SIZES = ((256, 256), (480, 480), (832, 480), (1280, 704))
FRAMES = (17, 33, 81, 121)
RESERVED = 400 * 2**20  # bytes that ComfyUI leaves free on Linux; on Windows it is 600 MB
LEAST = 0.8 * 2**30 + RESERVED  # and at least, whatever a pass takes
DECODED = 8000 * 16 * 16 * 2  # bytes for each pixel of a latent that ComfyUI expects of Wan 2.2's VAE in bf16
DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
GIVEN_BACK = {"MALLOC_MMAP_THRESHOLD_": "1000000"}  # a tensor that is gone is then no longer counted
PYTORCH = lambda func, *args, **kwargs: attention_pytorch(*args, **kwargs)


def table(options):
    network = pair_network()
    weights = sum(value.nbytes for value in network.parameters())
    for (width, height), frames in product(SIZES, FRAMES):
        read = given(width, height, frames)
        tokens = read[0][:, 0].numel() // 4
        both = given(width, height, frames, chunks=2)
        yield {
            "part": "table", "width": width, "height": height, "frames": frames, "tokens": tokens,
            "weights_gb": weights / 1e9,
            "pass_gb": in_a_pass(network, read) / 1e9,
            "with_guidance_gb": in_a_pass(network, both) / 1e9,
            "expected_gb": expected(read[0].shape) / 1e9,
            "all_on_gpu_gb": (weights + max(LEAST, expected(both[0].shape) + RESERVED)) / 1e9,
            "vae_decode_gb": DECODED * read[0].shape[-2] * read[0].shape[-1] / 1e9,
        }  # fmt: skip


def taken() -> int:
    """Bytes of this process, file pages left out."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("RssAnon")).split()[1])


def measure(blocks: int, options) -> dict:
    """A pass on this CPU."""
    dtype, size = DTYPES[options.dtype], (options.width, options.height, options.frames)
    network = pair_network(blocks, dtype, "cpu")
    with torch.no_grad():
        for value in network.parameters():
            value.normal_(std=0.02)
    run = lambda read: network(*read, transformer_options={"optimized_attention_override": PYTORCH}, modality="depth")
    read = given(*size, dtype=dtype, device="cpu")
    with torch.no_grad():
        run(given(32, 32, 1, dtype=dtype, device="cpu"))
    before, done, seen = taken(), Event(), []

    def watch() -> None:
        while not done.wait(0.002):
            seen.append(taken())

    watching = Thread(target=watch)
    watching.start()
    begin = time.perf_counter()
    with torch.no_grad():
        run(read)
    done.set()
    watching.join()
    counted = in_a_pass(pair_network(blocks, dtype), given(*size, dtype=dtype))
    return {
        "part": "measured", "blocks": blocks, "dtype": options.dtype, "width": size[0], "height": size[1], "frames": size[2],
        "weights_gb": sum(value.nbytes for value in network.parameters()) / 1e9,
        "measured_gb": (max(seen) - before) / 1e9,
        "counted_gb": counted / 1e9,
        "seconds": time.perf_counter() - begin,
    }  # fmt: skip


def measured(options):
    """Each number of blocks in a process of its own."""
    for blocks in options.blocks:
        command = [sys.executable, __file__, "--one", str(blocks), *sys.argv[1:]]
        out = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | GIVEN_BACK).stdout
        yield json.loads(out.splitlines()[-1])


def format_row(row: dict) -> str:
    return ", ".join(
        f"{name} {value:.3f}" if isinstance(value, float) else f"{name} {value}" for name, value in row.items()
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--parts", nargs="+", default=["table"], choices=["table", "measured"])
    parser.add_argument("--blocks", nargs="+", type=int, default=[1, 2, 4, 8])
    parser.add_argument("--dtype", default="bf16", choices=list(DTYPES))
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--height", type=int, default=256)
    parser.add_argument("--frames", type=int, default=33)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--one", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.one:
        print(json.dumps(measure(options.one, options)))
        return
    rows = (row for part in options.parts for row in {"table": table, "measured": measured}[part](options))
    if options.json:
        print(json.dumps({"torch": torch.__version__, "rows": list(rows)}, indent=2))
        return
    for row in rows:
        print(format_row(row), flush=True)


if __name__ == "__main__":
    main()
