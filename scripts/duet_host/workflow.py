"""Workflows in both formats: API (what the server runs) and UI (what the page opens)."""

from .errors import HostError
from .to_api import ui_to_api
from .to_ui import api_to_ui

__all__ = ["api_to_ui", "find_node", "format_of", "set_input", "ui_to_api"]


def format_of(data):
    """Returns "api", "ui" or None."""
    if not isinstance(data, dict) or not data:
        return None
    if isinstance(data.get("nodes"), list) and "links" in data:
        return "ui"
    nodes = data.values()
    if all(isinstance(node, dict) and "class_type" in node and isinstance(node.get("inputs"), dict) for node in nodes):
        return "api"
    return None


def titles_of(prompt, node_id):
    """Returns the names a node goes by: its id, its title, its class."""
    node = prompt[node_id]
    return node_id, (node.get("_meta") or {}).get("title"), node["class_type"]


def find_node(prompt, name):
    """Returns the ids of the nodes called `name`: by id, else by title, else by class."""
    for position in range(3):
        found = [node_id for node_id in prompt if titles_of(prompt, node_id)[position] == name]
        if found:
            return found
    return []


def set_input(prompt, name, value, info=None):
    """Sets `node.input`; titles and inputs may contain dots themselves, so the longest node name wins."""
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        node, key = ".".join(parts[:cut]), ".".join(parts[cut:])
        found = find_node(prompt, node)
        if len(found) > 1:
            raise HostError(f"{len(found)} nodes are called {node!r}. Use an id instead: {', '.join(found)}.")
        if found:
            _check_input(prompt[found[0]], node, key, info)
            prompt[found[0]]["inputs"][key] = value
            return
    nodes = "; ".join(f"{i} {title or kind} ({kind})" for i, title, kind in (titles_of(prompt, i) for i in prompt))
    raise HostError(f"There is no node {parts[0]!r} in the workflow. There are: {nodes}.")


def _check_input(node, name, key, info):
    known = list(node["inputs"])
    for group in ("required", "optional"):
        known += (info or {}).get(node["class_type"], {}).get("input", {}).get(group, {})
    if key not in known:
        raise HostError(f"{name} has no input {key!r}. It has: {', '.join(dict.fromkeys(known)) or 'none'}.")
