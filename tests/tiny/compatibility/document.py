"""docs/compatibility.md and the file of expected verdicts, both written from the same runs."""

import json
from collections import Counter
from pathlib import Path

from tiny.compatibility.families import FAMILIES
from tiny.compatibility.judge import ACTS, FAILS, IGNORED, REFUSED, SAME, WRONG, Verdict
from tiny.compatibility.stock import KINDS, listed, stock_nodes

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT, EXPECTED = ROOT / "docs" / "compatibility.md", ROOT / "tests" / "golden" / "compatibility.json"
COMMAND = "python3 scripts/host.py exec python -m pytest tests/nodes/host/test_compatibility.py"
Verdicts = dict[str, dict[str, Verdict]]  # by node and family

INTRODUCTION = """# Which nodes of ComfyUI work with which models of Duet

Every node that ComfyUI {version} brings along and that takes and gives a model, a latent, conditioning or a ControlNet was
run on every kind of model of this pack. What was found is one of four:

- **acts**: the node changes the result as it does on ComfyUI's own model;
- **refused**: a sentence says what does not fit and what to do instead, before anything is sampled; all sentences are below;
- **no effect there either**: the node is for other models, or needs something else beside it, and changes nothing on
  ComfyUI's own model;
- **error there too**: the node is for other models and stops with ComfyUI's own error on both.

No node is ignored, and none gives a wrong result. ComfyUI's own model is Wan 2.2 for the pair on Wan 2.2, and Stable
Diffusion 1.5 for the rest.

The models: a *pair* is video and depth sampled together; *video alone* is the same model behind Select Video or Depth;
*one-shot* is a model with a video tuning and a depth channel; *character* a character model; *AnimateDiff* a picture model with
a motion module; *pair on Wan 2.2* a video and a second clip of it ([wan.md](wan.md)); *flow* a model that animates a still
image. Nodes of partners, which send a request over the network, and
nodes that pass on any type, such as switches, are left out.
"""

NOTES = {
    "controlnet": "The ControlNet is one of Stable Diffusion 1.5. Load Pose ControlNet on pairs acts through each of "
    "the nodes that take a ControlNet.\n\n",
    "latent": "On a pair a node acts if it does to both halves what it does to a clip. NormalizeVideoLatentStart takes one mean of "
    "all clips of a batch: put it between Split and Join Video and Depth.\n\n",
}
HOW = """## How this was made


```
{command} --write-compatibility
```

This runs the nodes themselves, in one process, on small networks with random weights. A network
whose own layers are untrained answers what the picture network answers, so the result of each node is compared with the
result of the same node on ComfyUI's own network with the same weights: they may differ by no more than one part in ten thousand.
A node that changes latents must do to a pair what it does to each half alone. The pair on Wan 2.2 has copies of Wan's own
layers in place of the added ones, and one prompt for both clips; ComfyUI's own Wan gets the same batch of two clips and the
same conditioning, and its network sees the clips side by side. For flow models, which ComfyUI lacks, the result
must change, stay within the range of a flow and keep the model's noise schedule. Without the option the test compares what
it finds with this page, and fails for a new node of ComfyUI that has no row here.
"""


def version() -> str:
    from comfyui_version import __version__

    return __version__


def as_expected(verdicts: Verdicts) -> str:
    """The word of every node and family, one node a line."""
    lines = [
        f"{json.dumps(node)}: {json.dumps({family: verdict.word for family, verdict in row.items()})}"
        for node, row in sorted(verdicts.items())
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def as_document(verdicts: Verdicts) -> str:
    """The page for artists."""
    kinds = listed(stock_nodes())
    parts = [INTRODUCTION.format(version=version()), counts(verdicts)]
    for kind, title in KINDS.items():
        rows = {node: row for node, row in verdicts.items() if kinds[node] == kind}
        parts.append(f"## {title}\n\n{NOTES.get(kind, '')}{table(rows)}")
    parts += [sentences(verdicts), HOW.format(command=COMMAND)]
    return "\n".join(parts)


def head(first: str) -> list[str]:
    titles = [family.title for family in FAMILIES.values()]
    return [row_of([first, *titles]), row_of(["---"] * (len(titles) + 1))]


def row_of(cells: list) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def counts(verdicts: Verdicts) -> str:
    """How many nodes of each kind there are for each model."""
    found = {family: Counter(row[family].word for row in verdicts.values()) for family in FAMILIES}
    words = (ACTS, REFUSED, SAME, FAILS, IGNORED, WRONG)
    rows = [row_of([word, *(found[family][word] for family in FAMILIES)]) for word in words]
    return "\n".join([f"## {len(verdicts)} nodes, counted\n", *head(""), *rows, ""])


def name_of(node: str) -> str:
    """The display name, and the id where it is another."""
    shown = stock_nodes()[node].get("display_name") or node
    return node if shown == node else f"{shown} ({node})"


def table(rows: dict[str, dict[str, Verdict]]) -> str:
    """One row for each node, by name."""
    lines = [row_of([name_of(node), *(verdict.word for verdict in row.values())]) for node, row in rows.items()]
    return "\n".join([*head("node"), *sorted(lines, key=str.lower), ""])


def sentences(verdicts: Verdicts) -> str:
    """Each sentence of refusal once, with the nodes and models that it is for."""
    found: dict[str, dict[str, list[str]]] = {}
    for node, row in verdicts.items():
        for family, verdict in row.items():
            if verdict.word == REFUSED:
                found.setdefault(verdict.text, {}).setdefault(name_of(node), []).append(FAMILIES[family].title)
    lines = ["## The sentences of refusal\n"]
    for text, nodes in sorted(found.items(), key=lambda item: item[0].lower()):
        who = "; ".join(f"{node} on {', '.join(families)}" for node, families in nodes.items())
        lines.append(f"- {text}\n  *{who}*")
    return "\n".join([*lines, ""])
