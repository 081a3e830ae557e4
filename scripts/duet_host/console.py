"""Progress on one self-updating line of a terminal, or as a plain line now and then elsewhere."""

import shutil
import sys
import time

PLAIN_EVERY = 10.0
REDRAW_EVERY = 0.2


def say(text=""):
    """Prints one line at once, also into a pipe."""
    print(text, flush=True)


def warn(text):
    """Prints one line to standard error."""
    print(text, file=sys.stderr, flush=True)


def bar(value, total, width=20):
    """Returns a text bar of `width` characters."""
    filled = round(width * min(max(value / total, 0.0), 1.0)) if total > 0 else 0
    return "[" + "#" * filled + "." * (width - filled) + "]"


class Progress:
    """Shows what goes on and for how long; a context manager that leaves the line clean."""

    def __init__(self, label, stream=None):
        self.stream = stream or sys.stdout
        self.terminal = self.stream.isatty()
        self.started = self.drawn = time.monotonic()
        self.label = label
        self.width = 0

    def __enter__(self):
        self._draw(f"{self.label} ...")
        return self

    def __exit__(self, *_):
        self.clear()

    def update(self, label=None, clock=True):
        """Takes a new label; draws when enough time has passed."""
        changed = label is not None and label != self.label
        self.label = label or self.label
        pause = REDRAW_EVERY if self.terminal else PLAIN_EVERY
        now = time.monotonic()
        if now - self.drawn >= pause or (changed and self.terminal):
            self._draw(f"{self.label} ... {now - self.started:.0f} s" if clock else self.label)

    def note(self, text):
        """Prints a line of its own above the moving one."""
        self.clear()
        print(text, file=self.stream, flush=True)

    def clear(self):
        """Wipes the moving line."""
        if self.terminal and self.width:
            print("\r" + " " * self.width + "\r", end="", file=self.stream, flush=True)
            self.width = 0

    def _draw(self, text):
        self.drawn = time.monotonic()
        if not self.terminal:
            print(text, file=self.stream, flush=True)
            return
        text = text[: shutil.get_terminal_size().columns - 1]
        print("\r" + text.ljust(self.width), end="", file=self.stream, flush=True)
        self.width = len(text)
