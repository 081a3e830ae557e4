"""Number widgets of all nodes: NaN and infinity are refused before a node runs.

The host compares a number with its min and max, which NaN passes; "nan" and "inf" come through the API or a link.
"""

import math
from collections.abc import Iterator

from comfy_api.latest import io


def finite_only(node: type[io.ComfyNode]) -> type[io.ComfyNode]:
    """The node with an `execute` that refuses numbers which are not finite."""

    def execute(cls, *args, **kwargs) -> io.NodeOutput:
        check_numbers(node.GET_SCHEMA().inputs, kwargs)
        return super(checked, cls).execute(*args, **kwargs)

    checked = type(node.__name__, (node,), {"execute": classmethod(execute), "__module__": node.__module__})
    return checked


def check_numbers(inputs: list[io.Input], values: dict) -> None:
    """Refuses values of FLOAT inputs that are NaN or infinite, by the input's name."""
    for one, value in numbers_of(inputs, values):
        if not math.isfinite(value):
            raise ValueError(f"{one.display_name or one.id}: expected a finite number, got {value}: enter another one.")


def numbers_of(inputs: list[io.Input], values: dict) -> Iterator[tuple[io.Input, float]]:
    """Each FLOAT input with its value; a node that takes lists has several, a dynamic combo has those of its option."""
    for one in inputs:
        value = values.get(one.id)
        if isinstance(one, io.Float.Input):
            yield from (
                (one, number) for number in (value if isinstance(value, list) else [value]) if number is not None
            )
        elif isinstance(one, io.DynamicCombo.Input) and isinstance(value, dict):
            for option in one.options:
                if option.key == value.get(one.id):
                    yield from numbers_of(option.inputs, value)
