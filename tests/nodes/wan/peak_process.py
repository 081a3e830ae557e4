"""Opens a pair on Wan 2.2 and prints the bytes of its weights, the most memory that opening took, file pages left out, how many
tensors were read, and how many different ones.

Called by test_files.py in a process of its own: python peak_process.py FILE [bf16]; with bf16 as ComfyUI with --bf16-unet.
"""

import sys
import time
from pathlib import Path
from threading import Event, Thread

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests"))
import conftest  # noqa: E402, F401


def taken() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("RssAnon")).split()[1])


class Counting:
    """An open file of safetensors that notes the name of every tensor that is read."""

    def __init__(self, file, read: list[str]):
        self.file, self.read = file, read

    def __getattr__(self, name):
        return getattr(self.file, name)

    def get_tensor(self, name):
        self.read.append(name)
        return self.file.get_tensor(name)


def main(path: str, precision: str = "") -> None:
    from comfy.cli_args import args
    from pack.models.files import reading
    from pack.nodes.wan.loaders import open_pair

    args.bf16_unet = precision == "bf16"
    read, safe_open = [], reading.safe_open
    reading.safe_open = lambda *args, **kwargs: Counting(safe_open(*args, **kwargs), read)
    before, done, seen = taken(), Event(), [0]

    def watch() -> None:
        while not done.is_set():
            seen.append(taken())
            time.sleep(0.002)

    watching = Thread(target=watch)
    watching.start()
    model = open_pair(path)[0]
    done.set()
    watching.join()
    held = sum(value.nbytes for value in model.model.diffusion_model.state_dict().values())
    print(held, max(seen) - before, len(read), len(set(read)))


if __name__ == "__main__":
    main(*sys.argv[1:])
