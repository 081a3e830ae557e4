"""A configuration as the JSON text in a file of weights."""

import json
from dataclasses import asdict, fields

from .config import (
    CrossModal,
    ImageTokens,
    MotionModules,
    Pair,
    SeparatePair,
    TemporalLayers,
    VideoUNetConfig,
    WordTokens,
)
from .switches import SWITCHES, from_switches

VERSION = 2  # 1, which files did not name: flat switches
KINDS = {
    "temporal": {"layers": TemporalLayers, "motion_modules": MotionModules},
    "pair": {"shared": Pair, "separate": SeparatePair},
    "tokens": {"image": ImageTokens, "words": WordTokens},
}
DROPPED = ("coupling", "coupling_window")  # of earlier files: without effect where coupling is "none"
WITHOUT_COUPLING = (
    "its two networks are coupled in windows, which this version does not have. Train it again without coupling, with "
    '"streams": "separate".'
)
NOT_EVERYWHERE = (
    "its attention between video and depth lies in some blocks only ({}), which this version does not have. Train it "
    'again with "cross_modal": "all".'
)


class NotServed(ValueError):
    """A sentence about a network that this version does not have: a later one, or one that was removed."""


def to_json(config: VideoUNetConfig) -> str:
    values = asdict(config)
    for name, kinds in KINDS.items():
        group = getattr(config, name)
        if group is not None:
            kind = next(kind for kind, cls in kinds.items() if isinstance(group, cls))
            values[name] = {"kind": kind, **values[name]}
    return json.dumps({"version": VERSION, **values})


def from_json(text: str) -> VideoUNetConfig:
    """Read a configuration; a name that this version does not have is refused, since it would change the output."""
    values = json.loads(text, object_hook=with_tuples)
    version = values.pop("version", 1)
    if version == 1:
        refuse_removed(values.get("coupling"), values.get("cross_modal"))
        if values.get("coupling") == "none":
            values = {name: value for name, value in values.items() if name not in DROPPED}
        refuse_unknown(set(values) - set(SWITCHES))
        return from_switches(values)
    refuse_unknown({f"version {version}"} if version != VERSION else set())
    return read(VideoUNetConfig, values | {name: read_group(name, values.get(name)) for name in KINDS})


def with_tuples(values: dict) -> dict:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def read_group(name: str, values: dict | None):
    """A group from its JSON object, None where there is none."""
    if values is None:
        return None
    kind = values.pop("kind", None)
    refuse_unknown({f"{name} {kind}"} if kind not in KINDS[name] else set())
    if values.get("cross_modal") is not None:
        refuse_removed(where=values["cross_modal"].get("where"))
        values["cross_modal"] = read(CrossModal, values["cross_modal"])
    return read(KINDS[name][kind], values)


def read(cls: type, values: dict):
    refuse_unknown(set(values) - {field.name for field in fields(cls)})
    return cls(**values)


def refuse_removed(coupling=None, where=None) -> None:
    """Networks that earlier versions could train; no table ever measured one, and no file of one was shipped."""
    if coupling == "windowed":
        raise NotServed(WITHOUT_COUPLING)
    if where in ("up", "attention"):
        raise NotServed(NOT_EVERYWHERE.format(where))


def refuse_unknown(names: set[str]) -> None:
    if names:
        raise NotServed(
            f"The model was made by a newer version: it has {', '.join(sorted(names)[:3])[:300]}. Please update Duet."
        )
