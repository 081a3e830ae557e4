"""Writes the cards of the training templates from the examples that the recipes learn from.

python3 scripts/host.py exec python scripts/write_training_pictures.py
"""

import importlib.util
import sys
from pathlib import Path

from PIL import Image
from templates.cards import save_card, spread, square, typeset, wipe, with_caption
from templates.description import read_all

ROOT = Path(__file__).resolve().parents[1]


def load(name: str, file: Path, *folder: str):
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=list(folder) or None)
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


load("pack", ROOT / "__init__.py", str(ROOT))

from pack.models.flow.warp import colour_wheel  # noqa: E402
from pack.models.stage.motion import StageMotion  # noqa: E402
from pack.training.data import open_clips  # noqa: E402
from pack.training.encode.augment import hide  # noqa: E402
from pack.training.encode.pair_pictures import heat  # noqa: E402

SEEDS = {"kind": "stage", "clips": 4, "size": 400, "frames": 12, "first_seed": 60, "objects": [0]}


def image_of(picture) -> Image.Image:
    """A picture (3, H, W) of bytes or of numbers from 0 to 1, or one (H, W, 3) of numbers, for a card."""
    picture = picture.permute(1, 2, 0) if picture.shape[0] == 3 else picture
    picture = picture if picture.dtype.itemsize == 1 else (picture.clamp(0, 1) * 255).round().byte()
    return square(Image.fromarray(picture.numpy()))


def cards() -> dict[str, list[Image.Image]]:
    """The frames of each card by the name of its API workflow."""
    clips = open_clips(SEEDS)
    clip = clips[1]
    moving = lambda pictures: spread([image_of(picture) for picture in pictures])
    video, pose = moving(clip["video"]), moving(clip["pose"])
    depth = moving([heat(frame) for frame in clip["depth"]])
    hole = moving([hide(frame, mask, 12) for frame, mask in zip(clip["video"], clip["mask"], strict=True)])
    flow = moving(colour_wheel(StageMotion.of(clips.scene(1)).to_first()[0], 12.0))
    shown = {
        "train_one_shot": (video, "one clip, learned"),
        "train_one_shot_depth": (wipe(video, depth), "one clip and its depth"),
        "train_vae": (wipe(video[:1], depth[:1]), "pictures and depth as latents"),
        "train_haop": (wipe(hole[:1], video[:1]), "a person into a scene"),
        "train_pictures": (wipe(pose[:1], video[:1]), "from a pose to a picture"),
        "train_clips": (wipe(video, depth), "clips with depth"),
        "train_flow_autoencoder": (wipe(video, flow), "how a still moves"),
        "train_flow": (wipe(flow, video), "a word moves a still"),
    }
    framed = {name: [with_caption(frame, caption) for frame in frames] for name, (frames, caption) in shown.items()}
    return framed | {"resume_training": [typeset("a run that was stopped\ngoes on")]}


def main() -> None:
    descriptions = read_all("training")
    for name, frames in cards().items():
        save_card(ROOT / "training" / "workflows" / f"{descriptions[name].title}.jpg", frames)


if __name__ == "__main__":
    main()
