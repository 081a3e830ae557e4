"""A checksum of the source code that makes an example: stored examples are made again after it changed."""

import ast
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec, resolve_name
from pathlib import Path

INNER = 3  # names in a dotted name from which on a package's own file belongs to a topic, not to a whole pack
OPEN = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)  # what may begin with a docstring


def code_key(raw: Callable, encode: Callable) -> int:
    """Of all that `raw` and the encoders import, and of the file of `encode`; comments do not count.

    `encode` is part of a recipe, whose imports are the network and its training.
    """
    modules = imported_by(*modules_of(raw), resolve_name(".encoders", __package__))
    files = {source_of(name) for name in (*modules, *modules_of(encode))}
    total = 0
    for file in sorted(file for file in files if file):
        total = zlib.crc32(meaning(file.read_text(encoding="utf-8")).encode(), total)
    return total


def modules_of(function: Callable) -> set[str]:
    """The modules that define a function and the objects that it is bound to, those of the pack."""
    bound = [*function.args, *function.keywords.values()] if isinstance(function, partial) else []
    function = function.func if isinstance(function, partial) else function
    bound += [function.__self__] if hasattr(function, "__self__") else []
    found = {function.__module__, *(type(value).__module__ for value in bound)}
    return {name for name in found if name.split(".")[0] == __package__.split(".")[0]}


def imported_by(*modules: str) -> set[str]:
    """Modules of the pack that these import, themselves included, also inside of functions."""
    found, left = set(), list(modules)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += imports_of(name)
            left += [".".join(name.split(".")[:end]) for end in range(INNER, name.count(".") + 1)]  # its packages
    return found


def imports_of(module: str) -> Iterator[str]:
    """The pack's modules that one module imports; ours are only imported relatively."""
    file = source_of(module)
    if file is None:
        return
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = resolve_name("." * node.level + (node.module or ""), package)
            yield base
            if source_of(base).name == "__init__.py":
                inside = (f"{base}.{one.name}" for one in node.names)
                yield from (name for name in inside if find_spec(name))


def source_of(module: str) -> Path | None:
    spec = find_spec(module)
    return Path(spec.origin) if spec and spec.origin else None


def meaning(source: str) -> str:
    """Source code without its comments, layout and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, OPEN) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)
