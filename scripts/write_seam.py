"""Writes the list of ComfyUI's names in nodes/host/seam.py, with the arguments that the pack passes to each.

python scripts/host.py exec python scripts/write_seam.py
"""

import ast
import inspect
import pydoc
import re
from collections import defaultdict
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
SEAM = ROOT / "nodes" / "host" / "seam.py"
HOST = (
    "comfy",
    "comfy_api",
    "comfy_execution",
    "comfy_extras",
    "folder_paths",
    "latent_preview",
    "node_helpers",
    "nodes",
)
OBJECTS = (
    "comfy.controlnet.ControlBase",
    "comfy.hooks.HookGroup",
    "comfy.model_base.BaseModel",
    "comfy.model_patcher.ModelPatcher",
    "comfy.samplers.CFGGuider",
)
COMMON = (dict, list, str, Path, torch.Tensor, torch.nn.Module, re.Pattern)
BLOCK = re.compile(r"(?<=^SEAM = )\{.*?\}$", re.DOTALL | re.MULTILINE)


def names_of(tree: ast.AST) -> dict[str, str]:
    """What each imported name of a file stands for in ComfyUI: `memory` for `comfy.model_management`."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return {name: target for name, target in found.items() if target.split(".")[0] in HOST}


def dotted(node: ast.AST) -> list[str]:
    """The parts of a.b.c; empty for anything else."""
    if isinstance(node, ast.Name):
        return [node.id]
    inner = dotted(node.value) if isinstance(node, ast.Attribute) else []
    return [*inner, node.attr] if inner else []


def uses(tree: ast.AST) -> Iterator[tuple[str, ast.Call | None]]:
    """Every name of ComfyUI that a file uses in full, with the call if it is called."""
    known = names_of(tree)
    yield from ((target, None) for target in known.values() if "." in target)
    calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        parts = dotted(node) if id(node) not in inner else []
        if parts and parts[0] in known:
            yield ".".join([known[parts[0]], *parts[1:]]), calls.get(id(node))


def arguments(call: ast.Call | None) -> tuple[int, frozenset[str]] | None:
    """How many values a call passes by place and which by name; None where a star hides them."""
    if call is None or any(isinstance(a, ast.Starred) for a in call.args) or any(k.arg is None for k in call.keywords):
        return None
    return len(call.args), frozenset(k.arg for k in call.keywords)


def collect(*folders: str) -> dict[str, set[tuple[int, frozenset[str]]]]:
    """Each name of ComfyUI with the forms in which the files below these folders call it."""
    found = defaultdict(lambda: defaultdict(frozenset))
    for path in sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for name, call in uses(ast.parse(path.read_text(encoding="utf-8"))):
            form = arguments(call)
            forms = found[name]
            if form is not None:
                forms[form[0]] |= form[1]
    return {name: set(forms.items()) for name, forms in found.items()}


def overridden(tree: ast.AST) -> Iterator[tuple[str, ast.FunctionDef]]:
    """Methods of classes that derive from one of ComfyUI, by the name that they have there."""
    known = names_of(tree)
    for node in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
        for parts in (parts for base in node.bases if (parts := dotted(base)) and parts[0] in known):
            for method in (method for method in node.body if isinstance(method, ast.FunctionDef)):
                yield ".".join([known[parts[0]], *parts[1:], method.name]), method


def called_methods(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Methods called on ComfyUI's objects: names that its classes have and no common class of Python or torch."""
    known = {name: f"{path}.{name}" for path in OBJECTS for name in vars(pydoc.locate(path)) if is_own(name)}
    for node in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if isinstance(node.func, ast.Attribute) and node.func.attr in known:
            yield known[node.func.attr], node


def is_own(name: str) -> bool:
    return not name.startswith("_") and not any(hasattr(kind, name) for kind in COMMON)


def methods(folder: str) -> dict[str, set[tuple[int, frozenset[str]]]]:
    """The methods of ComfyUI's classes that the pack overrides or calls, with the object itself as a value by place."""
    found = defaultdict(set)
    for path in sorted((ROOT / folder).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for name, method in overridden(tree):
            there = None if method.name.startswith("__") else pydoc.locate(name)
            places = len(method.args.posonlyargs + method.args.args)
            if there is not None:
                found[name] |= (
                    {(places, frozenset())} if takes(there, places) else set()
                )  # nodes take what they declare
        for name, call in called_methods(tree):
            form = arguments(call)
            if form is not None:
                found[name].add((form[0] + 1, form[1]))
    return found


def takes(function, places: int) -> bool:
    """Whether a function can be called with so many values by place."""
    try:
        inspect.signature(function).bind(*range(places))
    except TypeError:
        return False
    return True


def as_lines(found: dict) -> dict[str, list[str]]:
    """By module: `function(_, name)` for a call with one value by place and one by name; a bare name is only there."""
    lines = defaultdict(list)
    for name in sorted(found):
        module, rest = module_of(name)
        if not rest:
            continue  # a module alone; its names stand below it
        forms = [", ".join(["_"] * places + sorted(names)) for places, names in sorted(found[name], key=str)]
        lines[module] += [f"{rest}({form})" for form in forms] or [rest]
    return lines


def module_of(name: str) -> tuple[str, str]:
    """The module of a full name, and what of the name lies inside it."""
    module, rest = name, ""
    while True:
        try:
            import_module(module)
            return module, rest
        except ImportError:
            module, _, last = module.rpartition(".")
            rest = f"{last}.{rest}".rstrip(".")


def block(lines: dict[str, list[str]]) -> str:
    parts = []
    for module, entries in sorted(lines.items()):
        parts += [f'    "{module}": (', *(f'        "{entry}",' for entry in entries), "    ),"]
    return "\n".join(["{", *parts, "}"])


def seam_of(folder: str) -> dict[str, list[str]]:
    """The whole list for a folder of the pack."""
    found = collect(folder)
    for name, forms in methods(folder).items():
        found[name] = found.get(name, set()) | forms
    return as_lines(found)


def main() -> None:
    import os
    import sys

    sys.path.insert(0, os.environ["COMFYUI_PATH"])
    from comfy.cli_args import args

    args.cpu = not torch.cuda.is_available()
    text = SEAM.read_text(encoding="utf-8")
    SEAM.write_text(BLOCK.sub(lambda _: block(seam_of("nodes")), text), encoding="utf-8")


if __name__ == "__main__":
    main()
