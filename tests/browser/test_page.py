"""Shipped workflows, texts and help pages as a person meets them: in the real web page."""

import json
import urllib.request
from pathlib import Path

import pytest
from duet_host.save_video import for_this_host

pytestmark = pytest.mark.long(seconds=150)

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
# Where nodes, their titles with them, and groups lie.
PLACES = """() => {
    const place = (n, above) => ({title: n.title, x: n.pos[0], y: n.pos[1] - above, w: n.size[0], h: n.size[1] + above});
    const unknown = n => !LiteGraph.registered_node_types[n.type] && n.type != "MarkdownNote";
    return [app.graph._nodes.map(n => ({...place(n, 30), unknown: unknown(n)})), app.graph._groups.map(g => place(g, 0))];
}"""


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", EVERY, ids=lambda p: p.stem)
def test_the_page_reads_the_workflow_as_the_api_file_says(page, path, object_info):
    prompt = page.evaluate(
        "async ui => { await app.loadGraphData(ui); return (await app.graphToPrompt()).output }", read(path)
    )
    for node in prompt.values():  # newer pages also say which pack a node is of, and what type a curve has
        node["_meta"].pop("cnr_id", None)
        node["inputs"] = {k: v.get("__value__", v) if isinstance(v, dict) else v for k, v in node["inputs"].items()}
    assert prompt == for_this_host(read(path.parent / "api" / path.name), object_info)


@pytest.fixture(scope="module", params=[False, True], ids=["classic nodes", "Nodes 2.0"])
def drawn(page, request):
    """Both ways in which the page draws nodes; they differ in height."""
    draw = "on => app.extensionManager.setting.set('Comfy.VueNodes.Enabled', on)"
    page.evaluate(draw, request.param)
    page.wait_for_timeout(1000)
    yield page
    page.evaluate(draw, False)


@pytest.mark.parametrize("path", EVERY, ids=lambda p: p.stem)
def test_no_node_is_unknown_covers_another_or_leaves_its_group(drawn, path):
    drawn.evaluate("async ui => { await app.loadGraphData(ui) }", read(path))
    drawn.wait_for_timeout(500)  # the page sizes nodes once they are drawn
    nodes, groups = drawn.evaluate(PLACES)
    assert [node["title"] for node in nodes if node["unknown"]] == []
    for i, a in enumerate(nodes):
        for b in nodes[i + 1 :]:
            assert apart(a, b), f"{a['title']} covers {b['title']}: {a} {b}"
        for group in groups:
            assert apart(a, group) or within(a, group), (
                f"{a['title']} crosses the edge of {group['title']}: {a} {group}"
            )
    for i, a in enumerate(groups):
        for b in groups[i + 1 :]:
            assert apart(a, b), f"{a['title']} covers {b['title']}: {a} {b}"


def apart(a, b):
    return (
        a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"] or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
    )


def within(node, group):
    return (
        group["x"] <= node["x"]
        and group["y"] <= node["y"]
        and node["x"] + node["w"] <= group["x"] + group["w"]
        and node["y"] + node["h"] <= group["y"] + group["h"]
    )


def card_of(page, name):
    """The name on a card of the template browser; newer pages make the last cards once the ones before are seen."""
    card = page.get_by_role("dialog").get_by_text(name, exact=True)
    for _ in range(20):
        if card.count():
            break
        page.get_by_role("heading", level=3).last.scroll_into_view_if_needed()
        page.wait_for_timeout(250)
    return card


@pytest.mark.parametrize("pack", PACKS)
def test_the_template_browser_shows_each_workflow_with_its_picture(page, pack):
    page.keyboard.press("Escape")  # whatever the test before left open
    page.wait_for_timeout(2000)
    page.evaluate("app.extensionManager.command.execute('Comfy.BrowseTemplates')")
    page.wait_for_timeout(2000)  # the list of packs is built twice
    page.get_by_role("dialog").get_by_text(pack, exact=True).first.click()
    for path in WORKFLOWS[pack]:
        # Only cards that are seen have pictures.
        card_of(page, path.stem).evaluate("name => name.scrollIntoView({block: 'center'})")
        page.wait_for_function(PICTURED, arg=path.stem)
    card_of(page, WORKFLOWS[pack][0].stem).click()
    nodes = len(read(WORKFLOWS[pack][0])["nodes"])
    page.wait_for_function(f"app.graph._nodes.length == {nodes}")


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
