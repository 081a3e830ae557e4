"""Clips out of tar files, which are written here by Python's own tarfile."""

import io
import pickle
import tarfile

import av
import numpy as np
import pytest
import torch
from pack.training.data import make_source, open_clips, report
from pack.training.data.shards import Part, Shards, samples, write_shard

FRAMES, SIDE = 6, 32


def film(pictures: np.ndarray, pixel: str, codec: str = "ffv1", kind: str = "matroska") -> bytes:
    """A lossless video as the bytes of a file."""
    data = io.BytesIO()
    with av.open(data, "w", format=kind) as box:
        stream = box.add_stream(codec, rate=8)
        stream.height, stream.width, stream.pix_fmt = *pictures.shape[1:3], pixel
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24" if picture.ndim == 3 else pixel)
            box.mux(stream.encode(frame))
        box.mux(stream.encode())
    return data.getvalue()


def clip(seed: int) -> dict[str, np.ndarray]:
    r = np.random.default_rng(seed)
    mask = np.zeros((FRAMES, SIDE, SIDE), np.uint8)
    mask[:, 8:24, 8:20] = 255
    return {
        "video": r.integers(0, 256, (FRAMES, SIDE, SIDE, 3), np.uint8),
        "depth": r.integers(1, 65536, (FRAMES, SIDE, SIDE)).astype(np.uint16),
        "mask": mask,
    }


def files_of(made: dict[str, np.ndarray], text: str = "") -> dict[str, bytes]:
    files = {
        "mkv": film(made["video"], "bgr0"),
        "depth.mkv": film(made["depth"], "gray16le"),
        "mask.mkv": film(made["mask"], "gray"),
    }
    return files | ({"txt": text.encode()} if text else {})


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Three clips in two shards."""
    folder, made = tmp_path_factory.mktemp("shards"), [clip(seed) for seed in range(3)]
    for number, names in enumerate(((0, 1), (2,))):
        with tarfile.open(folder / f"{number:04}.tar", "w") as box:
            for index in names:
                for ending, data in files_of(made[index], f"clip {index}").items():
                    entry = tarfile.TarInfo(f"part/clip_{index}.{ending}")
                    entry.size = len(data)
                    box.addfile(entry, io.BytesIO(data))
    return folder, made


def test_every_clip_is_read_bit_for_bit(shards):
    folder, made = shards
    source = open_clips({"kind": "shards", "path": str(folder), "size": SIDE, "frames": FRAMES})
    assert len(source) == 3
    for index in (2, 0, 1, 0):  # in any order
        found = source[index]
        assert torch.equal(found["video"], torch.from_numpy(made[index]["video"]).permute(0, 3, 1, 2))
        assert np.array_equal(found["depth"].numpy(), made[index]["depth"])
        assert np.array_equal(found["mask"].numpy(), made[index]["mask"])
        assert source.caption(index) == f"clip {index}"


def test_a_worker_process_can_have_the_source(shards):
    source = Shards(str(shards[0]), SIDE, FRAMES)
    again = pickle.loads(pickle.dumps(source))  # noqa: S301
    assert torch.equal(again[1]["video"], source[1]["video"])


def test_windows_begin_in_the_middle_of_a_clip(shards):
    folder, made = shards
    source = Shards(str(folder), SIDE, frames=2)
    assert len(source) == 9
    assert np.array_equal(source[4]["depth"].numpy(), made[1]["depth"][2:4])


def test_what_is_written_is_read(tmp_path):
    made = clip(7)
    write_shard(tmp_path / "one.tar", {"a": files_of(made), "b": files_of(made, "words")})
    assert [path.name for path in tmp_path.iterdir()] == ["one.tar"]
    source = Shards(str(tmp_path), SIDE, FRAMES)
    assert len(source) == 2 and source.caption(1) == "words" and source.caption(0) == ""
    assert np.array_equal(source[1]["depth"].numpy(), made["depth"])


def test_names_group_the_files_as_webdataset_does(tmp_path):
    write_shard(tmp_path / "one.tar", {"x/a": {"mp4": b"1", "depth.mkv": b"22"}, "x/b": {"mp4": b"333"}})
    assert [(key, {name: part.size for name, part in parts.items()}) for key, parts in samples(tmp_path / "one.tar")] == [
        ("x/a", {"mp4": 1, "depth.mkv": 2}),
        ("x/b", {"mp4": 3}),
    ]  # fmt: skip
    with Part(tmp_path / "one.tar", *list(samples(tmp_path / "one.tar"))[1][1]["mp4"][1:]).open() as file:
        assert file.read() == b"333" and file.read() == b"" and file.seek(-2, io.SEEK_END) == 1 and file.read() == b"33"


def test_clips_that_cannot_be_used_are_named(tmp_path):
    made = clip(3)
    files = files_of(made)
    short = files_of({name: value[:4] for name, value in made.items()})["depth.mkv"]
    write_shard(tmp_path / "a.tar", {
        "good": files,
        "no_depth": {name: data for name, data in files.items() if name != "depth.mkv"},
        "short": files | {"depth.mkv": short},
        "no_video": {"depth.mkv": files["depth.mkv"]},
        "broken": files | {"mkv": b"no video"},
    })  # fmt: skip
    (tmp_path / "b.tar").write_bytes((tmp_path / "a.tar").read_bytes()[:700])
    source, lines = make_source({"kind": "shards", "path": str(tmp_path), "size": SIDE, "frames": FRAMES}), []
    assert (
        report(
            type("Settings", (), {"data": {"kind": "shards", "path": str(tmp_path), "size": SIDE, "frames": FRAMES}}),
            lines.append,
        )
        == 1
    )
    said = "\n".join(lines)
    assert len(source) == 1
    for name, words in {
        "a.tar/no_depth": "no file depth.mp4 of it", "a.tar/short": "expected 6 frames in depth, got 4",
        "a.tar/no_video": "expected a video", "a.tar/broken": "expected a video, got an unreadable file",
        "b.tar": "write it again",
    }.items():  # fmt: skip
        assert any(line.startswith(f"{name}") and words in line for line in lines), said
