"""Writes the pictures of the nodes that read painted clips, from the output of the nodes on a noisy test clip.

python3 scripts/host.py exec python scripts/write_painted_pictures.py
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0:0] = [str(ROOT / "benchmarks"), str(ROOT / "scripts")]
import _host  # noqa: E402, F401
import torch  # noqa: E402
from pack.models.stage import render, sample_scene  # noqa: E402
from pack.nodes.flow.drawing import DrawFlow  # noqa: E402
from pack.nodes.flow.painted import ColorWheelToFlow  # noqa: E402
from pack.nodes.flow.warp import WarpByFlow  # noqa: E402
from pack.nodes.layers.regions import ColorsToMasks  # noqa: E402
from pack.nodes.pose.pose import DrawPose  # noqa: E402
from pack.nodes.pose.reading import PoseToKeypoints  # noqa: E402
from write_pictures import sheet  # noqa: E402

K = 3
ARROWS, WHEEL = {"drawing_style": "arrows", "arrow_spacing": 16}, {"drawing_style": "color wheel", "max_motion": 0.0}
COLOURS = torch.tensor([[0, 0, 0], [0.9, 0.2, 0.25], [0.15, 0.6, 0.95], [0.95, 0.8, 0.2]])


def noisy(images: torch.Tensor) -> torch.Tensor:
    """Images with the noise of a video file."""
    drawn = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    return (images + drawn * 6 / 255).clamp(0, 1)


def flow_pictures(clip) -> None:
    flow = {name: getattr(clip, name).float() for name in ("forward", "forward_valid")}
    painted = noisy(DrawFlow.execute(flow, WHEEL, "to next frame", 1, None, "RAFT")[0])
    read = ColorWheelToFlow.execute(painted, "RAFT", 0.0, "to next frame", True, clip.rgb)[0]
    arrows = DrawFlow.execute(read, ARROWS, "to next frame", 1, clip.rgb)[0]
    moved = WarpByFlow.execute(clip.rgb, read, "to next frame")[0]
    row = [
        ("painted flow", painted[K]),
        ("as arrows", arrows[K]),
        ("moved by it", moved[K]),
        ("next frame", clip.rgb[K + 1]),
    ]
    sheet("DuetColorWheelToFlow", [row])


def region_pictures(clip) -> None:
    painted = noisy(COLOURS[clip.layer.long()])
    person, objects, count, preview, _ = ColorsToMasks.execute(painted, "black", 0, 0.2, 12.0).result
    masks = objects.unflatten(0, (count - 1, -1))
    row = [
        ("painted regions", painted[K]),
        ("preview", preview[0]),
        ("person_mask", person[K]),
        ("object_masks: first", masks[0, K]),
    ]
    sheet("DuetColorsToMasks", [row])


def pose_pictures(clip) -> None:
    painted = noisy(clip.pose)
    keypoints = PoseToKeypoints.execute(painted, 1, 0.6)[0]
    again = DrawPose.execute(keypoints, 0, 0, 0.0, True, True, True, False, 0.3)[0]
    wide = DrawPose.execute(keypoints, 0, 0, 6.0, True, True, True, False, 0.3)[0]
    row = [("picture", painted[K]), ("drawn from keypoints", again[K]), ("with wider limbs", wide[K]), ("over the clip", (clip.rgb + again).clamp(0, 1)[K])]  # fmt: skip
    sheet("DuetPoseToKeypoints", [row])


def main() -> None:
    clip = render(sample_scene(31, frames=8, height=320, width=320, frame_rate=16.0, action="dance", objects=2))
    flow_pictures(clip)
    region_pictures(clip)
    pose_pictures(clip)


if __name__ == "__main__":
    main()
