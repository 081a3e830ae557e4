"""Writes the pictures of the training workflows from the examples of the recipes.

python3 scripts/host.py exec python scripts/write_training_pictures.py
"""

import importlib.util
import sys
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[1]


def load(name: str, file: Path, *folder: str):
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=list(folder) or None)
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


load("pack", ROOT / "__init__.py", str(ROOT))
tiles = load("pictures", ROOT / "scripts" / "write_pictures.py").tiles

from pack.models.flow.warp import colour_wheel  # noqa: E402
from pack.models.stage.motion import StageMotion  # noqa: E402
from pack.training.data import open_clips  # noqa: E402
from pack.training.encode.augment import hide, stretch  # noqa: E402
from pack.training.encode.pair_pictures import heat  # noqa: E402

SEEDS = {"kind": "stage", "clips": 4, "size": 160, "frames": 4, "first_seed": 60, "objects": [0]}


def main() -> None:
    clips = open_clips(SEEDS)
    clip, other = clips[1], clips[3]
    shown = lambda picture: picture.permute(1, 2, 0).float() / (255 if picture.dtype.itemsize == 1 else 1)
    video = [shown(frame) for frame in clip["video"]]
    depth = [shown(heat(frame)) for frame in clip["depth"]]
    pose = [shown(frame) for frame in clip["pose"]]
    hole = shown(hide(clip["video"][0], clip["mask"][0], 12))
    person = shown(stretch(clip["person"], Random(4)))
    flow = colour_wheel(StageMotion.of(clips.scene(1)).to_first()[0], 12.0)
    rows = {
        "train_vae": [[("pictures", video[0]), ("and depth", depth[0])],
                      [("of people", shown(other["person"])), ("and rooms", shown(other["plate"]))]],
        "train_haop": [[("a person", person), ("a hole in a room", hole)], [("the picture to make", video[0])]],
        "train_pictures": [[("person", shown(clip["person"])), ("pose", pose[0])],
                           [("picture", video[0]), ("and depth", depth[0])]],
        "train_clips": [[("frame 1", video[0]), ("frame 2", video[1]), ("frame 3", video[2])],
                        [("depth 1", depth[0]), ("depth 2", depth[1]), ("depth 3", depth[2])]],
        "train_one_shot": [[("one clip", video[0]), ("its depth", shown(heat(clip["depth"][0])))],
                           [("other words, to be made", shown(other["plate"])), ("", None)]],
        "train_flow_codec": [[("a still", video[0]), ("how it moves", flow[-1])], [("frame 4", video[3]), ("", None)]],
        "train_flow": [[("a still", video[0]), ("a word: what will move?", flow[1])],
                       [("later", flow[2]), ("and later", flow[3])]],
        "resume_training": [[("first part", video[0]), ("and the rest", video[3])]],
    }  # fmt: skip
    for name, pictures in rows.items():
        tiles(pictures).save(ROOT / "training" / "workflows" / f"{name}.jpg", quality=88)


if __name__ == "__main__":
    main()
