"""Nodes that make large pictures say how much memory they need: about what they take, and before they take it."""

import importlib
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

HELPER = Path(__file__).with_name("peak_process.py")
HUGE = 16384


def keypoints(frames):
    """A person whose pose is that of every frame."""
    from pack.models.stage import render, sample_scene

    return render(sample_scene(0, frames=1, height=64, width=64)).keypoints * frames


def huge(*shape):
    """A clip as large as it says that takes no memory itself."""
    return torch.zeros(1).expand(*shape)


def layers(frames=2000):
    """A decomposed clip that takes no memory."""
    planes = (frames, HUGE, HUGE)
    return {
        "images": huge(*planes, 3), "person": huge(*planes), "depth": huge(*planes), "depth_type": "near is white",
        "objects": None, "in_front": torch.zeros(frames, 0, dtype=torch.bool), "nearness": torch.zeros(frames, 1),
        "report": [],
    }  # fmt: skip


def clip():
    return huge(2000, HUGE, HUGE, 3)


POSE = {"stick_width": 0.0, "draw_body": True, "draw_hands": True, "draw_face": True, "draw_feet": False}
STAGE = {"frame_rate": 12.0, "action": "dance", "camera": "still", "style": "natural", "smooth_edges": True}
STAGE |= {"seed": 0, "character_seed": 0, "motion_seed": 0, "room_seed": 0, "object_count": 1}
CROP = {"padding": 0.1, "smoothing_frames": 9, "max_frames": 0, "overlap_frames": 4}
RULE = {"nearer_fraction": 0.4, "stability_margin": 0.15, "min_hidden_percent": 0.25}
TOO_LARGE = {
    "stage.stage.RenderTestVideo": lambda: {**STAGE, "width": 2048, "height": 2048, "frames": 50_000},
    "depth.remap.RemapDepth": lambda: {"depth": clip(), "near_grey": 1.0, "far_grey": 0.0, "gamma": 1.0, "invert": False},
    "depth.heat_map.DepthToHeatMap": lambda: {"depth": clip(), "colormap": "hot"},
    "depth.heat_map.HeatMapToDepth": lambda: {"heat_map": clip(), "colormap": "hot"},
    "depth.edit.MoveObjectInDepth": lambda: {
        "depth": clip(), "object_mask": huge(2000, HUGE, HUGE), "start_grey": 0.0, "end_grey": 1.0, "relief": 1.0,
        "feather": 0.0, "occlusion": "by depth",
    },
    "depth.edit.BlendDepth": lambda: {
        "depth": clip(), "other_depth": clip(), "blend_mode": "mix", "blend_factor": 0.5,
    },
    "depth.match.MatchDepth": lambda: {"depth": clip(), "reference_depth": clip()},
    "depth.match.MaskByDepth": lambda: {
        "depth": clip(), "reference_depth": clip(), "depth_threshold": 0.1, "feather": 0.0,
    },
    "depth.normalize.NormalizeDepth": lambda: {
        "depth": {"depth": huge(2000, HUGE, HUGE)}, "depth_type": "distance", "depth_scale": "linear",
        "output_polarity": "near is white", "range": {"range": "min-max"},
    },
    "pose.pose.DrawPose": lambda: {
        "keypoints": keypoints(3000), "width": HUGE, "height": HUGE, "confidence_threshold": 0.3, **POSE,
    },
    "character.body.DrawBody": lambda: {
        "keypoints": keypoints(3000), "width": HUGE, "height": HUGE, "depth_type": "distance",
    },
    "layers.decompose.DecomposeLayers": lambda: {
        "images": clip(), "depth": clip(), "person_mask": huge(2000, HUGE, HUGE), "depth_type": "distance",
        "object_source": "depth", **RULE,
    },
    "layers.decompose.EditLayers": lambda: {
        "layers": layers(), "front_objects": "", "scene_objects": "", "first_frame": 0, "last_frame": -1,
    },
    "layers.motion.MaskByMotion": lambda: {
        "images": clip(), "sensitivity": 0.5, "min_size_percent": 0.05, "largest_only": False, "grow_mask": 2,
    },
    "layers.scene.FillScene": lambda: {"layers": layers(), "use_other_frames": True, "grow_mask": 4},
    "layers.split.SplitLayers": lambda: {"layers": layers(), "alpha_mode": "straight", "object_number": -1},
    "layers.composite.CompositeLayers": lambda: {
        "layers": layers(), "remove_person": False, "remove_occluders": False, "insert_position": "by depth",
        "feather": 0.0,
    },
    "layers.shadow.ShadowOfPerson": lambda: {
        "layers": layers(), "sensitivity": 0.5, "max_shadow_length": 2.0, "grow_mask": 3,
    },
    "layers.shadow.CastShadow": lambda: {
        "mask": huge(2000, HUGE, HUGE), "shadow_direction": 0.0, "shadow_length": 1.0, "strength": 0.5, "fade": 0.5,
        "softness": 0.03,
    },
    "layers.crop.CropToSubject": lambda: {
        "images": torch.zeros(4000, 8, 8, 3), "subject_mask": torch.ones(8, 8), "width": HUGE, "height": HUGE, **CROP,
    },
    "layers.crop.PasteCrop": lambda: {"original_images": [clip()], "images": [clip()], "crop": [{}], "feather": [1.0]},
    "evaluate.clips.CompareVideos": lambda: {"images": clip(), "reference_images": clip(), "error_gain": 4.0},
    "evaluate.depth.CompareDepth": lambda: {
        "depth": clip(), "reference_depth": clip(), "alignment": "none", "error_gain": 4.0,
    },
    "video.compare.ComparePair": lambda: {
        "images": clip(), "other_images": clip(), "comparison": {"comparison": "side by side"},
    },
    "video.frames.FramesToVideo": lambda: {
        "images": clip(), "depth": clip(), "frame_rate": 24.0, "first_frame": 0, "bit_depth": "auto",
    },
    "evaluate.flicker.MeasureFlicker": lambda: {"images": clip(), "error_gain": 4.0},
}  # fmt: skip


def node(name):
    module, cls = name.rsplit(".", 1)
    return getattr(importlib.import_module(f"pack.nodes.{module}"), cls)


def resident():
    """Bytes of main memory that this process has held at most."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


@pytest.mark.parametrize("name", TOO_LARGE)
def test_what_does_not_fit_is_refused_at_once_and_takes_nothing(name):
    values, execute = TOO_LARGE[name](), node(name).execute
    before, start = resident(), time.monotonic()
    with pytest.raises(ValueError, match=r"needs about \d+ GB of memory, but .* GB are free: (lower|use|set)"):
        execute(**values)
    assert time.monotonic() - start < 3  # under one on a free machine
    assert resident() - before < 100e6


def test_an_empty_latent_that_does_not_fit_is_refused():
    from pack.nodes.host.pair.latent import zero_latent

    with pytest.raises(ValueError, match=r"An empty latent of 32768 x 32768 needs about .* GB of memory"):
        zero_latent((100_000, 4, 4096, 4096), 8)


def test_the_ground_truth_of_a_huge_test_video_is_refused():
    from pack.models.stage import render, sample_scene

    huge = render(sample_scene(0, frames=50_000, height=2048, width=2048))
    with pytest.raises(ValueError, match="The ground truth of 50000 frames of 2048 x 2048 needs about"):
        node("stage.truth.GroundTruth").execute(huge)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peaks of memory are read as Linux writes them")
@pytest.mark.parametrize(
    ("name", "frames", "side"),
    [
        ("stage.stage.RenderTestVideo", 8, 768),
        ("layers.split.SplitLayers", 8, 768),
        ("character.body.DrawBody", 8, 1024),
    ],
)
def test_a_node_takes_about_what_it_asked_for(name, frames, side):
    done = subprocess.run([sys.executable, HELPER, name, str(frames), str(side)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    asked, took = map(int, done.stdout.split()[-2:])
    assert took / 1.5 < asked < 1.5 * took, f"asked for {asked / 1e6:.0f} MB, took {took / 1e6:.0f} MB"
