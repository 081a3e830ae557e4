"""Which test clips are for what: seeds to train on, to choose by, and to report once.

Development seeds may be looked at as often as needed. Test seeds are for a table whose method is final: each table takes
ones that no table has used before, and nobody looks at them while a method is still changed.
"""

DEVELOPMENT = range(900)
VALIDATION = range(900, 1000)  # while a run trains
TRAINING = range(1000, 100_000)
TEST = range(100_000, 200_000)
SPLITS = {"development": DEVELOPMENT, "validation": VALIDATION, "training": TRAINING, "test": TEST}


def split_of(seeds) -> str:
    """The split that these seeds belong to; several at once are refused."""
    seeds = list(seeds)
    names = {name for name, part in SPLITS.items() for seed in seeds if seed in part}
    if len(names) != 1 or not all(any(seed in part for part in SPLITS.values()) for seed in seeds):
        found = " and ".join(sorted(names)) or "none"
        raise ValueError(f"The seeds of one result must be of one split, and these are of: {found}. See _splits.py.")
    return names.pop()
