"""Names of the released file of UnityVideo and of PairNetwork."""

# The video's parts have the host's own names, so that LoRAs of Wan find them.
RELEASED = {
    "flow_patch_embedding.": "modality.patch_embedding.",
    "flow_in.": "modality.flow_in.",
    "modality_embeddings.": "modality.embeddings.",
    "flow_head.": "head.modality.",
    "base.": "",
}


def own_name(released: str) -> str:
    """The name in PairNetwork of a weight of the released file."""
    start = next(start for start in RELEASED if released.startswith(start))
    return RELEASED[start] + released.removeprefix(start)


def released_name(own: str) -> str:
    """The name in the released file of a weight of PairNetwork."""
    start = next(old for old, new in RELEASED.items() if own.startswith(new))
    return start + own.removeprefix(RELEASED[start])
