"""Shipped workflows, texts and help pages as a person meets them: in the real web page."""

import json
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKS = {"comfyui-duet": ROOT, "comfyui-duet-training": ROOT / "training"}
WORKFLOWS = {pack: sorted((folder / "workflows").glob("*.json")) for pack, folder in PACKS.items()}
EVERY = [path for paths in WORKFLOWS.values() for path in paths]
# The card around a name has one picture, and it is there.
PICTURED = """name => {
    let card = [...document.querySelectorAll("*")].find(e => !e.children.length && e.textContent.trim() == name);
    while (card && !card.querySelector("img")) card = card.parentElement;
    const [picture, ...others] = card ? card.querySelectorAll("img") : [];
    return picture && !others.length && picture.src.startsWith("blob:") && picture.naturalWidth > 100;
}"""


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", EVERY, ids=lambda p: p.stem)
def test_the_page_reads_the_workflow_as_the_api_file_says(page, path):
    prompt = page.evaluate(
        "async ui => { await app.loadGraphData(ui); return (await app.graphToPrompt()).output }", read(path)
    )
    assert prompt == read(path.parent / "api" / path.name)


@pytest.mark.parametrize("path", EVERY, ids=lambda p: p.stem)
def test_no_node_is_unknown_or_covers_another(page, path):
    page.evaluate("async ui => { await app.loadGraphData(ui) }", read(path))
    page.wait_for_timeout(500)  # the page sizes nodes once they are drawn
    boxes = page.evaluate(
        "app.graph._nodes.map(n => ({title: n.title, unknown: !LiteGraph.registered_node_types[n.type] && n.type != 'MarkdownNote',"
        " x: n.pos[0], y: n.pos[1] - 30, w: n.size[0], h: n.size[1] + 30}))"
    )
    assert [b["title"] for b in boxes if b["unknown"]] == []
    for i, a in enumerate(boxes):
        for b in boxes[i + 1 :]:
            apart = (
                a["x"] + a["w"] <= b["x"]
                or b["x"] + b["w"] <= a["x"]
                or a["y"] + a["h"] <= b["y"]
                or b["y"] + b["h"] <= a["y"]
            )
            assert apart, f"{a['title']} covers {b['title']}: {a} {b}"


@pytest.mark.parametrize("pack", PACKS)
def test_the_template_browser_shows_each_workflow_with_its_picture(page, pack):
    page.keyboard.press("Escape")  # whatever the test before left open
    page.wait_for_timeout(2000)
    page.evaluate("app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    page.wait_for_timeout(2000)  # the list of packs is built twice
    page.get_by_text(pack, exact=True).first.click()
    for path in WORKFLOWS[pack]:
        page.get_by_text(path.stem, exact=True).scroll_into_view_if_needed()  # only cards that are seen have pictures
        page.wait_for_function(PICTURED, arg=path.stem)
    page.get_by_text(WORKFLOWS[pack][0].stem, exact=True).click()
    nodes = len(read(WORKFLOWS[pack][0])["nodes"])
    page.wait_for_function(f"app.graph._nodes.length == {nodes}")


def test_texts_reach_the_page_in_both_languages(server):
    with urllib.request.urlopen(f"{server.url}/i18n") as reply:
        texts = json.load(reply)
    assert texts["zh"]["nodeDefs"]["DuetRenderStageClip"]["display_name"] == "渲染舞台片段"
    assert texts["en"]["nodeDefs"]["DuetRenderStageClip"]["display_name"] == "Render Stage Clip"


def test_help_pages_and_their_pictures_are_served(server):
    folder = ROOT / "web" / "docs"
    for path in sorted(folder.iterdir()):
        with urllib.request.urlopen(f"{server.url}/extensions/comfyui-duet/docs/{path.name}") as reply:
            assert reply.read() == path.read_bytes(), path.name
