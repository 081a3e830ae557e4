"""Blueprints: single subgraphs for the node library, folded from API workflows as blueprints/<name>.yaml describe them."""

from dataclasses import dataclass, field
from pathlib import Path

import yaml
from duet_host.workflow import api_to_ui

from .build import estimated_size, set_models
from .description import Subgraph, read_subgraph
from .subgraphs import Fold

FOLDER = Path(__file__).parent / "blueprints"
NUMBER = 1001  # of the one node, above those of the nodes inside


@dataclass(frozen=True)
class Blueprint:
    """One blueprint: the API workflow it is taken from, its part of it, and what the library says about it."""

    workflow: str
    category: str
    description: str
    subgraph: Subgraph
    aliases: list[str] = field(default_factory=list)
    models: dict[str, list[dict]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return self.subgraph.name


def read_blueprint(path: Path) -> Blueprint:
    """The blueprint in a file; unknown words are refused by the dataclasses."""
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    parts = {key: data.pop(key) for key in ("nodes", "widgets", "labels") if key in data}
    models = {str(node): files for node, files in (data.pop("models", None) or {}).items()}
    return Blueprint(subgraph=read_subgraph(data.pop("title"), **parts), models=models, **data)


def read_blueprints() -> dict[str, Blueprint]:
    """Every blueprint by the name of its description."""
    return {path.stem: read_blueprint(path) for path in sorted(FOLDER.glob("*.yaml"))}


def build_blueprint(prompt: dict, info: dict, blueprint: Blueprint) -> dict:
    """The file of a blueprint: a workflow of one node, whose links to the rest of the API workflow are cut."""
    workflow = api_to_ui(prompt, info)
    set_models(workflow, blueprint.models)
    definition, node = Fold(workflow, f"blueprint {blueprint.title}", blueprint.subgraph, NUMBER).fold()
    for slot in node["inputs"]:
        slot["link"] = None
    for slot in node["outputs"]:
        slot["links"] = []
    node["size"] = estimated_size(node)
    definition |= {"category": blueprint.category, "description": blueprint.description}
    return {
        "revision": 0,
        "last_node_id": NUMBER,
        "last_link_id": 0,
        "nodes": [node],
        "links": [],
        "version": 0.4,
        "definitions": {"subgraphs": [definition]},
        "extra": {"BlueprintDescription": blueprint.description, "BlueprintSearchAliases": blueprint.aliases},
    }
