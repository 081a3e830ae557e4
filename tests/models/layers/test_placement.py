"""Something added by depth, against the stage's own picture with it; estimated depth breathes from frame to frame."""

from dataclasses import replace

import pytest
import torch
from pack.models.choices import DEPTH_TYPES, OBJECT_DEPTHS
from pack.models.layers.composite import Addition, Changes, composite_frame
from pack.models.layers.decompose import decompose
from pack.models.layers.layers import NearnessClip
from pack.models.layers.placement import Placement, ground_plane, lower_edge, share_behind
from pack.models.layers.shadow import dilated
from pack.models.stage import render, sample_scene
from pack.models.stage.alone import render_alone
from pack.models.stage.objects import StageObject

EACH_PIXEL, LOWER_EDGE, GROUND = OBJECT_DEPTHS
FRAMES, SIZE = 12, 128
ENOUGH = 40  # pixels that two things share in a frame that counts


def thing(z_start, z_end, kind="pill", size=0.3, foot=1.8):
    """An object that slides over the floor, past the person."""
    place = lambda x, z: (x, foot * size, z)
    return StageObject(kind, size, "red", "white", "plain", place(-0.9, z_start), place(0.9, z_end), 0.0, 0.0)


def estimated(depth, seed):
    """Greys as an estimator of depth gives them: soft, noisy, scaled by 0.8 to 1.25 and shifted by 0.08 in each frame."""
    generator = torch.Generator().manual_seed(seed)
    grey = (1 / depth - 1 / 6) / (1 / 2 - 1 / 6)
    grey = torch.nn.functional.avg_pool2d(grey[:, None], 3, 1, 1, count_include_pad=False)[:, 0]
    grey = 0.2 + 0.5 * grey + 0.005 * torch.randn(grey.shape, generator=generator)
    scale = 0.8 * (1.25 / 0.8) ** torch.rand(len(grey), 1, 1, generator=generator)
    return grey * scale + 0.08 * (2 * torch.rand(len(grey), 1, 1, generator=generator) - 1)


@pytest.fixture(scope="module", params=[(20, 0.5, 0.9), (31, -0.7, -0.7), (7, -0.9, -0.5)], ids=str)
def case(request):
    """Layers without the thing, its picture, mask and depth, and where the stage itself shows it."""
    seed, start, end = request.param
    scene = sample_scene(seed, objects=1, action="dance", frames=FRAMES, height=SIZE, width=SIZE, frame_rate=8)
    whole = replace(scene, objects=(*scene.objects, thing(start, end)))
    base, full = render(scene), render(whole)
    mask, depth = render_alone(whole, 2)
    shared = (mask > 0) & (base.layer > 0)
    return base, full, mask, depth, full.layer == 3, shared


def layers_of(base, depth):
    return decompose(base.rgb, base.person_mask, depth, DEPTH_TYPES[0], base.layers[1:, ..., 3])


def shown(case, layers, own, placement):
    """(N, H, W) bool where the thing is visible in the composited picture."""
    _, _, mask, *_ = case
    black = torch.zeros(1, SIZE, SIZE, 3)
    marked = replace(layers, images=torch.ones_like(layers.images))
    near = None if own is None else NearnessClip(own, DEPTH_TYPES[0])
    changes = Changes(additions=[Addition(black, mask, near, None, placement)])
    pictures = [composite_frame(marked, changes, index)[0] for index in range(FRAMES)]
    return torch.stack(pictures).mean(-1) < 0.5


def wrong(case, visible):
    """The share of shared pixels that are wrong in the worst frame."""
    _, _, _, _, truth, shared = case
    counted = [i for i in range(FRAMES) if shared[i].sum() >= ENOUGH]
    assert len(counted) >= 3
    return max(((visible[i] != truth[i]) & shared[i]).sum().item() / shared[i].sum().item() for i in counted)


def estimates(case):
    """The depth of the clip and of the thing, estimated each from its own pictures."""
    base, full, *_ = case
    return estimated(base.depth, 1), estimated(full.depth, 2)


def test_exact_depth_needs_no_placement(case):
    base, _, mask, depth, truth, _ = case
    layers = layers_of(base, 1 / base.depth)
    visible = shown(case, layers, 1 / depth.clamp_max(1e6), Placement())
    assert ((visible != truth) & (mask > 0)).float().sum() / mask.sum() < 0.02


def test_the_depth_of_the_ground_is_right_however_depth_breathes(case):
    base, *_ = case
    near, own = estimates(case)
    layers = layers_of(base, near)
    before = wrong(case, shown(case, layers, own, Placement()))
    after = wrong(case, shown(case, layers, None, Placement(GROUND, 0.02)))
    assert after <= 0.03 and before > 0.2, (before, after)


def test_feet_stay_on_the_ground(case):
    base, _, mask, _, truth, _ = case
    layers = layers_of(base, estimates(case)[0])
    others = torch.stack([dilated(one > 0, 2) for one in base.layer])  # whose soft depth reaches beyond them
    on_scene = (mask > 0) & ~others & truth
    below = torch.stack([edge if (edge := lower_edge(one)) is not None else one > 2 for one in mask]) & on_scene
    lost = lambda how: (
        (~shown(case, layers, torch.full_like(mask, -1.0), how) & on_scene).float().sum() / on_scene.sum()
    )
    assert lost(Placement()) > 0.9, "it is behind all"
    visible = shown(case, layers, None, Placement(GROUND))
    assert (visible & below).sum() >= 0.99 * below.sum()
    assert (visible & on_scene).sum() >= 0.98 * on_scene.sum()


def test_one_depth_of_the_lower_edge(case):
    """In one range it is as right as each pixel's own depth, and noise does not show in it."""
    base, _, _, depth, *_ = case
    noise = torch.randn(FRAMES, SIZE, SIZE, generator=torch.Generator().manual_seed(4)) * 0.01
    layers, own = layers_of(base, 1 / base.depth + noise), 1 / depth.clamp_max(1e6) + noise.flip(1)
    pixel, one = (wrong(case, shown(case, layers, own, Placement(how))) for how in (EACH_PIXEL, LOWER_EDGE))
    assert one <= 0.05 and one <= pixel + 0.01, (pixel, one)


def test_the_tolerance_fades():
    layer, near = torch.tensor([[0.5]]), torch.tensor([[0.6, 0.5, 0.45, 0.4, 0.3]])
    assert share_behind(layer, near, 0.0).tolist() == [[1, 1, 0, 0, 0]]
    assert torch.allclose(share_behind(layer, near, 0.1), torch.tensor([[1.0, 1.0, 0.5, 0.0, 0.0]]), atol=1e-6)


def test_the_lower_edge_is_the_feet():
    mask = torch.zeros(100, 60)
    mask[10:90, 20:40] = 1
    edge = lower_edge(mask)
    rows = edge.any(1).nonzero()[:, 0]
    assert rows[-1] == 89 and 86 <= rows[0] <= 88 and edge.sum() == 20 * len(rows)
    assert lower_edge(torch.zeros(5, 5)) is None
    flat = torch.zeros(9, 9)
    flat[4, 2:7] = 1
    assert torch.equal(lower_edge(flat), flat > 0)


def test_the_plane_of_the_ground_leaves_a_wall_out():
    down = torch.arange(100.0)[:, None].expand(100, 80) / 100
    ground = 0.2 + 0.6 * down
    near = torch.maximum(ground, torch.tensor(0.62)).clone()  # a wall behind, down to row 70
    mask = torch.zeros(100, 80)
    mask[30:78, 30:45] = 1
    noise = 0.005 * torch.randn(100, 80, generator=torch.Generator().manual_seed(1))
    plane = ground_plane(near + noise, torch.ones(100, 80, dtype=torch.bool), lower_edge(mask), mask)
    assert (plane - ground)[70:, 20:60].abs().max() < 0.02
    assert ground_plane(near, torch.zeros(100, 80, dtype=torch.bool), lower_edge(mask), mask) is None
