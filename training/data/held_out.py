"""Clips for validation: nobody trains on them."""

from .stage import HELD_OUT, VALIDATION

CLIPS = 32


def validation_data(data: dict, chosen: dict) -> dict:
    """The data of a run's validation: what its settings name, or of the stage its own seeds; refuses clips that are trained on."""
    if not chosen and data["kind"] != "stage":
        raise ValueError(
            f"validation: data of kind {data['kind']} needs clips of its own for validation, such as "
            '{"kind": "folder", "path": ...}: name some that are not trained on, or set validate_every to 0.'
        )
    kind = chosen.get("kind", data["kind"])
    rest = data if kind == data["kind"] else {name: data[name] for name in ("size", "frames") if name in data}
    own = {"clips": CLIPS, "first_seed": VALIDATION} if kind == "stage" else {}
    found = {**rest, **own, **chosen}
    if shares_clips(data, found):
        raise ValueError(
            "validation: these clips are trained on: name others, such as another path or split or first_seed."
        )
    return found


def shares_clips(one: dict, other: dict) -> bool:
    """Whether two data have clips in common, as far as their settings show."""
    if one["kind"] != other["kind"]:
        return False
    if one["kind"] != "stage":
        return all(one.get(name) == other.get(name) for name in ("path", "split"))
    seeds = [
        range(first, first + data.get("clips", 512))
        for data in (one, other)
        for first in [data.get("first_seed", HELD_OUT)]
    ]
    return max(s.start for s in seeds) < min(s.stop for s in seeds)
