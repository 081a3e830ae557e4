"""What the tests of templates count as an overlap, a hidden link and a zoom."""

import pytest
from geometry import apart, around, curve, fit_zoom, hidden_links, in_window, within


def test_boxes_that_touch_are_apart():
    assert apart([0, 0, 10, 10], [10, 0, 10, 10]) and apart([0, 0, 10, 10], [0, 10, 10, 10])
    assert not apart([0, 0, 10, 10], [9, 9, 10, 10])
    assert within([2, 2, 8, 8], [0, 0, 10, 10]) and not within([2, 2, 9, 8], [0, 0, 10, 10])
    assert around([[0, 5, 10, 10], [-3, 7, 1, 20]]) == [-3, 5, 13, 22]


def test_a_curve_leaves_and_arrives_level_and_ends_where_it_should():
    points = curve([0, 0], [400, 300])
    assert points[0].tolist() == [0, 0] and points[-1].tolist() == [400, 300]
    for step in (points[1] - points[0], points[-1] - points[-2]):
        assert step[0] > 0 and abs(step[1]) < 0.2 * step[0]
    assert points[len(points) // 2] == pytest.approx([200, 150], abs=8)


def node(name, *box):
    return {"id": name, "box": box}


LINK = {"id": 1, "source": "a", "target": "c", "start": [100, 50], "end": [500, 50]}
ENDS = [node("a", 0, 0, 100, 100), node("c", 500, 0, 100, 100)]


@pytest.mark.parametrize(
    ("box", "hidden"),
    [
        ((200, 0, 100, 100), True),
        ((200, 47, 100, 100), False),  # three pixels are the link's own width
        ((200, 100, 100, 100), False),
        ((600, 0, 100, 100), False),
    ],
)
def test_a_link_behind_a_node_between_its_ends_is_found(box, hidden):
    found = hidden_links([LINK], [*ENDS, node("b", *box)])
    assert [(link["id"], other["id"]) for link, other in found] == [(1, "b")] * hidden


def test_a_link_that_turns_back_is_followed_out_of_its_node():
    back = LINK | {"start": [500, 50], "end": [0, 250]}
    assert hidden_links([back], [node("a", 400, 0, 100, 100), node("c", 0, 200, 100, 100), node("b", 510, 40, 60, 60)])


def test_the_zoom_leaves_an_eighth_on_each_side():
    assert fit_zoom([[0, 0, 1980, 500]], (1600, 1000)) == pytest.approx(0.6)
    assert fit_zoom([[0, 0, 500, 1230]], (1600, 1000)) == pytest.approx(0.6)
    assert in_window([0, 0, 100, 50], 0.5, [20, 40]) == [10, 20, 50, 25]
