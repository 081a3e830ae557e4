"""Moves nodes of a page's workflow into subgraphs, in the form in which ComfyUI stores its blueprints."""

import uuid
from dataclasses import dataclass

from duet_host.errors import HostError
from duet_host.layout import columns

FIRST_NUMBER = 1001  # of the nodes that stand for subgraphs
INPUT_NODE, OUTPUT_NODE = -10, -20  # the ids of a subgraph's two ends
ANY, MATCHED = "*", "COMFY_MATCHTYPE_V3"  # of slots that take several types
EDGE, ROW = 260, 20  # pixels between the ends and the nodes, and from slot to slot


@dataclass(frozen=True)
class Link:
    """One connection of the page: from an output slot to an input slot."""

    id: int
    source: int
    output: int
    target: int
    input: int
    type: str

    def inside(self) -> dict:
        """The form in which subgraphs keep links."""
        return {
            "id": self.id, "origin_id": self.source, "origin_slot": self.output,
            "target_id": self.target, "target_slot": self.input, "type": self.type,
        }  # fmt: skip


class Fold:
    """One subgraph of a workflow: its nodes and links inside, and what crosses its border."""

    def __init__(self, workflow: dict, key: str, subgraph, number: int):
        self.workflow, self.subgraph, self.number = workflow, subgraph, number
        self.id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{workflow['id']} {key}"))
        chosen = {int(name) for name in subgraph.nodes}
        self.all = workflow["nodes"]
        self.nodes = {node["id"]: node for node in self.all if node["id"] in chosen}
        if chosen - self.nodes.keys():
            raise HostError(f"{subgraph.name}: the workflow has no node {sorted(chosen - self.nodes.keys())}.")
        self.links = [Link(*link) for link in workflow["links"]]
        self.next_link = workflow["last_link_id"] + 1
        self.inputs, self.outputs, self.inner = [], [], []  # slots of the border, links inside
        self.outer = []  # links of the workflow around it

    def _kind(self, link: Link) -> str:
        """The type of a link; where its source takes any, that of its target."""
        target = next(node for node in self.all if node["id"] == link.target)["inputs"][link.input]["type"]
        return target if link.type == ANY and target != MATCHED else link.type

    def new_link(self) -> int:
        self.next_link += 1
        return self.next_link - 1

    def fold(self) -> tuple[dict, dict]:
        """The definition of the subgraph and the node that stands for it."""
        for link in self.links:
            self._sort(link)
        promoted = [self._promote(*widget) for widget in self.subgraph.widgets]
        self._place()
        self.workflow["links"] = [[li.id, li.source, li.output, li.target, li.input, li.type] for li in self.outer]
        self.workflow["nodes"] = [node for node in self.workflow["nodes"] if node["id"] not in self.nodes]
        self.workflow["last_link_id"] = self.next_link - 1
        return self._definition(), self._instance(promoted)

    def _sort(self, link: Link) -> None:
        """Puts a link inside, outside, or in two halves at the border."""
        comes, goes = link.source in self.nodes, link.target in self.nodes
        if comes and goes:
            self.inner.append(link)
        elif not comes and not goes:
            self.outer.append(link)
        elif goes:
            self._enter(link)
        else:
            self._leave(link)

    def _enter(self, link: Link) -> None:
        slot = next((s for s in self.inputs if s["source"] == (link.source, link.output)), None)
        if slot is None:
            given = self.subgraph.labels.get(f"{link.source}.{link.output}") or self._passed_on(link)
            name = free_name(given or self.nodes[link.target]["inputs"][link.input]["name"], self.inputs)
            slot = self._slot(self.inputs, name, self._kind(link)) | {
                "source": (link.source, link.output),
                "link": link.id,
            }
            self.inputs.append(slot)
            self.outer.append(Link(link.id, link.source, link.output, self.number, len(self.inputs) - 1, link.type))
            kept = self.new_link()
        else:
            kept = self.new_link()
            self._drop_outside(link)
        slot["linkIds"].append(kept)
        self.nodes[link.target]["inputs"][link.input]["link"] = kept
        place = self.inputs.index(slot)
        self.inner.append(Link(kept, INPUT_NODE, place, link.target, link.input, link.type))

    def _passed_on(self, link: Link) -> str | None:
        """The name of what another subgraph gives: it is the same on both sides."""
        if link.source < FIRST_NUMBER:
            return None
        return next(node for node in self.all if node["id"] == link.source)["outputs"][link.output]["name"]

    def _drop_outside(self, link: Link) -> None:
        """Forgets a link whose source is already connected to the subgraph."""
        outputs = next(n for n in self.workflow["nodes"] if n["id"] == link.source)["outputs"]
        outputs[link.output]["links"].remove(link.id)

    def _leave(self, link: Link) -> None:
        output = self.nodes[link.source]["outputs"][link.output]
        slot = next((s for s in self.outputs if s["source"] == (link.source, link.output)), None)
        if slot is None:
            kept = self.new_link()
            given = self.subgraph.labels.get(f"{link.source}.{link.output}")
            slot = self._slot(self.outputs, free_name(given or output["name"], self.outputs), self._kind(link))
            slot |= {"source": (link.source, link.output), "links": [], "linkIds": [kept]}
            self.outputs.append(slot)
            place = len(self.outputs) - 1
            self.inner.append(Link(kept, link.source, link.output, OUTPUT_NODE, place, link.type))
            output["links"].append(kept)
        output["links"].remove(link.id)
        slot["links"].append(link.id)
        place = self.outputs.index(slot)
        self.outer.append(Link(link.id, self.number, place, link.target, link.input, link.type))

    def _promote(self, node: str, key: str, label: str | None) -> list[str]:
        """Shows a widget of a node inside on the node outside; returns what the page keeps of it."""
        inputs = self.nodes[int(node)]["inputs"]
        place = next((i for i, slot in enumerate(inputs) if slot["name"] == key and "widget" in slot), None)
        if place is None or inputs[place]["link"] is not None:
            raise HostError(f"{self.subgraph.name}: node {node} has no free widget {key!r}.")
        kept = self.new_link()
        slot = self._slot(self.inputs, free_name(key, self.inputs), inputs[place]["type"], label)
        slot |= {"linkIds": [kept], "widget": True, "link": None}
        self.inputs.append(slot)
        inputs[place]["link"] = kept
        self.inner.append(Link(kept, INPUT_NODE, len(self.inputs) - 1, int(node), place, slot["type"]))
        return [node, key]

    def _slot(self, slots: list, name: str, kind: str, label: str | None = None) -> dict:
        side = "in" if slots is self.inputs else "out"
        slot = {"id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.id} {side} {name}")), "name": name, "type": kind}
        return slot | {"linkIds": []} | ({"label": label} if label else {})

    def _place(self) -> None:
        """Puts the nodes inside into columns, from left to right."""
        parents = {key: [] for key in self.nodes}
        for link in self.inner:
            if link.source in self.nodes and link.target in self.nodes:
                parents[link.target].append(link.source)
        places = columns(parents, {key: node["size"] for key, node in self.nodes.items()})
        for order, (key, node) in enumerate(sorted(self.nodes.items(), key=lambda item: places[item[0]])):
            node["pos"], node["order"] = list(places[key]), order

    def _definition(self) -> dict:
        right = max(node["pos"][0] + node["size"][0] for node in self.nodes.values())
        ends = {INPUT_NODE: (-EDGE, self.inputs), OUTPUT_NODE: (right + EDGE / 2, self.outputs)}
        for x, slots in ends.values():
            for row, slot in enumerate(slots):
                slot["pos"] = [x + 100, 20 + ROW * row]
        box = {number: [x, 0, 120, 40 + ROW * len(slots)] for number, (x, slots) in ends.items()}
        return {
            "id": self.id,
            "version": 1,
            "state": {
                "lastGroupId": 0, "lastNodeId": max(self.nodes), "lastLinkId": self.next_link - 1, "lastRerouteId": 0,
            },
            "revision": 0,
            "config": {},
            "name": self.subgraph.name,
            "inputNode": {"id": INPUT_NODE, "bounding": box[INPUT_NODE]},
            "outputNode": {"id": OUTPUT_NODE, "bounding": box[OUTPUT_NODE]},
            "inputs": [public(slot) for slot in self.inputs],
            "outputs": [public(slot) for slot in self.outputs],
            "widgets": [],
            "nodes": list(self.nodes.values()),
            "groups": [],
            "links": [link.inside() for link in self.inner],
            "extra": {},
        }  # fmt: skip

    def _instance(self, promoted: list) -> dict:
        inputs = []
        for slot in self.inputs:
            entry = {"name": slot["name"], "type": slot["type"], "link": slot["link"]}
            entry |= {"widget": {"name": slot["name"]}} if slot.get("widget") else {}
            inputs.append(entry | ({"label": slot["label"]} if "label" in slot else {}))
        outputs = [{"name": s["name"], "type": s["type"], "links": s["links"]} for s in self.outputs]
        return {
            "id": self.number,
            "type": self.id,
            "title": self.subgraph.name,
            "pos": [0, 0],
            "size": [0, 0],
            "flags": {},
            "order": 0,
            "mode": 0,
            "inputs": inputs,
            "outputs": outputs,
            "showAdvanced": True,  # what was chosen to be shown, also where it is an advanced input inside
            "properties": {"proxyWidgets": promoted},
            "widgets_values": [],
        }


def free_name(name: str, slots: list) -> str:
    """The name, with a number where the border already has it."""
    taken = {slot["name"] for slot in slots}
    numbers = range(2, len(taken) + 3)
    return name if name not in taken else next(f"{name}_{i}" for i in numbers if f"{name}_{i}" not in taken)


def public(slot: dict) -> dict:
    """What a definition keeps of a slot."""
    return {key: slot[key] for key in ("id", "name", "type", "linkIds", "label", "pos") if key in slot}


def fold_all(workflow: dict, subgraphs: dict) -> dict[str, int]:
    """Folds every subgraph of a description; returns the number of the node that stands for each."""
    definitions, numbers = [], {}
    for place, (key, subgraph) in enumerate(subgraphs.items()):
        number = numbers[key] = FIRST_NUMBER + place
        definition, instance = Fold(workflow, key, subgraph, number).fold()
        definitions.append(definition)
        workflow["nodes"].append(instance)
        workflow["last_node_id"] = number
    if definitions:
        workflow["definitions"] = {"subgraphs": definitions}
    return numbers
