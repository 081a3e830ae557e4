"""What bench real computes, on a small rendered clip and without the network, and the tables that it writes."""

import importlib
import importlib.util
import os
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from duet_host.errors import HostError
from pack.models.stage import render, sample_scene

pytest.importorskip("comfy_api")

ROOT = Path(__file__).resolve().parents[2]
FRAMES, SIDE, PILLAR = 20, 96, slice(78, 88)


def part(name: str):
    """A file of benchmarks/footage."""
    if "footage" not in sys.modules:
        folder = ROOT / "benchmarks" / "footage"
        where = [str(folder)]
        spec = importlib.util.spec_from_file_location(
            "footage", folder / "__init__.py", submodule_search_locations=where
        )
        sys.modules["footage"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["footage"])
    return importlib.import_module(f"footage.{name}")


def keys(title: str) -> set[str]:
    """What a table of the page needs."""
    return {row.key for row in part("table").TABLES[title]}


def bytes_of(picture: torch.Tensor) -> np.ndarray:
    return (picture * 255).round().byte().numpy()


@pytest.fixture(scope="module")
def walk():
    """A still room with a pillar, and a person who crosses it behind the pillar, with a level of noise: clip and truth."""
    clip = render(sample_scene(104, frames=1, height=SIDE, width=SIDE, action="walk", objects=0))
    room, person, mask = bytes_of(clip.scene_images[0]), bytes_of(clip.rgb[0]), clip.person_mask[0].numpy() > 0.5
    room[:, PILLAR] = (40, 60, 200)
    noise = np.random.default_rng(1).integers(-1, 2, (FRAMES, SIDE, SIDE, 3))
    frames, masks = np.repeat(room[None], FRAMES, 0), np.zeros((FRAMES, SIDE, SIDE), bool)
    for index in range(FRAMES):
        move = round(SIDE * (1.6 * index / (FRAMES - 1) - 0.8))
        columns = np.arange(SIDE) - move
        inside = (columns >= 0) & (columns < SIDE)
        masks[index][:, inside] = mask[:, columns[inside]]
        masks[index][:, PILLAR] = False
        frames[index][masks[index]] = np.roll(person, move, 1)[masks[index]]
    frames = (frames + noise).clip(0, 255).astype(np.uint8)
    return SimpleNamespace(frames=frames, masks=masks, room=room)


@pytest.fixture(scope="module")
def footage(walk):
    """The clip as the measurements read it, with a pillar and depth by hand."""
    made = part("shots").prepare("small", walk.frames, slice(0, FRAMES), drawn=False)
    kept = np.zeros((SIDE, SIDE), bool)
    kept[:, PILLAR] = True
    near = np.broadcast_to(np.linspace(0.1, 0.3, SIDE)[:, None], (FRAMES, SIDE, SIDE)).copy()
    near[walk.masks], near[:, kept] = 0.5, 0.9
    return replace(made, person=walk.masks, kept=kept, near=near.astype(np.float16), moving=walk.masks)


# --- masks and plate -------------------------------------------------------------------------------------------------


def test_the_plate_is_the_empty_room_and_the_masks_are_the_person(walk):
    made = part("shots").prepare("small", walk.frames, slice(4, 16), drawn=False)
    assert np.abs(made.plate.astype(int) - walk.room).mean() < 1.5
    assert part("measures").iou(made.person, walk.masks[4:16]) > 0.75
    empty = part("subtraction").person_masks(walk.room[None], made.plate)
    assert not empty.any()


def test_a_prepared_shot_is_the_same_from_its_file(footage, tmp_path):
    footage.save(tmp_path / "small.npz")
    again = part("shots").Footage.load(tmp_path / "small.npz")
    assert again.name == "small"
    assert all(np.array_equal(value, getattr(again, name)) for name, value in vars(footage).items() if name != "name")


def test_the_trunk_hides_who_is_behind_it_in_the_drawn_depth():
    scene = part("scene")
    kept = scene.trunk_mask((54, 96))
    person = np.zeros((3, 54, 96), bool)
    person[:, 30:48, 40:46] = True
    near = scene.drawn_nearness(person, kept)
    assert near[:, kept].min() > near[person].max() > near[0, 20, 10]
    feet = scene.ground_nearness(np.array([48 / 54]))[0]
    assert near[1, 30, 42] == pytest.approx(feet, rel=1e-5), "one nearness from head to feet"


# --- nodes -----------------------------------------------------------------------------------------------------------


def test_a_removed_person_is_measured_in_its_place_alone(footage):
    rows = part("removal").measure(footage)
    assert keys("A person removed") <= set(rows)
    assert rows["hole_db"] > 25 and rows["fill_cpu_s"] > 0 and 1 < rows["hole_percent"] < 60
    assert rows["path"] in ("still", "moving") and rows["sun_path"] in ("still", "moving")
    assert rows["rim_equal"] == (rows["rim_pixels"] == 0) == (rows["rim_largest"] == 0)
    assert rows["sun_db"] > 15 and rows["sun_levels"] >= 0


def test_an_error_in_the_hole_is_found_and_one_beside_it_is_not(footage):
    measures, hole = part("measures"), part("removal").hole_of(footage)
    plate = torch.from_numpy(footage.plate).float() / 255
    exact = plate.repeat(FRAMES, 1, 1, 1)
    beside, inside = exact.clone(), exact.clone()
    beside[torch.from_numpy(~hole)] += 0.1
    inside[torch.from_numpy(hole)] += 0.1
    decibels = lambda images: measures.decibels(images, lambda index: plate, hole)
    assert decibels(exact) == decibels(beside) == 100 and decibels(inside) == pytest.approx(20, abs=0.01)
    counts, largest = measures.changed_pixels(beside, exact, ~hole)
    assert sum(counts) == (~hole).sum() and largest == pytest.approx(0.1, abs=1e-5)


def test_the_path_is_read_from_how_many_frames_a_pixel_comes_from():
    removal, hole = part("removal"), np.ones((1, 2, 2), bool)
    confidence = lambda views: torch.full((1, 2, 2), views / (views + 1))
    assert removal.path_of(confidence(40), hole, 48) == "still"
    assert removal.path_of(confidence(3), hole, 48) == "moving"


def test_the_sun_goes_in_once_and_stays_in():
    gains = part("removal").exposures(30)[:, 0, 0]
    assert torch.equal(gains[:10], torch.ones(10, 3)) and (gains.diff(dim=0) <= 0).all()
    assert gains[-1].tolist() == pytest.approx(part("removal").SUN)


def test_breathing_depth_shows_the_wrong_person_and_drawn_depth_does_not(footage):
    insertion = part("insertion")
    other = replace(footage, person=np.roll(footage.person, 6, 2) & ~footage.kept, near=footage.near.copy())
    other.near[other.person] = 0.6  # in front of the person of the shot
    rows = insertion.measure(footage, other)
    assert keys("A person put in by depth") <= set(rows)
    assert rows["insert_shared_drawn"] < 3, "what the depth says is what is composited"
    assert rows["insert_all_breathing"] >= rows["insert_all_drawn"]


def test_breathing_changes_every_frame_within_its_bounds():
    near = torch.rand(40, 4, 4, generator=torch.Generator().manual_seed(0))
    moved = part("insertion").breathing(near)
    scale = (moved.amax((1, 2)) - moved.amin((1, 2))) / (near.amax((1, 2)) - near.amin((1, 2)))
    assert 0.8 <= scale.min() < 0.9 and 1.15 < scale.max() <= 1.25 and len(scale.unique()) == 40


def test_flow_and_flicker_have_their_figures(footage):
    rows = part("motion").measure(footage)
    assert keys("Flow and flicker") <= set(rows)
    assert 0 < rows["flow_trusted_on_person_percent"] <= 100 and rows["flow_trusted_percent"] > 50
    assert rows["flicker_brightness"] > 2 * rows["flicker"] > 0
    assert rows["flow_warped_db"] > rows["flow_unwarped_db"]


def test_a_pack_without_a_node_or_an_input_is_measured_too(footage):
    nodes = part("nodes")
    assert not nodes.has("DuetNoSuchNode") and not nodes.has("DuetFillScene", "no_such_input")
    out = nodes.run("DuetNormalizeDepth", depth=footage.depth(), no_such_input=3)
    assert 0 <= out["depth"].min() and out["depth"].max() <= 1


def test_the_graph_of_the_server_is_whole(footage):
    memory, known = part("memory"), part("nodes").classes()
    prompt = memory.graph(footage)
    kinds = [node["class_type"] for node in prompt.values()]
    assert kinds.count("DuetSplitLayers") == 2 and kinds.count("DuetCompositeLayers") == 3
    assert all(kind in known for kind in kinds if kind.startswith("Duet"))
    links = [value for node in prompt.values() for value in node["inputs"].values() if isinstance(value, list)]
    assert links and all(link[0] in prompt for link in links)
    read = {node["inputs"]["file"] for node in prompt.values() if node["class_type"] == "LoadVideo"}
    assert read == {"shot.mp4", "person.mp4", "depth.mp4", "object.mp4"}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads what Linux counts")
def test_the_peak_of_a_process_is_seen():
    with part("memory").Peak(os.getpid()) as peak:
        held = np.ones(30_000_000)
        assert held.sum() == 30_000_000
        peak.most = max(peak.most, peak.held())
    assert peak.most - peak.first > 0.15


# --- pose ------------------------------------------------------------------------------------------------------------


def joints(frames: int = 30):
    """(N, 18, 2) joints that swing, and their scores."""
    time = torch.arange(frames)[:, None, None] / 5
    return 50 + 20 * torch.sin(time + torch.arange(36).view(1, 18, 2)), torch.ones(frames, 18)


def test_jitter_is_none_of_even_motion_and_counts_visible_joints_alone():
    people = part("people")
    even = torch.arange(10)[:, None, None].expand(10, 18, 2).float()
    noisy, scores = even.clone(), torch.ones(10, 18)
    noisy[5, 0] += torch.tensor([3.0, 4.0])
    assert people.jitter(even, scores) == 0
    assert people.jitter(noisy, scores) == pytest.approx((5 + 10 + 5) / (8 * 18))
    scores[5, 0] = 0
    assert people.jitter(noisy, scores) == 0 and people.jitter(noisy, torch.zeros(10, 18)) is None


@pytest.mark.parametrize("frames", [0, 1, 2])
def test_a_filter_that_trails_is_found(frames):
    points, scores = joints()
    assert part("people").lag(points.roll(frames, 0), points, scores) == frames


def test_the_detector_finds_its_way_back_to_the_frame():
    pose = part("detect_pose")
    assert pose.anchors().shape == (2254, 2) and 0 < pose.anchors().min() and pose.anchors().max() < 1
    frame = np.zeros((60, 80, 3))
    frame[20, 30] = 255
    square = (np.array([32.0, 24.0]), 40.0, 0.4)
    crop = pose.cut(frame, *square, 160)
    y, x = np.unravel_index(crop[..., 0].argmax(), crop.shape[:2])
    assert crop.max() > 0.7
    assert pose.to_frame(np.array([[x, y]]), *square, 160)[0] == pytest.approx([30, 20], abs=0.3)
    hips, side, angle = pose.square_of(np.array([10.0, 50.0]), np.array([10.0, 20.0]))
    assert side == 2 * 1.25 * 30 and angle == pytest.approx(0), "a person who stands is not turned"


# --- packages --------------------------------------------------------------------------------------------------------


def test_only_wanted_files_of_an_archive_are_kept_and_none_outside(tmp_path):
    packages = part("packages")
    wanted = packages.Package("PyPI", "some", "1.0", "BSD-3-Clause", ("some/clip.mp4", "some/more/"))
    archive = tmp_path / "some.whl"
    with zipfile.ZipFile(archive, "w") as packed:
        for name in ("some/clip.mp4", "some/more/a.txt", "some/code.py"):
            packed.writestr(name, name)
    kept = {
        path.relative_to(tmp_path / "to").as_posix() for path in packages.unpacked(archive, wanted, tmp_path / "to")
    }
    assert kept == {"some/clip.mp4", "some/more/a.txt"}
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("some/more/../../../out.txt", "no")
    with pytest.raises(HostError, match="outside of its folder"):
        list(packages.unpacked(archive, wanted, tmp_path / "to"))
    assert not (tmp_path / "out.txt").exists()


def test_what_cannot_be_fetched_is_refused_in_one_sentence(tmp_path, monkeypatch):
    packages = part("packages")
    monkeypatch.setenv("DUET_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(HostError, match="Fetching PyPI sports2d 0.0.1 failed"):
        packages.fetched(packages.Package("PyPI", "sports2d", "0.0.1", "BSD-3-Clause", ("a",)))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="npm is not installed"):
        packages.fetched(packages.Package("npm", "@some/package", "1.0.0", "MIT", ("a",)))
    assert not list(tmp_path.rglob("complete"))


# --- the page --------------------------------------------------------------------------------------------------------


def test_the_page_is_what_its_figures_say():
    table = part("table")
    page = table.PAGE.read_text(encoding="utf-8")
    written = page.split(table.BEGIN)[1].split(table.END)[0]
    assert written.strip() == table.block(table.load()).strip(), "run: python3 scripts/host.py bench real --docs"


def test_a_missing_figure_is_a_dash_and_text_around_the_tables_stays(tmp_path):
    table = part("table")
    page = tmp_path / "page.md"
    page.write_text(f"Above\n{table.BEGIN}\nold\n{table.END}\nbelow\n", encoding="utf-8")
    rows = {"A": {"hole_db": 34.14, "path": "moving", "rim_equal": False, "rim_pixels_without_person": None}}
    figures = {"before": {"code": "abc1234", "rows": rows}}
    table.write_page(figures, page)
    table.write_page(figures, page)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("Above\n") and text.endswith("\nbelow\n") and "old" not in text and "abc1234" in text
    line = lambda what: next(one for one in text.splitlines() if one.startswith(f"| {what} "))
    assert line("filled place beside the plate") == "| filled place beside the plate | A | 34.1 dB | - | 37 dB |"
    assert line("path that the node chose").count("| moving | - |") == 1
    assert "| no | - | yes |" in line("all else equal to the clip, bit for bit")
    assert "| - | - |" in line("the same in frames without a person")
    assert {one.count("|") for one in text.splitlines() if one.startswith("|")} == {6}
