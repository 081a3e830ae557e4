"""Flow written, read and exchanged: .flo as OpenCV reads it, .npz, names that lead out, tensors of other packs."""

import cv2
import folder_paths
import numpy as np
import pytest
import torch
from pack.models.flow.files import numbered_series, read_flo, read_npz
from pack.nodes.flow.files import LoadFlow, SaveFlow
from pack.nodes.flow.tensors import FlowToTensor, TensorToFlow

FRAMES, HEIGHT, WIDTH = 3, 5, 7
LAYOUTS = ("frames, height, width, 2", "frames, 2, height, width")


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def folders(tmp_path):
    """The host's own input and output folders, elsewhere."""
    before = folder_paths.get_input_directory(), folder_paths.get_output_directory()
    for name in ("in", "out"):
        (tmp_path / name).mkdir()
    folder_paths.set_input_directory(str(tmp_path / "in"))
    folder_paths.set_output_directory(str(tmp_path / "out"))
    yield tmp_path
    folder_paths.set_input_directory(before[0])
    folder_paths.set_output_directory(before[1])


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
    assert len(load("frame_0009.flo")["to_picture"]) == 2
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
