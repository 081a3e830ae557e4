"""Subgraphs unfold into the nodes inside them, under the ids that the page gives them."""

import copy

import pytest
from duet_host.errors import HostError
from duet_host.workflow import ui_to_api

RESIZE, TWICE = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
TEXT = {"width": 64, "height": 32, "batch_size": 1, "color": 255}


def empty_image(number, links, width=64):
    return {
        "id": number,
        "type": "EmptyImage",
        "inputs": [{"name": name, "type": "INT", "widget": {"name": name}, "link": None} for name in TEXT],
        "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": links}],
        "widgets_values": [width, 32, 1, 255],
    }


def save(number, link):
    images = {"name": "images", "type": "IMAGE", "link": link}
    return {"id": number, "type": "SaveImage", "inputs": [images], "outputs": [], "widgets_values": ["all"]}


def batch(number, first, second, links):
    images = [
        {"name": f"images.image{i}", "type": "IMAGE", "link": link} for i, link in enumerate((first, second, None))
    ]
    return {
        "id": number,
        "type": "BatchImagesNode",
        "inputs": images,
        "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": links}],
        "widgets_values": [],
    }


def link(number, source, output, target, place, kind="IMAGE"):
    return {
        "id": number,
        "origin_id": source,
        "origin_slot": output,
        "target_id": target,
        "target_slot": place,
        "type": kind,
    }


def definition(kind, inputs, outputs, nodes, links):
    """`inputs` and `outputs` as (name, type, ids of the links inside)."""
    slots = lambda entries: [{"name": n, "type": t, "linkIds": ids} for n, t, ids in entries]
    return {"id": kind, "inputs": slots(inputs), "outputs": slots(outputs), "nodes": nodes, "links": links}


def instance(number, kind, inputs, links, **more):
    """`inputs` as (name, type, link, whether it is a widget)."""
    return {
        "id": number,
        "type": kind,
        "inputs": [
            {"name": n, "type": t, "link": k} | ({"widget": {"name": n}} if widget else {})
            for n, t, k, widget in inputs
        ],
        "outputs": [{"name": "IMAGE", "type": "IMAGE", "links": links}],
        "widgets_values": [],
    } | more


@pytest.fixture
def ui():
    """A picture goes into a subgraph that batches it with one of its own, whose width the subgraph node shows."""
    own = empty_image(5, [21], 16)
    own["inputs"][0]["link"] = 22
    inside = definition(
        RESIZE,
        [("images", "IMAGE", [20]), ("width", "INT", [22])],
        [("IMAGE", "IMAGE", [23])],
        [own, batch(6, 20, 21, [23])],
        [link(20, -10, 0, 6, 0), link(21, 5, 0, 6, 1), link(22, -10, 1, 5, 0, "INT"), link(23, 6, 0, -20, 0)],
    )
    slots = [("images", "IMAGE", 1, False), ("width", "INT", None, True)]
    return {
        "nodes": [empty_image(1, [1]), instance(101, RESIZE, slots, [2]), save(3, 2)],
        "links": [[1, 1, 0, 101, 0, "IMAGE"], [2, 101, 0, 3, 0, "IMAGE"]],
        "definitions": {"subgraphs": [inside]},
    }


@pytest.fixture
def nested(ui):
    """The same, with the subgraph node inside another one that shows its width too."""
    slots = [("images", "IMAGE", 30, False), ("width", "INT", 32, True)]
    ui["definitions"]["subgraphs"].append(
        definition(
            TWICE,
            [("images", "IMAGE", [30]), ("width", "INT", [32])],
            [("IMAGE", "IMAGE", [31])],
            [instance(8, RESIZE, slots, [31])],
            [link(30, -10, 0, 8, 0), link(31, 8, 0, -20, 0), link(32, -10, 1, 8, 1, "INT")],
        )
    )
    ui["nodes"][1]["type"] = TWICE
    return ui


def inputs_of(prompt):
    return {key: node["inputs"] for key, node in prompt.items()}


def test_the_nodes_inside_stand_in_for_the_subgraph(ui, info):
    prompt = inputs_of(ui_to_api(ui, info))
    assert prompt["101:6"] == {"images.image0": ["1", 0], "images.image1": ["101:5", 0]}
    assert prompt["3"]["images"] == ["101:6", 0]
    assert set(prompt) == {"1", "3", "101:5", "101:6"}


def test_a_shown_widget_has_the_value_of_the_subgraph_node(ui, info):
    assert inputs_of(ui_to_api(ui, info))["101:5"]["width"] == 16, "nothing is kept outside"
    ui["nodes"][1]["widgets_values"] = [48]
    assert inputs_of(ui_to_api(ui, info))["101:5"] == TEXT | {"width": 48}


def test_values_are_found_by_the_list_of_older_files(ui, info):
    ui["nodes"][1] |= {"properties": {"proxyWidgets": [["5", "height"], ["5", "width"]]}, "widgets_values": [None, 48]}
    assert inputs_of(ui_to_api(ui, info))["101:5"] == TEXT | {"width": 48}
    ui["nodes"][1] |= {"properties": {"proxyWidgets": [["6", "gone"], ["-1", "width"]]}, "widgets_values": [None, 40]}
    assert inputs_of(ui_to_api(ui, info))["101:5"] == TEXT | {"width": 40}


def test_a_link_to_a_shown_widget_wins(ui, info):
    ui["nodes"].append(
        {
            "id": 9,
            "type": "PrimitiveInt",
            "outputs": [{"name": "INT", "type": "INT", "links": [3]}],
            "widgets_values": [7],
        }
    )
    ui["links"].append([3, 9, 0, 101, 1, "INT"])
    ui["nodes"][1] |= {"widgets_values": [48]}
    ui["nodes"][1]["inputs"][1]["link"] = 3
    assert inputs_of(ui_to_api(ui, info))["101:5"]["width"] == ["9", 0]


def test_two_nodes_of_one_subgraph_keep_apart(ui, info):
    second = copy.deepcopy(ui["nodes"][1]) | {"id": 102, "widgets_values": [99]}
    second["inputs"][0]["link"], second["outputs"][0]["links"] = 4, [5]
    ui["nodes"] += [second, save(13, 5)]
    ui["links"] += [[4, 1, 0, 102, 0, "IMAGE"], [5, 102, 0, 13, 0, "IMAGE"]]
    prompt = inputs_of(ui_to_api(ui, info))
    assert (prompt["101:5"]["width"], prompt["102:5"]["width"]) == (16, 99)
    assert (prompt["3"]["images"], prompt["13"]["images"]) == (["101:6", 0], ["102:6", 0])


def test_a_bypassed_subgraph_hands_on_what_it_gets(ui, info):
    ui["nodes"][1]["mode"] = 4
    prompt = inputs_of(ui_to_api(ui, info))
    assert set(prompt) == {"1", "3"} and prompt["3"]["images"] == ["1", 0]


def test_a_muted_subgraph_takes_its_links_along(ui, info):
    ui["nodes"][1]["mode"] = 2
    prompt = inputs_of(ui_to_api(ui, info))
    assert set(prompt) == {"1", "3"} and "images" not in prompt["3"]


def test_a_bypassed_node_inside_hands_on_what_comes_from_outside(ui, info):
    ui["definitions"]["subgraphs"][0]["nodes"][1]["mode"] = 4
    assert inputs_of(ui_to_api(ui, info))["3"]["images"] == ["1", 0]


def test_subgraphs_inside_subgraphs_unfold_too(nested, info):
    prompt = inputs_of(ui_to_api(nested, info))
    assert prompt["101:8:6"] == {"images.image0": ["1", 0], "images.image1": ["101:8:5", 0]}
    assert prompt["3"]["images"] == ["101:8:6", 0]
    assert prompt["101:8:5"]["width"] == 16


@pytest.mark.parametrize(("outer", "inner", "width"), [([48], [32], 48), ([], [32], 32), ([48], [], 48)])
def test_the_outermost_value_wins(nested, info, outer, inner, width):
    nested["nodes"][1]["widgets_values"] = outer
    nested["definitions"]["subgraphs"][1]["nodes"][0]["widgets_values"] = inner
    assert inputs_of(ui_to_api(nested, info))["101:8:5"]["width"] == width


def test_a_subgraph_that_contains_itself_is_refused(nested, info):
    nested["definitions"]["subgraphs"][1]["nodes"][0]["type"] = TWICE
    with pytest.raises(HostError, match="contains itself"):
        ui_to_api(nested, info)


def test_an_independent_converter_reads_the_same_graphs(ui, nested, info):
    converter = pytest.importorskip("comfy_cli.workflow_to_api")
    nested["nodes"][1]["widgets_values"] = [48]
    for workflow in (ui, nested):
        theirs, ours = converter.convert_ui_to_api(workflow, info), ui_to_api(workflow, info)
        assert inputs_of(theirs) == inputs_of(ours)
