"""The node that placed a patch on a MODEL, by its display name, for sentences that refuse it."""

import sys

import nodes

UNKNOWN = "the node that sets it"
ALONG_BATCH = ("VideoLinearCFGGuidance", "VideoTriangleCFGGuidance")  # each picture of a batch gets another cfg


def node_class(patch: object) -> str:
    """The class in which a patch was defined, "FreeU" of FreeU.execute.<locals>.output_block_patch."""
    return getattr(patch, "__qualname__", type(patch).__qualname__).partition(".")[0]


def node_name(patch: object) -> str:
    """The display name of the node whose class, or whose module, defines a patch; else the patch's own name."""
    module = sys.modules.get(getattr(patch, "__module__", type(patch).__module__))
    if module is None or module.__name__ == "builtins":
        return UNKNOWN
    inside = {name: value for name, value in vars(module).items() if is_node(value, module)}
    alone = next(iter(inside.values())) if len(inside) == 1 else None
    node = inside.get(node_class(patch), alone)
    return getattr(patch, "__name__", type(patch).__name__) if node is None else display_name(node)


def node_of_cfg_along_batch(model_options: dict) -> str | None:
    """The node that changes cfg along the batch, which fits neither a pair nor whole clips; None without one."""
    function = model_options.get("sampler_cfg_function")
    return node_name(function) if node_class(function) in ALONG_BATCH else None


def is_node(value: object, module) -> bool:
    """A class of a node that this module defines, in the host's new form or its old one."""
    own = isinstance(value, type) and value.__module__ == module.__name__
    return own and (hasattr(value, "GET_SCHEMA") or hasattr(value, "INPUT_TYPES"))


def display_name(node: type) -> str:
    """What the page shows as the title of a node."""
    if hasattr(node, "GET_SCHEMA"):
        schema = node.GET_SCHEMA()
        return schema.display_name or schema.node_id
    found = (key for key, known in nodes.NODE_CLASS_MAPPINGS.items() if known is node)
    return next((nodes.NODE_DISPLAY_NAME_MAPPINGS.get(key, key) for key in found), node.__name__)
