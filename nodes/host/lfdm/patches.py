"""Patches that a flow model's layers never call, and the names of the nodes that placed them."""

import sys
from collections.abc import Iterator

UNNAMED = {"rope_options": "ScaleROPE", "duet_modality": "Select Video or Depth"}  # numbers, which carry no node's name
OTHERS = ("optimized_attention_override", *UNNAMED)
# These place their patch while they guide, so that no list shows it before the first step.
GUIDED_BY_PATCHES = ("PerturbedAttentionGuidance", "SkipLayerGuidanceDiT", "SkipLayerGuidanceDiTSimple")


def check_patches(options: dict) -> None:
    """Refuses the first patch in the host's transformer_options; the network has none of the layers that call one."""
    for kind, patch in patches_in(options):
        name = UNNAMED.get(kind) or node_name(patch)
        raise ValueError(
            f"{name} patches layers of another kind of model ({kind}), which a flow model does not have: remove {name} "
            "from the flow model's line."
        )


def check_guidance(model_options: dict) -> None:
    """Refuses guidance that compares the model with one whose attention is patched."""
    functions = [
        *model_options.get("sampler_post_cfg_function", ()),
        model_options.get("sampler_calc_cond_batch_function"),
    ]
    for function in functions:
        if node_class(function) in GUIDED_BY_PATCHES:
            name = node_name(function)
            raise ValueError(
                f"{name} patches attention that a flow model does not have: remove {name} from the flow model's line."
            )


def patches_in(options: dict) -> Iterator[tuple[str, object]]:
    """Each kind of patch with a function of it."""
    for kind, functions in options.get("patches", {}).items():
        if functions:
            yield kind, functions[0]
    for kind, places in options.get("patches_replace", {}).items():
        if places:
            yield kind, next(iter(places.values()))
    for kind in OTHERS:
        if options.get(kind) is not None:
            yield kind, options[kind]


def node_class(patch: object) -> str:
    """The class in which a patch was defined, "FreeU" of FreeU.execute.<locals>.output_block_patch."""
    return getattr(patch, "__qualname__", type(patch).__qualname__).partition(".")[0]


def node_name(patch: object) -> str:
    """The display name of the node that defined a patch, or the name of the patch."""
    module = sys.modules.get(getattr(patch, "__module__", type(patch).__module__))
    nodes = {name: value for name, value in vars(module).items() if is_node(value, module)} if module else {}
    alone = next(iter(nodes.values())) if len(nodes) == 1 else None
    node = nodes.get(node_class(patch), alone)
    if node is None:
        return getattr(patch, "__name__", type(patch).__name__)
    if hasattr(node, "GET_SCHEMA"):
        schema = node.GET_SCHEMA()
        return schema.display_name or schema.node_id
    return getattr(module, "NODE_DISPLAY_NAME_MAPPINGS", {}).get(node.__name__, node.__name__)


def is_node(value: object, module) -> bool:
    """A class of a node that this module defines, in the host's new form or its old one."""
    own = isinstance(value, type) and value.__module__ == module.__name__
    return own and (hasattr(value, "GET_SCHEMA") or hasattr(value, "INPUT_TYPES"))
