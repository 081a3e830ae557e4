"""Patches that a flow model's layers never call."""

from collections.abc import Iterator

from ..named import node_class, node_name, node_of_cfg_along_batch

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


def check_cfg(model_options: dict) -> None:
    """Refuses a cfg that changes along the batch."""
    if name := node_of_cfg_along_batch(model_options):
        raise ValueError(
            f"{name} changes cfg along a batch of pictures, but a flow model samples all frames of a clip as one: remove "
            f"{name} from the flow model's line."
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
