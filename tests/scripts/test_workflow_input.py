"""Reading workflow files and setting their inputs from the command line."""

import pytest
from duet_host import jobs
from duet_host.errors import HostError
from duet_host.workflow import set_input


@pytest.fixture
def prompt():
    return {
        "5": {"class_type": "EmptyImage", "inputs": {"width": 8, "mode.x": 1}, "_meta": {"title": "Blank v1.2"}},
        "6": {"class_type": "SaveImage", "inputs": {"images": ["5", 0]}, "_meta": {"title": "Save"}},
        "7": {"class_type": "SaveImage", "inputs": {"images": ["5", 0]}, "_meta": {"title": "Keep"}},
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5.width=16", ("5.width", 16)),
        ("5.width=1.5", ("5.width", 1.5)),
        ("a.b=true", ("a.b", True)),
        ("a.b=a figure = two", ("a.b", "a figure = two")),
        ('a.b="16"', ("a.b", "16")),
        ("a.b=", ("a.b", "")),
        ('a.b=["3", 0]', ("a.b", ["3", 0])),
    ],
)
def test_setting_is_parsed(text, expected):
    assert jobs.parse_setting(text) == expected


@pytest.mark.parametrize("text", ["width", "5.width", "width=3"])
def test_setting_of_another_form_is_refused(text):
    with pytest.raises(HostError, match="node.input=value"):
        jobs.parse_setting(text)


@pytest.mark.parametrize("name", ["5.width", "Blank v1.2.width", "EmptyImage.width"])
def test_node_goes_by_id_title_or_class(prompt, name):
    set_input(prompt, name, 99)
    assert prompt["5"]["inputs"] == {"width": 99, "mode.x": 1}


def test_input_name_may_have_a_dot(prompt):
    set_input(prompt, "Blank v1.2.mode.x", 2)
    assert prompt["5"]["inputs"] == {"width": 8, "mode.x": 2}


def test_unset_input_is_known_from_the_server(prompt, info):
    with pytest.raises(HostError, match="width, mode.x"):
        set_input(prompt, "5.color", 3)
    set_input(prompt, "5.color", 3, info)
    assert prompt["5"]["inputs"]["color"] == 3


def test_unknown_node_lists_all(prompt):
    with pytest.raises(HostError, match=r"no node 'Nobody'.*5 Blank v1\.2 \(EmptyImage\); 6 Save"):
        set_input(prompt, "Nobody.width", 1)


def test_ambiguous_class_lists_ids(prompt):
    with pytest.raises(HostError, match="2 nodes.*6, 7"):
        set_input(prompt, "SaveImage.filename_prefix", "x")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "There is no workflow file"),
        ('{"1": {', "is no JSON: .* line 1"),
        ("[1, 2]", "neither in UI format"),
        ('{"1": {"inputs": {}}}', "neither in UI format"),
        ("{}", "neither in UI format"),
        (b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_file_that_is_no_workflow_is_refused(tmp_path, content, message):
    path = tmp_path / "workflow.json"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(HostError, match=message):
        jobs.load(path)


def test_folder_is_no_workflow(tmp_path):
    with pytest.raises(HostError, match="cannot be read"):
        jobs.load(tmp_path)
