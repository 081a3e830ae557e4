"""Render Stage Clip with the host's own nodes as readers of what it makes."""

import pytest
import torch
from comfy_extras.nodes_depth_anything_3 import DA3GeometryToMesh, DA3Render
from comfy_extras.nodes_sdpose import SDPoseDrawKeypoints
from pack.nodes.stage.stage import RenderStageClip

NAMES = [output.display_name for output in RenderStageClip.GET_SCHEMA().outputs]


def stage(**changes):
    given = {
        "seed": 3, "width": 96, "height": 64, "frames": 4, "fps": 12.0, "action": "dance", "character": -1, "motion": -1,
        "room": -1, "objects": 1, "camera": "orbit", "style": "natural", "smooth_edges": True,
    }  # fmt: skip
    return dict(zip(NAMES, RenderStageClip.execute(**(given | changes)).result, strict=True))


def test_pictures_and_masks_have_the_host_s_shapes():
    out = stage()
    for name in ("video", "depth", "pose", "plate", "figure", "parts"):
        assert out[name].shape == (4, 64, 96, 3) and out[name].dtype == torch.float32, name
        assert 0 <= out[name].min() and out[name].max() <= 1, name
    for name in ("human", "occluder", "scene", "whole_human"):
        assert out[name].shape == (4, 64, 96), name
    assert out["character_picture"].shape == (1, 64, 96, 3)
    assert out["action_name"] == "dance" and "dances" in out["caption"] and out["frame_rate"] == 12.0


def test_the_character_s_keypoints_lie_on_its_picture():
    from pack.models.pose.formats import joints

    out = stage(width=128, height=128, frames=1)
    points, seen = joints(out["character_keypoints"])
    assert len(points) == 1 and (seen[0, :14] > 0).all()
    picture = (out["character_picture"][0] - out["character_picture"][0, 0, 0]).abs().amax(-1) > 0.02
    x, y = points[0, :14].round().long().unbind(-1)
    assert picture[y, x].all()


def test_depth_picture_is_inverse_depth_in_one_range():
    out = stage(camera="still")
    inverse = 1 / out["geometry"]["depth"]
    expected = (inverse - inverse.min()) / (inverse.max() - inverse.min())
    assert torch.allclose(out["depth"][..., 0], expected, atol=1e-5)


def test_the_host_builds_a_mesh_from_the_geometry():
    """The mesh of the host's node lies where the stage's room is: the floor at height 0 and the back wall behind."""
    out = stage(objects=0, camera="still")
    geometry = out["geometry"]
    mesh = DA3GeometryToMesh.execute(geometry, 0, 1, 0.0, 0.0, False, True)[0]
    vertices = mesh.vertices[0] if mesh.vertices.ndim == 3 else mesh.vertices
    assert vertices.isfinite().all() and len(vertices) > 1000
    world = torch.linalg.inv(torch.cat((geometry["extrinsics"][0, 0], torch.tensor([[0.0, 0, 0, 1]]))))
    ray = torch.stack(torch.meshgrid(torch.arange(96.0), torch.arange(64.0), indexing="xy"), -1)
    k = geometry["intrinsics"][0, 0]
    camera = torch.stack(((ray[..., 0] - k[0, 2]) / k[0, 0], (ray[..., 1] - k[1, 2]) / k[1, 1], torch.ones(64, 96)), -1)
    points = camera * geometry["depth"][0][..., None] @ world[:3, :3].T + world[:3, 3]
    assert points[..., 1].min() > -1e-3, "nothing is below the floor"
    assert abs(points[-1, 5, 1]) < 1e-3, "the lower left corner of the picture is floor"
    assert DA3Render.execute(geometry, {"output": "depth", "normalization": "min_max", "apply_sky_clip": False})[
        0
    ].shape == (4, 64, 96, 3)


def test_the_host_draws_the_keypoints():
    out = stage(width=256, height=256, objects=0)
    drawn = SDPoseDrawKeypoints.execute(out["keypoints"], True, False, False, False, 3, 1, 0.3, True)[0]
    human = torch.nn.functional.max_pool2d(out["whole_human"][:, None], 25, 1, 12)[:, 0] > 0
    lit = drawn.amax(-1) > 0
    assert lit.sum() > 1000
    assert (lit & human).sum() / lit.sum() > 0.98, "the drawn skeleton lies on the figure"


def test_flow_has_the_documented_keys():
    flow = stage()["flow"]
    assert set(flow) == {"forward", "forward_valid", "backward", "backward_valid"}
    assert flow["forward"].shape == (3, 64, 96, 2) and flow["backward_valid"].shape == (3, 64, 96)
    assert set(flow["forward_valid"].unique().tolist()) <= {0.0, 1.0}


def test_one_frame_and_hard_edges():
    out = stage(frames=1, smooth_edges=False)
    assert out["video"].shape[0] == 1 and out["flow"]["forward"].shape[0] == 0
    assert set(out["human"].unique().tolist()) <= {0.0, 1.0}


def test_only_what_is_changed_changes():
    a, b = stage(), stage(character=77)
    assert torch.equal(a["plate"], b["plate"]) and not torch.equal(a["video"], b["video"])
    assert not torch.equal(stage(room=5)["plate"], a["plate"])


def test_zero_frames_are_refused_in_words():
    with pytest.raises(ValueError, match="at least 1 frame"):
        stage(frames=0)
