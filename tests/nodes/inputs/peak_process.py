"""Runs one node and prints what it said it would need and what it took above its inputs, in bytes.

Called by test_memory.py in a process of its own: python peak_process.py NODE FRAMES SIDE.
"""

import ctypes
import importlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests"))
import conftest  # noqa: E402, F401
import torch  # noqa: E402


def rand(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def grey(frames, side):
    return rand(frames, side, side, 1).repeat(1, 1, 1, 3)


def disc(frames, side):
    mask = torch.zeros(frames, side, side)
    mask[:, side // 4 : side // 2, side // 3 : side // 2] = 1
    return mask


def keypoints(frames, side):
    from pack.models.stage import render, sample_scene

    return render(sample_scene(0, frames=1, height=side, width=side)).keypoints * frames


def test_video(frames, side):
    from pack.models.stage import render, sample_scene

    return render(sample_scene(0, frames=frames, height=side, width=side))


def layers(frames, side, filled=False, wide=False):
    """Layers of a disc; `wide`: the person at both sides and an object in the middle, with the scene in each pixel."""
    person, thing, depth = disc(frames, side), disc(frames, side).roll(side // 8, 2), 1 + rand(frames, side, side)
    if wide:
        thing = torch.zeros(frames, side, side)
        thing[..., side // 3 : -side // 3] = 0.75
        person, depth = 0.75 - thing, 3 - thing
    settings = {"depth_type": "distance", "object_source": "object masks", "nearer_fraction": 0.4}
    settings |= {"stability_margin": 0.15, "min_hidden_percent": 0.25}
    value = execute("layers.decompose.DecomposeLayers", images=rand(frames, side, side, 3), depth={"depth": depth},
                    person_mask=person, object_masks=thing, **settings)[0]  # fmt: skip
    return execute("layers.scene.FillScene", layers=value, use_other_frames=True, grow_mask=4)[0] if filled else value


def execute(name, **values):
    module, node = name.rsplit(".", 1)
    return getattr(importlib.import_module(f"pack.nodes.{module}"), node).execute(**values).result


CASES = {
    "stage.stage.RenderTestVideo": lambda n, s: {
        "seed": 0, "width": s, "height": s, "frames": n, "frame_rate": 12.0, "action": "dance", "character_seed": -1,
        "motion_seed": -1, "room_seed": -1, "object_count": 2, "camera": "still", "style": "natural", "smooth_edges": True,
    },
    "stage.truth.GroundTruth": lambda n, s: {"test_video": test_video(n, s)},
    "depth.remap.RemapDepth": lambda n, s: {
        "depth": grey(n, s), "near_grey": 0.9, "far_grey": 0.1, "gamma": 2.0, "invert": True,
    },
    "depth.heat_map.DepthToHeatMap": lambda n, s: {"depth": grey(n, s), "colormap": "turbo"},
    "depth.heat_map.HeatMapToDepth": lambda n, s: {"heat_map": rand(n, s, s, 3), "colormap": "hot"},
    "depth.edit.MoveObjectInDepth": lambda n, s: {
        "depth": grey(n, s), "object_mask": disc(n, s), "start_grey": 0.1, "end_grey": 0.9, "relief": 1.0, "feather": 2.0,
        "occlusion": "by depth",
    },
    "depth.edit.BlendDepth": lambda n, s: {
        "depth": grey(n, s), "other_depth": grey(n, s), "blend_mode": "nearest", "blend_factor": 0.5,
    },
    "depth.match.MatchDepth": lambda n, s: {"depth": grey(n, s), "reference_depth": grey(n, s)},
    "depth.match.MaskByDepth": lambda n, s: {
        "depth": grey(n, s), "reference_depth": grey(n, s), "depth_threshold": 0.1, "feather": 1.5,
    },
    "depth.normalize.NormalizeDepth": lambda n, s: {
        "depth": grey(n, s), "depth_type": "near is white", "depth_scale": "linear", "output_polarity": "near is white",
        "range": {"range": "percentile", "near_percent": 1.0, "far_percent": 99.0},
    },
    "pose.pose.DrawPose": lambda n, s: {
        "keypoints": keypoints(n, 64), "width": s, "height": s, "stick_width": 0.0, "draw_body": True, "draw_hands": True,
        "draw_face": True, "draw_feet": False, "confidence_threshold": 0.3,
    },
    "character.body.DrawBody": lambda n, s: {
        "keypoints": keypoints(n, 64), "width": s, "height": s, "depth_type": "near is white",
    },
    "layers.decompose.DecomposeLayers": lambda n, s: {
        "images": rand(n, s, s, 3), "depth": {"depth": 1 + rand(n, s, s)}, "person_mask": disc(n, s),
        "object_masks": disc(n, s).roll(s // 8, 2), "depth_type": "distance", "object_source": "object masks",
        "nearer_fraction": 0.4, "stability_margin": 0.15, "min_hidden_percent": 0.25,
    },
    "layers.decompose.EditLayers": lambda n, s: {
        "layers": layers(n, s), "front_objects": "0", "scene_objects": "", "first_frame": 0, "last_frame": -1,
    },
    "layers.scene.FillScene": lambda n, s: {"layers": layers(n, s), "use_other_frames": True, "grow_mask": 4},
    "layers.split.SplitLayers": lambda n, s: {"layers": layers(n, s, True, True), "alpha_mode": "straight", "object_number": -1},
    "layers.composite.CompositeLayers": lambda n, s: {
        "layers": layers(n, s, True), "remove_person": True, "remove_occluders": False, "insert_position": "by depth",
        "feather": 0.0,
    },
    "layers.shadow.ShadowOfPerson": lambda n, s: {
        "layers": layers(n, s), "sensitivity": 0.5, "max_shadow_length": 2.0, "grow_mask": 3, "scene": rand(1, s, s, 3),
    },
    "layers.shadow.CastShadow": lambda n, s: {
        "mask": disc(n, s), "shadow_direction": 0.0, "shadow_length": 1.0, "strength": 0.5, "fade": 0.5, "softness": 0.03,
    },
    "layers.crop.CropToSubject": lambda n, s: {
        "images": rand(n, 64, 64, 3), "subject_mask": disc(n, 64), "width": s, "height": s, "padding": 0.1,
        "smoothing_frames": 9, "max_frames": 0, "overlap_frames": 4,
    },
    "layers.crop.PasteCrop": lambda n, s: (lambda images: {
        "original_images": [images], "feather": [4.0], **dict(zip(("images", "crop"), pasted(images, disc(n, s)), strict=True)),
    })(rand(n, s, s, 3)),
    "evaluate.clips.CompareVideos": lambda n, s: {
        "images": rand(n, s, s, 3), "reference_images": rand(n, s, s, 3) ** 2, "error_gain": 4.0,
    },
    "evaluate.depth.CompareDepth": lambda n, s: {
        "depth": grey(n, s), "reference_depth": grey(n, s), "alignment": "scale and shift", "error_gain": 4.0,
    },
    "video.compare.ComparePair": lambda n, s: {
        "images": rand(n, s, s, 3), "other_images": grey(n, s), "comparison": {"comparison": "side by side"},
    },
    "video.frames.FramesToVideo": lambda n, s: {
        "images": rand(n, s, s, 3), "depth": grey(n, s), "frame_rate": 24.0, "first_frame": 0, "bit_depth": "auto",
    },
    "evaluate.flicker.MeasureFlicker": lambda n, s: {"images": rand(1, s, s, 3).expand(n, -1, -1, -1), "error_gain": 4.0},
}  # fmt: skip


def pasted(images, mask):
    how = {"width": 0, "height": 0, "padding": 0.1, "smoothing_frames": 9, "max_frames": 0, "overlap_frames": 4}
    pictures, _, crop = execute("layers.crop.CropToSubject", images=images, subject_mask=mask, **how)
    return [1 - batch for batch in pictures], [crop]


def status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(name)).split()[1])


def main(name, frames, side):
    from pack.nodes.host import memory

    execute(name, **CASES[name](2, 64))  # whatever is loaded or built once
    values, asked = CASES[name](frames, side), []
    memory.check_memory = lambda needed, what, advice: asked.append(needed)
    ctypes.CDLL(None).malloc_trim(0)  # what the inputs left over would hide what the node takes
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    execute(name, **values)
    print(max(asked), status("VmHWM") - before)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
