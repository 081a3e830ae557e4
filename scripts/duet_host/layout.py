"""Places nodes in columns, from what comes first on the left to what comes last on the right."""

TITLE, SLOT, WIDGET, TEXT_BOX, PREVIEW = 40, 20, 26, 110, 220
WIDTH, CHARACTER, GAP_X, GAP_Y = 300, 8, 80, 60


def node_size(node, tall_widgets=0, shows_preview=False):
    """Estimates the [width, height] the page will give a node."""
    sockets = [slot for slot in node["inputs"] if "widget" not in slot]
    height = TITLE + SLOT * max(len(sockets), len(node["outputs"])) + WIDGET * len(node["widgets_values"])
    height += TEXT_BOX * tall_widgets + PREVIEW * shows_preview
    return [max(WIDTH, 60 + CHARACTER * len(node.get("title", node["type"]))), height]


def depths(parents):
    """Returns for each node the length of the longest path that leads to it."""
    found = {}

    def depth(key, above=()):
        if key in above:
            raise ValueError(f"Node {key} feeds itself.")
        if key not in found:
            found[key] = max((1 + depth(parent, (*above, key)) for parent in parents[key]), default=0)
        return found[key]

    for key in parents:
        depth(key)
    return found


def columns(parents, sizes):
    """Returns a position for each node: a column by depth, in it beside the nodes it takes from, nothing on top of another."""
    depth = depths(parents)
    positions, x = {}, 0
    for number in range(max(depth.values(), default=-1) + 1):
        members = [key for key in parents if depth[key] == number]
        members.sort(key=lambda key: _mean([positions[parent][1] for parent in parents[key]]))
        y = 0
        for key in members:
            positions[key] = [x, y]
            y += sizes[key][1] + GAP_Y
        x += max(sizes[key][0] for key in members) + GAP_X
    return positions


def _mean(values):
    return sum(values) / len(values) if values else 0.0
