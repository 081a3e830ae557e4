"""Texts and help pages as the real web page gets them; test_templates.py has the workflows."""

import json
import urllib.request
from pathlib import Path

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
