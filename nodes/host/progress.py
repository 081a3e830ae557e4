"""The host's progress bar, which also stops a node when the user presses Cancel."""

from collections.abc import Callable

import comfy.model_management
import comfy.utils


def progress(total: int) -> Callable[[int], None]:
    """A function that takes how much of the total is done; it raises the host's interrupt after Cancel."""
    bar = comfy.utils.ProgressBar(total)

    def report(done: int) -> None:
        stop_if_cancelled()  # the bar leaves out calls that hardly change it
        bar.update_absolute(done, total)

    return report


def stop_if_cancelled() -> None:
    """Raises the host's interrupt after Cancel, in loops that need no progress bar of their own."""
    comfy.model_management.throw_exception_if_processing_interrupted()
