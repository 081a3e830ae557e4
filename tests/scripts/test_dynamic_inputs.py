"""Inputs of newer hosts that draw something, grow with a link or come in rows, in both formats."""

import pytest
from duet_host.schema import inputs_of
from duet_host.workflow import api_to_ui, ui_to_api

TITLE = {"_meta": {"title": "Node"}}
ROW = {
    "required": {"file": ["COMBO", {"options": ["a", "b"]}], "seed": ["INT", {"control_after_generate": True}]},
    "optional": {"on": ["BOOLEAN", {"default": True}]},
}
GUIDE = {
    "required": {"mask": ["MASK", {}], "strength": ["FLOAT", {"default": 0.5}]},
    "optional": {"inner": ["COMFY_DYNAMICSLOT_V3", {"slotType": "LATENT", "inputs": {"required": {"n": ["INT", {}]}}}]},
}


def schema(**inputs):
    order = {"input_order": {"required": list(inputs)}, "display_name": "Node"}
    return {"input": {"required": inputs}, "output": ["IMAGE"], "output_name": ["IMAGE"], **order}


@pytest.fixture
def info():
    """A server's answer about nodes that this pack's own host, 0.30.0, describes in the same words."""
    text = ["STRING", {"default": "text"}]
    group = ["COMFY_DYNAMICGROUP_V3", {"template": ROW, "min": 1, "max": 5, "group_name": "File"}]
    slot = ["COMFY_DYNAMICSLOT_V3", {"slotType": "IMAGE", "inputs": GUIDE, "forceInput": True}]
    options = [{"key": "many", "inputs": {"required": {"rows": group}}}, {"key": "none", "inputs": {"required": {}}}]
    return {
        "Source": schema(),
        "Drawn": schema(
            colors=["COLORS", {"default": [], "socketless": False}],
            boxes=["BOUNDING_BOXES", {"default": []}],
            range=["RANGE", {"default": {"min": 0.0, "max": 1.0}, "socketless": False}],
            text=text,
        ),
        "Rows": schema(before=text, rows=group, after=text),
        "Inside": schema(mode=["COMFY_DYNAMICCOMBO_V3", {"options": options}], after=text),
        "Slot": schema(before=text, guide=slot, after=text),
    }


def node(kind, **inputs):
    return {"class_type": kind, "inputs": inputs, **TITLE}


def two_ways(prompt, info):
    """The workflow in UI format, after a check that the way back leads to the same prompt."""
    ui = api_to_ui(prompt, info)
    assert ui_to_api(ui, info) == prompt
    return {str(entry["id"]): entry for entry in ui["nodes"]}


def row(number, file, seed, on):
    return {f"rows.{number}.file": file, f"rows.{number}.seed": seed, f"rows.{number}.on": on}


def test_what_draws_something_is_a_widget_with_or_without_a_socket(info):
    values = {
        "colors": {"__value__": ["#ff0000", "#00ff00"]},
        "boxes": {"__value__": [{"x": 1, "y": 2, "width": 3, "height": 4}]},
        "range": {"min": 0.25, "max": 0.5},
        "text": "kept",
    }
    ui = two_ways({"1": node("Drawn", **values)}, info)["1"]
    assert ui["widgets_values"] == [
        values["colors"]["__value__"],
        values["boxes"]["__value__"],
        values["range"],
        "kept",
    ]
    assert [slot["type"] for slot in ui["inputs"] if "widget" in slot] == [
        "COLORS",
        "BOUNDING_BOXES",
        "RANGE",
        "STRING",
    ]


def test_the_values_of_rows_follow_their_number(info):
    values = {"before": "x", **row(0, "a", 7, True), **row(1, "b", 8, False), "after": "y"}
    ui = two_ways({"1": node("Rows", **values)}, info)["1"]
    assert ui["widgets_values"] == ["x", 2, "a", 7, "fixed", True, "b", 8, "fixed", False, "y"]
    assert "rows" not in [slot["name"] for slot in ui["inputs"]], "only the page knows the number of rows"


def test_a_group_has_its_least_number_of_rows(info):
    ui = api_to_ui({"1": node("Rows", before="x", after="y")}, info)
    assert ui["nodes"][0]["widgets_values"] == ["x", 1, "a", 0, "fixed", True, "y"]
    ui["nodes"][0]["widgets_values"] = ["x", 0, "y"]
    assert ui_to_api(ui, info)["1"]["inputs"] == {"before": "x", "after": "y"}


def test_rows_inside_a_choice_open_with_it(info):
    inner = {f"mode.{name}": value for name, value in row(0, "b", 3, True).items()}
    many = node("Inside", mode="many", **inner, after="y")
    none = node("Inside", mode="none", after="y")
    ui = two_ways({"1": many, "2": none}, info)
    assert ui["1"]["widgets_values"] == ["many", 1, "b", 3, "fixed", True, "y"]
    assert ui["2"]["widgets_values"] == ["none", "y"]


def test_fields_of_rows_take_links(info):
    values = {"before": "x", **row(0, "a", ["2", 0], True), **row(1, ["2", 0], 8, False), "after": "y"}
    two_ways({"1": node("Rows", **values), "2": node("Source")}, info)


def test_rows_by_name_are_read_too(info):
    values = {"before": "x", "rows": 1, **row(0, "b", 7, False), "after": "y"}
    ui = {"nodes": [{"id": 1, "type": "Rows", "inputs": [], "widgets_values": values}], "links": []}
    assert ui_to_api(ui, info)["1"]["inputs"] == {name: values[name] for name in values if name != "rows"}


@pytest.mark.parametrize("count", [0, 1, 3])
def test_an_independent_converter_reads_the_same_rows(info, count):
    converter = pytest.importorskip("comfy_cli.workflow_to_api")
    info["Rows"]["input"]["required"]["rows"][1]["min"] = 0
    rows = [value for number in range(count) for value in row(number, "b", number, False).items()]
    ui = api_to_ui({"1": node("Rows", before="x", **dict(rows), after="y")}, info)
    theirs = converter.convert_ui_to_api(ui, info)
    assert theirs["1"]["inputs"] == ui_to_api(ui, info)["1"]["inputs"] == {"before": "x", **dict(rows), "after": "y"}


def test_a_slot_brings_its_inputs_along_once_it_is_linked(info):
    free = node("Slot", before="x", after="y")
    linked = {"guide": ["9", 0], "guide.mask": ["9", 0], "guide.strength": 0.75}
    full = node("Slot", before="x", **linked, after="y")
    deep = node("Slot", before="x", **linked, **{"guide.inner": ["9", 0], "guide.inner.n": 5}, after="y")
    ui = two_ways({"1": free, "2": full, "3": deep, "9": node("Source")}, info)
    assert [ui[key]["widgets_values"] for key in "123"] == [["x", "y"], ["x", 0.75, "y"], ["x", 0.75, 5, "y"]]
    sockets = {slot["name"]: slot["type"] for slot in ui["2"]["inputs"] if "widget" not in slot}
    assert sockets == {"guide": "IMAGE", "guide.mask": "MASK", "guide.inner": "LATENT"}


def test_the_host_writes_slots_as_the_test_says(info):
    io = pytest.importorskip("comfy_api.latest._io")
    inner = io.DynamicSlot.Input(io.Latent.Input("inner"), [io.Int.Input("n")])
    inputs = [io.Mask.Input("mask"), io.Float.Input("strength", default=0.5), inner]
    slot = io.DynamicSlot.Input(io.Image.Input("guide"), inputs)
    described = (
        io.Schema("x", inputs=[slot], outputs=[]).get_v1_info(type("X", (), {"RELATIVE_PYTHON_MODULE": "x"})).input
    )
    names = [entry.name for entry in inputs_of({"input": described}, {"guide": None, "guide.inner": None})]
    assert names == ["guide", "guide.mask", "guide.strength", "guide.inner", "guide.inner.n"]
