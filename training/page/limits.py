"""What each recipe reads from `model` and `losses`, and the bounds of every number. Standard library only."""

import math
from collections.abc import Iterable
from difflib import get_close_matches

WHOLE = {  # whole numbers of a run
    "steps": (1, 10_000_000), "batch": (1, 4096), "accumulate": (1, 4096), "warmup": (0, 10_000_000),
    "checkpoint_every": (1, 10_000_000), "keep": (1, 1000), "sample_every": (0, 10_000_000), "workers": (0, 128),
    "lora_rank": (1, 4096), "threads": (0, 512), "seed": (0, 2**63 - 1), "validate_every": (0, 10_000_000),
}  # fmt: skip
REAL = {"lr": (0, 10), "lr_floor": (0, 1), "ema": (0, 0.999999), "clip": (0, 1e6), "weight_decay": (0, 1)}
BETA = (0, 0.999999)
WEIGHT = (0, 1e6)  # of a term of the loss
SHARE = (0, 1)  # of the examples
IN_CONFIG = (0, 65536)  # every number of a network's shape

# A kind of value: a range of whole or of real numbers, or a type.
FILE, TEXT, YES, SHAPE = str, str, bool, dict
STARTED = {"vae": FILE, "init": FILE}
PERSON = STARTED | {"clip": FILE, "config": SHAPE}
PAIR = PERSON | {"controlnet": FILE, "pose": YES, "cache": YES, "kept": FILE, "depth_polarity": TEXT}
FLOW = {"init": FILE, "config": SHAPE, "flow": TEXT, "cache": YES, "heat_map_padding": range(4)}
MODEL = {
    "vae": {"init": FILE, "channels": range(4, 65), "decoder_only": YES, "crop": range(8, 4097), "people": SHARE,
            "axes_examples": range(10_000_001)},
    "idol_haop": PERSON | {"freeze_resblocks": YES}, "idol_image": PAIR, "idol_video": PAIR,
    "one_shot": STARTED | {"text": FILE, "prompt": TEXT, "clip_number": range(10_000_000), "frames": range(2, 1025),
                           "group_norm": TEXT, "train_norms": YES, "depth_range": TEXT},
    "depth_words": STARTED | {"config": SHAPE, "kept": FILE, "depth_range": TEXT},
    "lfae": FLOW | {"vgg": FILE, "decoder_only": YES, "still_camera": YES},
    "lfdm": FLOW | {"codec": FILE, "vectors": FILE, "no_text": SHARE, "as_velocity": YES},
    "mimo": PERSON | {"kept": FILE, "frames": range(1, 1025), "motion": TEXT},
    "wan_pair": STARTED | {"config": SHAPE, "kept": FILE, "text": FILE, "text_encoder": FILE, "prompt": TEXT, "second_clip": TEXT,
                           "frames": range(1, 1025), "shift": (0.01, 100), "added_rate": (0, 1000)},
}  # fmt: skip
PAIR_LOSSES = dict.fromkeys(("video", "depth", "motion", "maps", "person"), WEIGHT) | {
    "early": SHARE, "second": SHARE, "features": TEXT, "similarity": TEXT, "reduction": TEXT, "detach": TEXT,
}  # fmt: skip
LOSSES = {
    "vae": dict.fromkeys(("pixel", "edge", "colour", "size", "mse", "scales", "outlines", "person", "latents", "axes",
                          "adversarial"), WEIGHT),
    "idol_haop": PAIR_LOSSES, "idol_image": PAIR_LOSSES, "idol_video": PAIR_LOSSES,
    "one_shot": {"consistency": WEIGHT, "reading": TEXT},
    "depth_words": {},
    "lfae": dict.fromkeys(("perceptual", "photometric", "warped", "flow", "limbs", "shift", "affine"), WEIGHT),
    "lfdm": {},
    "mimo": dict.fromkeys(("video", "person"), WEIGHT),
    "wan_pair": dict.fromkeys(("video", "second", "person"), WEIGHT),
}  # fmt: skip


def check_number(name: str, value, low: float, high: float, whole: bool) -> None:
    """Refuses what is no number of this range."""
    kinds = (int,) if whole else (int, float)
    if type(value) not in kinds or not math.isfinite(value) or not low <= value <= high:
        kind = "whole number" if whole else "number"
        raise ValueError(f"{name} is a {kind} from {low:,} to {high:,}, not {value!r}.")


def check_names(where: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Refuses names that nothing reads, with the nearest one that is read."""
    known = sorted(known)
    for name in sorted(set(names) - set(known)):
        near = get_close_matches(str(name), known, 1)
        advice = f"did you mean {near[0]}?" if near else f"it has {', '.join(known) or 'none'}."
        raise ValueError(f"{where} has no settings named {name}: {advice}")


def check_part(part: str, values, recipe: str, table: dict[str, dict]) -> None:
    """Refuses what a recipe does not read from `model` or `losses`, and values of another kind."""
    if not isinstance(values, dict):
        raise ValueError(f'{part} is names with values, such as {{"name": 1}}, not {values!r}.')
    known = table[recipe]
    check_names(f"{part} of the recipe {recipe}", values, known)
    for name, value in values.items():
        check_value(f"{part}: {name}", value, known[name])


def check_value(name: str, value, kind) -> None:
    if isinstance(kind, range):
        check_number(name, value, kind[0], kind[-1], whole=True)
    elif isinstance(kind, tuple):
        check_number(name, value, *kind, whole=False)
    elif not isinstance(value, kind):
        words = {str: 'a text in quotes, such as "name"', bool: "true or false", dict: "names with values in {}"}[kind]
        raise ValueError(f"{name} is {words}, not {value!r}.")
    elif kind is SHAPE:
        for key, one in value.items():
            check_inside(f"{name}: {key}", one)


def check_inside(name: str, value) -> None:
    """Every number of a value of a network's shape."""
    if isinstance(value, (list, tuple)):
        for one in value:
            check_inside(name, one)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        check_number(name, value, *IN_CONFIG, whole=False)
