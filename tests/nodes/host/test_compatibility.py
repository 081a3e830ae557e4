"""Every node of the host on every family of models: it acts as on the host's own model, or is refused in a sentence.

docs/compatibility.md is written from these runs with --write-compatibility.
"""

import json
from functools import cache

import comfy.utils
import folder_paths
import pytest
import torch
from comfy_api.latest import io
from tiny.compatibility.calls import CONTROLS
from tiny.compatibility.document import DOCUMENT, EXPECTED, as_document, as_expected
from tiny.compatibility.families import (
    FAMILIES,
    FIRST,
    FULL_SHAPE,
    as_diffusers,
    host_unet,
    loud_weights,
)
from tiny.compatibility.files import write_files
from tiny.compatibility.graph import graph_of, sample
from tiny.compatibility.judge import ACTS, ERROR, IGNORED, REFUSED, WAY_OUT, WRONG, far, judge
from tiny.compatibility.stock import inputs_of, listed, stock_nodes
from tiny.model import gap, noise

import nodes

pytestmark = pytest.mark.long(seconds=330)
RULE = (
    "Look at what the node does, say in tests/tiny/compatibility/calls.py how it is called where its defaults change nothing, "
    "and write its row with --write-compatibility."
)
LISTED = json.loads(EXPECTED.read_text(encoding="utf-8")) if EXPECTED.is_file() else {}


@pytest.fixture(scope="module", autouse=True)
def quiet_host(tmp_path_factory):
    """The host's folders in a temporary place, no progress bars, and no gradients, as when it executes nodes."""
    before, bars = folder_paths.get_output_directory(), comfy.utils.PROGRESS_BAR_ENABLED
    folder_paths.set_output_directory(str(tmp_path_factory.mktemp("output")))
    write_files(tmp_path_factory.mktemp("models"))
    comfy.utils.PROGRESS_BAR_ENABLED = False
    with torch.inference_mode():
        yield
    comfy.utils.PROGRESS_BAR_ENABLED = bars
    folder_paths.set_output_directory(before)


@cache
def kinds() -> dict[str, str]:
    """The kind of every stock node; not found while tests are collected, for the host takes seconds to import them."""
    return listed(stock_nodes())


@cache
def verdict(node: str, family: str):
    return judge(node, family)


def row(node: str) -> dict:
    return {family: verdict(node, family) for family in FAMILIES}


def test_this_process_finds_the_nodes_that_the_server_lists(object_info):
    """/object_info of a running server, with this pack in it, names the same stock nodes of the same kinds."""
    assert listed(object_info) == kinds() and len(kinds()) > 150


@pytest.mark.parametrize("family", [name for name, family in FAMILIES.items() if family.schedule])
def test_without_any_node_a_model_answers_what_the_hosts_own_answers(family):
    """What all other comparisons rest on."""
    assert far(sample(graph_of(family)), sample(graph_of(family, False))) < ERROR


def test_all_weights_of_stable_diffusion_have_a_counterpart():
    """686 of them, in the full depth of the host's U-Net, and both networks answer alike."""
    from dataclasses import replace

    from pack.models.unet.config import SD1
    from pack.nodes.host.unet.model import native_model

    native = host_unet(FULL_SHAPE).eval()
    state = loud_weights(native, FIRST)
    native.load_state_dict(state)
    ours = as_diffusers(state, FULL_SHAPE)
    assert len(ours) == len(state) == 686
    model = native_model(replace(SD1, block_out_channels=(32, 64, 128, 128)), ours)
    x, time, context = noise((2, 4, 16, 16)), torch.tensor([300.0, 300.0]), noise((2, 5, 768), 1)
    assert gap(model.model.diffusion_model(x, time, context), native(x, time, context)) < ERROR


@pytest.mark.parametrize(
    ("changes", "word"), [(None, IGNORED), ((1.1, 1.1, 0.9, 0.9), WRONG), ((1.3, 1.4, 0.9, 0.2), ACTS)]
)
def test_a_node_that_is_ignored_or_acts_otherwise_is_found(monkeypatch, changes, word):
    """FreeU as if our models did not run it, or ran it with other numbers than the host's own model."""
    freeu = nodes.NODE_CLASS_MAPPINGS["FreeU_V2"] if kinds() else None

    class OtherFreeU(freeu):
        @classmethod
        def execute(cls, model, *numbers, **named):
            if not hasattr(model.model, "video"):
                return freeu.execute(model, *numbers, **named)
            return freeu.execute(model, *changes) if changes else io.NodeOutput(model.clone())

    monkeypatch.setitem(nodes.NODE_CLASS_MAPPINGS, "FreeU_V2", OtherFreeU)
    assert judge("FreeU_V2", "animatediff").word == word


def test_no_stock_node_is_without_a_row(request):
    if not request.config.getoption("--write-compatibility"):
        new, gone = sorted(kinds().keys() - LISTED.keys()), sorted(LISTED.keys() - kinds().keys())
        assert not new, f"ComfyUI has nodes that nobody tried: {', '.join(new)}. {RULE}"
        assert not gone, f"ComfyUI no longer has {', '.join(gone)}. {RULE}"


@pytest.mark.parametrize("node", LISTED)
def test_a_node_acts_or_is_refused(node, request):
    found = row(node)
    for family, one in found.items():
        assert one.word not in (IGNORED, WRONG), f"{node} on {family}: {one.word}. {one.text} {one.figures}"
        if one.word == REFUSED:
            assert WAY_OUT.search(one.text) and one.text.endswith(".") and "\n" not in one.text, one.text
    words = {family: one.word for family, one in found.items()}
    if not request.config.getoption("--write-compatibility"):
        assert words == LISTED.get(node), f"{node} does something else than {EXPECTED.name} says. {RULE}"


@pytest.mark.parametrize("control", CONTROLS)
def test_every_controlnet_goes_through_every_node_that_takes_one(control):
    """Beside the host's own ControlNet, which the rows of the document are about."""
    through = [
        node
        for node, kind in kinds().items()
        if kind == "controlnet" and "control_net" in inputs_of(stock_nodes()[node])
    ]
    for node in through:
        for family in CONTROLS[control][1]:
            one = judge(node, family, control)
            assert one.word == ACTS, f"{control} through {node} on {family}: {one}"
    assert len(through) > 3


def test_the_document_says_what_was_found(request):
    verdicts = {node: row(node) for node in kinds()}
    texts = {EXPECTED: as_expected(verdicts), DOCUMENT: as_document(verdicts)}
    for file, text in texts.items():
        if request.config.getoption("--write-compatibility"):
            file.write_text(text, encoding="utf-8")
        assert file.read_text(encoding="utf-8") == text, f"{file.name} is of another state. {RULE}"
