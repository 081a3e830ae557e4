"""Sockets for a clip in the real page: pictures and videos connect, in new graphs and in saved ones, nothing else does."""

import pytest

pytestmark = pytest.mark.long(seconds=30)

# A link from an output of one new node to an input of another, as an artist draws it: whether the page makes it.
CONNECT = """([source, output, target, input]) => {
    app.graph.clear();
    const [from, to] = [source, target].map(kind => LiteGraph.createNode(kind));
    [from, to].forEach(node => app.graph.add(node));
    const slot = to.inputs.findIndex(one => one.name == input);
    from.connect(from.outputs.findIndex(one => one.type == output), to, slot);
    return [to.inputs[slot].link != null, to.inputs[slot].type];
}"""
# A saved graph whose socket was an IMAGE: the type that the page then shows, and whether its link is there.
OPEN = """async () => {
    app.graph.clear();
    const [from, to] = ["LoadImage", "DuetRemapDepth"].map(kind => LiteGraph.createNode(kind));
    [from, to].forEach(node => app.graph.add(node));
    from.connect(0, to, 0);
    const saved = app.graph.serialize(), size = [...to.size];
    saved.nodes.find(node => node.type == "DuetRemapDepth").inputs[0].type = "IMAGE";
    await app.loadGraphData(JSON.parse(JSON.stringify(saved)));
    const again = app.graph.nodes.find(node => node.type == "DuetRemapDepth");
    const prompt = (await app.graphToPrompt()).output;
    return [again.inputs[0].link != null, Array.isArray(prompt[again.id].inputs.depth), [...again.size], size];
}"""


@pytest.mark.parametrize(
    ("source", "output", "target", "input", "made"),
    [
        ("LoadVideo", "VIDEO", "DuetRemapDepth", "depth", True),
        ("LoadImage", "IMAGE", "DuetRemapDepth", "depth", True),
        ("LoadImage", "MASK", "DuetRemapDepth", "depth", False),
        ("LoadVideo", "VIDEO", "DuetDecomposeLayers", "images", True),
        ("LoadVideo", "VIDEO", "DuetDecomposeLayers", "depth", True),
        ("LoadVideo", "VIDEO", "DuetDecomposeLayers", "person_mask", False),
        ("LoadVideo", "VIDEO", "DuetFramesToVideo", "original_video", True),
        ("LoadImage", "IMAGE", "DuetFramesToVideo", "original_video", False),
        ("LoadVideo", "VIDEO", "DuetEstimateFlow", "still_image", False),
        ("DuetFramesToVideo", "VIDEO", "SaveVideo", "video", True),
    ],
)
def test_what_connects(page, source, output, target, input, made):
    assert page.evaluate(CONNECT, [source, output, target, input])[0] is made


def test_a_saved_graph_of_pictures_opens_with_its_link_and_its_size(page):
    linked, in_prompt, size, before = page.evaluate(OPEN)
    assert linked and in_prompt and size == before
