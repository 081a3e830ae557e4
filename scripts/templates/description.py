"""How a template looks: read from layouts/<API name>.yaml."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

FOLDER = Path(__file__).parent / "layouts"


@dataclass(frozen=True)
class Group:
    """A titled box with columns of nodes; `under` puts it below the group before instead of to its right."""

    title: str
    columns: list[list[str]]
    under: bool = False


@dataclass(frozen=True)
class Subgraph:
    """Nodes in a node of their own: `widgets` (node, input, label) are shown on it, `labels` name its slots by their source."""

    name: str
    nodes: list[str]
    widgets: list[tuple[str, str, str | None]] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Description:
    """One template: texts, groups, subgraphs, files to download, and what an app shows."""

    title: str
    needs: str
    note: str
    groups: list[Group]
    subgraphs: dict[str, Subgraph] = field(default_factory=dict)
    models: dict[str, list[dict]] = field(default_factory=dict)
    sizes: dict[str, list[int]] = field(default_factory=dict)
    note_width: int = 420
    keep_order: bool = False
    app: dict = field(default_factory=dict)
    card: dict = field(default_factory=dict)
    time: str = ""  # as a multiple of the first template's; empty where the files are the user's own

    def full_note(self) -> str:
        """The note with the time in words where it says TIME."""
        multiple = "" if self.time == "1" else f"{self.time} times "
        words = f"about {multiple}as long as template 01{self.example()}"
        return self.note.replace("TIME", words if self.time else "depends on your files and your GPU")

    def example(self) -> str:
        """The clip that a time was measured with, where the clip is the user's own."""
        return ", for 3 seconds at 640 pixels" if self.needs.startswith("your clip") else ""


def read_description(path: Path) -> Description:
    """The description in a file; unknown words are refused by the dataclasses."""
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    groups = [Group(g["title"], columns_of(g), g.get("under", False)) for g in data.pop("groups")]
    subgraphs = {str(key): read_subgraph(**value) for key, value in (data.pop("subgraphs", None) or {}).items()}
    by_node = {name: {str(k): v for k, v in (data.pop(name, None) or {}).items()} for name in ("models", "sizes")}
    return Description(groups=groups, subgraphs=subgraphs, **by_node, **data)


def read_subgraph(name: str, nodes: list, widgets=(), labels=None) -> Subgraph:
    """A subgraph as a file describes it; `labels` are by "node.output" of where a link starts."""
    labels = {str(source): label for source, label in (labels or {}).items()}
    return Subgraph(name, [str(node) for node in nodes], [widget_of(entry) for entry in widgets], labels)


def write_time(name: str, multiple: float) -> None:
    """Keeps a measured time in the file of a description."""
    path = FOLDER / f"{name}.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r"(?m)^time:.*$", f'time: "{multiple:.2g}"', text), encoding="utf-8")


def columns_of(group: dict) -> list[list[str]]:
    """Columns of node names; a flat list is one column."""
    columns = group["nodes"]
    if columns and not isinstance(columns[0], list):
        columns = [columns]
    return [[str(name) for name in column] for column in columns]


def widget_of(entry) -> tuple[str, str, str | None]:
    """(node, input, label) of "node.input" or {"node.input": label}."""
    name, label = next(iter(entry.items())) if isinstance(entry, dict) else (entry, None)
    node, _, key = str(name).partition(".")
    return node, key, label


def read_all(pack: str = "") -> dict[str, Description]:
    """Every description of this pack, or of the pack `training`, by the name of its API workflow, in the order of the titles."""
    found = {path.stem: read_description(path) for path in (FOLDER / pack).glob("*.yaml")}
    return dict(sorted(found.items(), key=lambda item: item[1].title))
