"""One word for one thing, in the terms of the field: what docs/glossary.md promises, kept in texts and names of files.

User texts are what an artist reads: help pages, README, notes in workflows, error sentences; those of the nodes are in
nodes/test_node_words.py. Public names are what a developer reads: functions, classes, parameters and files.
"""

import ast
import json
import re
from pathlib import Path

import pytest
from words import NAME_PARTS, complaints

ROOT = Path(__file__).resolve().parents[1]


def prose(path):
    """A page without its code."""
    return re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)", " ", path.read_text(encoding="utf-8"), flags=re.DOTALL)


PAGES = sorted(
    path
    for pattern in ("README.md", "web/docs/*.md", "training/README.md", "training/web/docs/*.md", "weights/README.md", "docs/*.md")
    for path in ROOT.glob(pattern)
    if path.name != "glossary.md"
)  # fmt: skip
CODE = sorted(path for folder in ("models", "nodes", "training") for path in (ROOT / folder).rglob("*.py"))
GRAPHS = sorted(
    [*ROOT.glob("workflows/*.json"), *ROOT.glob("training/workflows/*.json"), *ROOT.glob("subgraphs/*.json")]
)
name = lambda path: path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_pages(path):
    assert not complaints(prose(path), path.name)


@pytest.mark.parametrize("path", GRAPHS, ids=name)
def test_notes_titles_and_groups_of_workflows(path):
    graph = json.loads(path.read_text(encoding="utf-8"))
    texts = [node.get("title") or "" for node in graph["nodes"]]
    texts += [str(value) for node in graph["nodes"] if "Note" in node["type"] for value in node["widgets_values"]]
    texts += [group["title"] for group in graph.get("groups", ())]
    assert not [one for text in texts for one in complaints(text, path.name)]


def sentences(tree):
    """The literal parts of what is raised and of every docstring-free string in a raise."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and node.exc is not None:
            parts = [n.value for n in ast.walk(node.exc) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
            yield node.lineno, " ".join(parts)


@pytest.mark.parametrize("path", CODE, ids=name)
def test_errors(path):
    found = [
        complaints(text, f"{name(path)}:{line}")
        for line, text in sentences(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not sum(found, [])


def public_names(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        if isinstance(node, ast.FunctionDef):
            arguments = node.args
            yield from ((a.lineno, a.arg) for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs))


def parts_of(identifier):
    return {part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", identifier)}


@pytest.mark.parametrize("path", CODE, ids=name)
def test_names_in_code(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [f"{name(path)}:{line} {word}" for line, word in public_names(tree) if parts_of(word) & NAME_PARTS]
    assert not found
    assert not parts_of(path.stem) & NAME_PARTS


@pytest.mark.parametrize("text", [
    "what stands before the person", "which nodes speak to it", "Left the poses that go in", "is shown the kept half clean",
    "Tells a flow model what shall happen.", "the labels that it knows", "nobody", "which of them is found out by itself",
    "sample it again in other words", "as it is takes the one from a picture",
])  # fmt: skip
def test_the_list_finds_what_readers_stumbled_over(text):
    assert complaints(text, "here")


def test_the_list_leaves_plain_sentences_alone():
    assert not complaints("White where the person is: one mask for the whole clip, or one for each frame.", "here")
    assert not complaints("Raise the threshold if objects behind the person are taken for objects in front.", "here")
