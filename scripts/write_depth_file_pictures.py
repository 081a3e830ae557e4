"""Writes the pictures of the nodes for depth files from files that were written and read again.

python3 scripts/host.py exec python scripts/write_depth_file_pictures.py
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
sys.path[0:0] = [str(ROOT / "benchmarks"), str(ROOT / "scripts")]
import _pack  # noqa: E402, F401
import numpy as np  # noqa: E402
import torch  # noqa: E402
from pack.models.choices import DEPTH_TYPES  # noqa: E402
from pack.models.flow.drawing import wheel  # noqa: E402
from pack.models.handoff import exr  # noqa: E402
from pack.models.handoff.channels import motion_channels, picture_channels  # noqa: E402
from pack.models.handoff.layer_parts import layer_parts  # noqa: E402
from pack.models.handoff.names import EXR_FLOAT, Form  # noqa: E402
from pack.models.handoff.note import DepthNote  # noqa: E402
from pack.models.handoff.opening import open_depth  # noqa: E402
from pack.models.handoff.saving import DepthClip, save_clip  # noqa: E402
from pack.models.handoff.stored import grey_of_distance  # noqa: E402
from pack.models.layers.decompose import decompose  # noqa: E402
from pack.models.srgb import to_srgb  # noqa: E402
from pack.models.stage import render, sample_scene  # noqa: E402
from write_pictures import sheet  # noqa: E402

NEAR_IS_WHITE, FAR_IS_WHITE, DISTANCE = DEPTH_TYPES
FRAMES, SIDE, SHOWN = 8, 256, (0, 2, 4, 6)


def stage():
    scene = sample_scene(7, frames=FRAMES, height=SIDE, width=SIDE, frame_rate=8, action="walk", objects=1)
    return render(scene)


def depth_pictures(clip) -> None:
    """What Save Depth writes and what Load Depth reads."""
    near, far = clip.depth.min().item(), clip.depth.max().item()
    flow = {"forward": clip.forward, "forward_valid": clip.forward_valid.float()}
    note = DepthNote(DISTANCE, "linear", near, far, frame_rate=8.0, width=SIDE, height=SIDE, frames=FRAMES)

    def beside(index: int) -> dict[str, np.ndarray]:
        return (
            picture_channels(clip.rgb[index])
            | motion_channels(flow, index)
            | {"object.id": clip.person_mask[index].numpy()}
        )

    with TemporaryDirectory() as folder:
        saved = DepthClip(FRAMES, lambda index: clip.depth[index].numpy(), beside)
        file = open_depth(save_clip(Path(folder, "depth_00001_.json"), saved, Form(EXR_FLOAT, DISTANCE), note, {}))
        frames, names = list(file), [path.name for path in file.files]
    grey = lambda index, polarity: grey_of_distance(frames[index].depth, near, far, polarity)
    one = frames[2]
    offsets, valid = one.motion["forward"]
    channels = [
        ("R, G, B, A", one.picture[..., :3]), ("Z (metres)", grey(2, FAR_IS_WHITE)),
        ("forward.u, forward.v", wheel(offsets[None], valid[None], offsets.abs().max().item())[0]), ("object.id", one.objects),
    ]  # fmt: skip
    greys = [("near is white", grey(2, NEAR_IS_WHITE)), ("far is white", grey(2, FAR_IS_WHITE))]
    sheet("DuetSaveDepth", [channels, [("or greys, as", None), *greys]])
    read = [(names[index], grey(index, NEAR_IS_WHITE)) for index in SHOWN]
    sheet("DuetLoadDepth", [read])


def layer_pictures(clip) -> None:
    """The parts of one frame."""
    layers = decompose(clip.rgb, clip.person_mask, clip.depth, DISTANCE, clip.layers[1, ..., 3][None])
    index = 2
    with TemporaryDirectory() as folder:
        path = Path(folder, "layers.exr")
        parts = layer_parts(layers, index, [0])
        exr.write_frame(path, parts, {}, exr.ExrSettings())
        names = exr.read_head(path).names
        found = exr.read_channels(path, names)

    def picture(name: str) -> torch.Tensor:
        """A part over grey, so that its alpha is visible."""
        plane = lambda channel: torch.from_numpy(found[f"{name}.{channel}"])
        light = torch.stack([plane(channel) for channel in "RGB"], -1)
        return to_srgb(light + 0.5 * (1 - plane("A"))[..., None])

    shown = [name for name in parts if not name.endswith("_depth")]
    depths = [torch.from_numpy(found[f"{name}_depth.Z"]) for name in shown]
    far = max(depth.max() for depth in depths)
    sheet(
        "DuetSaveLayers",
        [
            [(name, picture(name)) for name in shown],
            [(f"{name}_depth", depth / far) for name, depth in zip(shown, depths, strict=True)],
        ],
    )


if __name__ == "__main__":
    clip = stage()
    depth_pictures(clip)
    layer_pictures(clip)
