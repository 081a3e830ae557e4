"""The blueprints of the node library: listed by the real server, and what their sources make."""

import json
import urllib.request
from pathlib import Path

import pytest
from duet_host.save_video import for_this_host
from templates.blueprints import build_blueprint, read_blueprints

ROOT = Path(__file__).resolve().parents[2]
BLUEPRINTS = read_blueprints()
PACK = "custom_nodes.comfyui-duet"


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def ask(url):
    with urllib.request.urlopen(url) as reply:
        return json.load(reply)


def test_the_server_lists_them_and_gives_their_files(server):
    listed = ask(f"{server.url}/global_subgraphs")
    ours = {key: entry["name"] for key, entry in listed.items() if entry["info"]["node_pack"] == PACK}
    assert sorted(ours.values()) == sorted(blueprint.title for blueprint in BLUEPRINTS.values())
    for key, title in ours.items():
        data = ask(f"{server.url}/global_subgraphs/{key}")["data"]
        assert json.loads(data) == read(ROOT / "subgraphs" / f"{title}.json")


@pytest.mark.parametrize("name", BLUEPRINTS)
def test_a_blueprint_is_what_its_sources_make(name, object_info):
    blueprint = BLUEPRINTS[name]
    prompt = for_this_host(read(ROOT / "workflows" / "api" / f"{blueprint.workflow}.json"), object_info)
    made = build_blueprint(prompt, object_info, blueprint)
    assert read(ROOT / "subgraphs" / f"{blueprint.title}.json") == made, "run scripts/write_templates.py"


@pytest.mark.parametrize("name", BLUEPRINTS)
def test_a_blueprint_tells_its_slots_apart(name):
    """One node with a description; no slot has the number of a repeated name, and nothing leads outside."""
    graph = read(ROOT / "subgraphs" / f"{BLUEPRINTS[name].title}.json")
    (node,) = graph["nodes"]
    (definition,) = graph["definitions"]["subgraphs"]
    assert node["type"] == definition["id"] and definition["name"] == BLUEPRINTS[name].title
    assert len(definition["description"]) > 60 and definition["category"].startswith("Duet")
    assert all(slot["link"] is None for slot in node["inputs"]) and not any(slot["links"] for slot in node["outputs"])
    for slots in (node["inputs"], node["outputs"]):
        assert not [slot["name"] for slot in slots if slot["name"][-1].isdigit() or slot["type"] == "*"]
