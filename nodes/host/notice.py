"""A warning for the artist: in ComfyUI's log, and as text on the node that runs."""

import logging

from comfy_execution.graph_utils import ExecutionBlocker
from comfy_execution.utils import get_executing_context
from server import PromptServer

_warned: set[tuple] = set()  # pages and their nodes whose text is a warning


def show_warning(warning: str | None, mended: str) -> None:
    """Shows a warning on the node that runs; None replaces the one of an earlier run by `mended`, as the page keeps texts."""
    if warning:
        logging.warning(warning)
    running, server = get_executing_context(), getattr(PromptServer, "instance", None)
    if running is None or server is None:
        return
    # Without the page that started the run the text would go to all, and to other nodes of the same number.
    place = server.client_id, running.node_id
    if warning or place in _warned:
        server.send_progress_text(warning or mended, running.node_id, server.client_id)
    (_warned.add if warning else _warned.discard)(place)


def blocked(message: str) -> ExecutionBlocker:
    """An output that stops what is connected to it with a sentence."""
    return ExecutionBlocker(message)
