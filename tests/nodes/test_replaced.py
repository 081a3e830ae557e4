"""A saved workflow with the id of a renamed node still runs: the host puts the new node in its place."""

import asyncio
import json
from pathlib import Path
from urllib.request import urlopen

import pack
import pytest
from pack.nodes.replaced import REPLACED

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "replaced"
PROMPTS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FIXTURES.glob("*.json"))}


@pytest.mark.parametrize("name", PROMPTS)
def test_a_prompt_with_the_old_id_runs(name, run):
    result = run(json.loads(json.dumps(PROMPTS[name])))
    assert result.ok, (result.error, result.node_errors)
    assert any("text" in output for output in result.outputs.values()), "what followed the old node has its output"


def test_the_page_is_offered_every_replacement(server):
    listed = json.loads(urlopen(f"{server.url}/node_replacements").read())
    for entry in REPLACED:
        assert entry.as_dict() in listed[entry.old_node_id]


def test_replacements_lead_to_nodes_and_inputs_that_exist():
    """An old id is free, its fixture exists, and every required input of the new node is filled."""
    extension = asyncio.run(pack.comfy_entrypoint())
    asyncio.run(extension.on_load())
    schemas = {node.GET_SCHEMA().node_id: node.GET_SCHEMA() for node in asyncio.run(extension.get_node_list())}
    used = {node["class_type"] for prompt in PROMPTS.values() for node in prompt.values()}
    for entry in REPLACED:
        assert entry.old_node_id not in schemas and entry.old_node_id in used
        new = schemas[entry.new_node_id]
        filled = {line["new_id"] for line in entry.input_mapping}
        assert filled == {i.id for i in new.inputs if not i.optional} | (filled & {i.id for i in new.inputs})
        assert {line["new_idx"] for line in entry.output_mapping} == set(range(len(new.outputs)))
