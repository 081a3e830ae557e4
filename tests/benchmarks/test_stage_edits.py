"""The clips, edits and figures of bench edits, and the network that reads depth for it."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch
from pack.models.stage import render
from pack.models.stage.caption import VOCABULARY, describe
from pack.models.unet.words import split_words
from pack.training.data.stage import HELD_OUT, StageClips

ROOT = Path(__file__).resolve().parents[2]


def load(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


edits, depth_reader = load("_stage_edits"), load("_depth_reader")


def test_clips_are_held_out_and_are_what_the_recipe_tunes_on():
    seeds = edits.held_out(4)
    assert len(set(seeds)) == 4 and max(seeds) < HELD_OUT == edits.HELD_OUT
    for number, seed in enumerate(seeds):
        data = edits.data_of(number, seed)
        scene = edits.scene_of(data)
        assert StageClips(**{name: value for name, value in data.items() if name != "kind"}).scene(0) == scene
        assert scene.character.shirt_pattern == scene.character.trousers_pattern == "plain"
        assert len(scene.objects) == (number + 1) % 2


@pytest.mark.parametrize("name", edits.EDITS)
def test_an_edit_changes_words_and_colours_and_nothing_that_moves(name):
    scene = edits.scene_of({**edits.data_of(0, edits.held_out(1)[0]), "frames": 2, "size": 32})
    other = edits.EDITS[name](scene)
    before, after = render(scene), render(other)
    assert describe(other) != describe(scene) and set(split_words(describe(other))) <= set(VOCABULARY)
    assert (before.rgb - after.rgb).abs().mean() > 0.01
    for same in ("depth", "person_mask", "forward", "forward_valid"):
        assert torch.equal(getattr(before, same), getattr(after, same)), same


def test_the_edits_of_three_clips_are_of_four_kinds():
    assert {name for number in range(3) for name in edits.edits_of(number)} == set(edits.EDITS)


def test_flicker_is_none_along_the_flow_and_what_it_is_beside_it():
    still = torch.rand(1, 16, 16, 3, generator=torch.Generator().manual_seed(0)).repeat(3, 1, 1, 1)
    moved = torch.stack([frame.roll(i, 1) for i, frame in enumerate(still)])  # a pixel to the right a frame
    flow, valid = torch.zeros(2, 16, 16, 2), torch.ones(2, 16, 16, dtype=torch.bool)
    right = flow.clone()
    right[..., 0] = 1
    inside = valid.clone()
    inside[:, :, -1] = False
    assert edits.flicker(still, flow, valid) < 1e-3
    assert edits.flicker(moved, right, inside) < 1e-3 < edits.flicker(moved, flow, inside)
    brighter = torch.stack([torch.full((16, 16, 3), value) for value in (0.1, 0.2, 0.4)])
    assert edits.flicker(brighter, flow, valid) == pytest.approx(255 * 0.15, rel=1e-4)


def figures(method: str, edit: str, psnr: float, depth: float) -> dict:
    return {"method": method, "edit": edit, "flicker": 2.0, "flicker_person": 3.0, "psnr": psnr,
            "psnr_person": psnr - 1, "depth_l2": depth}  # fmt: skip


def test_the_table_means_over_edits_and_marks_the_best_method():
    rows = [figures("ours", "clothes", 20, 0.02), figures("ours", "night", 24, 0.04),
            figures("theirs", "clothes", 21, 0.01), figures("theirs", "night", 19, 0.01),
            figures("the truth", "clothes", 40, 0.0), figures("the truth", "night", 40, 0.0)]  # fmt: skip
    found = edits.tables(rows)
    assert list(found) == ["all", "clothes", "night"]
    assert found["all"]["ours"]["psnr"] == 22 and found["night"]["ours"]["psnr"] == 24
    best = edits.winners(found["all"], ["ours", "theirs"])
    assert best["psnr"] == "ours" and best["depth_l2"] == "theirs"
    lines = edits.markdown(found["all"], ["ours", "theirs"]).splitlines()
    assert len({line.count("|") for line in lines}) == 1 and len(lines) == 5
    assert "**22.0**" in lines[2] and "**0.0100**" in lines[3] and "**" not in lines[4]


def test_the_depth_reader_learns_where_something_is():
    """A bright square in the latents lies nearer; places that it was not taught come out right."""
    torch.manual_seed(0)
    reader = depth_reader.DepthReader(16)
    optimizer = torch.optim.Adam(reader.parameters(), 5e-3)

    def lesson(seed: int):
        g = torch.Generator().manual_seed(seed)
        latents, depth = 0.1 * torch.randn(8, 4, 8, 8, generator=g), torch.full((8, 64, 64), 0.2)
        for number, (x, y) in enumerate(torch.randint(0, 6, (8, 2), generator=g).tolist()):
            latents[number, :, y : y + 2, x : x + 2] += 1
            depth[number, 8 * y : 8 * y + 16, 8 * x : 8 * x + 16] = 0.8
        return latents, depth_reader.coarse(depth)

    error = lambda pair: (reader(pair[0]) - pair[1]).square().mean()
    before = error(lesson(1000)).item()
    for seed in range(60):
        optimizer.zero_grad()
        error(lesson(seed)).backward()
        optimizer.step()
    assert reader(lesson(1000)[0]).shape == (8, 16, 16)
    assert error(lesson(1000)) < 0.1 * before and error(lesson(1000)) < 0.01
