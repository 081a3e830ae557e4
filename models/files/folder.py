"""Folders in diffusers' form: the U-Net's file in them, what lies beside it, and writing one for Tune-A-Video."""

import json
from pathlib import Path

from torch import Tensor

from ..unet.config import VideoUNetConfig
from .tuned import is_one_shot, tav_name
from .writing import write_safely

STEM = "diffusion_pytorch_model"
FILES = tuple(f"{STEM}{ending}" for ending in (".safetensors", ".fp16.safetensors", ".bin"))
MOST_TEXT = 1 << 20  # bytes of a configuration
DECLARED = ("attention_head_dim", "norm_num_groups", "prediction_type")  # what no tensor shows


def file_in(path: Path) -> Path:
    """The file of the U-Net in a folder; a path to a file stays as it is."""
    if not path.is_dir():
        return path
    found = [place / name for place in (path / "unet", path) for name in FILES if (place / name).is_file()]
    if not found:
        raise ValueError(
            f"{path.name} is a folder without a U-Net: unet/{FILES[0]} was expected in it. Choose the folder that was "
            "downloaded or trained, or a file of weights."
        )
    return found[0]


def declared_beside(path: Path) -> dict[str, str]:
    """The values of config.json beside a U-Net's file and of the scheduler's in the next folder, as JSON; {} for other files."""
    if not path.name.startswith(STEM):
        return {}
    declared = {}
    for file in (path.parent / "config.json", path.parent.parent / "scheduler" / "scheduler_config.json"):
        try:
            values = json.loads(small_text(file)) if file.is_file() else {}
            declared |= {name: json.dumps(values[name]) for name in DECLARED if values.get(name) is not None}
        except (ValueError, OSError, AttributeError, RecursionError) as error:
            raise ValueError(
                f"{file.name} beside {path.name} cannot be read: it is damaged. Download it again, or remove it."
            ) from error
    return declared


def small_text(file: Path) -> str:
    """The text of a configuration; a file larger than any is refused."""
    if file.stat().st_size > MOST_TEXT:
        raise ValueError("it is too large for a configuration")
    return file.read_text(encoding="utf-8")


def save_folder(folder: str | Path, state: dict[str, Tensor], config: VideoUNetConfig) -> Path:
    """Write unet/ of a Tune-A-Video folder: 798 weights of Stable Diffusion in its words and the configuration."""
    if not is_one_shot(config) or config.pair is not None:
        raise ValueError(
            "Only a one-shot model can be written in Tune-A-Video's form, but this one has other layers over time or "
            "between modalities. Save it as a Duet file."
        )
    place = Path(folder) / "unet"
    place.mkdir(parents=True, exist_ok=True)
    file = write_safely(place / FILES[0], {tav_name(name): value for name, value in state.items()}, {})
    (place / "config.json").write_text(json.dumps(description(config), indent=2) + "\n", encoding="utf-8")
    return file


def description(config: VideoUNetConfig) -> dict:
    """config.json of Tune-A-Video's network."""
    base = {name: value for name, value in config.base().items() if value is not None}
    for side in ("down_block_types", "up_block_types"):
        base[side] = [name.replace("2D", "3D") for name in base[side]]
    return {"_class_name": "UNet3DConditionModel", **base, "mid_block_type": "UNetMidBlock3DCrossAttn"}
