"""UI format to API format."""

import re

from .errors import HostError
from .schema import CONTROLS, inputs_of

ACTIVE, MUTED, BYPASSED = 0, 2, 4
NOTES = ("Note", "MarkdownNote")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def ui_to_api(workflow, info):
    """Returns the API prompt for a UI workflow; `info` is the server's /object_info."""
    graph = Graph(workflow)
    prompt = {}
    for node in workflow["nodes"]:
        if not graph.runs(node):
            continue
        if node["type"] not in info:
            raise HostError(f"This server has no node {node['type']!r} (node {node['id']}). Is its pack installed?")
        schema = info[node["type"]]
        prompt[str(node["id"])] = {
            "inputs": graph.linked_inputs(node, widget_values(node, schema)),
            "class_type": node["type"],
            "_meta": {"title": node.get("title") or schema.get("display_name") or node["type"]},
        }
    return prompt


def widget_values(node, schema):
    """Returns the values of all widgets by name, with defaults for those the file does not have."""
    saved = node.get("widgets_values") or []
    slots = node.get("inputs") or []
    # What a dynamic socket brings along is there only while the socket is linked.
    known = {slot["name"]: None for slot in slots if slot.get("link") is not None and "widget" not in slot}
    if isinstance(saved, dict):
        known |= saved
        entries = [(e, saved.get(e.name, e.default)) for e in inputs_of(schema, known) if e.is_widget]
    else:
        entries = _paired(inputs_of(schema, known), known, list(saved))
    return {entry.name: _wrapped(value) for entry, value in entries if not entry.only_on_page}


def _paired(entries, known, saved):
    """Yields each widget with its value; the walk that gives `entries` looks at `known` for what is open."""
    for entry in entries:
        if not entry.is_widget:
            continue
        known[entry.name] = value = saved.pop(0) if saved else entry.default
        if saved and entry.has_control and saved[0] in CONTROLS:
            saved.pop(0)
        if saved and entry.has_upload and saved[0] in ("image", "", None):
            saved.pop(0)
        yield entry, value


def _wrapped(value):
    """Marks a list as a value: a bare list of two would be a link to the server."""
    return {"__value__": value} if isinstance(value, list) else value


class Graph:
    """The links of a UI workflow, followed through the nodes that exist only on the page."""

    def __init__(self, workflow):
        self.subgraphs = {graph.get("id") for graph in (workflow.get("definitions") or {}).get("subgraphs") or []}
        self.nodes = {node["id"]: node for node in workflow["nodes"]}
        self.sources = {}
        for link in workflow["links"]:
            if isinstance(link, dict):  # as the newer schema writes it
                link = [link["id"], link["origin_id"], link["origin_slot"]]
            self.sources[link[0]] = (link[1], link[2])

    def runs(self, node):
        """Tells whether a node goes to the server."""
        if node["type"] in self.subgraphs or UUID.fullmatch(str(node["type"])):
            raise HostError(
                "The workflow has a subgraph, which only the page can unfold: export it there in API format."
            )
        only_on_page = (*NOTES, "Reroute", "PrimitiveNode")
        return node.get("mode", ACTIVE) not in (MUTED, BYPASSED) and node["type"] not in only_on_page

    def linked_inputs(self, node, values):
        """Returns the values with every linked input replaced by where it comes from."""
        inputs = dict(values)
        for slot in node.get("inputs") or []:
            source = self.source(slot.get("link"))
            if source is None:
                continue
            inputs[slot["name"]] = source[0] if len(source) == 1 else [str(source[0]), source[1]]
        return inputs

    def source(self, link, depth=0):
        """Returns (node id, slot) behind a link, (value,) for a primitive, None for nothing."""
        node_id, slot = self.sources.get(link, (None, None))
        node = self.nodes.get(node_id)
        if node is None or node.get("mode", ACTIVE) == MUTED or depth > len(self.nodes):
            return None
        if node["type"] == "PrimitiveNode":
            return ((node.get("widgets_values") or [None])[0],)
        if node["type"] == "Reroute":
            return self.source((node.get("inputs") or [{}])[0].get("link"), depth + 1)
        if node.get("mode", ACTIVE) == BYPASSED:
            return self.source(self._passed_through(node, slot), depth + 1)
        return node_id, slot

    @staticmethod
    def _passed_through(node, slot):
        """Returns the link that a bypassed node hands on: the same slot if its type fits, else the first that fits."""
        inputs, kind = node.get("inputs") or [], node["outputs"][slot]["type"]
        candidates = [*inputs[slot : slot + 1], *inputs]
        fits = (i["link"] for i in candidates if i.get("link") is not None and i["type"] in (kind, "*"))
        return next(fits, None)
