"""The registry's archive in a ComfyUI that has no other pack: built, unpacked, and its first template run to its end."""

import json
import os
import sys
import urllib.request
import zipfile
from pathlib import Path

import av
import pytest
from duet_host import client
from duet_host.server import running_server

pytestmark = pytest.mark.long(seconds=60)

ROOT = Path(__file__).resolve().parents[2]
FOLDER = "duet-video-depth"  # where ComfyUI Manager unpacks it: the name in pyproject.toml
FIRST = "joint_dance"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A base directory of ComfyUI with nothing in it but the unpacked archive."""
    zip_files = pytest.importorskip("comfy_cli.file_utils").zip_files
    base, archive = tmp_path_factory.mktemp("base"), tmp_path_factory.mktemp("archive") / "node.zip"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        zip_files(archive)
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(base / "custom_nodes" / FOLDER)
    return base


@pytest.fixture(scope="module")
def bare(installed, tmp_path_factory):
    host, output = os.environ["COMFYUI_PATH"], tmp_path_factory.mktemp("output")
    with running_server(Path(host), Path(sys.executable), installed, output=output, packs={}, quiet=True) as server:
        yield server


def answer(server, path: str) -> bytes:
    with urllib.request.urlopen(f"{server.url}{path}") as reply:
        return reply.read()


def test_it_is_the_only_pack_and_has_every_node(bare, object_info):
    def ours(info):
        return {name for name, node in info.items() if node["python_module"].startswith("custom_nodes.")}

    info = client.object_info(bare.url)
    assert {info[name]["python_module"] for name in ours(info)} == {f"custom_nodes.{FOLDER}"}
    training = {name for name, node in object_info.items() if node["python_module"].endswith("-training")}
    assert ours(info) == ours(object_info) - training


def test_its_templates_help_and_texts_reach_the_page(bare, installed):
    folder = installed / "custom_nodes" / FOLDER
    titles = {path.stem for path in (folder / "workflows").glob("*.json")}
    assert titles and set(json.loads(answer(bare, "/api/workflow_templates"))[FOLDER]) == titles
    page = folder / "web" / "docs" / "DuetSampleLatent.md"
    assert answer(bare, f"/extensions/{FOLDER}/docs/{page.name}") == page.read_bytes()
    assert "DuetSampleLatent" in json.loads(answer(bare, "/i18n"))["zh"]["nodeDefs"]


def test_the_first_template_runs_to_its_end(bare, installed):
    file = installed / "custom_nodes" / FOLDER / "workflows" / "api" / f"{FIRST}.json"
    prompt = json.loads(file.read_text(encoding="utf-8"))
    result = client.run_prompt(bare.url, prompt)
    assert result.ok, (result.error, result.node_errors)
    videos = sorted(bare.output.rglob("*.mp4"))
    assert len(videos) == [node["class_type"] for node in prompt.values()].count("SaveVideo") >= 2
    for path in videos:
        with av.open(str(path)) as container:
            pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        assert len(pictures) == 16 and min(picture.std() for picture in pictures) > 20, "a picture, not one colour"
        assert abs(pictures[0].astype(float) - pictures[8]).mean() > 1, "it moves"
