"""Writes the pictures of the camera pages from the output of the nodes.

python3 scripts/host.py exec python scripts/write_view_pictures.py
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0:0] = [str(ROOT / "benchmarks"), str(ROOT / "scripts")]
import _host  # noqa: E402, F401
import torch  # noqa: E402
from pack.models.stage import render, sample_scene  # noqa: E402
from pack.nodes.stage.truth import geometry  # noqa: E402
from pack.nodes.view.focus import DepthOfField  # noqa: E402
from pack.nodes.view.move import MoveCamera  # noqa: E402
from pack.nodes.view.stereo import StereoFromDepth  # noqa: E402
from write_pictures import sheet  # noqa: E402

DEPTH = {"depth_type": {"depth_type": "distance"}, "field_of_view": 0.0, "sharpen_edges": 0}
FILL = {"hole_filling": "background", "use_other_frames": False, "trim_edges": 1}


def stereo(clip, **layout):
    return StereoFromDepth.execute(
        images=clip.rgb, depth=geometry(clip), **DEPTH, **FILL, eye_distance=120.0, convergence_distance=0.0,
        stereo_layout={"half_size": False, "fisheye_size": 0, **layout}, clip_eye="middle", swap_eyes=False,
        screen_width=1.2, viewing_distance=2.5,
    ).result  # fmt: skip


def moved(clip, camera_path: str, filling: str = "background", **amount):
    path = {"camera_path": camera_path, "pivot_distance": 0.0, **amount}
    return MoveCamera.execute(
        images=clip.rgb[:1], depth={**geometry(clip), "depth": clip.depth[:1]}, **DEPTH, camera_path=path, ease="linear",
        loop=False, path_frames=2, **{**FILL, "hole_filling": filling},
    ).result  # fmt: skip


def focused(clip, metres: float):
    focus, aperture = {"focus": "distance", "focus_distance": metres}, {"aperture": "blur radius", "blur_radius": 9.0}
    return DepthOfField.execute(images=clip.rgb, depth=geometry(clip), **DEPTH, focus=focus, aperture=aperture).result


def main() -> None:
    clip = render(sample_scene(21, frames=2, height=320, width=320, action="wave", objects=1))
    _, left, right, left_holes, _, _ = stereo(clip, stereo_layout="side by side")
    red_cyan, fisheye = (stereo(clip, stereo_layout=name)[0][0] for name in ("anaglyph", "VR180 fisheye"))
    fisheye = fisheye[:, : fisheye.shape[0]]
    sheet("DuetStereoFromDepth", [[("left", left[0]), ("right", right[0]), ("left holes", left_holes[0]),
                                   ("anaglyph", red_cyan), ("VR180, left", fisheye)]])  # fmt: skip
    grey = moved(clip, "orbit", "grey", path_angle=12.0)
    orbit = moved(clip, "orbit", path_angle=12.0)
    dolly = moved(clip, "dolly", path_distance=0.8)
    sheet("DuetMoveCamera", [[("image", clip.rgb[0]), ("orbit, holes grey", grey[0][1]), ("hole_mask", grey[1][1]),
                              ("background", orbit[0][1]), ("dolly", dolly[0][1])]])  # fmt: skip
    person = clip.depth[0][clip.person_mask[0] > 0.9].median().item()
    near, far = focused(clip, person), focused(clip, 2 * person)
    sheet("DuetDepthOfField", [[("image", clip.rgb[0]), ("depth", 1 - clip.depth[0] / clip.depth[0].max()),
                                ("focus on person", near[0][0]), ("blur_mask", near[1][0]), ("focus behind", far[0][0])]])  # fmt: skip


if __name__ == "__main__":
    with torch.inference_mode():
        main()
