"""Turns what the server says into words: progress, errors, files."""

from .console import Progress, bar
from .locations import display_path

FIRST_CHOICE = (".mp4", ".webm", ".mkv", ".gif", ".webp", ".png", ".jpg")


def title_of(prompt, node_id):
    """Returns the title of a node; nodes that others expand into go by the outer one."""
    node = prompt.get(str(node_id)) or prompt.get(str(node_id).split(".")[0]) or {}
    return (node.get("_meta") or {}).get("title") or node.get("class_type") or f"node {node_id}"


class Follower:
    """Shows the events of a prompt on a progress line; a context manager to hand to `run_prompt`."""

    def __init__(self, prompt, stream=None):
        self.prompt = prompt
        self.progress = Progress("Running", stream)
        self.node = None

    def __enter__(self):
        self.progress.__enter__()
        return self

    def __exit__(self, *_):
        self.progress.clear()

    def __call__(self, kind, data):
        if kind == "executing" and data.get("node") is not None:
            self._show(data.get("display_node") or data["node"])
        elif kind == "progress_state":
            running = [state for state in data.get("nodes", {}).values() if state.get("state") == "running"]
            for state in running[-1:]:
                node = state.get("display_node_id") or state.get("real_node_id") or state.get("node_id")
                self._show(node, state.get("value", 0), state.get("max", 1))

    def _show(self, node, value=0, total=1):
        title = title_of(self.prompt, node)
        if node != self.node and not self.progress.terminal:
            self.progress.note(title)
        self.node = node
        steps = f" {value:.0f}/{total:.0f}" if total > 1 else ""
        self.progress.update(f"{bar(value, total)} {title}{steps}", clock=False)


def describe_refusals(prompt, node_errors):
    """Returns one line for each thing the server found wrong with a node."""
    lines = []
    for node_id, entry in node_errors.items():
        title = title_of(prompt, node_id)
        for error in entry.get("errors", []):
            name = (error.get("extra_info") or {}).get("input_name")
            where = f"{title} (node {node_id})" + (f", input {name}" if name else "")
            details = error.get("details")
            lines.append(f"{where}: {error.get('message')}" + (f" ({details})" if details and details != name else ""))
    return lines


def describe_error(prompt, error):
    """Returns one line for why a prompt did not finish."""
    if error["type"] == "execution_interrupted":
        return f"The workflow was interrupted at {title_of(prompt, error.get('node_id'))}."
    if error["type"] == "execution_error":
        where = f"{title_of(prompt, error.get('node_id'))} (node {error.get('node_id')})"
        kind = str(error.get("exception_type", "error")).rsplit(".", 1)[-1]
        return f"{where} failed: {kind}: {str(error.get('exception_message', '')).strip()}"
    return f"{error.get('message')}" + (f" ({error['details']})" if error.get("details") else "")


def made_files(outputs):
    """Yields (node id, entry) for every file that a prompt kept, whatever key it stands under."""
    for node_id, ui in outputs.items():
        for entries in ui.values():
            for entry in entries if isinstance(entries, list) else []:
                if isinstance(entry, dict) and "filename" in entry and entry.get("type", "output") == "output":
                    yield node_id, entry


def made_texts(prompt, outputs):
    """Yields one line for every text that a node shows."""
    for node_id, ui in outputs.items():
        for text in ui.get("text") or []:
            yield f"{title_of(prompt, node_id)}: {' '.join(str(text).split())[:200]}"


def paths_of(outputs, output_folder):
    """Returns the paths of all files made, relative to the current folder."""
    entries = (entry for _, entry in made_files(outputs))
    paths = (output_folder / (entry.get("subfolder") or "") / entry["filename"] for entry in entries)
    return [display_path(path) for path in dict.fromkeys(paths)]


def addresses_of(outputs, url):
    """Returns the addresses of all files made on a server elsewhere."""
    from urllib.parse import urlencode

    keys = ("filename", "subfolder", "type")
    return [f"{url}/view?{urlencode({k: entry.get(k, '') for k in keys})}" for _, entry in made_files(outputs)]


def in_order(prompt, outputs):
    """Returns what a run made in the order of its workflow, for a host works in another each time."""
    place = {node: number for number, node in enumerate(prompt)}
    return dict(sorted(outputs.items(), key=lambda item: place.get(item[0], len(place))))


def first_to_open(paths):
    """Returns the file that shows most: a video before a picture."""
    ranked = [path for suffix in FIRST_CHOICE for path in paths if path.lower().endswith(suffix)]
    return next(iter(ranked or paths), None)
