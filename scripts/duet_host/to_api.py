"""UI format to API format."""

import re

from .errors import HostError
from .graph import Graph
from .widgets import widget_values

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def ui_to_api(workflow, info):
    """Returns the API prompt for a UI workflow; `info` is the server's /object_info."""
    subgraphs = (workflow.get("definitions") or {}).get("subgraphs") or []
    graph = Graph(workflow, info, {subgraph["id"]: subgraph for subgraph in subgraphs})
    prompt = {}
    for level, node in graph.running():
        key = f"{level.path}{node['id']}"
        schema = schema_of(node, key, info)
        prompt[key] = {
            "inputs": level.linked_inputs(node, widget_values(node, schema)),
            "class_type": node["type"],
            "_meta": {"title": node.get("title") or schema.get("display_name") or node["type"]},
        }
    return prompt


def schema_of(node, key, info):
    """Returns what the server says about a node; refuses one it does not know."""
    if node["type"] in info:
        return info[node["type"]]
    if UUID.fullmatch(str(node["type"])):
        raise HostError(
            f"Node {key} is a subgraph that the file does not contain. Save the workflow again in the page."
        )
    raise HostError(f"This server has no node {node['type']!r} (node {key}). Is its pack installed?")
