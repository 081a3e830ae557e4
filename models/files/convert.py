"""Any file that Duet reads, as a Duet file."""

from dataclasses import replace
from pathlib import Path

from ..unet.config import SD1
from .family import kind_of
from .opening import open_controlnet, open_model, open_motion_module, open_weights
from .report import Report
from .writing import save_model

PARTS = {"model": open_model, "motion": open_motion_module, "controlnet": open_controlnet}


def convert(
    source: Path, target: Path, part: str | None = None, half: bool = False, notes: dict[str, str] | None = None
) -> tuple[str, Report]:
    """Write the target with notes in its metadata; returns which part of the source it holds and the report of it.

    Without a part that is found from the file; of a DisCo checkpoint, which holds a model and its ControlNet, the model.
    """
    from ..lfdm import checkpoint as lfdm  # they read files by this folder, so it imports them only here
    from ..oneshot.files import convert_tuning

    if target.exists() and target.samefile(source):
        raise ValueError(f"{target.name} is the source itself: choose another name for the target.")
    if part is None and (flow := lfdm.flow_kind(source)):
        return f"flow {flow}", lfdm.convert(source, target, half=half, notes=notes)
    part = part or kind_of(open_weights(source))
    if part == "tuning":
        return part, convert_tuning(source, target, half, notes)
    part = part if part in PARTS else "model"
    config, state, report = PARTS[part](source)
    if part == "motion":
        config = replace(SD1, temporal=config)
    if half:
        state = {name: value.half() for name, value in state.items()}
    about = {"kind": part, "source": source.name, "family": report.family}
    save_model(target, state, config, **(notes or {}) | about)
    return part, report
