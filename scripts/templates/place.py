"""Places nodes in titled groups from left to right so that no link runs behind a node it does not connect."""

import random
from dataclasses import dataclass

import numpy as np

TITLE = 30  # pixels of a node's title bar, above its position
GROUP_TITLE, PADDING = 44, 24
GAP_X, GAP_Y, GROUP_GAP = 70, 56, 50
SLOT, FIRST_SLOT = 20, 14
SAMPLES = 24  # points of a link that are looked at
LEADS = (0, 0, 0, 30, 60, 90, 130, 180, 240, 320)  # pixels that a node may be moved down
ROUNDS = 1500
HEIGHT = 1200  # pixels that a template may be high, to be seen at 60 %


@dataclass(frozen=True)
class Wire:
    """A link between two nodes: slots counted from the top."""

    source: str
    output: int
    target: str
    input: int


@dataclass
class Column:
    """Nodes from top to bottom, and the space above each."""

    names: list[str]
    leads: list[int]

    def copy(self):
        return Column(list(self.names), list(self.leads))


@dataclass(frozen=True)
class Plan:
    """The stacks of groups of a template; each group is (title, columns); a title of None draws no box."""

    stacks: list[list[tuple[str | None, list[Column]]]]
    sizes: dict[str, tuple[int, int]]

    def copy(self):
        return Plan([[(t, [c.copy() for c in cs]) for t, cs in stack] for stack in self.stacks], self.sizes)

    def columns(self):
        return [column for stack in self.stacks for _, columns in stack for column in columns]

    def positions(self):
        """Node positions [x, y] by name and group boxes (title, [x, y, width, height])."""
        places, boxes, x = {}, [], 0
        for stack in self.stacks:
            y = width = 0
            for title, columns in stack:
                box = self._fill(places, columns, x, y, title is not None)
                if title is not None:
                    boxes.append((title, box))
                y, width = y + box[3] + GROUP_GAP, max(width, box[2])
            x += width + GROUP_GAP
        return places, boxes

    def _fill(self, places, columns, x, y, boxed):
        """Puts the columns of one group into `places`; returns its box."""
        left, bottom = x + PADDING * boxed, y
        for column in columns:
            top = y + GROUP_TITLE * boxed
            width = max(self.sizes[name][0] for name in column.names)
            for name, lead in zip(column.names, column.leads, strict=True):
                top += lead + TITLE
                places[name] = [left, top]
                top += self.sizes[name][1] + GAP_Y - TITLE
            bottom = max(bottom, top - GAP_Y + TITLE)
            left += width + GAP_X
        return [x, y, left - GAP_X - x + PADDING * boxed, bottom - y + PADDING * boxed]


def curves(wires, places, sizes):
    """Points (links, SAMPLES, 2) of the curves that the page draws."""
    ends = np.array(
        [
            [
                places[w.source][0] + sizes[w.source][0],
                places[w.source][1] + FIRST_SLOT + SLOT * w.output,
                places[w.target][0],
                places[w.target][1] + FIRST_SLOT + SLOT * w.input,
            ]
            for w in wires
        ],
        float,
    ).reshape(-1, 4)
    a, b = ends[:, None, :2], ends[:, None, 2:]
    reach = 0.25 * np.linalg.norm(b - a, axis=-1, keepdims=True) * np.array([1.0, 0.0])
    t = np.linspace(0, 1, SAMPLES)[None, :, None]
    return (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * (a + reach) + 3 * (1 - t) * t**2 * (b - reach) + t**3 * b


def behind(wires, places, sizes, margin=6):
    """Pairs (link number, node) where a link runs behind a node that it does not connect."""
    names = list(places)
    boxes = np.array([[*places[n], *sizes[n]] for n in names], float)
    low = boxes[:, :2] - [margin, TITLE + margin]
    high = boxes[:, :2] + boxes[:, 2:] + margin
    points = curves(wires, places, sizes)[:, :, None]
    inside = ((points > low) & (points < high)).all(-1).any(1)
    return [
        (i, names[j])
        for i, j in zip(*np.nonzero(inside), strict=True)
        if names[j] not in (wires[i].source, wires[i].target)
    ]


def cost(plan, wires):
    """How bad a placement is: links behind nodes, then height, then length of links."""
    places, boxes = plan.positions()
    hidden = len(behind(wires, places, plan.sizes)) if wires else 0
    height = max(places[n][1] + plan.sizes[n][1] for n in places)
    height += 10 * max(0, height - HEIGHT)
    steep = np.abs(np.diff(curves(wires, places, plan.sizes)[:, [0, -1], 1])).sum() if wires else 0
    return 1e5 * hidden + 3 * height + steep


def improve(plan, wires, keep_order=False):
    """The best of many small changes: the order within columns and the space above nodes."""
    draw, best, least = random.Random(0), plan, cost(plan, wires)
    for _ in range(ROUNDS):
        trial = best.copy()
        for _ in range(draw.choice((1, 1, 2, 3))):
            column = draw.choice(trial.columns())
            if len(column.names) > 1 and not keep_order and draw.random() < 0.5:
                i, j = draw.sample(range(len(column.names)), 2)
                column.names[i], column.names[j] = column.names[j], column.names[i]
            else:
                column.leads[draw.randrange(len(column.leads))] = draw.choice(LEADS)
        value = cost(trial, wires)
        if value < least:
            best, least = trial, value
    return best
