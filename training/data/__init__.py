"""Sources of clips to train on.

A source has a length and gives clips by number; a clip is a dict of whole-number tensors, F frames of H x W pixels:
    video         (F, 3, H, W) uint8
    depth         (F, H, W)    uint16, 65535 is near, one range for the clip
    pose          (F, 3, H, W) uint8
    mask          (F, H, W)    uint8, the visible part of the person
    plate         (3, H, W)    uint8, the scene without the person, grey where it is not known
    person        (3, H, W)    uint8, the person alone on grey, from another picture of the clip where there is one
Those of labelled.py hold only the video, with a label and a subject.
"""

import warnings
from importlib import import_module

from . import check

KINDS = {"stage": ("stage", "StageClips"), "folder": ("folder", "FolderClips"), "disco": ("disco", "DiscoClips"),
         "disco_tsv": ("disco", "DiscoTable"), "videos": ("videos", "VideoFiles"), "shards": ("shards", "Shards"),
         "labelled": ("labelled", "LabelledClips"), "mug": ("labelled", "Mug"), "mhad": ("labelled", "Mhad"),
         "natops": ("labelled", "Natops")}  # fmt: skip


def open_clips(spec: dict):
    """The source that the `data` of run settings names; clips that cannot be used are left out, with a warning."""
    source = make_source(spec)
    left_out = source.left_out() if hasattr(source, "left_out") else {}
    advice = "launch.py --check names all that is wrong."
    if not len(source):
        first = next((f" {name}: {reason}." for name, reason in left_out.items()), "")
        raise ValueError(f"data: expected clips to train on, got none in {spec.get('path', 'it')}.{first} {advice}")
    if left_out:
        named = ", ".join(list(left_out)[:5]) + (" and others" if len(left_out) > 5 else "")
        warnings.warn(f"{len(left_out)} clips are left out: {named}. {advice}", stacklevel=2)
    return source


def make_source(spec: dict):
    """A source as its settings say, even when no clip of it can be used."""
    options = dict(spec)
    kind = options.pop("kind")
    if kind not in KINDS:
        raise ValueError(f"data: kind is one of {', '.join(KINDS)}, not {kind!r}.")
    file, name = KINDS[kind]
    try:
        return getattr(import_module(f".{file}", __package__), name)(**options)
    except TypeError as error:
        raise ValueError(f"data of kind {kind}: {str(error).split(') ')[-1].strip()}. Check its names.") from error


def without_caption(clips) -> list[str]:
    """The clips that have no sentence of what they show, by name or number."""
    if not hasattr(clips, "caption"):
        return [str(index) for index in range(len(clips))]
    missing = [index for index in range(len(clips)) if not clips.caption(index)]
    return list(
        dict.fromkeys(clips.places[index][0].name if hasattr(clips, "places") else str(index) for index in missing)
    )


def report(settings, print_line=print) -> int:
    """Reads all clips of run settings once and names those that cannot be used: 0 when there are none, 1 otherwise."""
    return check.report(make_source(settings.data), print_line)
