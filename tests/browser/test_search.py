"""What an artist types into the page's search is found, and the node library begins with what works on any clip."""

import pytest

pytestmark = pytest.mark.long(seconds=40)

FIRST = 5
# What is typed, and the nodes one of which is meant.
MEANT = {
    "depth": ["DuetDepthToHeatMap"],
    "depth map": ["DuetNormalizeDepth"],
    "stable depth": ["DuetNormalizeDepth"],
    "depth flicker": ["DuetNormalizeDepth"],
    "parallax": ["DuetFillScene", "DuetSplitLayers"],
    "rotoscope": ["DuetDecomposeLayers", "DuetMaskByMotion"],
    "roto": ["DuetDecomposeLayers", "DuetMaskByMotion"],
    "matte": ["DuetSplitLayers"],
    "inpaint background": ["DuetFillScene"],
    "clean plate": ["DuetFillScene"],
    "remove person": ["DuetFillScene"],
    "swap character": ["DuetEncodeSwap"],
    "character swap": ["DuetEncodeSwap"],
    "pose": ["DuetDrawPose"],
    "optical flow": ["DuetEstimateFlow"],
    "warp": ["DuetWarpByFlow"],
    "animate image": ["DuetAnimateStill"],
    "layers": ["DuetDecomposeLayers"],
    "insert object": ["DuetCompositeLayers"],
    "keep audio": ["DuetFramesToVideo"],
    "side by side": ["DuetComparePair"],
    "flicker": ["DuetMeasureFlicker", "DuetNormalizeDepth"],
}
METRICS = "Duet/measure"
STORE = "document.querySelector('#vue-app').__vue_app__.config.globalProperties.$pinia._s.get('nodeDef')"
SEARCH = f"typed => {STORE}.nodeSearchService.searchNode(typed).map(node => [node.name, node.category])"
CATEGORIES = f"() => {STORE}.nodeDefs.map(node => node.category)"


@pytest.mark.parametrize("typed", MEANT)
def test_what_is_meant_is_among_the_first_found(page, typed):
    found = [name for name, _ in page.evaluate(SEARCH, typed)[:FIRST]]
    assert set(found) & set(MEANT[typed]), found


def test_depth_finds_nodes_that_work_with_depth_before_those_that_measure_it(page):
    ours = [category for name, category in page.evaluate(SEARCH, "depth") if name.startswith("Duet")]
    assert METRICS not in ours[:4], ours


def test_the_node_library_begins_with_depth_and_layers_and_keeps_training_apart(page):
    folders = dict.fromkeys(name for name in page.evaluate(CATEGORIES) if name.startswith("Duet"))
    ours = [name for name in folders if name.startswith("Duet/")]
    assert ours[:3] == ["Duet/depth", "Duet/layers and swap", "Duet/flow"] and ours[-1] == "Duet/test videos"
    assert "Duet Training" in folders
