"""Depth to Mesh: ComfyUI's own Save 3D Model writes it, and it projects back into the picture."""

import folder_paths
import numpy as np
import pytest
import torch
from comfy_api.latest._io import HiddenHolder
from comfy_extras.nodes_moge import triangulate_grid_mesh
from comfy_extras.nodes_save_3d import SaveGLB
from pack.models.stage import render, sample_scene
from pack.nodes.geometry.mesh import DepthToMesh
from tiny.geometry_files import decibels, read_glb

HEIGHT, WIDTH = 72, 96


@pytest.fixture(scope="module")
def clip():
    return render(sample_scene(7, frames=2, height=HEIGHT, width=WIDTH, objects=2))


def run(clip, **changes):
    inputs = {
        "images": clip.rgb, "depth": clip.depth[..., None].repeat(1, 1, 1, 3), "depth_type": {"depth_type": "distance"},
        "field_of_view": float(np.degrees(2 * np.arctan(WIDTH / 2 / clip.camera.focal))), "frame": 1, "pixel_step": 1,
        "jump_threshold": 0.05, "max_distance": 0.0, "camera_motion": "auto",
    }  # fmt: skip
    return DepthToMesh.execute(**inputs | changes).result


def mesh(clip, **changes):
    return run(clip, **changes)[0]


def test_the_hosts_own_node_saves_it(clip, tmp_path, monkeypatch):
    import trimesh

    monkeypatch.setattr(
        SaveGLB, "hidden", HiddenHolder(None, None, None, None, None, None)
    )  # outside of a run the host has none
    before = folder_paths.get_output_directory()
    folder_paths.set_output_directory(str(tmp_path))
    try:
        SaveGLB.execute(mesh(clip), "3d/x")
    finally:
        folder_paths.set_output_directory(before)
    (shape,) = trimesh.load_scene(tmp_path / "3d" / "x_00001_.glb", process=False).geometry.values()
    points = np.asarray(shape.vertices)
    column = points[:, 0] / -points[:, 2] * clip.camera.focal + (WIDTH - 1) / 2
    row = -points[:, 1] / -points[:, 2] * clip.camera.focal + (HEIGHT - 1) / 2
    assert np.abs(column - column.round()).max() < 0.02 and np.abs(row - row.round()).max() < 0.02
    np.testing.assert_allclose(
        -points[:, 2], clip.depth[1].numpy()[row.round().astype(int), column.round().astype(int)], rtol=1e-4
    )
    picture = np.asarray(shape.visual.material.baseColorTexture.convert("RGB"))
    assert np.abs(picture / 255 - clip.rgb[1].numpy()).max() < 0.01
    across, up = shape.visual.uv.T
    np.testing.assert_allclose(across * WIDTH - 0.5, column, atol=0.03)
    np.testing.assert_allclose((1 - up) * HEIGHT - 0.5, row, atol=0.03)


def test_the_file_for_preview_3d_has_the_same_surface_and_a_camera(clip, tmp_path):
    given, model = run(clip)
    model.save_to(str(tmp_path / "x.glb"))
    read = read_glb(tmp_path / "x.glb")
    assert model.format == "glb" and np.array_equal(read.triangles, given.faces[0].numpy())
    assert decibels(read, clip.rgb[1].numpy())[0] > 40


def test_axes_and_winding_are_those_of_the_hosts_own_meshes():
    """A slope through the host's function, turned as its nodes turn it."""
    height, width, focal = 8, 9, 10.0
    row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    depth = 2 + column * 0.01 + row * 0.02
    points = torch.stack(
        ((column - (width - 1) / 2) * depth / focal, (row - (height - 1) / 2) * depth / focal, depth), -1
    )
    vertices, faces, _ = triangulate_grid_mesh(points, discontinuity_threshold=0.0)
    vertices, faces = vertices * torch.tensor([1.0, -1.0, -1.0]), faces[:, [0, 2, 1]]
    ours = DepthToMesh.execute(
        torch.rand(1, height, width, 3), depth[None, ..., None].repeat(1, 1, 1, 3), {"depth_type": "distance"},
        float(np.degrees(2 * np.arctan(width / 2 / focal))), 0, 1, 0.1, 0.0, "auto",
    )[0]  # fmt: skip
    torch.testing.assert_close(ours.vertices[0], vertices, atol=1e-5, rtol=1e-5)
    normal = lambda points, faces: torch.linalg.cross(
        points[faces[:, 1]] - points[faces[:, 0]], points[faces[:, 2]] - points[faces[:, 0]]
    )
    assert (normal(vertices, faces)[:, 2] > 0).all() and (normal(ours.vertices[0], ours.faces[0])[:, 2] > 0).all()


@pytest.mark.parametrize(("changes", "words"), [
    ({"frame": 2}, "frame: expected at most 1, got 2"),
    ({"shape_mask": torch.zeros(1, 4, 4)}, "Expected a surface in frame 1, got none"),
    ({"max_distance": 0.01}, "got none: raise jump_threshold or max_distance"),
    ({"depth": torch.zeros(2, HEIGHT, WIDTH, 3)}, "expected a distance above 0|at least one pixel"),
])  # fmt: skip
def test_what_gives_no_mesh_is_refused(clip, changes, words):
    with pytest.raises(ValueError, match=words):
        mesh(clip, **changes)
