"""Writes the pictures of the help pages of the nodes for generators from the output of these nodes.

python3 scripts/host.py exec python scripts/write_generator_pictures.py
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0:0] = [str(ROOT / "benchmarks"), str(ROOT / "scripts")]
import _host  # noqa: E402, F401
import torch  # noqa: E402
from pack.models.choices import DEPTH_TYPES  # noqa: E402
from pack.models.stage import render, render_character, sample_scene  # noqa: E402
from pack.models.swap.conditions import on_colour, padded  # noqa: E402
from pack.nodes.layers.crop import CropToSubject  # noqa: E402
from pack.nodes.layers.decompose import DecomposeLayers  # noqa: E402
from pack.nodes.layers.scene import FillScene  # noqa: E402
from pack.nodes.swap.generators import ScailInputs, VaceInputs, WanAnimateInputs  # noqa: E402
from write_pictures import sheet  # noqa: E402

SIZE, FRAMES, K = 256, 9, 5


def main() -> None:
    clip = render(sample_scene(7, frames=FRAMES, height=SIZE, width=SIZE, frame_rate=8.0, action="dance", objects=1))
    picture, mask = render_character(sample_scene(502, frames=1, height=SIZE, width=SIZE, objects=0))
    how = (DEPTH_TYPES[0], "object masks", 0.4, 0.15, 0.0)
    layers = DecomposeLayers.execute(clip.rgb, clip.person_mask, *how, object_masks=clip.occluder_mask).result[0]
    layers = FillScene.execute(layers, True, 2, inpainted_scene=clip.scene_images).result[0]
    crop = CropToSubject.execute(clip.rgb, clip.person_mask, SIZE, SIZE, 0.15, 5, 0, 0).result
    cut, crop = crop[0][0], crop[2]
    grey = padded(on_colour(picture[0], mask[0], 0.5), (SIZE, SIZE), 0.5)[None]
    given = {"layers": [layers], "reference_image": [grey], "crop": [crop]}
    area = {"grow_mask": [6], "block_size": [16], "keypoints": [clip.keypoints]}

    made = named(WanAnimateInputs, **given, **area)
    shown = ("background_video", "area_mask", "pose_video", "face_video")
    sheet("DuetWanAnimateInputs", [[("cropped clip", cut[K]), *((name, made[name][K]) for name in shown)]])
    made = named(VaceInputs, **given, **area | {"block_size": [0], "grow_mask": [10]}, reference_mask=[mask[:1]])
    shown = [(name, made[name][K]) for name in ("control_video", "control_masks")]
    sheet("DuetVaceInputs", [[("cropped clip", cut[K]), *shown, ("reference_image", made["reference_image"][0])]])
    made = named(ScailInputs, **given, reference_mask=[mask[:1]])
    last = [(name, made[name][0]) for name in ("reference_image", "reference_image_mask")]
    sheet("DuetScailInputs", [[(name, made[name][K]) for name in ("pose_video", "pose_video_mask")] + last])


def named(node, **given) -> dict:
    """The outputs of a node by name, of the one part."""
    result = node.execute(**given).result
    names = [output.display_name for output in node.GET_SCHEMA().outputs]
    return {name: value[0] for name, value in zip(names, result, strict=True)}


if __name__ == "__main__":
    with torch.inference_mode():
        main()
