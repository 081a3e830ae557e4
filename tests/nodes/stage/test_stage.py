"""Render Test Video and Test Video Ground Truth, with the host's own nodes as readers of their outputs."""

import comfy.model_management as memory
import comfy.utils
import pytest
import torch
from comfy_extras.nodes_depth_anything_3 import DA3GeometryToMesh, DA3Render
from comfy_extras.nodes_sdpose import SDPoseDrawKeypoints
from pack.models.stage import render, render_character, sample_scene
from pack.models.stage.clip import GROUPS
from pack.nodes.stage.stage import RenderTestVideo
from pack.nodes.stage.truth import GroundTruth


def outputs(node, *args, **given):
    names = [output.display_name for output in node.GET_SCHEMA().outputs]
    return dict(zip(names, node.execute(*args, **given).result, strict=True))


def rendered(**changes):
    given = {
        "seed": 3, "width": 96, "height": 64, "frames": 4, "frame_rate": 12.0, "action": "dance", "character_seed": -1,
        "motion_seed": -1, "room_seed": -1, "object_count": 1, "camera": "orbit", "style": "natural", "smooth_edges": True,
    }  # fmt: skip
    return outputs(RenderTestVideo, **(given | changes))


def stage(**changes):
    """The outputs of both nodes."""
    out = rendered(**changes)
    return out | outputs(GroundTruth, out["test_video"])


def test_pictures_and_masks_have_the_host_s_shapes():
    out = stage()
    for name in ("images", "depth", "pose", "scene", "person", "body"):
        assert out[name].shape == (4, 64, 96, 3) and out[name].dtype == torch.float32, name
        assert 0 <= out[name].min() and out[name].max() <= 1, name
    for name in ("person_mask", "occluder_mask", "scene_mask", "whole_person_mask"):
        assert out[name].shape == (4, 64, 96), name
    assert out["character"].shape == (1, 64, 96, 3)
    assert out["action"] == "dance" and "dances" in out["caption"] and out["frame_rate"] == 12.0


def test_the_character_s_keypoints_lie_on_its_picture():
    from pack.models.pose.formats import joints

    out = stage(width=128, height=128, frames=1)
    points, confidence = joints(out["character_keypoints"])
    assert len(points) == 1 and (confidence[0, :14] > 0).all()
    picture = (out["character"][0] - out["character"][0, 0, 0]).abs().amax(-1) > 0.02
    x, y = points[0, :14].round().long().unbind(-1)
    assert picture[y, x].all()


def test_depth_picture_is_inverse_depth_in_one_range():
    out = stage(camera="still")
    inverse = 1 / out["geometry"]["depth"]
    expected = (inverse - inverse.min()) / (inverse.max() - inverse.min())
    assert torch.allclose(out["depth"][..., 0], expected, atol=1e-5)


def test_the_host_builds_a_mesh_from_the_geometry():
    """The mesh of the host's node lies where the stage's room is: the floor at height 0 and the back wall behind."""
    out = stage(object_count=0, camera="still")
    geometry = out["geometry"]
    mesh = DA3GeometryToMesh.execute(geometry, 0, 1, 0.0, 0.0, False, True)[0]
    vertices = mesh.vertices[0] if mesh.vertices.ndim == 3 else mesh.vertices
    assert vertices.isfinite().all() and len(vertices) > 1000
    assert abs(vertices[:, 1].min()) < 1e-3, "the lowest point is on the floor, nothing is below"
    assert vertices[:, 1].max() > 1.5, "walls go up"
    corner = (64 - 1) * 96 + 5  # a pixel at the bottom of the picture
    assert abs(vertices[corner, 1]) < 1e-3, "the lower left corner of the picture is floor"
    assert DA3Render.execute(geometry, {"output": "depth", "normalization": "min_max", "apply_sky_clip": False})[
        0
    ].shape == (4, 64, 96, 3)


def test_the_host_draws_the_keypoints():
    out = stage(width=256, height=256, object_count=0)
    drawn = SDPoseDrawKeypoints.execute(out["keypoints"], True, False, False, False, 3, 1, 0.3, True)[0]
    person = torch.nn.functional.max_pool2d(out["whole_person_mask"][:, None], 25, 1, 12)[:, 0] > 0
    lit = drawn.amax(-1) > 0
    assert lit.sum() > 1000
    assert (lit & person).sum() / lit.sum() > 0.98, "the drawn pose lies on the person"


def test_flow_has_the_documented_keys():
    flow = stage()["flow"]
    assert set(flow) == {"forward", "forward_valid", "backward", "backward_valid"}
    assert flow["forward"].shape == (3, 64, 96, 2) and flow["backward_valid"].shape == (3, 64, 96)
    assert set(flow["forward_valid"].unique().tolist()) <= {0.0, 1.0}


def test_one_frame_and_hard_edges():
    out = stage(frames=1, smooth_edges=False)
    assert out["images"].shape[0] == 1 and out["flow"]["forward"].shape[0] == 0
    assert set(out["person_mask"].unique().tolist()) <= {0.0, 1.0}


def test_only_what_is_changed_changes():
    a, b = stage(), stage(character_seed=77)
    assert torch.equal(a["scene"], b["scene"]) and not torch.equal(a["images"], b["images"])
    assert not torch.equal(stage(room_seed=5)["scene"], a["scene"])


def test_zero_frames_are_refused_in_words():
    with pytest.raises(ValueError, match="at least 1 frame"):
        rendered(frames=0)


def test_render_stage_computes_pictures_only_and_the_ground_truth_does_not_shade_them_again():
    out = rendered()
    kept = lambda: {group for group in GROUPS if group in vars(out["test_video"])}
    assert kept() == {"pictures"}
    pictures = dict(out["test_video"].pictures)
    truth = outputs(GroundTruth, out["test_video"])
    assert kept() == set(GROUPS) and all(out["test_video"].pictures[name] is part for name, part in pictures.items())
    assert truth["person_mask"] is pictures["person_mask"] and truth["scene"] is pictures["scene_images"]
    assert out["images"] is truth["geometry"]["image"]
    assert all(
        value is truth[name] for name, value in outputs(GroundTruth, out["test_video"]).items() if name == "body"
    )


def test_auto_and_minus_one_follow_the_seed():
    out = rendered(action="auto", object_count=-1, camera="still", seed=11, smooth_edges=False)
    scene = sample_scene(11, frames=4, height=64, width=96)
    assert out["test_video"].scene == scene and out["action"] == scene.action
    assert torch.equal(out["images"], render(scene, 1).rgb)
    truth = outputs(GroundTruth, out["test_video"])
    assert torch.equal(truth["character"], render_character(scene, 1)[0]), "hard edges there too"


def test_both_nodes_show_progress_and_stop_at_cancel(monkeypatch):
    done = []
    for name in ("PROGRESS_THROTTLE_MIN_INTERVAL", "PROGRESS_THROTTLE_MIN_PERCENT"):
        monkeypatch.setattr(comfy.utils, name, 0.0)
    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", lambda value, total, *_, **__: done.append((value, total)))
    out = rendered()
    assert done[-1] == (4, 4)
    done.clear()
    outputs(GroundTruth, out["test_video"])
    values = [value for value, _ in done]
    assert values == sorted(values) and done[-1] == (4 * len(GROUPS), 4 * len(GROUPS))
    assert set(range(4, 4 * len(GROUPS), 4)) <= set(values), "every part of the work shows"

    def hook(*_, **__):
        memory.throw_exception_if_processing_interrupted()

    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", hook)
    fresh = render(sample_scene(3, frames=4, height=64, width=64))
    for run in (rendered, lambda: GroundTruth.execute(fresh)):
        memory.interrupt_current_processing(True)
        try:
            with pytest.raises(memory.InterruptProcessingException):
                run()
        finally:
            memory.interrupt_current_processing(False)
    assert not set(GROUPS) & set(vars(fresh)), "nothing half done is kept"
    GroundTruth.execute(fresh)


# --- what real footage adds --------------------------------------------------------------------------------------------

FILMED = {"sensor_noise": 0.02, "exposure_change": 0.2, "camera_shake": 1.0, "shadow_strength": 0.5}


def test_without_them_the_pictures_are_those_of_the_scene():
    out = rendered()
    assert out["images"] is out["test_video"].rgb
    assert all(one.default == 0 and one.advanced for one in RenderTestVideo.GET_SCHEMA().inputs if one.id in FILMED)


@pytest.mark.parametrize("name", FILMED)
def test_each_changes_the_pictures_and_leaves_the_ground_truth(name):
    clean, out = rendered(), rendered(**{name: FILMED[name]})
    assert out["images"].shape == clean["images"].shape and not torch.equal(out["images"], clean["images"])
    assert torch.equal(out["test_video"].rgb, clean["images"])
    assert torch.equal(rendered(**{name: FILMED[name]})["images"], out["images"]), "the same seed, the same pixels"


def test_the_shadow_lies_on_the_scene_only():
    out = rendered(shadow_strength=0.8, camera="still", width=128, height=128)
    darker = out["images"] < out["test_video"].rgb
    assert darker.any() and not (darker.any(-1) & (out["test_video"].scene_mask == 0)).any()


def test_the_copy_is_counted_before_it_is_made(monkeypatch):
    asked = []
    monkeypatch.setattr("pack.nodes.host.memory.check_memory", lambda needed, *_: asked.append(needed))
    rendered(), rendered(sensor_noise=0.02)
    assert asked[1] - asked[0] == 4 * 3 * 4 * 64 * 96


def test_progress_counts_both_passes(monkeypatch):
    done = []
    for name in ("PROGRESS_THROTTLE_MIN_INTERVAL", "PROGRESS_THROTTLE_MIN_PERCENT"):
        monkeypatch.setattr(comfy.utils, name, 0.0)
    monkeypatch.setattr(comfy.utils, "PROGRESS_BAR_HOOK", lambda value, total, *_, **__: done.append((value, total)))
    rendered(**FILMED)
    values = [value for value, _ in done]
    assert values == sorted(values) and done[-1] == (8, 8) and set(range(5, 9)) <= set(values)
