"""Runs a script and ends it when the process that asked for it is gone, even if that one was killed.

Usage: python guard.py PARENT_PID SCRIPT [arguments]
"""

import os
import runpy
import signal
import sys
import threading
import time


def wait_for_end_of(parent):
    """Returns when the parent process has ended."""
    if os.name == "nt":
        import ctypes

        synchronize, forever = 0x00100000, 0xFFFFFFFF
        handle = ctypes.windll.kernel32.OpenProcess(synchronize, False, parent)
        ctypes.windll.kernel32.WaitForSingleObject(handle, forever)
        return
    while os.getppid() == parent:
        time.sleep(0.5)


def follow(parent):
    """Ends this process, and its group where there is one, after the parent."""
    wait_for_end_of(parent)
    if os.name != "nt":
        os.killpg(os.getpgid(0), signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=follow, args=(int(sys.argv[1]),), daemon=True).start()
    script = sys.argv[2]
    sys.argv = sys.argv[2:]
    sys.path[0] = os.path.dirname(os.path.abspath(script))
    runpy.run_path(script, run_name="__main__")
