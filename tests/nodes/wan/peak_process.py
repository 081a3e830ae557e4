"""Opens a pair on Wan 2.2 and prints the bytes of its weights and the most memory that opening took, file pages left out.

Called by test_files.py in a process of its own: python peak_process.py FILE.
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


def main(path: str) -> None:
    from pack.nodes.wan.loaders import open_pair

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
    print(sum(value.nbytes for value in model.model.state_dict().values()), max(seen) - before)


if __name__ == "__main__":
    main(sys.argv[1])
