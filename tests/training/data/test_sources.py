"""Clips from folders, DisCo's data and video files; every file is written here, by other means than it is read with."""

import base64
import io
import json
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from pack.training.data import open_clips, report, without_caption
from pack.training.data.check import read_all
from pack.training.data.coco import openpose_joints
from pack.training.data.folder import FolderClips, write_clip
from pack.training.data.stage import StageClips
from pack.training.data.tsv import inside, read_yaml
from PIL import Image

H, W, F = 24, 32, 6
CONTRACT = {"video": ("F3HW", torch.uint8), "depth": ("FHW", torch.uint16), "pose": ("F3HW", torch.uint8),
            "mask": ("FHW", torch.uint8), "plate": ("3HW", torch.uint8), "person": ("3HW", torch.uint8)}  # fmt: skip
VIRIDIS = {0: (68, 1, 84), 1: (253, 231, 37)}


def save(file, picture):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(file, **({"quality": 90} if file.suffix == ".jpg" else {}))


def recording(seed=0, frames=F, height=H, width=W):
    """Noise as video, 16-bit noise as depth, and a person that is a rectangle walking to the right."""
    r = np.random.default_rng(seed)
    mask = np.zeros((frames, height, width), np.uint8)
    for i in range(frames):
        mask[i, 6:20, 4 + i : 12 + i] = 255
    return SimpleNamespace(
        video=r.integers(0, 256, (frames, height, width, 3), np.uint8), mask=mask,
        depth=r.integers(1, 65536, (frames, height, width)).astype(np.uint16),
        pose=r.integers(0, 256, (frames, height, width, 3), np.uint8),
    )  # fmt: skip


def write_folder(folder, made, first=1, **skip):
    for name, part in {"video": "frames", "mask": "masks", "depth": "depth", "pose": "poses"}.items():
        for i, picture in enumerate(getattr(made, name), first):
            if i not in skip.get(name, ()):
                save(folder / part / f"{i:06}.png", picture)
    return folder


def people(points):
    return json.dumps([{"keypoints": np.array(points, float).ravel().tolist()}])


def standing(width=W, height=H):
    """17 COCO joints, each at its own place."""
    return [(4 + i * (width - 8) / 17, 3 + (i * 7 % 17) * (height - 6) / 17, 0.9) for i in range(17)]


def plot(mask, size=None):
    """A mask as matplotlib would save it."""
    picture = np.array([VIRIDIS[0], VIRIDIS[1]], np.uint8)[(mask > 0).astype(int)]
    return picture if size is None else cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST)


def write_disco(folder, made, mask_size=None):
    for i in range(len(made.video)):
        name = f"{i + 1:06}.png"
        save(folder / name, made.video[i])
        save(folder / "groundsam" / f"{name}.mask.jpg", plot(made.mask[i], mask_size))
        save(folder / "depth" / name, made.depth[i])
        (folder / "openpose_json").mkdir(exist_ok=True)
        (folder / "openpose_json" / f"{name}.json").write_text(people(standing()))
    return folder


def packed(picture, kind="PNG"):
    data = io.BytesIO()
    Image.fromarray(picture).save(data, kind)
    return base64.b64encode(data.getvalue())


def write_table(root, clips, depth_name="train_depth.tsv"):
    root.mkdir(parents=True, exist_ok=True)
    rows = {"img": [], "masks": [], "poses": [], "depth": []}
    for pattern, made in clips.items():
        for i in range(len(made.video)):
            key = pattern.format(i + 1).encode()
            rows["img"].append(key + b"\t" + packed(made.video[i]))
            rows["masks"].append(key + b"\t" + packed(plot(made.mask[i]), "JPEG"))
            rows["poses"].append(key + b"\t" + base64.b64encode(people(standing()).encode()))
            rows["depth"].append(key + b"\t" + packed(made.depth[i]))
    names = {"img": "train_images.tsv", "masks": "train_masks.tsv", "poses": "train_poses.tsv", "depth": depth_name}
    for word, lines in rows.items():
        (root / names[word].rsplit("/")[-1]).write_bytes(b"\n".join(lines) + b"\n")
    text = "composite: false  # one table each\n" + "".join(f"{word}: '{name}'\n" for word, name in names.items())
    (root / "train_TiktokDance-poses-masks-depth.yaml").write_text(text)
    return root


def write_film(file, pictures, codec="ffv1", pix="bgr0", given="rgb24", **options):
    av = pytest.importorskip("av")
    with av.open(str(file), "w") as box:
        stream = box.add_stream(codec, rate=8, options=options)
        stream.height, stream.width = pictures.shape[1:3]
        stream.pix_fmt = pix
        for picture in pictures:
            box.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format=given)))
        box.mux(stream.encode())


def write_films(root, made):
    root.mkdir(parents=True, exist_ok=True)
    write_film(root / "dance.mkv", made.video)
    write_film(root / "dance_depth.mkv", made.depth, pix="gray16le", given="gray16le")
    write_film(root / "dance_mask.mkv", made.mask, pix="gray", given="gray")
    return root


def sources(root):
    made = recording()
    write_folder(root / "own" / "a", made)
    write_disco(root / "disco" / "00001", made)
    write_table(root / "tables", {"TiktokDance_00001_{:04}.png": made})
    write_films(root / "films", made)
    return made, [{"kind": "folder", "path": str(root / "own")}, {"kind": "disco", "path": str(root / "disco")},
                  {"kind": "disco_tsv", "path": str(root / "tables")}, {"kind": "videos", "path": str(root / "films")}]  # fmt: skip


def said(source_settings):
    lines = []
    code = report(SimpleNamespace(data=source_settings), print_line=lines.append)
    return code, "\n".join(lines)


@pytest.mark.parametrize("number", range(4))
def test_every_source_gives_the_contract(tmp_path, number):
    made, settings = sources(tmp_path)
    clips = open_clips({**settings[number], "size": [H, W], "frames": 3})
    clip = clips[1]
    sides = {"F": 3, "H": H, "W": W, "3": 3}
    assert len(clips) == 2 and set(clip) == set(CONTRACT)
    for name, (letters, dtype) in CONTRACT.items():
        assert clip[name].dtype == dtype and clip[name].shape == tuple(sides[s] for s in letters), name
        assert clip[name].is_contiguous()
    assert (clip["video"].permute(0, 2, 3, 1).numpy() == made.video[3:]).all()
    assert (clip["depth"].numpy() == made.depth[3:]).all()  # 16 bits, to the last
    assert ((clip["mask"].numpy() > 127) == (made.mask[3:] > 0)).mean() > 0.99
    outside = made.mask[0] == 0
    if number in (0, 3):
        assert (clip["plate"].permute(1, 2, 0).numpy()[outside] == made.video[0][outside]).all()
        assert (clip["plate"].permute(1, 2, 0).numpy()[~outside] == 128).all()
        assert (clip["person"].permute(1, 2, 0).numpy()[~outside] == made.video[0][~outside]).all()
        assert (clip["person"].permute(1, 2, 0).numpy()[outside] == 128).all()
    code, text = said({**settings[number], "size": [H, W], "frames": 3})
    assert code == 0 and text.endswith("1 clips, 2 windows of 3 frames: 1 usable, 0 not.")
    square = open_clips({**settings[number], "size": 16, "frames": 2})[0]
    assert square["video"].shape == (2, 3, 16, 16) and square["depth"].shape == (2, 16, 16)


def test_a_written_clip_comes_back_bit_for_bit(tmp_path):
    stage = StageClips(clips=1, size=48, frames=3)[0]
    for name, clip in {
        "stage": stage,
        "bare": {k: v for k, v in stage.items() if k not in ("plate", "person")},
    }.items():
        write_clip(tmp_path / name, clip, {"fps": 12, "depth_lo": 1.5, "depth_hi": 9.0})
    back = FolderClips(str(tmp_path), size=48, frames=3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bare", "stage"]
    for name, value in stage.items():
        assert torch.equal(back[1][name].int(), value.int()), name
    raw = cv2.imread(str(tmp_path / "stage/depth/000002.png"), cv2.IMREAD_UNCHANGED)
    assert raw.dtype == np.uint16 and (raw == stage["depth"][1].numpy()).all()
    meta = json.loads((tmp_path / "stage/meta.json").read_text())
    assert meta == {"fps": 12, "depth_lo": 1.5, "depth_hi": 9.0, "colormap": "hot"}


def test_a_clip_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    clip = StageClips(clips=1, size=32, frames=2)[0]
    with pytest.raises(ValueError, match="expected depth"):
        write_clip(tmp_path / "a", {**clip, "depth": clip["depth"][:1]})
    with pytest.raises(ValueError, match="NaN"):
        write_clip(tmp_path / "a", {**clip, "depth": torch.full((2, 32, 32), torch.nan)})
    with pytest.raises(ValueError, match="colormap"):
        write_clip(tmp_path / "a", clip, {"colormap": "plaid"})
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.write_text", lambda *_, **__: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            write_clip(tmp_path / "a", clip)
    assert list(tmp_path.iterdir()) == []
    write_clip(tmp_path / "a", clip)
    with pytest.raises(ValueError, match="exists"):
        write_clip(tmp_path / "a", clip)


def test_windows_strides_and_intervals(tmp_path):
    long, short = recording(1, frames=11), recording(2, frames=7)
    write_folder(tmp_path / "a", long, first=0)
    write_folder(tmp_path / "b", short, first=5)
    open_ = lambda **options: open_clips({"kind": "folder", "path": str(tmp_path), "size": [H, W], **options})
    video = lambda clip: clip["video"].permute(0, 2, 3, 1).numpy()
    plain = open_(frames=3)
    assert len(plain) == 3 + 2
    assert (video(plain[2]) == long.video[6:9]).all() and (video(plain[4]) == short.video[3:6]).all()
    wide = open_(frames=3, interval=3, stride=2)
    assert len(wide) == 3 + 1 and (video(wide[2]) == long.video[4:11:3]).all()
    with pytest.raises(IndexError):
        plain[5]
    with pytest.warns(UserWarning, match="1 clips are left out: b"):
        assert len(open_(frames=8)) == 1
    with pytest.raises(ValueError, match="at least 12 frames"):
        open_(frames=12)
    for options, word in ({"size": "big"}, "size"), ({"frames": 0}, "frames"), ({"interval": 1.5}, "interval"):
        with pytest.raises(ValueError, match=word):
            open_(**{"frames": 2, **options})
    with pytest.raises(ValueError, match="unexpected keyword"):
        open_(frame=3)


def test_person_comes_from_outside_the_window_where_somebody_is(tmp_path):
    made = recording(3)
    made.mask[:2] = 0
    write_folder(tmp_path / "a", made)
    clips = open_clips({"kind": "folder", "path": str(tmp_path), "size": [H, W], "frames": 2, "stride": 1})
    here = made.mask[5] > 0
    assert (clips[2]["person"].permute(1, 2, 0).numpy()[here] == made.video[5][here]).all()
    made.mask[:] = recording(3).mask
    write_folder(tmp_path / "b", made)
    clips = open_clips({"kind": "folder", "path": str(tmp_path / "b"), "size": [H, W], "frames": 2})
    for index, frame in (0, 5), (1, 0), (2, 0):  # the first frame; the last one where the window has the first
        here = made.mask[frame] > 0
        assert (clips[index]["person"].permute(1, 2, 0).numpy()[here] == made.video[frame][here]).all()
    save(tmp_path / "a/person.png", np.full((40, 40, 3), 77, np.uint8))
    save(tmp_path / "a/plate.png", np.full((H, W, 3), 55, np.uint8))
    clips = open_clips({"kind": "folder", "path": str(tmp_path), "size": [H, W], "frames": 2})
    assert (clips[0]["person"] == 77).all() and (clips[0]["plate"] == 55).all()


def test_resizing_keeps_unknown_depth_apart_and_crops_the_middle(tmp_path):
    made = recording(4, frames=2)
    made.depth[:] = 40000
    made.depth[:, :, 16:] = 0
    made.depth[:, :, 17] = 30000  # one of four columns of its new pixel is known: it stays unknown
    made.video[:] = 0
    made.video[:, :, 4:28] = 200
    write_folder(tmp_path / "a", made)
    clip = open_clips({"kind": "folder", "path": str(tmp_path), "size": 6, "frames": 2})[0]
    assert set(clip["depth"].int().unique().tolist()) == {0, 40000}
    assert (clip["depth"][:, :, :3].int() == 40000).all() and (clip["depth"][:, :, 3:].int() == 0).all()
    assert (clip["video"] == 200).all()  # the 24 columns in the middle
    assert set(clip["mask"].unique().tolist()) <= {0, 255}


def test_heat_maps_and_8_bit_depth_are_read(tmp_path):
    matplotlib_hot = lambda d: np.stack(
        (0.0416 + d / 0.365079 * (1 - 0.0416), (d - 0.365079) / (0.746032 - 0.365079), (d - 0.746032) / (1 - 0.746032)), -1
    ).clip(0, 1)  # fmt: skip
    made = recording(5, frames=2)
    ramp = np.linspace(0, 1, W)[None, None].repeat(2, 0).repeat(H, 1)
    write_folder(tmp_path / "heat" / "a", made)
    write_folder(tmp_path / "grey" / "a", made)
    for i in range(2):
        save(tmp_path / f"heat/a/depth/{i + 1:06}.png", (matplotlib_hot(ramp[i]) * 255).round().astype(np.uint8))
        save(tmp_path / f"grey/a/depth/{i + 1:06}.png", (ramp[i] * 255).round().astype(np.uint8))
    settings = {"kind": "folder", "size": [H, W], "frames": 2}
    for name in ("heat", "grey"):
        depth = open_clips({**settings, "path": str(tmp_path / name)})[0]["depth"].int().numpy() / 65535
        assert abs(depth - ramp).max() < 1 / 255, name
    assert said({**settings, "path": str(tmp_path / "heat")})[0] == 0
    code, text = said({**settings, "path": str(tmp_path / "grey")})
    assert code == 0 and "a: warning: the depth has 8 bits, only 256 steps" in text


def test_coco_joints_become_openpose_joints():
    coco = np.array([standing()])
    made = openpose_joints(coco)[0]
    nose, left_eye, right_eye, left_ear, right_ear, left_shoulder, right_shoulder, left_elbow, right_elbow = coco[0][:9]
    left_wrist, right_wrist, left_hip, right_hip, left_knee, right_knee, left_ankle, right_ankle = coco[0][9:]
    neck = (left_shoulder + right_shoulder) / 2
    expected = [nose, neck, right_shoulder, right_elbow, right_wrist, left_shoulder, left_elbow, left_wrist, right_hip,
                right_knee, right_ankle, left_hip, left_knee, left_ankle, right_eye, left_eye, right_ear, left_ear]  # fmt: skip
    assert np.allclose(made, expected)
    coco[0, 5] = coco[0, 0] = -1  # no left shoulder and no nose
    made = openpose_joints(coco)[0]
    assert (made[[0, 1, 5]] == 0).all() and np.allclose(made[2], right_shoulder)


def test_the_pose_is_drawn_where_the_joints_are(tmp_path):
    made = recording(6, frames=2, height=120, width=160)
    folder = write_disco(tmp_path / "00001", made)
    joints = np.full((17, 3), -1.0)
    joints[5], joints[6] = (120, 60, 1), (40, 60, 1)
    for file in (folder / "openpose_json").iterdir():
        file.write_text(people(joints))
    pose = open_clips({"kind": "disco", "path": str(tmp_path), "size": [120, 160], "frames": 2})[0]["pose"][0]
    assert pose[:, 60, 80].tolist() == [255, 85, 0]  # the neck between the shoulders, in its colour
    assert pose[:, 60, 40].tolist() == [255, 170, 0] and pose[:, 60, 120].tolist() == [85, 255, 0]
    assert pose[:, 60, 60].any() and not pose[:, 30, 80].any()
    (folder / "openpose_json/000001.png.json").write_text("[]")
    assert not open_clips({"kind": "disco", "path": str(tmp_path), "size": [120, 160], "frames": 2})[0]["pose"][0].any()


@pytest.mark.parametrize("size", [None, (3 * 160, 3 * 120)])
def test_a_plotted_mask_is_decoded_at_any_size(tmp_path, size):
    made = recording(7, frames=2, height=120, width=160)
    made.mask[:] = 0
    made.mask[:, 32:80, 48:96] = 255
    write_disco(tmp_path / "00001", made, mask_size=size)
    mask = open_clips({"kind": "disco", "path": str(tmp_path), "size": [120, 160], "frames": 2})[0]["mask"].numpy()
    assert set(np.unique(mask)) == {0, 255}
    away = cv2.dilate(made.mask[0], np.ones((5, 5))) - cv2.erode(made.mask[0], np.ones((5, 5))) == 0  # JPEG blurs edges
    assert (mask[0] == made.mask[0])[away].all()


def test_tables_group_keys_to_clips(tmp_path):
    a, b = recording(8), recording(9, frames=4)
    root = write_table(tmp_path / "t", {"TiktokDance_00007_{:04}.png": a, "S001C002P003R001A099_{:04}": b})
    clips = open_clips(
        {"kind": "disco_tsv", "path": str(root), "size": [H, W], "frames": 2, "interval": 2, "stride": 1}
    )
    assert [take.name for take in clips.takes] == ["S001C002P003R001A099", "TiktokDance_00007"]
    assert len(clips) == 2 + 4
    assert (clips[1]["depth"].numpy() == b.depth[1:4:2]).all() and (clips[5]["depth"].numpy() == a.depth[3:6:2]).all()
    whole_path = str(root / "train_TiktokDance-poses-masks-depth.yaml")
    assert len(open_clips({"kind": "disco_tsv", "path": whole_path, "frames": 2})) == 2 + 3
    lines = (root / "train_depth.tsv").read_bytes().splitlines(keepends=True)
    offsets = np.cumsum([0, *map(len, lines)])[:-1]
    (root / "train_depth.lineidx").write_text("\n".join(map(str, offsets)))
    assert (open_clips({"kind": "disco_tsv", "path": str(root), "size": [H, W], "frames": 2})[0]["depth"].numpy()
            == b.depth[:2]).all()  # fmt: skip
    with pytest.raises(ValueError, match="val.*yaml"):
        open_clips({"kind": "disco_tsv", "path": str(root), "split": "val"})
    (root / "train_depth.lineidx").unlink()
    (root / "train_depth.tsv").write_bytes(b"".join(line for line in lines if b"00007_0003" not in line))
    code, text = said({"kind": "disco_tsv", "path": str(root), "frames": 2})
    assert code == 1 and "TiktokDance_00007: expected a depth of every frame, got none of frame 3" in text


@pytest.mark.parametrize("name", ["../secret.tsv", "/etc/passwd", "a/../../b", "..\\b.tsv", "C:\\b.tsv", ""])
def test_names_never_leave_their_folder(tmp_path, name):
    with pytest.raises(ValueError, match="in this folder"):
        inside(tmp_path, name)
    if name:
        write_table(tmp_path / "t", {"a_{:04}.png": recording(frames=2)}, depth_name=name)
        with pytest.raises(ValueError, match="in this folder"):
            open_clips({"kind": "disco_tsv", "path": str(tmp_path / "t")})


def test_split_is_a_word(tmp_path):
    with pytest.raises(ValueError, match="split"):
        open_clips({"kind": "disco_tsv", "path": str(tmp_path), "split": "../train"})


def test_the_yaml_that_tables_use():
    text = (
        "# top\n---\nimg: 'a b.tsv'\nmasks: [x.tsv, \"y.tsv\"]  # two\nposes:\n  - p.tsv\n  - q.tsv\nvid2line: v.tsv\n"
    )
    assert read_yaml(text, "f") == {"img": "a b.tsv", "masks": ["x.tsv", "y.tsv"], "poses": ["p.tsv", "q.tsv"],
                                    "vid2line": "v.tsv"}  # fmt: skip
    for bad in ("img: {a: b}", "img: |", "  nested", "img: a\n- b"):
        with pytest.raises(ValueError, match="line"):
            read_yaml(bad, "f")


def test_videos_as_the_host_writes_them(tmp_path):
    made = recording(10, frames=40, height=48, width=64)
    made.mask[:] = 0
    made.mask[:, 8:40, 16:40] = 255
    for i in range(40):
        made.video[i] = 6 * i  # tells the number of the frame through any codec
        save(tmp_path / "dance_depth" / f"depth_{i + 1:05}_.png", made.depth[i])
    write_film(tmp_path / "dance.mp4", made.video, "libx264", "yuv420p", g="12", bf="2")
    write_film(tmp_path / "dance_mask.mp4", made.mask[..., None].repeat(3, -1), "libx264", "yuv420p")
    write_film(tmp_path / "dance_pose.mp4", made.video[::-1].copy(), "libx264", "yuv420p")
    settings = {"kind": "videos", "path": str(tmp_path), "size": [48, 64], "frames": 4, "interval": 3, "stride": 1}
    (tmp_path / "dance.txt").write_text("A person dances.", encoding="utf-8")
    clips = open_clips(settings)
    assert len(clips) == 31 and clips.caption(30) == "A person dances."
    for start in (0, 11, 17, 30):
        clip = clips[start]
        numbers = (clip["video"].float().mean((1, 2, 3)) / 6).round().int().tolist()
        assert numbers == list(range(start, start + 10, 3))
        assert (clip["pose"].float().mean((1, 2, 3)) / 6).round().int().tolist() == [39 - n for n in numbers]
        assert (clip["depth"].numpy() == made.depth[start : start + 10 : 3]).all()
    assert ((clip["mask"].numpy() > 127) == (made.mask[0] > 0)).mean() > 0.99
    assert said(settings)[0] == 0


def test_a_text_file_beside_a_clip_is_its_caption(tmp_path):
    for name in ("a", "b"):
        write_folder(tmp_path / "clips" / name, recording())
    (tmp_path / "clips" / "a" / "caption.txt").write_text("  A person\n walks. \n", encoding="utf-8-sig")
    source = open_clips({"kind": "folder", "path": str(tmp_path / "clips"), "size": 16, "frames": 3})
    assert [source.caption(index) for index in range(len(source))] == ["A person walks."] * 2 + [""] * 2
    assert without_caption(source) == ["b"]
    (tmp_path / "clips" / "b" / "caption.txt").write_bytes(b"caf\xe9")
    with pytest.raises(ValueError, match="caption.txt: expected a sentence in UTF-8"):
        source.caption(3)


def test_what_videos_miss_is_said_with_the_node_that_makes_it(tmp_path, monkeypatch):
    made = recording(11)
    write_films(tmp_path / "a", made)
    settings = {"kind": "videos", "path": str(tmp_path / "a"), "frames": 2}
    code, text = said(settings)
    assert code == 0 and "dance: warning: no dance_pose.mp4, so the pose pictures are black" in text
    write_film(tmp_path / "a/dance_mask.mkv", made.mask[:4], pix="gray", given="gray")
    assert "expected 6 frames in dance_mask, got 4" in said(settings)[1]
    (tmp_path / "a/dance_mask.mkv").unlink()
    (tmp_path / "a/broken.mp4").write_bytes(b"no video")
    (tmp_path / "a/lost_depth.mp4").write_bytes(b"")
    code, text = said(settings)
    assert code == 1 and "dance: no dance_mask.mp4 and no folder dance_mask: make it in the host with Run SAM3" in text
    assert "broken: broken.mp4: expected a video, got an unreadable file" in text
    assert "lost_depth: expected a video beside lost_depth.mp4" in text
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(RuntimeError, match="package av"):
        open_clips(settings)


def test_each_bad_clip_is_named_with_its_reason(tmp_path):
    good = recording(12)
    write = lambda name, **skip: write_folder(tmp_path / name, good, **skip)
    write("good")
    write("gap", video=[3], mask=[3], depth=[3], pose=[3])
    write("hole", depth=[2, 4])
    write("no_mask", mask=range(9))
    save(write("odd") / "depth/000004.png", good.depth[0, :-2])
    file = write("cut") / "frames/000002.png"
    file.write_bytes(file.read_bytes()[:-40])
    (write("text") / "masks/000001.png").write_text("not a picture")
    (write("meta") / "meta.json").write_text("{")
    save(write("twice") / "frames/01.png", good.video[0])
    write_folder(tmp_path / "short", recording(frames=2))
    (tmp_path / "nothing").mkdir()
    for name, part in (("empty", "mask"), ("flat", "depth")):
        made = recording(12)
        getattr(made, part)[:] = 1
        write_folder(tmp_path / name, made)
    code, text = said({"kind": "folder", "path": str(tmp_path), "frames": 3})
    reasons = dict(line.split(": ", 1) for line in text.splitlines()[:-1])
    expected = {"gap": "none numbered 3", "hole": "none of frame 2, 4", "no_mask": "no mask", "odd": "sizes differ",
                "cut": "ends too early", "text": "no picture", "meta": "meta.json", "twice": "got 000001.png and 01.png",
                "short": "at least 3 frames", "nothing": "numbered frames, got none", "empty": "the largest is 1",
                "flat": "one value"}  # fmt: skip
    assert code == 1 and set(reasons) == set(expected)
    for name, words in expected.items():
        assert words in reasons[name], reasons[name]
    assert text.splitlines()[-1].endswith("1 usable, 12 not.")


def test_a_bad_file_met_in_training_names_its_clip(tmp_path):
    (write_folder(tmp_path / "a", recording()) / "frames/000002.png").write_bytes(b"")
    with pytest.raises(ValueError, match="clip a: .*000002.png"):
        open_clips({"kind": "folder", "path": str(tmp_path), "frames": 2})[0]
    with pytest.raises(ValueError, match="expected a folder"):
        open_clips({"kind": "folder", "path": str(tmp_path / "nowhere")})


def test_a_source_without_problems_of_its_own_is_held_against_the_contract():
    code, text = said({"kind": "stage", "clips": 2, "size": 32, "frames": 2})
    assert code == 0 and text == "2 clips: 2 usable, 0 not."
    good = StageClips(clips=1, size=32, frames=2)[0]
    nan = {**good, "depth": torch.full((2, 32, 32), torch.nan)}
    flat = {**good, "depth": torch.zeros_like(good["depth"])}
    empty = {**good, "mask": torch.zeros_like(good["mask"])}
    less = {name: value for name, value in good.items() if name != "pose"}
    reasons = [problem.reason for problem in read_all([good, nan, flat, empty, less])]
    for reason, words in zip(reasons, ("NaN", "one value", "largest is 0", "got no pose"), strict=True):
        assert words in reason


def test_sources_can_be_read_by_worker_processes(tmp_path):
    settings = sources(tmp_path)[1]
    for one in settings:
        clips = open_clips({**one, "size": 16, "frames": 2})
        loader = torch.utils.data.DataLoader(clips, batch_size=None, num_workers=1, sampler=[0, 1])
        assert len(list(loader)) == 2


def test_the_stage_tells_its_clips_in_every_style():
    kinds = {"actions": ["wave", "walk"], "objects": [0, 1], "styles": ["natural", "night"]}
    clips = StageClips(clips=8, size=32, frames=2, **kinds)
    said = [clips.caption(index) for index in range(8)]
    assert ["waves" in text for text in said] == [True, False] * 4
    assert ["passes in front" in text for text in said] == [False, False, True, True] * 2
    assert [text.endswith("at night") for text in said] == [False] * 4 + [True] * 4
    assert clips[4]["video"].float().mean() < clips[0]["video"].float().mean(), "it is dark"


def test_the_stage_may_have_what_real_footage_has_in_its_video_alone():
    clean = StageClips(clips=1, size=48, frames=3)[0]
    filmed = StageClips(clips=1, size=48, frames=3, nuisances={"noise": 0.02, "exposure": 0.2, "shadow": 0.5})[0]
    assert {name for name in clean if not torch.equal(clean[name], filmed[name])} == {"video"}
    assert filmed["video"][-1].float().mean() < 0.9 * clean["video"][-1].float().mean()
    with pytest.raises(ValueError, match="noise: expected a number from 0 to 1"):
        StageClips(nuisances={"noise": -1})
