"""The standard of every template: what an artist sees of it in the real page's template browser and as a graph."""

import json
import re
from pathlib import Path

import pytest
from duet_host.save_video import for_this_host
from geometry import apart, curve, fit_zoom, hidden_links, in_window, within
from PIL import Image
from templates.cards import SIDE
from templates.table import read_table

PageTimeout = pytest.importorskip("playwright.sync_api").TimeoutError

pytestmark = pytest.mark.long(seconds=220)

ROOT = Path(__file__).resolve().parents[2]
PACKS = {"comfyui-duet": ROOT / "workflows", "comfyui-duet-training": ROOT / "training" / "workflows"}
TEMPLATES = {pack: sorted(folder.glob("*.json")) for pack, folder in PACKS.items()}
MAIN = TEMPLATES["comfyui-duet"]
EVERY = [path for paths in TEMPLATES.values() for path in paths]
MEASURE = (Path(__file__).parent / "measure.js").read_text(encoding="utf-8").partition("\n")[2]  # without its comment
WINDOW = (1600, 1000)
ONLY_ON_PAGE = ("video-preview",)  # in its prompts once a clip is there; the server leaves it aside
LEAST_ZOOM, MOST_NODES = 0.6, 12
PICTURE = (SIDE, SIDE)  # a card shows 256 x 256 of it; a picture of another shape leaves bars
NOTES = ("Note", "MarkdownNote")
UNCODED = '#?%\\/:*"<>|'  # the page puts the file's name into addresses as it is, and Windows has no such names
# The card has one picture, and it is the file's own.
PICTURED = """name => {
    const pictures = document.querySelectorAll(`[data-testid="template-workflow-${CSS.escape(name)}"] img`);
    return pictures.length == 1 && pictures[0].src.startsWith("blob:") && pictures[0].naturalWidth > 100;
}"""
CARDS = "() => [...document.querySelectorAll('[data-testid^=template-workflow-]')].map(e => e.dataset.testid.slice(18))"
IN_STROKE = """([id, points]) => {
    const context = document.createElement("canvas").getContext("2d");
    context.lineWidth = 4;
    const path = app.graph.links.get(id).path;
    return points.map(([x, y]) => context.isPointInStroke(path, x, y));
}"""


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def titles(folder):
    """Titles by API name, as the table of the folder has them."""
    return read_table((folder / "README.md").read_text(encoding="utf-8"))


def api_file(path):
    """The API file of a template."""
    names = {title: name for name, title in titles(path.parent).items()}
    assert path.stem in names, f"{path.name} has no row in {path.parent.name}/README.md"
    return path.parent / "api" / f"{names[path.stem]}.json"


def all_nodes(workflow):
    """The nodes of a workflow and of its subgraphs."""
    subgraphs = workflow.get("definitions", {}).get("subgraphs", [])
    return [node for level in (workflow, *subgraphs) for node in level["nodes"]]


def named(node):
    return f"{node.get('title') or node['type']} (node {node['id']})"


every = pytest.mark.parametrize("path", EVERY, ids=lambda path: path.stem)
main = pytest.mark.parametrize("path", MAIN, ids=lambda path: path.stem)


# --- the files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", PACKS)
def test_every_template_has_its_row_its_api_file_and_its_picture(pack):
    folder, names = PACKS[pack], {path.stem for path in TEMPLATES[pack]}
    assert sorted(titles(folder).values()) == sorted(names)
    assert {path.stem for path in (folder / "api").glob("*.json")} == titles(folder).keys()
    assert {path.stem for path in folder.glob("*.jpg")} == names


@main
def test_its_title_is_one_that_the_page_can_load_and_a_reader_can_tell(path):
    assert not set(UNCODED) & set(path.stem), f"{path.stem}: the page cannot load a name with any of {UNCODED}"
    assert " " in path.stem, f"{path.stem}: the card shows the file's name, so it should be a title"


@main
def test_it_has_one_note_and_groups_with_titles(path):
    workflow = read(path)
    notes = [node for node in all_nodes(workflow) if node["type"] in NOTES]
    assert len(notes) == 1 and notes[0] in workflow["nodes"], f"{path.stem}: {len(notes)} notes; it needs one, outside"
    assert len(notes[0]["widgets_values"][0].split()) >= 15, f"{path.stem}: the note says too little"
    assert workflow["groups"], f"{path.stem}: no groups"
    empty = [group["bounding"] for group in workflow["groups"] if group["title"].strip() in ("", "Group")]
    assert not empty, f"{path.stem}: groups without a title at {empty}"


@main
def test_it_has_few_nodes_at_its_top(path):
    nodes = [named(node) for node in read(path)["nodes"] if node["type"] not in NOTES]
    assert len(nodes) <= MOST_NODES, f"{path.stem}: {len(nodes)} nodes, put some into subgraphs: {', '.join(nodes)}"


@every
def test_no_node_keeps_its_default_title(path, object_info):
    stored = [
        named(node) for node in all_nodes(read(path)) if node.get("title", ...) == object_info.get(node["type"], {}).get("display_name")
    ]  # fmt: skip
    assert not stored, f"{path.stem}: these would stay English in every language: {', '.join(stored)}"


@every
def test_no_node_is_numbered_twice(path):
    numbers = [node["id"] for node in all_nodes(read(path))]
    assert len(numbers) == len(set(numbers)), f"{path.stem}: the page would give new numbers to {sorted(numbers)}"


@every
def test_files_to_download_are_those_that_the_node_loads(path):
    for node in all_nodes(read(path)):
        for file in node.get("properties", {}).get("models", []):
            assert file["name"] in node["widgets_values"], f"{path.stem}: {named(node)} does not load {file['name']}"
            assert file["url"].startswith("https://") and file["directory"], f"{path.stem}: {named(node)}: {file}"


@main
def test_its_picture_has_the_size_of_all_and_moves(path):
    with Image.open(path.with_suffix(".jpg")) as picture:
        assert picture.size == PICTURE, f"{path.stem}: the picture is {picture.size}, all are {PICTURE}"
        still = not read_card(path).get("moving")
        assert still or getattr(picture, "n_frames", 1) > 1, f"{path.stem}: the picture does not move"


def read_card(path):
    """What the description of a template says of its card."""
    import yaml

    layout = ROOT / "scripts" / "templates" / "layouts" / f"{api_file(path).stem}.yaml"
    return (yaml.safe_load(layout.read_text(encoding="utf-8")) if layout.is_file() else {}).get("card", {})


# --- the graphs ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[False, True], ids=["classic nodes", "Nodes 2.0"])
def measured(page, request):
    """Loads a template in one of the two ways in which the page draws nodes, and measures all of it once."""
    draw = "on => app.extensionManager.setting.set('Comfy.VueNodes.Enabled', on)"
    page.evaluate(draw, request.param)
    page.wait_for_timeout(1000)
    known = {}

    def measure(path):
        if path not in known:
            known[path] = page.evaluate(MEASURE, graph_only(read(path)))
        return known[path]

    yield measure
    page.evaluate(draw, False)


def graph_only(workflow):
    """The workflow, opened as a graph where it would be opened as an app."""
    return workflow | {"extra": {key: value for key, value in workflow["extra"].items() if key != "linearMode"}}


@every
def test_the_page_knows_every_node(measured, path):
    unknown = [named(node) for node in measured(path)["nodes"] if node["unknown"]]
    assert not unknown, f"{path.stem}: unknown nodes {', '.join(unknown)}"


@every
def test_it_is_seen_at_60_percent_when_it_is_opened(measured, path):
    zoom = fit_zoom([node["box"] for node in measured(path)["nodes"]], WINDOW)
    assert zoom >= LEAST_ZOOM, f"{path.stem}: the page opens it at {zoom:.0%}"


@every
def test_all_is_inside_the_view_that_it_keeps(measured, path):
    view = read(path)["extra"].get("ds")
    if not view:
        pytest.skip("Without a view of its own the page fits it.")
    assert view["scale"] >= LEAST_ZOOM, f"{path.stem}: its view has a zoom of {view['scale']:.0%}"
    for part in (*measured(path)["nodes"], *measured(path)["groups"]):
        box = in_window(part["box"], view["scale"], view["offset"])
        assert within(box, [0, 0, *WINDOW]), f"{path.stem}: {part['title']} is outside of its view: {box}"


@every
def test_nothing_covers_another_or_crosses_a_group(measured, path):
    graph = measured(path)
    nodes, groups = graph["nodes"], graph["groups"]
    for kind in (nodes, groups):
        pairs = [(a, b) for i, a in enumerate(kind) for b in kind[i + 1 :] if not apart(a["box"], b["box"])]
        covered = [f"{a['title']} {a['box']} and {b['title']} {b['box']}" for a, b in pairs]
        assert not covered, f"{path.stem}: covering each other: {'; '.join(covered)}"
    crossed = [
        f"{node['title']} {node['box']} and {group['title']} {group['box']}"
        for node in nodes
        for group in groups
        if not (apart(node["box"], group["box"]) or within(node["box"], group["box"]))
    ]
    assert not crossed, f"{path.stem}: crossing the edge of a group: {'; '.join(crossed)}"


@every
def test_no_link_runs_behind_a_node(measured, path):
    graph = measured(path)
    titles = {node["id"]: named(node) for node in graph["nodes"]}
    hidden = [
        f"{titles[link['source']]} to {titles[link['target']]} behind {named(node)}"
        for link, node in hidden_links(graph["links"], graph["nodes"])
    ]
    assert not hidden, f"{path.stem}: {'; '.join(hidden)}"


@every
def test_links_are_where_the_page_draws_them(measured, page, path):
    if path not in (MAIN[0], MAIN[-1]):
        pytest.skip("The first and the last template are looked at.")
    links = measured(path)["links"]
    page.evaluate(MEASURE, graph_only(read(path)))  # the page may show another one by now
    for link in links[:8]:
        drawn = page.evaluate(IN_STROKE, [link["id"], curve(link["start"], link["end"])[2:-2].tolist()])
        assert all(drawn), f"{path.stem}: {link} is drawn elsewhere: {drawn}"


@every
def test_widgets_that_a_subgraph_shows_are_seen_and_reach_the_prompt(measured, path):
    for name, widgets in measured(path)["promoted"].items():
        for widget in widgets:
            assert widget["follows"], f"{path.stem}: {widget['label']} of {name} changes nothing"
            assert widget["seen"], f"{path.stem}: {widget['label']} of {name} is not drawn"


@main
def test_its_subgraphs_show_the_widgets_that_they_say(measured, path):
    shown = {name.partition(" ")[0]: {w["name"] for w in ws} for name, ws in measured(path)["promoted"].items()}
    for node in read(path)["nodes"]:
        wanted = {slot["name"] for slot in node["inputs"] if "widget" in slot and slot["link"] is None}
        if str(node["id"]) in shown:
            assert wanted == shown[str(node["id"])], f"{path.stem}: {named(node)}"


@every
def test_the_page_reads_the_workflow_as_the_api_file_says(measured, path, object_info):
    prompt = {}
    for key, node in measured(path)["prompt"].items():
        node = node | {"_meta": {"title": node["_meta"]["title"]}}  # newer pages also say which pack a node is of
        kept = {name: plain(value) for name, value in node["inputs"].items() if name not in ONLY_ON_PAGE}
        prompt[inner(key)] = node | {"inputs": kept}
    wanted = for_this_host(read(api_file(path)), object_info)
    for key, node in wanted.items():  # Nodes 2.0 uploads an empty painting as soon as it makes a prompt
        if node["class_type"] == "Painter":
            prompt[key]["inputs"]["mask"] = node["inputs"]["mask"]
        if node["class_type"] == "Preview3D":  # the page keeps a picture of the view with it
            prompt[key]["inputs"].pop("image", None)
    assert prompt == wanted, path.stem


def inner(key):
    """The id of a node without those of the subgraphs around it."""
    return key.rpartition(":")[2]


def plain(value):
    """An input of a prompt: links without the ids of subgraphs, lists and curves without the page's wrapping."""
    if isinstance(value, dict):
        return value.get("__value__", value)
    is_link = isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int)
    return [inner(value[0]), value[1]] if is_link else value


# --- the template browser --------------------------------------------------------------------------------------------


@pytest.fixture
def browse(page):
    """Opens the template browser at one of its sections and returns its dialog."""

    def at(section):
        page.keyboard.press("Escape")  # whatever the test before left open
        page.wait_for_timeout(500)
        page.evaluate("app.extensionManager.command.execute('Comfy.BrowseTemplates')")
        page.wait_for_timeout(2000)  # the list of packs is built twice
        dialog = page.get_by_role("dialog")
        dialog.get_by_text(section, exact=True).first.click()
        page.wait_for_timeout(500)
        return dialog

    yield at
    page.keyboard.press("Escape")


def card_of(page, name):
    """The card of a template; newer pages make the last cards once the ones before are seen."""
    card = page.get_by_test_id(f"template-workflow-{name}")
    for _ in range(20):
        if card.count():
            break
        page.get_by_role("heading", level=3).last.scroll_into_view_if_needed()
        page.wait_for_timeout(250)
    return card


@pytest.mark.parametrize("pack", PACKS)
def test_the_template_browser_shows_each_with_its_picture(page, browse, pack):
    browse(pack)
    bare = []
    for path in TEMPLATES[pack]:
        card_of(page, path.stem).evaluate("card => card.scrollIntoView({block: 'center'})")
        try:
            page.wait_for_function(PICTURED, arg=path.stem, timeout=10_000)  # only cards that are seen have pictures
        except PageTimeout:
            bare.append(path.stem)
    assert not bare, f"no picture of their own: {', '.join(bare)}"


@pytest.fixture
def found(page, browse):
    """Types words into the search and returns the first cards, once they stay the same."""
    field = browse("All Templates").get_by_placeholder(re.compile("Search")).first

    def first(words):
        old = cards = page.evaluate(CARDS)[:5]
        field.fill(words)
        for turn in range(40):
            page.wait_for_timeout(400)  # the page waits for the end of typing, on a busy machine longer
            cards, before = page.evaluate(CARDS)[:5], cards
            if cards == before and (cards != old or turn > 12):
                break
        return cards

    yield first
    field.fill("")


def test_its_search_finds_the_pack_by_name(found):
    cards, names = found("duet"), {path.stem for path in EVERY}
    assert len(cards) == 5 and set(cards) <= names, cards


def test_its_search_finds_each_by_its_words(found):
    words = {path.stem: re.sub(r"^Duet \d+ |\(.*", "", path.stem).strip() for path in MAIN}
    cards = {title: found(text) for title, text in words.items()}
    missed = [f"{words[title]!r} gives {cards[title]}" for title in words if title not in cards[title]]
    assert not missed, f"not among the first five: {'; '.join(missed)}"


OPENED = [MAIN[0], MAIN[len(MAIN) // 2], *(path for path in MAIN if read(path)["extra"].get("linearMode"))]


@pytest.mark.parametrize("path", dict.fromkeys(OPENED), ids=lambda path: path.stem)
def test_its_card_opens_it(page, browse, path):
    browse("comfyui-duet")
    card_of(page, path.stem).click()
    state = "() => ({name: app.extensionManager.workflow.activeWorkflow.filename, nodes: app.graph._nodes.length})"
    page.wait_for_function(f"count => app.graph._nodes.length == count && ({state})().name.startsWith({path.stem!r})", arg=len(read(path)["nodes"]))  # fmt: skip
    page.wait_for_timeout(1000)
    if read(path)["extra"].get("linearMode"):
        mode = page.evaluate("app.extensionManager.workflow.activeWorkflow.initialMode")
        assert mode == "app", f"{path.stem} is opened as {mode}"
        page.evaluate("app.extensionManager.command.execute('Comfy.ToggleLinear')")  # the next test needs the graph
        page.wait_for_timeout(1000)
    else:
        scale = page.evaluate("app.canvas.ds.scale")
        assert scale >= LEAST_ZOOM, f"{path.stem} is opened at {scale:.0%}"


@pytest.mark.parametrize("path", [path for path in MAIN if read(path)["extra"].get("linearMode")], ids=lambda p: p.stem)
def test_an_app_shows_what_it_names(page, path):
    workflow = read(path)
    page.evaluate(MEASURE, graph_only(workflow))
    data = workflow["extra"]["linearData"]
    nodes = {str(node["id"]): node for node in workflow["nodes"]}
    widgets = "id => (app.graph.getNodeById(id).widgets ?? []).map(w => w.name)"
    assert data["inputs"] and data["outputs"], f"{path.stem}: an app needs inputs and outputs"
    for number, name, *_ in data["inputs"]:
        assert str(number) in nodes, f"{path.stem}: {number} is not at the top"
        assert name in page.evaluate(widgets, int(number)), f"{path.stem}: {named(nodes[str(number)])} has no {name}"
    assert {str(number) for number in data["outputs"]} <= nodes.keys(), f"{path.stem}: {data['outputs']}"
