"""What the clips of a graph of layers take together: pages that are equal are there once, and no number changes."""

import ctypes
import gc
import os
from pathlib import Path

import pytest
import torch
from pack.models.layers.composite import Addition, Changes, composite_frame, split_layers
from pack.models.layers.exports import as_grey, grey_range, sum_of
from pack.models.layers.layers import read_layers
from pack.models.stage import render, sample_scene
from pack.nodes.layers.composite import CompositeLayers
from pack.nodes.layers.decompose import DecomposeLayers
from pack.nodes.layers.scene import FillScene
from pack.nodes.layers.split import SplitLayers

FRAMES, HEIGHT, WIDTH = 12, 272, 480
PLANE = 4 * FRAMES * HEIGHT * WIDTH  # bytes of a mask; a clip of pictures is 3 of them
SMAPS = Path("/proc/self/smaps_rollup")
AWAY, PUT_IN = {"remove_person": True}, {"insert_position": "behind the person"}


def out(node, **given):
    names = [output.display_name for output in node.GET_SCHEMA().outputs]
    return dict(zip(names, node.execute(**given).result, strict=True))


@pytest.fixture(scope="module")
def given():
    clip = render(sample_scene(7, objects=1, action="walk", frames=FRAMES, height=HEIGHT, width=WIDTH, frame_rate=8))
    near = 1 / clip.depth
    near = (near - near.min()) / (near.max() - near.min())
    return {
        "images": clip.rgb, "depth": near[..., None].repeat(1, 1, 1, 3), "person_mask": clip.person_mask,
        "object_masks": clip.layers[1][..., 3].clone(),
    }  # fmt: skip


def graph(given):
    """Every output of a clip decomposed and filled, split before and after it, and composited three times."""
    rule = {"nearer_fraction": 0.4, "stability_margin": 0.15, "min_hidden_percent": 0.25}
    apart = out(DecomposeLayers, **given, depth_type="near is white", object_source="object masks", **rule)
    filled = out(FillScene, layers=apart["layers"], use_other_frames=True, grow_mask=4)
    both = (apart, filled)
    splits = [out(SplitLayers, layers=one["layers"], alpha_mode="straight", object_number=-1) for one in both]
    thing = {"inserted_object": given["images"].flip(0), "inserted_object_mask": given["person_mask"].flip(0)}
    plain = {"remove_person": False, "remove_occluders": False, "feather": 0.0} | PUT_IN
    changes = (AWAY, thing, thing | AWAY)
    results = [out(CompositeLayers, layers=filled["layers"], **(plain | one)) for one in changes]
    return apart, filled, *splits, *results


def tensors(outputs):
    """The tensors of the graph's outputs by place and name."""
    return {
        (place, name): value
        for place, one in enumerate(outputs)
        for name, value in one.items()
        if isinstance(value, torch.Tensor)
    }


def held():
    """Bytes of this process, where pages that several clips share count once."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return 1024 * int(next(line for line in SMAPS.read_text().splitlines() if line.startswith("Pss:")).split()[1])


@pytest.mark.skipif(
    not SMAPS.exists() or not hasattr(os, "memfd_create"), reason="pages are shared and counted on Linux"
)
def test_the_clips_of_a_graph_take_memory_where_they_differ(given, monkeypatch):
    """The scene after the filling, the scenes of both splits and the pictures of three composites are 6 clips; with
    their depths and masks they are 28 planes. Here each is there once, and what the person covers in the others."""
    graph({name: value[:2].clone() for name, value in given.items()})  # whatever is loaded once
    shared = taken(given)
    monkeypatch.delattr(os, "memfd_create")
    alone = taken(given)
    assert shared < alone - 6  # 15 planes of pictures that are not the first, and 40 % of them at least are equal to it


def taken(given):
    """Planes (N, H, W) of float32 numbers that are held for the outputs of the graph."""
    own = {name: value.clone() for name, value in given.items()}
    before = held()
    outputs = graph(own)
    planes = (held() - before) / PLANE
    del outputs
    return planes


def test_no_number_changes(given):
    apart, filled, *others = graph(given)
    thing = Addition(given["images"].flip(0), given["person_mask"].flip(0), rank=0)
    changes = (Changes(remove_person=True), Changes(additions=[thing]), Changes(remove_person=True, additions=[thing]))
    for index in range(FRAMES):
        for made, layers in zip(others[:2], (apart, filled), strict=True):
            parts, limits = split_layers(read_layers(layers["layers"]), index), (0.0, 1.0)
            for name, group in zip(("scene", "person", "occluder"), (parts[:1], parts[1:2], parts[2:]), strict=True):
                colours, alpha, depth = sum_of(group, "straight", limits, (HEIGHT, WIDTH))
                assert torch.equal(made[name][index], colours) and torch.equal(made[f"{name}_alpha"][index], alpha)
                assert torch.equal(made[f"{name}_depth"][index], depth[..., None].expand(-1, -1, 3))
        layers = read_layers(filled["layers"])
        for made, change in zip(others[2:], changes, strict=True):
            picture, near, changed = composite_frame(layers, change, index)
            assert torch.equal(made["images"][index], picture) and torch.equal(made["changed_mask"][index], changed)
            assert torch.equal(made["depth"][index, ..., 0], as_grey(near, grey_range(layers)))


def test_a_system_that_shares_no_pages_gives_the_same_numbers(given, monkeypatch):
    shared = tensors(graph(given))
    monkeypatch.delattr(os, "memfd_create", raising=False)
    alone = tensors(graph({name: value.clone() for name, value in given.items()}))
    assert shared.keys() == alone.keys()
    assert all(torch.equal(value, alone[place]) for place, value in shared.items())


def test_writing_into_a_clip_changes_no_other_one(given):
    outputs = graph({name: value.clone() for name, value in given.items()})
    _, filled, split, *others = outputs
    clips = [filled["layers"]["scene"], split["scene"], others[0]["scene"], *(one["images"] for one in others[1:])]
    assert len({clip.data_ptr() for clip in clips}) == len(clips)
    before = [clip.clone() for clip in clips]
    for written, clip in enumerate(clips):
        clip.fill_(written + 2)
        for place, other in enumerate(clips):
            expected = torch.full_like(other, place + 2) if place <= written else before[place]
            assert torch.equal(other, expected)


def test_files_are_closed_with_the_last_clip(given):
    if not Path("/proc/self/fd").exists():
        pytest.skip("open files are counted on Linux")
    count = lambda: len(list(Path("/proc/self/fd").iterdir()))
    gc.collect()
    before = count()
    outputs = graph({name: value[:2].clone() for name, value in given.items()})
    assert count() > before
    del outputs
    gc.collect()
    assert count() == before


def test_pictures_go_through_what_other_nodes_do_with_them(given):
    _, _, _, split, *_, last = graph({name: value[:3].clone() for name, value in given.items()})
    for clip in (split["scene"], split["scene_depth"], split["occluder_depth"], last["images"], last["depth"]):
        plain = torch.tensor(clip.tolist())
        assert torch.equal(clip[1:], plain[1:]) and torch.equal(clip.movedim(-1, 1), plain.movedim(-1, 1))
        assert (clip[0].numpy() * 255).astype("uint8").tobytes() == (plain[0].numpy() * 255).astype("uint8").tobytes()
        small = [torch.nn.functional.interpolate(one.movedim(-1, 1), scale_factor=0.5) for one in (clip, plain)]
        assert torch.equal(*small) and torch.equal(torch.cat((clip, clip)), torch.cat((plain, plain)))
