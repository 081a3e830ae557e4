"""Texts and help pages as the real web page gets them; test_templates.py has the workflows."""

import json
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_texts_reach_the_page_in_both_languages(server):
    with urllib.request.urlopen(f"{server.url}/i18n") as reply:
        texts = json.load(reply)
    assert texts["zh"]["nodeDefs"]["DuetRenderTestVideo"]["display_name"] == "渲染测试视频"
    assert texts["en"]["nodeDefs"]["DuetRenderTestVideo"]["display_name"] == "Render Test Video"


def test_help_pages_and_their_pictures_are_served(server):
    folder = ROOT / "web" / "docs"
    for path in sorted(folder.iterdir()):
        with urllib.request.urlopen(f"{server.url}/extensions/comfyui-duet/docs/{path.name}") as reply:
            assert reply.read() == path.read_bytes(), path.name


READY = "window.app && window.app.vueAppReady && window.app.graph"
SET = "async language => { await app.extensionManager.setting.set('Comfy.Locale', language) }"


@pytest.fixture
def in_chinese(page):
    """The page in Chinese, as a user gets it who chose that; afterwards in English."""
    for language in ("zh", "en"):
        page.evaluate(SET, language)
        page.reload()
        page.wait_for_function(READY)
        page.wait_for_timeout(2000)
        page.keyboard.press("Escape")
        if language == "zh":
            yield page


@pytest.mark.parametrize("number", ["02", "05", "07"])
def test_a_template_opened_in_chinese_shows_chinese_names_and_a_chinese_note(in_chinese, number):
    (path,) = (ROOT / "workflows").glob(f"Duet {number} *.json")
    workflow = json.loads(path.read_text(encoding="utf-8"))
    titles = in_chinese.evaluate(
        "async ui => { await app.loadGraphData(ui); return app.graph._nodes.map(node => [node.type, node.title]) }",
        workflow,
    )
    chinese = lambda text: any("\u4e00" <= letter <= "\u9fff" for letter in text)
    named = {node["type"] for node in workflow["nodes"] if "title" not in node}
    assert named and not [title for kind, title in titles if kind in named and not chinese(title)], titles
    assert chinese(workflow["nodes"][-1]["widgets_values"][0])
    assert all(chinese(group["title"]) for group in workflow["groups"])
