"""Names of the released file of UnityVideo and of PairWanModel."""

from collections.abc import Iterable

# The longest name first: `base.` begins others.
RELEASED = {
    "base.patch_embedding.": "patch_embedding.video.",
    "flow_patch_embedding.": "patch_embedding.modality.",
    "flow_in.": "patch_embedding.flow_in.",
    "modality_embeddings.": "patch_embedding.embeddings.",
    "base.head.": "head.video.",
    "flow_head.": "head.modality.",
    "base.": "",
}


def own_name(released: str) -> str:
    """The name in PairWanModel of a weight of the released file."""
    start = next(start for start in RELEASED if released.startswith(start))
    return RELEASED[start] + released.removeprefix(start)


def released_name(own: str) -> str:
    """The name in the released file of a weight of PairWanModel."""
    start = next(old for old, new in RELEASED.items() if own.startswith(new))
    return start + own.removeprefix(RELEASED[start])


def is_released(names: Iterable[str]) -> bool:
    """Whether weights have the names of the released file."""
    names = list(names)
    return "flow_in.weight" in names and any(name.startswith("base.blocks.") for name in names)
