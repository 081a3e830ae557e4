"""API format to UI format 0.4."""

import uuid

from .errors import HostError
from .layout import columns, depths, node_size
from .schema import inputs_of

CORE = ("nodes", "comfy_extras")
PACK_ID, TRAINING_ID = "duet-video-depth", "duet-training"
PREVIEWS = ("Save", "Preview", "Load")
TALL = ("multiline", "socketless")  # texts, and widgets that draw something


def api_to_ui(prompt, info, titles=None, positions=None):
    """Returns a UI workflow for an API prompt; `titles` and `positions` by node id replace what is worked out."""
    for key, node in prompt.items():
        if node["class_type"] not in info:
            raise HostError(f"This server has no node {node['class_type']!r} (node {key}). Is its pack installed?")
    ids = number_nodes(prompt)
    nodes = {key: _node(node, ids[key], info, (titles or {}).get(key), prompt) for key, node in prompt.items()}
    links = _connect(prompt, nodes)
    _arrange(prompt, nodes, info, positions or {})
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, repr(sorted(prompt)) + repr(prompt))),  # the same file every time
        "revision": 0,
        "last_node_id": max(ids.values(), default=0),
        "last_link_id": len(links),
        "nodes": list(nodes.values()),
        "links": links,
        "groups": [],
        "config": {},
        "extra": {},
        "version": 0.4,
    }


def number_nodes(prompt):
    """Returns a whole number for each node id, the same one wherever the id is one."""
    ids = {key: int(key) for key in prompt if key.isascii() and key.isdigit() and str(int(key)) == key}
    for key in prompt:
        ids.setdefault(key, max(ids.values(), default=0) + 1)
    return ids


def is_link(value, prompt):
    """Tells whether an input's value points to another node."""
    return isinstance(value, list) and len(value) == 2 and str(value[0]) in prompt and isinstance(value[1], int)


def _node(node, number, info, title, prompt):
    schema = info[node["class_type"]]
    entries = list(inputs_of(schema, node["inputs"]))
    sockets = [{"name": e.name, "type": e.type, "link": None} for e in entries if not e.is_widget]
    # The page lists sockets first, then the widgets that could become sockets.
    widgets = [
        {"name": e.name, "type": e.type, "widget": {"name": e.name}, "link": None}
        for e in entries
        if e.is_widget and not (e.options.get("socketless") or e.only_on_page)
    ]
    result = {
        "id": number,
        "type": node["class_type"],
        "pos": [0, 0],
        "size": [0, 0],
        "flags": {},
        "order": 0,
        "mode": 0,
    }
    result |= {"inputs": sockets + widgets, "outputs": _outputs(schema)}
    title = title or (node.get("_meta") or {}).get("title")
    if title and title != schema.get("display_name"):
        result["title"] = title  # without one the page shows the node's name in the language of the user
    result["properties"] = {"Node name for S&R": node["class_type"], **_origin(schema)}
    result["widgets_values"] = list(_widget_values(entries, node["inputs"], prompt))
    return result


def _origin(schema):
    """Returns the registry id by which the page offers to install a missing pack."""
    module = schema.get("python_module", "")
    if module.split(".")[0] in CORE:
        return {"cnr_id": "comfy-core"}
    if TRAINING_ID in module.lower():
        return {"cnr_id": TRAINING_ID}
    return {"cnr_id": PACK_ID} if "duet" in module.lower() else {}


def _outputs(schema):
    kinds = ["COMBO" if isinstance(kind, list) else kind for kind in schema["output"]]
    kinds = ["*" if kind == "COMFY_MATCHTYPE_V3" else kind for kind in kinds]
    return [{"name": n, "type": t, "links": None} for n, t in zip(schema["output_name"], kinds, strict=False)]


def _widget_values(entries, values, prompt):
    for entry in (entry for entry in entries if entry.is_widget):
        value = values.get(entry.name, entry.default)
        if is_link(value, prompt):
            value = entry.default
        elif isinstance(value, dict) and set(value) == {"__value__"}:
            value = value["__value__"]
        yield value
        if entry.has_control:
            yield "fixed"
        if entry.has_upload:
            yield "image"


def _connect(prompt, nodes):
    """Fills in all links, at both ends; returns their list."""
    links = []
    for key, node in nodes.items():
        for place, slot in enumerate(node["inputs"]):
            value = prompt[key]["inputs"].get(slot["name"])
            if not is_link(value, prompt):
                continue
            source = nodes[str(value[0])]
            if not 0 <= value[1] < len(source["outputs"]):
                raise HostError(
                    f"Node {key} takes output {value[1]} of node {value[0]}, which has {len(source['outputs'])}."
                )
            output = source["outputs"][value[1]]
            slot["link"] = len(links) + 1
            output["links"] = [*(output["links"] or []), slot["link"]]
            links.append([slot["link"], source["id"], value[1], node["id"], place, output["type"]])
    return links


def _arrange(prompt, nodes, info, positions):
    """Gives every node its size, its place and its turn."""
    parents = {
        key: list(dict.fromkeys(str(value[0]) for value in node["inputs"].values() if is_link(value, prompt)))
        for key, node in prompt.items()
    }
    for key, node in nodes.items():
        schema = info[node["type"]]
        tall = sum(any(map(e.options.get, TALL)) for e in inputs_of(schema, prompt[key]["inputs"]) if e.is_widget)
        previews = bool(schema.get("output_node")) or node["type"].startswith(PREVIEWS)
        node["size"] = node_size(node, tall, previews)
    places = columns(parents, {key: node["size"] for key, node in nodes.items()})
    depth = depths(parents)
    for order, key in enumerate(sorted(nodes, key=lambda key: (depth[key], places[key][1]))):
        nodes[key]["order"] = order
        nodes[key]["pos"] = list(positions.get(key, places[key]))
