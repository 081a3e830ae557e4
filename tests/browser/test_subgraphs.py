"""ComfyUI's own subgraphs: what scripts/duet_host makes of them is what the real page sends."""

import json
import os
from pathlib import Path

import pytest
from duet_host.workflow import ui_to_api

pytestmark = pytest.mark.long(seconds=60)

BLUEPRINTS = sorted((Path(os.environ["COMFYUI_PATH"]) / "blueprints").glob("*.json"))
BY_THE_PAGE = "CustomCombo"  # the page writes inputs of its own for this node
PROMPT = """async ui => {
    await app.loadGraphData(ui, true, true, app.extensionManager.workflow.activeWorkflow);
    return (await app.graphToPrompt()).output;
}"""


def all_nodes(workflow):
    return [node for level in (workflow, *workflow["definitions"]["subgraphs"]) for node in level["nodes"]]


def stripped(prompt):
    """Class and inputs of each node; newer pages also write the type of a curve beside its value."""
    unwrapped = lambda value: (
        {"__value__": value["__value__"]} if isinstance(value, dict) and "__type__" in value else value
    )
    return {
        key: (node["class_type"], {name: unwrapped(value) for name, value in node["inputs"].items()})
        for key, node in prompt.items()
    }


@pytest.mark.parametrize("path", BLUEPRINTS, ids=lambda path: path.stem)
def test_a_blueprint_unfolds_as_in_the_page(page, object_info, path):
    workflow = json.loads(path.read_text(encoding="utf-8"))
    nodes = all_nodes(workflow)
    if any(node["type"] == BY_THE_PAGE for node in nodes) or len({node["id"] for node in nodes}) < len(nodes):
        pytest.skip("The page writes inputs of its own, or new numbers where the file has one twice.")
    ours, theirs = stripped(ui_to_api(workflow, object_info)), stripped(page.evaluate(PROMPT, workflow))
    assert ours.keys() == theirs.keys()
    for key, (kind, inputs) in theirs.items():
        empty = {name for name, value in inputs.items() if value is None}  # older files keep null for some widgets
        kept = lambda values, empty=empty: {name: value for name, value in values.items() if name not in empty}
        assert (ours[key][0], kept(ours[key][1])) == (kind, kept(inputs)), key
