"""Trains one run: torchrun --nproc_per_node N training/launch.py RUN.json, or python training/launch.py RUN.json

A file of its own that is started, never imported: it gives the main pack and this one the names that their relative
imports need, wherever the two lie beside each other.
"""

import argparse
import importlib
import importlib.util
import os
import signal
import sys
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
GRACE = 55  # seconds to save a checkpoint after the parent is gone


def package(name: str, folder: Path) -> None:
    """A folder as a package under a name of our own, without its host side being started."""
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])


def load_packs() -> None:
    """`duet` is the main pack, `duet.training` this one."""
    spec = importlib.util.spec_from_file_location("duet_places", HERE / "page" / "places.py")
    places = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(places)
    package("duet", places.main_pack(HERE))
    package("duet.training", HERE)


def end_with_parent() -> None:
    """Waits until the pipe that is standard input closes: then the run saves a checkpoint and ends, or is ended."""
    wait_for_close()
    signal.raise_signal(signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(1)


def wait_for_close() -> None:
    if os.name != "nt":
        while os.read(0, 4096):
            pass
        return
    # A read that waits on standard input would block other threads of a Windows process, so this one only polls.
    import ctypes
    import msvcrt

    pipe = ctypes.c_void_p(msvcrt.get_osfhandle(0))
    while ctypes.windll.kernel32.PeekNamedPipe(pipe, None, 0, None, None, None):
        time.sleep(0.5)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="a JSON file of run settings")
    parser.add_argument(
        "--check", action="store_true", help="look at the data only, and name clips that cannot be used"
    )
    parser.add_argument("--with-parent", action="store_true", help="save and end when standard input closes")
    options = parser.parse_args()
    if options.with_parent:
        threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        load_packs()
        settings = importlib.import_module("duet.training.page.settings").RunSettings.from_file(options.run)
        if options.check:
            return importlib.import_module("duet.training.data").report(settings)
        ended = importlib.import_module("duet.training.loop.trainer").Trainer(settings).run()
    except (ValueError, OSError, FloatingPointError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        return 1
    print(ended, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
