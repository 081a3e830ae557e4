"""One level of a UI workflow, its links followed through what exists only on the page."""

from .errors import HostError
from .widgets import widget_values, wrapped

ACTIVE, MUTED, BYPASSED = 0, 2, 4
ONLY_ON_PAGE = ("Note", "MarkdownNote", "Reroute", "PrimitiveNode")
INPUTS = -10  # the id of a subgraph's end that its inputs come from
LONGEST = 200  # links that are followed before a circle is assumed


class OfPrimitive(tuple):
    """(value,) of a primitive node, which the page does not hand on to the inside of a subgraph."""


class Graph:
    """The nodes and links of a workflow, or of what is inside one subgraph node of it."""

    def __init__(self, level, info, definitions, around=None, instance=None):
        self.level, self.info, self.definitions = level, info, definitions
        self.around, self.instance = around, instance  # the graph and its node that this one is inside of
        self.path = f"{around.path}{instance['id']}:" if around else ""
        self.nodes = {str(node["id"]): node for node in level["nodes"]}
        self.sources, self.targets = {}, {}
        for link in level.get("links") or []:
            if isinstance(link, dict):  # as subgraphs and the newer schema write it
                ends = ("id", "origin_id", "origin_slot", "target_id", "target_slot")
                link = [link[end] for end in ends]
            self.sources[link[0]] = (str(link[1]), link[2])
            self.targets[link[0]] = (str(link[3]), link[4])

    def running(self):
        """Yields every node that goes to the server with its graph, those inside of subgraphs too."""
        for node in self.level["nodes"]:
            if node.get("mode", ACTIVE) in (MUTED, BYPASSED) or node["type"] in ONLY_ON_PAGE:
                continue
            if node["type"] in self.definitions:
                yield from self.inside(node).running()
            else:
                yield self, node

    def inside(self, node):
        """Returns the graph inside of a subgraph node."""
        graph = self
        while graph.around:
            if graph.instance["type"] == node["type"]:
                raise HostError(f"The subgraph {node['type']} contains itself. Remove it from its own inside.")
            graph = graph.around
        return Graph(self.definitions[node["type"]], self.info, self.definitions, self, node)

    def linked_inputs(self, node, values):
        """Returns the values with every linked input replaced by where it comes from."""
        inputs = dict(values)
        for slot in node.get("inputs") or []:
            source = self.source(slot.get("link"))
            if source is not None:
                inputs[slot["name"]] = source[0] if len(source) == 1 else [str(source[0]), source[1]]
        return inputs

    def source(self, link, length=0):
        """Returns (node id, slot) behind a link, (value,) for a value of the page, None for nothing."""
        number, slot = self.sources.get(link, (None, None))
        if length > LONGEST:
            return None
        if number == str(INPUTS) and self.instance:
            return self._from_around(slot, length)
        node = self.nodes.get(number)
        if node is None or node.get("mode", ACTIVE) == MUTED:
            return None
        if node["type"] == "PrimitiveNode":
            return OfPrimitive((node.get("widgets_values") or [None])[:1])
        if node["type"] == "Reroute":
            return self.source((node.get("inputs") or [{}])[0].get("link"), length + 1)
        if node.get("mode", ACTIVE) == BYPASSED:
            return self.source(self._passed_through(node, slot), length + 1)
        if node["type"] in self.definitions:
            return self.inside(node)._given_out(slot, length)
        return self.path + number, slot

    def _given_out(self, slot, length):
        """Returns what is behind an output of the subgraph."""
        links = self.level["outputs"][slot].get("linkIds") or []
        return self.source(links[0], length + 1) if links else None

    def _from_around(self, slot, length):
        """Returns what the subgraph node is given for an input: its link, else the value of its widget."""
        link = self._slot_around(slot).get("link")
        if link not in self.around.sources:
            return self.promoted(slot)
        source = self.around.source(link, length + 1)
        return None if isinstance(source, OfPrimitive) else source

    def _slot_around(self, slot):
        """Returns the input of the subgraph node that stands for an input of the subgraph."""
        name = self.level["inputs"][slot]["name"]
        return next((entry for entry in self.instance.get("inputs") or [] if entry["name"] == name), {})

    def promoted(self, slot):
        """Returns (value,) of the widget that the subgraph node shows for an input, None where it shows none."""
        inside = [self._value_behind(place) for place in range(slot + 1)]
        if inside[slot] is None:
            return None
        place = sum(value is not None for value in inside[:slot])  # sockets keep no value
        kept = self._kept(slot, place)
        return inside[slot] if kept is None else (wrapped(kept),)

    def _kept(self, slot, place):
        """Returns the value that the file keeps for an input, in the order of widgets or of older files' list of them."""
        values = self.instance.get("widgets_values") or []
        listed = (self.instance.get("properties") or {}).get("proxyWidgets") or []
        names = {self._name_of(*entry[:2]): number for number, entry in enumerate(listed)}
        place = names.get(self.level["inputs"][slot]["name"], place)
        return values[place] if isinstance(values, list) and place < len(values) else None

    def _name_of(self, number, widget):
        """Returns the name of the input that an entry of older files' list of widgets stands for."""
        if str(number) == "-1":
            return widget
        for entry in self.level["inputs"]:
            for link in entry.get("linkIds") or []:
                target, place = self.targets.get(link, (None, None))
                if target == str(number) and self.nodes[target]["inputs"][place]["name"] == widget:
                    return entry["name"]
        return None

    def _value_behind(self, slot):
        """Returns (value,) of the first widget inside that an input of the subgraph is linked to, None for a socket."""
        for link in self.level["inputs"][slot].get("linkIds") or []:
            number, place = self.targets.get(link, (None, None))
            value = self._value_inside(self.nodes[number], place) if number in self.nodes else None
            if value is not None:
                return value
        return None

    def _value_inside(self, node, place):
        """Returns (value,) of the widget at an input of a node inside, which may be a subgraph node again."""
        entry = node["inputs"][place]
        if node["type"] in self.definitions:
            graph = self.inside(node)
            return graph.promoted([slot["name"] for slot in graph.level["inputs"]].index(entry["name"]))
        if "widget" not in entry or node["type"] not in self.info:
            return None
        return (widget_values(node, self.info[node["type"]]).get(entry["widget"]["name"]),)

    @staticmethod
    def _passed_through(node, slot):
        """Returns the link that a bypassed node hands on: the same slot if its type fits, else the first that fits."""
        inputs, kind = node.get("inputs") or [], node["outputs"][slot]["type"]
        candidates = [*inputs[slot : slot + 1], *inputs]
        fits = (i["link"] for i in candidates if i.get("link") is not None and i["type"] in (kind, "*"))
        return next(fits, None)
