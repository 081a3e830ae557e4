"""Files with wrong bytes through every node that reads them: a result or one sentence, quickly, and nothing else.

Files of weights are in tests/models/files/test_hostile.py. More: python3 scripts/host.py test tests/fuzz --fuzz 2000
"""

import json
import time
import traceback
from pathlib import Path

import folder_paths
import pytest
import torch
from tiny.every_node import NODES, ROOT, default, flow, keypoints, output_in, rand, widgets
from tiny.json_places import places, with_value

hypothesis = pytest.importorskip("hypothesis", reason="cases are drawn by hypothesis")
st = hypothesis.strategies
pytestmark = pytest.mark.long(seconds=60)

USUAL = 60  # cases a kind of file
SLOW = 10  # seconds; a hundredth is usual
FRAMES, HEIGHT, WIDTH = 3, 24, 32
HEAD = 400  # bytes where most formats keep what they say about themselves
ODD = [None, True, -1, 0, 1, 2**63, 1e308, "", "x", "NaN", [], {}, [[]], [None], {"people": None}, "9" * 5000]


def depth_files(depth_format: str):
    """Writes depth in a format of the option that leaves all to the user; greys, which every format can hold."""
    program = next(one for one in NODES["DuetSaveDepth"].GET_SCHEMA().inputs if one.id == "program")
    option = next(one for one in program.options if any(inner.id == "depth_format" for inner in one.inputs))
    values = {"program": option.key, **{inner.id: default(inner) for inner in option.inputs}}
    values |= {"depth_format": depth_format, "saved_depth_type": "near is white"}
    depth = rand(FRAMES, HEIGHT, WIDTH, 1).repeat(1, 1, 1, 3)
    return lambda: saved("DuetSaveDepth", depth=depth, program=values)


def flow_files(file_format: str):
    return lambda: saved("DuetSaveFlow", flow=flow(FRAMES, HEIGHT, WIDTH), file_format=file_format)


def keypoint_files(keypoint_format: str):
    return lambda: saved(
        "DuetSaveKeypoints", keypoints=keypoints(FRAMES, HEIGHT, WIDTH), keypoint_format=keypoint_format
    )


def options_of(name: str, key: str) -> list:
    found = next(one for one in NODES[name].GET_SCHEMA().inputs if one.id == key)
    return [getattr(option, "key", option) for option in found.options]


KINDS = {
    "flow npz": (flow_files("npz"), "DuetLoadFlow", "flow_file"),
    "flow flo": (flow_files("flo"), "DuetLoadFlow", "flow_file"),
    "depth EXR": (depth_files("EXR float"), "DuetLoadDepth", "depth_file"),
    "depth PNG": (depth_files("PNG 16 bit"), "DuetLoadDepth", "depth_file"),
    "depth FFV1": (depth_files("FFV1 16 bit"), "DuetLoadDepth", "depth_file"),
    **{
        f"keypoints {kind}": (keypoint_files(kind), "DuetLoadKeypoints", "keypoints_file")
        for kind in options_of("DuetSaveKeypoints", "keypoint_format")
    },
}


def saved(name: str, **values) -> str:
    """What a node that writes files says where they are."""
    node = NODES[name]
    values = widgets(node) | values
    if node.GET_SCHEMA().is_input_list:
        values = {key: [value] for key, value in values.items()}
    return node.EXECUTE_NORMALIZED(**values).result[0]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A sound file of each kind, written once: its name for the node, where it is, and its bytes."""
    files = {}

    def of_kind(kind: str):
        if kind not in files:
            name = KINDS[kind][0]()
            path = Path(folder_paths.get_annotated_filepath(name))
            path = next(file for file in sorted(path.iterdir())) if path.is_dir() else path
            files[kind] = (name, path, path.read_bytes())
        return files[kind]

    with output_in(tmp_path_factory.mktemp("output")):
        yield of_kind


def read(kind: str, name: str):
    """The outputs of the node that reads files of a kind."""
    _, reader, key = KINDS[kind]
    with torch.inference_mode():
        return NODES[reader].EXECUTE_NORMALIZED(**widgets(NODES[reader]) | {key: name}).result


PLACE = st.floats(0, 1, width=16)
CHANGE = st.one_of(
    st.tuples(st.just("set"), PLACE, st.integers(0, 255)),
    st.tuples(st.just("set in the head"), PLACE, st.integers(0, 255)),
    st.tuples(st.just("cut"), PLACE, st.just(0)),
    st.tuples(st.just("zero"), PLACE, st.integers(1, 64)),
    st.tuples(st.just("double"), PLACE, st.integers(1, 64)),
    st.tuples(st.just("remove"), PLACE, st.integers(1, 64)),
)


def spoilt(data: bytes, changes: list) -> bytes:
    """The bytes of a file after some changes."""
    data = bytearray(data)
    for what, place, value in changes:
        at = round(place * max(0, min(len(data), HEAD if "head" in what else len(data)) - 1))
        if what.startswith("set"):
            data[at : at + 1] = bytes([value])
        elif what == "cut":
            del data[at:]
        elif what == "zero":
            data[at : at + value] = bytes(len(data[at : at + value]))
        elif what == "double":
            data[at:at] = data[at : at + value]
        else:
            del data[at : at + value]
    return bytes(data)


def check(kind: str, written, change) -> None:
    """Reads a spoilt file: what comes is a result or a sentence of this pack, within seconds."""
    name, path, data = written(kind)
    try:
        path.write_bytes(change(data))
        began = time.monotonic()
        try:
            read(kind, name)
        except ValueError as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            assert Path(last.filename).is_relative_to(ROOT), f"raised by {last.filename}: {error}"
            assert len(str(error)) > 30, str(error)
        assert time.monotonic() - began < SLOW
    finally:
        path.write_bytes(data)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_file_is_read(kind, written):
    read(kind, written(kind)[0])


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_bytes_are_a_result_or_a_sentence(kind, written, draw_cases):
    def on_case(case):
        check(kind, written, lambda data: spoilt(data, case["changes"]))

    drawn = st.fixed_dictionaries({"kind": st.just(kind), "changes": st.lists(CHANGE, min_size=1, max_size=4)})
    draw_cases(drawn, on_case, USUAL)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith("keypoints")])
def test_wrong_values_in_keypoints_are_a_result_or_a_sentence(kind, written, draw_cases):
    value = json.loads(written(kind)[2])
    everywhere = list(places(value))

    def on_case(case):
        at = everywhere[round(case["place"] * (len(everywhere) - 1))]
        text = json.dumps(with_value(value, at, case["value"])).encode()
        check(kind, written, lambda _: text)

    drawn = {"kind": st.just(kind), "place": PLACE, "value": st.sampled_from(ODD)}
    draw_cases(st.fixed_dictionaries(drawn), on_case, USUAL)


CORPUS = Path(__file__).parent / "corpus" / "files.jsonl"
KEPT = [json.loads(line) for line in CORPUS.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("case", KEPT, ids=[f"{number} {case['kind']}" for number, case in enumerate(KEPT)])
def test_what_failed_once_does_not_fail_again(case, written):
    check(case["kind"], written, lambda data: spoilt(data, case["changes"]))
