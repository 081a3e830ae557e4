"""The z-buffer against an independent answer: a tapered capsule is the union of spheres along its axis."""

import torch
from pack.models.stage.body.capsules import Capsules, z_buffer
from pack.models.view.camera import Camera


def still_camera(size=32, focal=40.0):
    return Camera(torch.eye(3)[None], torch.zeros(1, 3), focal, size, size)


def random_capsules(seed, count):
    g = torch.Generator().manual_seed(seed)
    rand = lambda *shape: torch.rand(*shape, generator=g)
    start = torch.stack((rand(count) * 2 - 1, rand(count) * 2 - 1, rand(count) * 3 + 2), -1)
    end = start + (rand(count, 3) * 2 - 1) * 0.6
    start_radius, end_radius = rand(count) * 0.2 + 0.03, rand(count) * 0.2 + 0.03
    end[0] = start[0]  # a sphere
    end[1], end_radius[1] = start[1] + 0.01, 0.3  # one sphere inside the other
    return Capsules(start[None], end[None], start_radius, end_radius, torch.zeros(count, dtype=torch.long))


def union_of_spheres(capsules, index, camera, steps=1501):
    """Depth (H, W) at which each ray enters the capsule, in double precision, infinite for a miss."""
    s = torch.linspace(0, 1, steps, dtype=torch.float64)
    start, end = capsules.start[0, index].double(), capsules.end[0, index].double()
    centre = start + s[:, None] * (end - start)
    radius = capsules.start_radius[index].double() * (1 - s) + capsules.end_radius[index].double() * s
    ray = camera.rays().double().view(-1, 1, 3)
    dd = (ray * ray).sum(-1)
    middle = (ray * centre).sum(-1)
    root = middle**2 - dd * ((centre**2).sum(-1) - radius**2)
    depth = torch.where(root >= 0, (middle - root.clamp_min(0).sqrt()) / dd, torch.inf)
    return depth.amin(1).view(camera.height, camera.width)


def test_depth_is_the_ray_capsule_distance():
    camera = still_camera()
    for seed in range(4):
        capsules = random_capsules(seed, 7)
        truth = torch.stack([union_of_spheres(capsules, k, camera) for k in range(7)])
        nearest, owner = truth.min(0)
        hits = z_buffer(capsules, camera, 1)
        depth = torch.full((32 * 32,), torch.inf, dtype=torch.float64)
        depth[hits.pixel] = hits.depth.double()
        depth = depth.view(32, 32)
        both = torch.isfinite(depth) & torch.isfinite(nearest)
        assert both.sum() > 50
        assert (depth - nearest)[both].abs().max() < 1e-4
        # The two may disagree on a ray that only grazes a capsule, hardly ever.
        assert (torch.isfinite(depth) != torch.isfinite(nearest)).sum() <= 2
        found = torch.full((32 * 32,), -1)
        found[hits.pixel] = hits.capsule
        clear = truth.topk(2, 0, largest=False).values.diff(dim=0)[0] > 1e-3
        assert (found.view(32, 32) == owner)[both & clear].all()


def test_normals_point_away_from_the_axis():
    capsules, camera = random_capsules(3, 5), still_camera()
    hits = z_buffer(capsules, camera, 1)
    assert torch.allclose(hits.normal.norm(dim=-1), torch.ones(hits.depth.numel()), atol=1e-5)
    ray = camera.rays().view(-1, 3)[hits.pixel]
    assert ((hits.normal * ray).sum(-1) < 1e-3).all(), "a visible surface faces the camera"
    point = ray * hits.depth[:, None]
    centre = capsules.start[0, hits.capsule].lerp(capsules.end[0, hits.capsule], hits.along[:, None])
    radius = capsules.start_radius[hits.capsule].lerp(capsules.end_radius[hits.capsule], hits.along)
    assert (point - hits.normal * radius[:, None] - centre).norm(dim=-1).max() < 1e-3


def test_layers_do_not_hide_each_other():
    start = torch.tensor([[[0.0, 0.0, 3.0], [0.0, 0.0, 2.0]]])
    capsules = Capsules(start, start, torch.tensor([0.4, 0.4]), torch.tensor([0.4, 0.4]), torch.tensor([0, 1]))
    hits = z_buffer(capsules, still_camera(), 2)
    assert set(hits.layer.tolist()) == {0, 1}
    middle = hits.pixel == 16 * 32 + 16
    assert torch.allclose(hits.depth[middle].sort().values, torch.tensor([1.6, 2.6]), atol=5e-3)


def test_nothing_behind_the_camera_is_visible():
    start = torch.tensor([[[0.0, 0.0, -3.0]]])
    capsules = Capsules(start, start, torch.tensor([0.5]), torch.tensor([0.5]), torch.tensor([0]))
    assert z_buffer(capsules, still_camera(), 1).depth.numel() == 0
