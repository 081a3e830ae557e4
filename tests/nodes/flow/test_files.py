"""Flow written, read and exchanged: .flo as OpenCV reads it, .npz, names that lead out, tensors of other packs."""

import os
import resource
import subprocess
import zipfile
from pathlib import Path

import comfy.model_management as memory
import cv2
import numpy as np
import pytest
import torch
from pack.models.flow.files import numbered_series, read_flo, read_npz
from pack.nodes.flow.files import LoadFlow, SaveFlow
from pack.nodes.flow.tensors import FlowToTensor, TensorToFlow
from tiny.full_disk import run_on_full_disk

FRAMES, HEIGHT, WIDTH = 3, 5, 7
LAYOUTS = ("frames, height, width, 2", "frames, 2, height, width")


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def flow(*names):
    parts = {}
    for i, name in enumerate(names or ("to_picture", "forward", "backward")):
        frames = FRAMES - (name != "to_picture")
        parts[name] = 5 * noise(frames, HEIGHT, WIDTH, 2, seed=i)
        parts[f"{name}_valid"] = noise(frames, HEIGHT, WIDTH, seed=i + 9).sigmoid()
    return parts


def save(flow, file_format="npz", direction="auto", prefix="duet/flow"):
    return SaveFlow.execute(flow, prefix, file_format, direction)


def load(name, direction="to still", max_frames=0):
    return LoadFlow.execute(name, direction, max_frames)[0]


def test_npz_keeps_everything_and_overwrites_nothing(folders):
    given = flow()
    answer = save(given)
    name = answer[0]
    assert name == "duet/flow_00001_.npz [output]" and answer.ui["text"] == ("Saved flow_00001_.npz",)
    back = load(name)
    assert set(back) == set(given) and all(torch.equal(back[key], given[key]) for key in given)
    second = save(flow("forward"))[0]
    assert second != name and set(load(second)) == {"forward", "forward_valid"} and set(load(name)) == set(given)
    assert not [path for path in (folders / "out").rglob("*") if path.suffix == ".tmp"]


def test_flo_is_read_by_opencv_and_opencvs_by_us(folders):
    given = flow()
    name = save(given, "flo", "to still")[0]
    files = sorted((folders / "out" / "duet").glob("*.flo"))
    assert len(files) == FRAMES and name == f"duet/{files[0].name} [output]"
    for file, offset in zip(files, given["to_picture"], strict=True):
        assert np.array_equal(cv2.readOpticalFlow(str(file)), offset.numpy())
    back = load(name, "to previous frame")
    assert torch.equal(back["backward"], given["to_picture"]) and back["backward_valid"].all()
    assert len(load(name, max_frames=2)["to_picture"]) == 2
    assert cv2.writeOpticalFlow(str(folders / "in" / "theirs.flo"), given["forward"][0].numpy())
    theirs = load("theirs.flo", "to next frame")
    assert (
        torch.equal(theirs["forward"][0], given["forward"][0])
        and "theirs.flo" in LoadFlow.GET_SCHEMA().inputs[0].options
    )


def test_unknown_pixels_of_a_flo_are_holes(folders):
    offset = noise(HEIGHT, WIDTH, 2).numpy()
    offset[1, 2], offset[3, 4, 0] = 1.6e9, np.nan
    cv2.writeOpticalFlow(str(folders / "in" / "x.flo"), offset)
    back = load("x.flo")
    assert back["to_picture_valid"].sum() == HEIGHT * WIDTH - 2 and torch.isfinite(back["to_picture"]).all()
    assert not back["to_picture_valid"][0, 1, 2] and not back["to_picture_valid"][0, 3, 4]


def test_numbered_files_end_at_the_first_gap(folders):
    for i in (8, 9, 10, 12):
        cv2.writeOpticalFlow(str(folders / "in" / f"frame_{i:04}.flo"), noise(HEIGHT, WIDTH, 2, seed=i).numpy())
    names = [path.name for path in numbered_series(folders / "in" / "frame_0008.flo")]
    assert names == ["frame_0008.flo", "frame_0009.flo", "frame_0010.flo"]
    with pytest.raises(
        ValueError, match="frame_0011.flo is missing, but the series goes on to number 12: .* max_frames to 2"
    ):
        load("frame_0009.flo")
    assert len(load("frame_0009.flo", max_frames=2)["to_picture"]) == 2
    assert len(load("frame_0012.flo")["to_picture"]) == 1
    cv2.writeOpticalFlow(str(folders / "in" / "frame_0013.flo"), noise(HEIGHT, 9, 2).numpy())
    with pytest.raises(ValueError, match="frame_0012.flo is 7 x 5 and frame_0013.flo 9 x 5"):
        load("frame_0012.flo")


@pytest.mark.parametrize("name", ["../secret.npz", "/etc/passwd", "../out/x.npz", "a/../../secret.npz", "none.npz", "x.txt",
                                  "../secret.npz [output]"])  # fmt: skip
def test_a_name_never_leads_out_of_its_folder(folders, name):
    (folders / "secret.npz").write_bytes(b"x")
    (folders / "out" / "x.npz").write_bytes(b"x")
    (folders / "in" / "x.txt").write_bytes(b"x")
    with pytest.raises(ValueError, match="Found no file|ends in .npz or .flo"):
        load(name)
    assert isinstance(LoadFlow.validate_inputs(name), str)


def test_a_prefix_never_leads_out_of_the_output(folders):
    with pytest.raises(Exception, match="outside the output folder"):
        save(flow(), prefix="../../secret")
    assert LoadFlow.validate_inputs(save(flow())[0]) is True
    first = LoadFlow.fingerprint_inputs("duet/flow_00001_.npz [output]", "to still", 0)
    assert first and LoadFlow.fingerprint_inputs(None, "to still", 0) == ""


@pytest.mark.parametrize("content", [b"", b"PIEH", b"PIEH" + bytes(8), b"PIEH" + np.int32([7, 5]).tobytes() + bytes(9),
                                     b"XXXX" + np.int32([1, 1]).tobytes() + bytes(8),
                                     b"PIEH" + np.int32([-7, -5]).tobytes() + bytes(280)])  # fmt: skip
def test_a_damaged_flo_is_refused(tmp_path, content):
    path = tmp_path / "x.flo"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="x.flo .* is no .flo file"):
        read_flo(path)


def test_a_damaged_or_foreign_npz_is_refused(tmp_path):
    path = tmp_path / "x.npz"
    whole = tmp_path / "whole.npz"
    np.savez(whole, forward=np.zeros((1, 2, 3, 2), "f4"))
    assert read_npz(whole)["forward_valid"].shape == (1, 2, 3)
    for content in (b"", b"no zip", whole.read_bytes()[:-40]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"x.npz cannot be read as a flow"):
            read_npz(path)
    for arrays, words in (
        ({"other": np.zeros(3)}, "none of to_picture"),
        ({"forward": np.zeros((2, 3, 2))}, r"shape \(2, 3, 2\)"),
        ({"forward": np.zeros((1, 2, 3, 2)), "forward_valid": np.zeros((1, 2, 2))}, "different sizes"),
        ({"forward": np.array([object()], dtype=object)}, "cannot be read"),
    ):
        np.savez(path, **arrays)
        with pytest.raises(ValueError, match=words):
            read_npz(path)


def test_an_unsound_flow_is_not_written(folders):
    given = flow("forward")
    given["forward"][0, 0, 0, 0] = torch.nan
    for file_format in ("npz", "flo"):
        with pytest.raises(ValueError, match="flow: expected finite"):
            save(given, file_format)
    assert not list((folders / "out").rglob("*.*"))


@pytest.fixture
def small_disk(folders):
    """An output folder on a disk of 64 kB."""
    out = folders / "out"
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(out)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("no right to mount a small disk here")
    yield out
    subprocess.run(["umount", str(out)], check=True)


@pytest.mark.parametrize("file_format", ["npz", "flo"])
def test_a_full_disk_leaves_nothing_and_is_named(small_disk, file_format):
    given = {"to_picture": noise(39, 32, 32, 2), "to_picture_valid": torch.ones(39, 32, 32)}
    with pytest.raises(ValueError, match=r"out/duet/flow_00001_.* could not be written \(No space left on device\)"):
        save(given, file_format)
    assert not [path for path in small_disk.rglob("*") if path.is_file()]
    assert save({name: value[:2] for name, value in given.items()}, file_format)[0]


LIMITED = """
from pack.models.flow.files import write_npz, write_series
flow = torch.randn(3, 32, 32, 2, generator=torch.Generator().manual_seed(0))
for write, name, given in ((write_series, "x_0000.flo", flow), (write_npz, "x.npz", {"forward": flow})):
    try:
        write(folder / name, given)
    except ValueError as error:
        print(error)
"""


@pytest.mark.skipif(os.name != "posix", reason="the limit of a file's size is one of POSIX")
def test_a_disk_that_takes_no_more_is_named_without_a_right_to_mount(tmp_path):
    printed = run_on_full_disk(LIMITED, tmp_path)
    assert printed.count("could not be written (File too large)") == 2, printed
    assert str(tmp_path / "x_0000.flo") in printed and not list(tmp_path.iterdir())


@pytest.mark.parametrize("file_format", ["npz", "flo"])
def test_cancel_leaves_nothing(folders, monkeypatch, file_format):
    def cancel(total):
        def report(done):
            if done == 2:
                raise memory.InterruptProcessingException

        return report

    monkeypatch.setattr("pack.nodes.host.progress.progress", cancel)
    with pytest.raises(memory.InterruptProcessingException):
        save(flow("to_picture"), file_format)
    assert not [path for path in (folders / "out").rglob("*") if path.is_file()]


def test_a_flow_whose_saving_was_killed_is_not_read_as_a_shorter_one(folders):
    """Files get their names from the last to the first."""
    save(flow("to_picture"), "flo")
    folder = folders / "out" / "duet"
    (folder / "flow_00001__0000.flo").unlink()
    with pytest.raises(ValueError, match="first file, flow_00001__0000.flo, is missing.*Save it again"):
        load("duet/flow_00001__0001.flo [output]")
    save(flow("to_picture"), "flo")
    (folder / "flow_00001__0001.flo").unlink(), (folder / "flow_00002__0001.flo").unlink()
    with pytest.raises(ValueError, match="flow_00002__0001.flo is missing, but the series goes on to number 2"):
        load("duet/flow_00002__0000.flo [output]")


def npz_with(path: Path, shape: tuple, megabytes: int) -> Path:
    """An .npz whose array promises a shape and holds this many megabytes of zeros."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("forward.npy", "w", force_zip64=True) as member:
            np.lib.format.write_array_header_1_0(member, {"descr": "<f4", "fortran_order": False, "shape": shape})
            for _ in range(megabytes):
                member.write(bytes(2**20))
    return path


def test_a_file_that_promises_too_much_is_refused_at_once(folders):
    inside = folders / "in"
    npz_with(inside / "promise.npz", (5000, 10000, 10000, 2), 0)  # 4 TB of numbers, none there
    head = b"PIEH" + np.int32([400_000, 400_000]).tobytes()
    (inside / "huge.flo").write_bytes(head)
    with (inside / "sparse_0.flo").open("wb") as file:  # 1.3 TB that take no room on the disk
        file.write(head)
        file.truncate(12 + 8 * 400_000**2)
    before = peak()
    with pytest.raises(ValueError, match="promise.npz cannot be read as a flow"):
        load("promise.npz")
    with pytest.raises(ValueError, match="huge.flo .* is no .flo file of 400000 x 400000"):
        load("huge.flo")
    with pytest.raises(ValueError, match=r"of 1 frames of 400000 x 400000 needs about 7040 GB .* lower max_frames"):
        load("sparse_0.flo")
    assert peak() - before < 100 * 2**20


def test_an_archive_that_unpacks_to_more_than_the_memory_is_refused_at_once(folders, monkeypatch):
    monkeypatch.setattr("pack.nodes.host.memory.free_memory", lambda: 50 * 2**20)
    npz_with(folders / "in" / "bomb.npz", (64, 512, 512, 2), 128)
    assert (folders / "in" / "bomb.npz").stat().st_size < 2**20
    before = peak()
    with pytest.raises(ValueError, match=r"The flow in bomb.npz needs about 0\.1 GB of memory, but 0\.1 GB are free"):
        load("bomb.npz")
    assert peak() - before < 20 * 2**20


def peak() -> int:
    """The most main memory that this process has held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize("layout", LAYOUTS)
def test_tensors_of_other_packs_go_both_ways(layout):
    given = flow("forward")
    tensor, valid = FlowToTensor.execute(given, "auto", layout).result
    assert tensor.shape == ((2, HEIGHT, WIDTH, 2) if layout == LAYOUTS[0] else (2, 2, HEIGHT, WIDTH))
    assert torch.equal(valid, given["forward_valid"])
    for form in (tensor, tensor.numpy(), list(tensor), tensor[None], tensor.half()):
        back = TensorToFlow.execute(form, "to next frame", layout, valid)[0]
        assert torch.allclose(back["forward"], given["forward"], atol=0.02) and torch.equal(
            back["forward_valid"], valid
        )
    one = TensorToFlow.execute(tensor[0], "to still", layout)[0]
    assert torch.equal(one["to_picture"][0], given["forward"][0]) and one["to_picture_valid"].all()
    back["forward"].zero_()
    assert tensor.any(), "what another node holds is not changed"


def test_the_layout_is_found_where_it_can_be():
    for shape, frames in (((4, 5, 7, 2), 4), ((4, 2, 5, 7), 4), ((5, 7, 2), 1), ((1, 6, 2, 5, 7), 6)):
        back = TensorToFlow.execute(torch.zeros(shape), "to next frame", "auto")[0]
        assert back["forward"].shape == (frames, 5, 7, 2)


@pytest.mark.parametrize("value, layout, words", [
    (torch.zeros(3, 2, 5, 2), "auto", "may be either: choose its layout"),
    (torch.zeros(3, 4, 5, 3), "auto", "connect a flow in pixels"),
    (torch.zeros(3, 2, 5, 7), LAYOUTS[0], r"expected \(frames, height, width, 2\), got \(3, 2, 5, 7\)"),
    (torch.full((3, 5, 7, 2), torch.nan), "auto", "tensor: expected finite"),
    ("wave", "auto", "a str"),
    ({"flow": 1}, "auto", "a dict"),
])  # fmt: skip
def test_what_is_no_tensor_of_offsets_is_refused(value, layout, words):
    with pytest.raises(ValueError, match=words):
        TensorToFlow.execute(value, "to next frame", layout)
