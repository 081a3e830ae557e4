"""What the server says, in words."""

import io

from duet_host import report


def test_refusals_name_title_input_and_reason(refused):
    lines = report.describe_refusals(refused["prompt"], refused["answer"]["node_errors"])
    assert lines == [
        "Blank (node 1), input width: Value 0 smaller than min of 1",
        "Blank (node 1), input color: Failed to convert an input value to a INT value "
        "(color, red, invalid literal for int() with base 10: 'red')",
        "Save It (node 2), input filename_prefix: Required input is missing",
    ]


def test_failure_names_the_node_and_the_exception(refused):
    error = {
        "type": "execution_error",
        "node_id": "2",
        "exception_type": "builtins.ValueError",
        "exception_message": "too few\n",
    }
    assert report.describe_error(refused["prompt"], error) == "Save It (node 2) failed: ValueError: too few"


def test_refusal_without_a_node_is_the_servers_sentence(refused):
    error = {"type": "prompt_no_outputs", "message": "Prompt has no outputs", "details": ""}
    assert report.describe_error(refused["prompt"], error) == "Prompt has no outputs"


def test_files_of_every_kind_are_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outputs = {
        "1": {"images": [{"filename": "a.mp4", "subfolder": "video", "type": "output"}], "animated": [True]},
        "2": {"images": [{"filename": "peek.png", "subfolder": "", "type": "temp"}], "text": ["error 0.03"]},
        "3": {"3d": [{"filename": "body.glb", "subfolder": "mesh", "type": "output"}]},
        "4": {"gifs": [{"filename": "b.gif", "subfolder": "", "type": "output"}], "result": ["c.ply", None]},
    }
    paths = [path.replace("\\", "/") for path in report.paths_of(outputs, tmp_path / "output")]
    assert paths == ["output/video/a.mp4", "output/mesh/body.glb", "output/b.gif"]
    assert report.first_to_open(["x.glb", "p.png", "v.mp4"]) == "v.mp4"
    assert report.first_to_open(["x.glb"]) == "x.glb" and report.first_to_open([]) is None


def test_what_was_made_is_told_in_the_order_of_the_workflow():
    made = report.in_order({"17": {}, "19": {}}, {"19.0.1": "new", "19": "depth", "17": "clip"})
    assert list(made.values()) == ["clip", "depth", "new"]


def test_progress_names_the_node_that_runs():
    prompt = {"4": {"class_type": "DuetStage", "inputs": {}, "_meta": {"title": "Render Test Video Clip"}}}
    stream = io.StringIO()
    stream.isatty = lambda: True
    with report.Follower(prompt, stream) as follower:
        follower("executing", {"node": "4"})
        nodes = {"4.0.1": {"state": "running", "value": 12, "max": 16, "node_id": "4.0.1"}}
        follower("progress_state", {"nodes": nodes})
    assert "[###############.....] Render Test Video Clip 12/16" in stream.getvalue()
    assert stream.getvalue().endswith("\r")
