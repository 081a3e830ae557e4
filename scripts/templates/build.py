"""One template from an API workflow and the description of its layout."""

import json
import math
from pathlib import Path

from duet_host.errors import HostError
from duet_host.workflow import api_to_ui

from .place import TITLE, Column, Plan, Wire, behind, improve
from .subgraphs import fold_all

SIZES = json.loads((Path(__file__).parent / "sizes.json").read_text(encoding="utf-8"))  # as the page draws them
NOTE, NOTE_TITLE = "note", "About this template"
SOCKET, WIDGET, BUTTONS, LEAST_WIDTH = 24, 34, 26, 300  # pixels
# Of a note's text, measured in the page: a line, the space around a paragraph, a Latin letter, a Chinese character.
LINE, PARAGRAPH, LETTER, CHARACTER, RIM = 16, 12, 5.3, 10.5, 44
VIEW, FILL, EDGE = (1600, 1000), 0.75, 10  # a window, how much of it the page fills with what it opens, its rim


def build_template(prompt, info, description):
    """The workflow of the page for an API prompt, laid out as described; its problems as a list of sentences."""
    workflow = api_to_ui(prompt, info)
    workflow["extra"]["frontendVersion"] = "1.47.12"
    set_models(workflow, description.models)
    numbers = fold_all(workflow, description.subgraphs)
    add_note(workflow, description)
    names = {str(node["id"]): node for node in workflow["nodes"]}
    names |= {key: names[str(number)] for key, number in numbers.items()}
    names[NOTE] = workflow["nodes"][-1]
    problems = arrange(workflow, names, description)
    order_nodes(workflow)
    set_app(workflow, description.app, numbers)
    return workflow, problems


def set_models(workflow, models):
    """Writes the files that the page offers to download into the properties of the nodes that load them."""
    for node in workflow["nodes"]:
        files = models.get(str(node["id"]))
        if files:
            node["properties"]["models"] = files


def add_note(workflow, description):
    """Adds the one note of a template."""
    number = workflow["last_node_id"] = workflow["last_node_id"] + 1
    width, note = description.note_width, description.full_note()
    workflow["nodes"].append(
        {
            "id": number,
            "type": "MarkdownNote",
            "title": NOTE_TITLE,
            "pos": [0, 0],
            "size": [width, note_height(note, width)],
            "flags": {},
            "order": 0,
            "mode": 0,
            "inputs": [],
            "outputs": [],
            "properties": {},
            "widgets_values": [note],
            "color": "#432",
            "bgcolor": "#653",
        }
    )


def note_height(note, width):
    """Pixels that the text of a note takes; blank lines part paragraphs, and an item of a list is one."""
    paragraphs = [line for line in note.splitlines() if line.strip()]
    letters = [sum(CHARACTER if ord(letter) > 0x2E80 else LETTER for letter in line) for line in paragraphs]
    lines = sum(max(1, math.ceil(length / (width - RIM))) for length in letters)
    return RIM + LINE * lines + PARAGRAPH * len(paragraphs)


def size_of(node, description, key):
    """[width, height] of a node as the page will draw it, or as the description wants it."""
    if key in description.sizes:
        return list(description.sizes[key])
    if node["type"] == "MarkdownNote":
        return node["size"]
    return estimated_size(node)


def estimated_size(node):
    """[width, height] of a node: measured in the page, or worked out from its slots and widgets."""
    if node["type"] in SIZES:
        return list(SIZES[node["type"]])
    sockets = [slot for slot in node["inputs"] if "widget" not in slot]
    widgets = max(len(node["widgets_values"]), sum("widget" in slot for slot in node["inputs"]))
    height = BUTTONS + SOCKET * max(len(sockets), len(node["outputs"])) + WIDGET * widgets
    return [LEAST_WIDTH, max(height, node["size"][1])]


def arrange(workflow, names, description):
    """Gives every node its place and size and draws the groups; returns what is wrong."""
    stacks = []
    for group in description.groups:
        columns = [Column(list(column), [0] * len(column)) for column in group.columns]
        if group.under and stacks:
            stacks[-1].append((group.title, columns))
        else:
            stacks.append([(group.title, columns)])
    used = [name for column in Plan(stacks, {}).columns() for name in column.names]
    check_names(names, used, workflow)
    if NOTE not in used:
        stacks[0].append((None, [Column([NOTE], [0])]))
    sizes = {name: size_of(names[name], description, name) for name in {*used, NOTE}}
    plan = Plan(stacks, same_widths(stacks, sizes))
    wires = wires_of(workflow, {names[name]["id"]: name for name in {*used, NOTE}})
    plan = improve(plan, wires, description.keep_order)
    places, boxes = plan.positions()
    for name, place in places.items():
        names[name]["pos"], names[name]["size"] = place, list(plan.sizes[name])
    workflow["groups"] = [
        {"id": i + 1, "title": title, "bounding": box, "color": "#3f789e", "font_size": 24, "flags": {}}
        for i, (title, box) in enumerate(boxes)
    ]
    return set_view(workflow, plan, places) + [
        f"the link {wires[i].source} -> {wires[i].target} runs behind {name}"
        for i, name in behind(wires, places, plan.sizes)
    ]


def check_names(names, used, workflow):
    """Refuses a layout that leaves a node out or names one twice."""
    present = sorted(names[name]["id"] for name in used if name in names)
    wanted = sorted(node["id"] for node in workflow["nodes"] if node["type"] != "MarkdownNote")
    without_note = [number for number in present if number != names[NOTE]["id"]]
    if without_note != wanted or any(name not in names for name in used):
        raise HostError(f"The layout names {used}; the workflow has {wanted} at its top.")


def same_widths(stacks, sizes):
    """Sizes with one width for all nodes of a column."""
    result = dict(sizes)
    for stack in stacks:
        for _, columns in stack:
            for column in columns:
                width = max(sizes[name][0] for name in column.names)
                result |= {name: (width, sizes[name][1]) for name in column.names}
    return result


def wires_of(workflow, names):
    """The links between named nodes; sockets stand in the order of the node, linked widgets below them."""
    slots = {}
    for node in workflow["nodes"]:
        sockets = [i for i, slot in enumerate(node["inputs"]) if "widget" not in slot]
        widgets = [i for i in range(len(node["inputs"])) if i not in sockets]
        first = max(len(sockets), len(node["outputs"]))
        slots[node["id"]] = {i: n for n, i in enumerate(sockets)} | {i: first + n for n, i in enumerate(widgets)}
    return [Wire(names[a], out, names[b], slots[b][place]) for _, a, out, b, place, _ in workflow["links"]]


def set_view(workflow, plan, places):
    """Stores the zoom and offset that the page takes when it opens a template; a zoom below 0.6 is a problem."""
    boxes = [[x, y - TITLE, x + plan.sizes[n][0], y + plan.sizes[n][1]] for n, (x, y) in places.items()]
    left, top = (min(box[i] for box in boxes) - EDGE for i in (0, 1))
    right, bottom = (max(box[i] for box in boxes) + EDGE for i in (2, 3))
    scale = FILL * min(VIEW[0] / (right - left), VIEW[1] / (bottom - top))
    offset = [VIEW[0] / scale / 2 - (left + right) / 2, VIEW[1] / scale / 2 - (top + bottom) / 2]
    workflow["extra"]["ds"] = {"scale": round(scale, 3), "offset": [round(value) for value in offset]}
    size = f"{right - left:.0f} x {bottom - top:.0f}"
    return (
        [f"a window of 1600 x 1000 shows the nodes at {scale:.0%}: {size} pixels, at most 2000 x 1250"]
        if scale < 0.6
        else []
    )


def order_nodes(workflow):
    """Numbers the nodes from left to right, as the page lists them."""
    for order, node in enumerate(sorted(workflow["nodes"], key=lambda node: (node["pos"][0], node["pos"][1]))):
        node["order"] = order


def set_app(workflow, app, numbers):
    """Says which widgets and results an app shows."""
    if app:
        number = lambda name: str(numbers.get(str(name), name))
        inputs = [[number(node), key] for node, _, key in (str(entry).partition(".") for entry in app["inputs"])]
        workflow["extra"] |= {
            "linearMode": True,
            "linearData": {"inputs": inputs, "outputs": [number(name) for name in app["outputs"]]},
        }
