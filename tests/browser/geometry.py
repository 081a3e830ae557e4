"""Where the page draws the nodes, groups and links of a graph; boxes are [x, y, width, height] with the title bar."""

import numpy as np

FILLED = 0.75  # the share of the window that the page fills with a graph that it fits
PADDING = 10  # pixels that it leaves around the nodes
BEND = 0.25  # a link leaves and arrives level, over this share of its length
SAMPLES = 60


def apart(a, b):
    """Whether two boxes have no pixel in common."""
    return a[0] + a[2] <= b[0] or b[0] + b[2] <= a[0] or a[1] + a[3] <= b[1] or b[1] + b[3] <= a[1]


def within(inner, outer):
    """Whether one box lies in another."""
    return (
        outer[0] <= inner[0]
        and outer[1] <= inner[1]
        and inner[0] + inner[2] <= outer[0] + outer[2]
        and inner[1] + inner[3] <= outer[1] + outer[3]
    )


def around(boxes):
    """The box around boxes."""
    low, high = np.min([b[:2] for b in boxes], 0), np.max([[b[0] + b[2], b[1] + b[3]] for b in boxes], 0)
    return [*low, *(high - low)]


def fit_zoom(boxes, window):
    """The zoom at which the page shows a graph that it fits into the window: when a template is opened, or by its key."""
    _, _, width, height = around(boxes)
    return FILLED * min(window[0] / max(width + 2 * PADDING, 300), window[1] / max(height + 2 * PADDING, 300))


def in_window(box, scale, offset):
    """The box in pixels of the window."""
    return [(box[0] + offset[0]) * scale, (box[1] + offset[1]) * scale, box[2] * scale, box[3] * scale]


def curve(start, end, samples=SAMPLES):
    """Points (samples, 2) of the curve that the page draws for a link."""
    a, b = np.array(start, float), np.array(end, float)
    reach = [BEND * np.linalg.norm(b - a), 0]
    t = np.linspace(0, 1, samples)[:, None]
    return (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * (a + reach) + 3 * (1 - t) * t**2 * (b - reach) + t**3 * b


def runs_behind(points, box, tolerance=4):
    """Whether a curve has points inside a box, more than `tolerance` pixels from its edge."""
    x, y, width, height = box
    low, high = [x + tolerance, y + tolerance], [x + width - tolerance, y + height - tolerance]
    return bool(((points > low) & (points < high)).all(1).any())


def hidden_links(links, nodes):
    """Pairs (link, node) where a link runs behind a node that it does not connect."""
    return [
        (link, node)
        for link in links
        for node in nodes
        if node["id"] not in (link["source"], link["target"])
        and runs_behind(curve(link["start"], link["end"]), node["box"])
    ]
