"""Drawn pictures, masks and settings on every node: a finite result or one sentence, and nothing else.

More than in every run: python3 scripts/host.py test tests/fuzz --fuzz 200
"""

import json
from pathlib import Path

import pytest
import torch
from comfy_api.latest import io
from tiny.every_node import NODES, output_in, refused, small_models, takes, values_of

hypothesis = pytest.importorskip("hypothesis", reason="cases are drawn by hypothesis")
st = hypothesis.strategies
pytestmark = pytest.mark.long(seconds=120)

USUAL = 8  # cases a node
LARGEST = 72  # pixels a side, and the largest whole number of a setting
SOCKETS = {
    "IMAGE",
    "MASK",
    "POSE_KEYPOINT",
    "DUET_FLOW",
    "DUET_LAYERS",
    "CONDITIONING",
    "LATENT",
    "VAE",
    "*",
    "DUET_CROP",
}
LEFT_OUT = {"DuetMeasureConsistency", "DuetMeasureTextAlignment"}  # CLIP is not among the small models
TEXTS = [
    "",
    " ",
    "x",
    "0",
    "-1",
    "0, 2",
    "1e400",
    "nan",
    "../x",
    "a/b",
    "\u202e",
    "\n",
    "{}",
    "[1",
    "7" * 400,
    "é 日本",
]
FORMS = {
    "black": torch.zeros_like,
    "white": torch.ones_like,
    "grey": lambda clip: torch.full_like(clip, 0.5),
    "huge": lambda clip: clip * 1e30,
    "tiny": lambda clip: clip * 1e-30,
    "negative": lambda clip: -clip,
    "inverted": lambda clip: 1 - clip,
    "bright": lambda clip: clip * 20,
    "infinite": lambda clip: clip / 0,
    "half": lambda clip: clip.half(),
    "double": lambda clip: clip.double(),
    "one frame": lambda clip: clip[:1],
    "a frame less": lambda clip: clip[:-1],
    "two clips": lambda clip: torch.cat((clip, clip)),
    "smaller": lambda clip: clip[:, ::2, ::2],
    "turned": lambda clip: clip.transpose(1, 2),
    "one channel": lambda clip: clip[..., :1],
    "alpha": lambda clip: torch.cat((clip, clip[..., :1]), -1),
    "backwards": lambda clip: clip.flip(2),
}


def is_widget(one) -> bool:
    return isinstance(one, io.WidgetInput | io.DynamicCombo.Input)


def can_be_given(node) -> bool:
    """Whether there are small values for all that the node needs, pictures or poses among them."""
    sockets = [one for one in node.GET_SCHEMA().inputs if not is_widget(one)]
    return bool(sockets) and all(
        one.optional or takes(one, "IMAGE") or SOCKETS & set(one.get_io_type().split(",")) for one in sockets
    )


NAMES = [name for name, node in NODES.items() if can_be_given(node) and name not in LEFT_OUT]


def settings_of(inputs):
    """Draws a value for each widget; those of a chosen option among them."""
    return st.fixed_dictionaries({one.id: value_of(one) for one in inputs if is_widget(one) and one.id != "steps"})


def value_of(one):
    """Draws what a widget can be set to."""
    if isinstance(one, io.DynamicCombo.Input):
        return st.one_of([chosen(one.id, option) for option in one.options])
    if isinstance(one, io.Combo.Input):
        return st.sampled_from(list(one.options or []) or [one.default])
    if isinstance(one, io.Boolean.Input):
        return st.booleans()
    if isinstance(one, io.Int.Input):
        low, high = max(one.min, -LARGEST), min(one.max, max(LARGEST, one.min))
        return st.sampled_from([one.default, low, high]) | st.integers(low, high)
    if isinstance(one, io.Float.Input):
        return st.just(one.default) | st.floats(one.min, one.max, allow_nan=False)
    return st.just(one.default) | st.sampled_from(TEXTS)


def chosen(name: str, option):
    return settings_of(option.inputs).map(lambda inside: {name: option.key, **inside})


def cases(name: str):
    """Draws a length, a size, settings, and a form for some of the pictures and masks."""
    inputs = NODES[name].GET_SCHEMA().inputs
    shapes = [one.id for one in inputs if not is_widget(one) and (takes(one, "IMAGE") or takes(one, "MASK"))]
    forms = (
        st.dictionaries(st.sampled_from(shapes), st.sampled_from(list(FORMS)), max_size=2) if shapes else st.just({})
    )
    return st.fixed_dictionaries({
        "node": st.just(name),
        "frames": st.integers(1, 4),
        "size": st.lists(st.integers(1, LARGEST), min_size=2, max_size=2),
        "settings": settings_of(inputs),
        "forms": forms,
    })  # fmt: skip


def run(case: dict, models):
    """The outputs of a node on a case."""
    node = NODES[case["node"]]
    values = values_of(case["node"], models, case["frames"], tuple(case["size"])) | case["settings"]
    for key, form in case["forms"].items():
        values[key] = FORMS[form](values[key])
    if node.GET_SCHEMA().is_input_list:
        values = {key: [value] for key, value in values.items()}
    with torch.inference_mode():
        return node.EXECUTE_NORMALIZED(**values).result


def can_be_made(case: dict, models) -> bool:
    """Whether the values themselves, such as layers of a clip, exist at this size."""
    try:
        values_of(case["node"], models, case["frames"], tuple(case["size"]))
    except ValueError:
        return False
    return True


@pytest.fixture(scope="module", autouse=True)
def output(tmp_path_factory):
    """Where nodes that save do so."""
    with output_in(tmp_path_factory.mktemp("output")):
        yield


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return small_models(tmp_path_factory.mktemp("models"))


@pytest.mark.parametrize("name", NAMES)
def test_a_drawn_case_is_a_finite_result_or_a_sentence(name, models, draw_cases):
    def check(case):
        if can_be_made(case, models):
            refused(run, case, models)

    draw_cases(cases(name), check, USUAL)


CORPUS = Path(__file__).parent / "corpus" / "nodes.jsonl"
KEPT = [json.loads(line) for line in CORPUS.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("case", KEPT, ids=[f"{number} {case['node']}" for number, case in enumerate(KEPT)])
def test_what_failed_once_does_not_fail_again(case, models):
    refused(run, case, models)
