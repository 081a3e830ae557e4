"""The pack's blueprints in the real page: found by the search, inserted as one node, and run."""

import json
from pathlib import Path

import pytest
from templates.blueprints import read_blueprints

pytestmark = pytest.mark.long(seconds=60)

ROOT = Path(__file__).resolve().parents[2]
BLUEPRINTS = read_blueprints()
# A picture in front of the node that was inserted, a preview behind it.
CONNECT = """async () => {
    const node = app.graph._nodes[0];
    const add = type => { const one = LiteGraph.createNode(type); app.graph.add(one); return one };
    add("EmptyImage").connect(0, node, node.findInputSlot("image"));
    node.connect(node.findOutputSlot("images"), add("PreviewImage"), 0);
    const steps = node.widgets.find(widget => widget.name == "steps"), before = steps.value;
    steps.value = 1;
    const prompt = (await app.graphToPrompt()).output;
    steps.value = before;  // the page keeps it for the next node of this blueprint
    return prompt;
}"""


FIRST_FOUND = "document.querySelector('[role=option]')?.innerText.split('\\n')[0]"
SEARCH = "document.querySelector('#vue-app').__vue_app__.config.globalProperties.$pinia._s.get('searchBox')"


def insert(page, title):
    """Types the name into the search of nodes and takes the first result."""
    field = page.get_by_placeholder("Add a node...")
    page.keyboard.press("Escape")  # a node that was inserted follows the pointer until it is placed
    page.evaluate(f"() => {{ app.graph.clear(); {SEARCH}.visible = false }}")
    field.wait_for(state="hidden")
    page.evaluate(f"() => {{ {SEARCH}.visible = true }}")
    field.fill("zzz")  # what the search before found is shown until something else is typed
    page.wait_for_function(f"title => {FIRST_FOUND} != title", arg=title)
    field.fill(title)
    page.wait_for_function(f"title => {FIRST_FOUND} == title", arg=title)
    field.press("Enter")
    page.wait_for_function("app.graph._nodes.length == 1")


@pytest.mark.parametrize("name", BLUEPRINTS)
def test_a_blueprint_is_found_by_its_name_and_holds_the_nodes_of_its_workflow(page, name):
    blueprint = BLUEPRINTS[name]
    insert(page, blueprint.title)
    title, inside = page.evaluate("[app.graph._nodes[0].title, app.graph._nodes[0].subgraph.nodes.map(n => n.type)]")
    prompt = json.loads((ROOT / "workflows" / "api" / f"{blueprint.workflow}.json").read_text(encoding="utf-8"))
    assert title == blueprint.title
    assert sorted(inside) == sorted(prompt[node]["class_type"] for node in blueprint.subgraph.nodes)


@pytest.mark.parametrize("name", BLUEPRINTS)
def test_promoted_widgets_show_the_values_of_the_workflow(page, name):
    blueprint = BLUEPRINTS[name]
    insert(page, blueprint.title)
    shown = page.evaluate(
        "app.graph._nodes[0].widgets.filter(w => !w.name.startsWith('control_after')).map(w => w.value)"
    )
    prompt = json.loads((ROOT / "workflows" / "api" / f"{blueprint.workflow}.json").read_text(encoding="utf-8"))
    assert shown == [prompt[node]["inputs"][key] for node, key, _ in blueprint.subgraph.widgets]


def test_an_inserted_blueprint_runs(page, run):
    insert(page, BLUEPRINTS["animate_still"].title)
    result = run(page.evaluate(CONNECT))
    assert result.ok, (result.error, result.node_errors)
    assert any(len(output.get("images", ())) > 1 for output in result.outputs.values())
