"""Clips by label: any folder, and the layouts of MUG, MHAD and NATOPS; every file is written here by other means."""

from random import Random

import numpy as np
import pytest
import torch
from pack.training.data import open_clips, report
from pack.training.data.labelled import AsLabelled, as_labelled, letterboxed, spread
from pack.training.encode.jitter import Jitter, turned
from pack.training.page.settings import RunSettings
from PIL import Image


def film(folder, count=5, height=20, width=30, name="{:04}.png"):
    """Numbered pictures, each of one grey that is ten times its number."""
    folder.mkdir(parents=True)
    for number in range(count):
        Image.fromarray(np.full((height, width, 3), 10 * number, np.uint8)).save(folder / name.format(number))
    return folder


def settings(kind, path, **more):
    return RunSettings(
        recipe="lfae", data={"kind": kind, "path": str(path), "size": 16, "frames": 4} | more, folder="-"
    )


def greys(pictures):
    return [int(picture[:, 8, 8].float().mean()) for picture in pictures]


def test_any_folder_gives_labels_and_subjects(tmp_path):
    film(tmp_path / "smile" / "anna" / "one")
    film(tmp_path / "smile" / "bert", name="{}.png", count=12)
    film(tmp_path / "frown" / "anna" / "two", count=2)
    clips = open_clips(settings("labelled", tmp_path).data)
    assert clips.labels == ("frown", "smile") and len(clips) == 3
    found = {(clips.labels[clips.label(i)], clips.subject(i), clips.count(i)) for i in range(3)}
    assert found == {("frown", "anna", 2), ("smile", "anna", 5), ("smile", "bert", 12)}
    longest = next(i for i in range(3) if clips.count(i) == 12)
    assert greys(clips[longest]["video"]) == [0, 30, 70, 110], "in the order of numbers, not of letters"
    short = next(i for i in range(3) if clips.count(i) == 2)
    assert greys(clips[short]["video"]) == [0, 10, 10, 10], "a short clip holds its last frame"
    assert greys(clips.pictures(longest, [3, 3, 9])) == [30, 30, 90]
    assert clips[short]["video"].dtype == torch.uint8 and clips[short]["video"].shape == (4, 3, 16, 16)


def test_the_data_sets_of_the_paper_are_split_as_its_authors_did(tmp_path):
    film(tmp_path / "mug/008/anger/take000")
    film(tmp_path / "mug/001/session0/fear/take002")
    for name in ("a3_s1_t1", "a27_s6_t4"):
        film(tmp_path / "mhad" / name, height=480, width=640, count=1)
    for name in ("g01s03p01", "g24s02p07", "g05s01p01"):
        film(tmp_path / "natops" / name, height=240, width=320, count=1)
    seen = {}
    for kind in ("mug", "mhad", "natops"):
        for split in ("train", "test", "all"):
            clips = open_clips(settings(kind, tmp_path / kind, split=split).data)
            seen[kind, split] = [clips.labels[clips.label(i)] for i in range(len(clips))]
    assert (seen["mug", "train"], seen["mug", "test"]) == (["anger"], ["fear"])
    assert (seen["mhad", "train"], seen["mhad", "test"]) == (["right hand wave"], ["squat"])
    assert (seen["natops", "train"], seen["natops", "test"]) == (["I Have Command"], ["Cut Engine"])
    assert len(seen["natops", "all"]) == 3, "subject 1 is in neither half"
    clips = open_clips(settings("mhad", tmp_path / "mhad", split="all").data)
    raw = next(clips.usable[0].read([0]))["video"]
    assert raw.shape == (480, 336, 3), "the person's box of a picture of the original size"


def test_the_check_names_what_cannot_be_used(tmp_path):
    film(tmp_path / "a1_s1_t1")
    film(tmp_path / "a40_s1_t1")
    broken = film(tmp_path / "a2_s2_t1")
    (broken / "0002.png").write_bytes(b"no picture")
    mixed = film(tmp_path / "a2_s3_t1")
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(mixed / "0003.png")
    said = []
    assert report(settings("mhad", tmp_path), said.append) == 1
    text = "\n".join(said)
    assert "a40_s1_t1: expected a name such as a1_s1_t1_color.avi" in text
    assert "a2_s2_t1: " in text and "expected a PNG or JPEG" in text
    assert "a2_s3_t1: sizes differ" in text
    assert said[-1].startswith("4 clips") and "1 usable, 3 not" in said[-1]
    with pytest.warns(UserWarning, match="a40_s1_t1"):
        assert len(open_clips(settings("mhad", tmp_path).data)) == 3


@pytest.mark.parametrize(
    "kind, more, words",
    [("mug", {"split": "half"}, "split is one of"), ("labelled", {"sampling": "all"}, "sampling is one of"),
     ("natops", {"fit": "x"}, "fit is one of"), ("labelled", {"colormap": "hot"}, "colormap")],
)  # fmt: skip
def test_names_that_are_wrong_are_refused(tmp_path, kind, more, words):
    film(tmp_path / "a" / "b")
    with pytest.raises(ValueError, match=words):
        open_clips(settings(kind, tmp_path, **more).data)


def test_a_folder_without_clips_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="expected clips to train on, got none"):
        open_clips(settings("labelled", tmp_path).data)


def test_frames_are_spread_as_the_paper_says():
    assert spread(40, 40) == list(range(40)) and spread(9, 3) == [0, 4, 8] and spread(2, 4) == [0, 1, 1, 1]
    r = Random(1)
    for _ in range(50):
        drawn = spread(100, 10, "random", r)
        even = spread(100, 10)
        assert drawn[0] == 0 and drawn[-1] == 99 and drawn == sorted(drawn) and len(drawn) == 10
        assert all(before < here < after for before, here, after in zip(even, drawn[1:], even[2:], strict=False))
        free = spread(5, 8, "very_random", r)
        assert free[0] == 0 and free == sorted(free) and len(free) == 8 and max(free) < 5
    assert spread(30, 1) == [0] and len(spread(30, 1, "random", r)) == 1 and len(spread(30, 2, "random", r)) == 2


def test_a_letterbox_keeps_all_of_the_picture():
    out = letterboxed(np.full((20, 40, 3), 200, np.uint8), (16, 16))
    assert (out[4:12] == 200).all() and not out[:4].any() and not out[12:].any()


def test_the_stage_is_labelled_by_its_actions():
    spec = {"kind": "stage", "clips": 3, "size": 32, "frames": 3, "actions": ["wave", "bow"], "objects": [0]}
    clips = as_labelled(open_clips(spec))
    assert isinstance(clips, AsLabelled) and clips.labels == ("wave", "bow")
    assert [clips.label(i) for i in range(3)] == [0, 1, 0] and clips.count(0) == 3
    assert torch.equal(clips.pictures(1, [0, 2, 2])[1], clips.pictures(1, [2])[0])


def test_light_and_colours_change_as_asked_and_greys_stay_grey():
    picture = torch.randint(0, 256, (2, 3, 4, 4), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    assert torch.equal(Jitter(0, 0, 0, 0)(picture, Random(0)), picture)
    grey = picture[:, :1].expand(-1, 3, -1, -1)
    seen = Jitter(0.2, 0.2, 0.9, 0.5)(grey, Random(3)).int()
    assert (seen - seen[:, :1]).abs().max() <= 1
    assert (turned(0.7) @ torch.ones(3) - 1).abs().max() < 1e-3
    lighter = Jitter(0.5, 0, 0, 0)(picture, Random(1)).float()
    ratio = (lighter.sum() / picture.float().sum()).item()
    assert 0.5 <= ratio <= 1.5 and ratio != 1
