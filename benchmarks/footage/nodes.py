"""The pack's nodes by their ids, with defaults for what is not given: an older pack, which lacks a node or an input, is measured too."""

import functools
import importlib

import torch
from comfy_api.latest import io


@functools.cache
def classes() -> dict[str, type[io.ComfyNode]]:
    """Every node of the pack by its id."""
    topics = importlib.import_module("pack.nodes").TOPICS
    return {node.define_schema().node_id: node for topic in topics for node in topic.NODES}


def has(node_id: str, *inputs: str) -> bool:
    """Whether this pack has a node, and inputs of that node."""
    node = classes().get(node_id)
    return node is not None and set(inputs) <= {one.id for one in node.define_schema().inputs}


def run(node_id: str, **inputs) -> dict:
    """The outputs of a node by their names; inputs that this pack's node lacks, and those that are None, are left out."""
    schema = classes()[node_id].define_schema()
    names = {one.id for one in schema.inputs}
    given = {name: value for name, value in inputs.items() if name in names and value is not None}
    values = {one.id: default_of(one) for one in schema.inputs if is_widget(one) and one.id not in given}
    with torch.inference_mode():
        results = classes()[node_id].execute(**values, **given).result
    return dict(zip([one.display_name or one.id for one in schema.outputs], results, strict=True))


def is_widget(one: io.Input) -> bool:
    return isinstance(one, io.WidgetInput | io.DynamicCombo.Input)


def default_of(one: io.Input):
    """What the page would send for a widget that nobody touched."""
    if isinstance(one, io.DynamicCombo.Input):
        option = one.options[0]
        return {one.id: option.key} | {inner.id: default_of(inner) for inner in option.inputs if is_widget(inner)}
    options = getattr(one, "options", None) or [None]
    value = getattr(one, "default", None)
    return options[0] if value is None else value


def defaults(node_id: str) -> dict:
    """The defaults of a node as a prompt writes them, those of a dynamic combo's first option by dotted names; none for the host's."""
    node = classes().get(node_id)
    return {} if node is None else flat(node.define_schema().inputs, "")


def flat(inputs: list[io.Input], prefix: str) -> dict:
    out = {}
    for one in filter(is_widget, inputs):
        value = default_of(one)
        out[prefix + one.id] = value[one.id] if isinstance(one, io.DynamicCombo.Input) else value
        if isinstance(one, io.DynamicCombo.Input):
            out |= flat(one.options[0].inputs, f"{prefix}{one.id}.")
    return out
