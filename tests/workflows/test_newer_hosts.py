"""The API workflows are valid in hosts that ask Save Video for its codec in another form.

The later forms are declared here with the host's own classes, and the host's own validation reads the shipped files.
"""

import asyncio
import json
from pathlib import Path

import pytest

pytest.importorskip("execution", reason="needs ComfyUI")
import execution
from comfy_api.latest import _io, io
from duet_host.save_video import for_all_hosts, for_this_host, is_save_video

import nodes

ROOT = Path(__file__).resolve().parents[2]
FILES = [path for pack in (ROOT, ROOT / "training") for path in sorted((pack / "workflows" / "api").glob("*.json"))]
CODEC = {"codec": "h264", "encoding": {"encoding": "re-encode", "crf": 14.0}}


def codec(*more, **options) -> io.DynamicCombo.Input:
    """The input for the codec, with what `more` adds to encoding it again."""
    again = io.DynamicCombo.Option("re-encode", [io.Float.Input("crf", default=23.0, min=0.0, max=51.0), *more])
    encoding = io.DynamicCombo.Input("encoding", options=[io.DynamicCombo.Option("auto", []), again], optional=True)
    kinds = [io.DynamicCombo.Option("auto", []), io.DynamicCombo.Option("h264", [encoding])]
    return io.DynamicCombo.Input("codec", options=kinds, **options)


def save_video(*inputs) -> type[io.ComfyNode]:
    """A Save Video with the inputs of one host."""

    class SaveVideo(io.ComfyNode):
        @classmethod
        def define_schema(cls):
            given = [io.Video.Input("video"), io.String.Input("filename_prefix"), *inputs]
            return io.Schema(node_id="SaveVideo", inputs=given, is_output_node=True)

        @classmethod
        def execute(cls, **inputs):
            return io.NodeOutput()

    return SaveVideo


def of_hosts() -> dict[str, type[io.ComfyNode]]:
    formats = ["auto", "mp4"]
    each = [io.DynamicCombo.Option(name, [codec()]) for name in formats]
    color = io.Combo.Input("color_space", options=["auto", "sRGB", "HDR"])
    return {
        "beside the format": save_video(io.Combo.Input("format", options=formats), codec()),
        "with a colour space": save_video(io.Combo.Input("format", options=formats), codec(color)),
        "below the format": save_video(io.DynamicCombo.Input("format", options=each)),
        "below the format, old form taken": save_video(
            io.DynamicCombo.Input("format", options=each), codec(optional=True)
        ),
    }


class Video(io.ComfyNode):
    """Something to link to."""

    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="DuetTestVideo", outputs=[io.Video.Output()])

    @classmethod
    def execute(cls):
        return io.NodeOutput(None)


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def savers() -> list:
    return [
        pytest.param(node["inputs"], id=f"{path.stem}-{key}")
        for path in FILES
        for key, node in read(path).items()
        if is_save_video(node)
    ]


@pytest.fixture(params=list(of_hosts()))
def host(request, monkeypatch):
    """The present host with the Save Video of another one."""
    node = of_hosts()[request.param]
    monkeypatch.setitem(nodes.NODE_CLASS_MAPPINGS, "SaveVideo", node)
    monkeypatch.setitem(nodes.NODE_CLASS_MAPPINGS, "DuetTestVideo", Video)
    return node


def validated(inputs: dict) -> tuple:
    prompt = {
        "1": {"class_type": "DuetTestVideo", "inputs": {}, "_meta": {"title": "Video"}},
        "2": {"class_type": "SaveVideo", "inputs": inputs | {"video": ["1", 0]}, "_meta": {"title": "Save Video"}},
    }
    return asyncio.run(execution.validate_prompt("test", prompt, None))


@pytest.mark.parametrize("inputs", savers())
def test_every_saved_video_is_valid(inputs, host):
    valid, error, _, node_errors = validated(inputs)
    assert valid and not node_errors, (error, node_errors)


def received(inputs: dict, host) -> dict | None:
    """The codec as the node receives it, nested."""
    values, _, v3_data = execution.get_input_data(inputs | {"video": "clip"}, host, "2")
    given = _io.build_nested_inputs({name: one[0] for name, one in values.items()}, v3_data)
    found = given["format"].get("codec") if isinstance(given["format"], dict) else given["codec"]
    if found is not None:
        found["encoding"].pop("color_space", None)
    return found


def test_every_host_gets_the_codec_of_the_file(host):
    assert received(savers()[0].values[0], host) == CODEC


def test_one_form_alone_is_refused_or_lost_in_the_others(monkeypatch):
    """So the tests above can fail."""
    monkeypatch.setitem(nodes.NODE_CLASS_MAPPINGS, "DuetTestVideo", Video)
    alone = {"format": "mp4", "filename_prefix": "a"}
    alone |= {"codec": "h264", "codec.encoding": "re-encode", "codec.encoding.crf": 14.0}
    answers = {}
    for name, node in of_hosts().items():
        monkeypatch.setitem(nodes.NODE_CLASS_MAPPINGS, "SaveVideo", node)
        answers[name] = validated(alone)[0] and received(alone, node) == CODEC
    assert [name for name, right in answers.items() if right] == ["beside the format"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_file_holds_all_forms(path):
    assert for_all_hosts(read(path)) == read(path)


def test_a_host_gets_back_the_form_it_has(object_info):
    path = ROOT / "workflows" / "api" / "motion_transfer.json"
    inputs = next(node["inputs"] for node in for_this_host(read(path), object_info).values() if is_save_video(node))
    assert {name for name in inputs if "codec" in name} == {"codec", "codec.encoding", "codec.encoding.crf"}
