"""Configurations: grouped so that contradictions cannot be written, and read from flat switches as earlier files have them."""

import json
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest
from pack.models.unet.config import (
    ANIMATEDIFF_V1,
    ANIMATEDIFF_V2,
    ANIMATEDIFF_V3,
    IDOL,
    MIMO,
    MIMO_PAPER,
    ONE_SHOT,
    ONE_SHOT_SD1,
    SD1,
    SD2_DEPTH,
    TINY_IDOL,
    CrossModal,
    ImageTokens,
    MotionModules,
    Pair,
    SeparatePair,
    TemporalLayers,
    VideoUNetConfig,
    WordTokens,
)
from pack.models.unet.config_file import from_json, to_json
from pack.models.unet.switches import SWITCHES, from_switches, switches_of, with_switches
from safetensors import safe_open
from tiny.ablations import ABLATIONS

WEIGHTS = Path(__file__).resolve().parents[3] / "weights"
SHIPPED = {path.name: path for path in WEIGHTS.glob("[cd]*/*.safetensors") if "_wan_" not in path.name}
NAMED = {
    "sd1": SD1, "sd2": SD2_DEPTH, "idol": IDOL, "v1": ANIMATEDIFF_V1, "v2": ANIMATEDIFF_V2, "v3": ANIMATEDIFF_V3,
    "mimo": MIMO, "mimo paper": MIMO_PAPER, "one-shot": ONE_SHOT, "one-shot 1": ONE_SHOT_SD1, "tiny": TINY_IDOL,
    "words": replace(SD2_DEPTH, tokens=WordTokens(("red", "ball")), prediction="v", group_norm="clip"),
    "all of a pair": replace(IDOL, pair=Pair(True, True, CrossModal("deep", 0), True, "clean", "avg")),
    "given": replace(IDOL, pair=SeparatePair("clean")),
    **ABLATIONS,
}  # fmt: skip


@pytest.mark.parametrize("config", NAMED.values(), ids=NAMED)
def test_both_forms_hold_all_of_a_configuration(config):
    assert from_json(to_json(config)) == config
    assert from_switches(switches_of(config)) == with_switches(config) == config
    assert from_json(json.dumps(switches_of(config))) == config, "the form of earlier files"


def test_the_file_has_the_groups():
    values = json.loads(to_json(IDOL))
    assert values["version"] == 2 and values["temporal"] == {"kind": "layers", "place": "before_cross_attention"}
    assert values["pair"]["kind"] == "shared" and values["pair"]["cross_modal"] == {"where": "all", "width": 512}
    assert values["tokens"] == {"kind": "image", "width": 1024}


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_weights_keep_their_switches(name):
    """Each was saved with flat switches; what it names is what is read, and nothing else is switched on."""
    with safe_open(SHIPPED[name], framework="pt") as file:
        text = file.metadata()["duet"]
    stored = {
        key: tuple(v) if isinstance(v, list) else v for key, v in json.loads(text).items() if "coupling" not in key
    }
    config = from_json(text)
    inert = () if config.pair else ("cross_modal_width",)  # of attention that the network does not have
    if isinstance(config.pair, Pair) and config.pair.cross_modal is None:
        inert = ("cross_modal_width",)
    assert {key: value for key, value in switches_of(config).items() if key not in inert} == {
        key: value for key, value in (SWITCHES | stored).items() if key not in inert
    }
    assert from_json(to_json(config)) == config


def test_there_are_shipped_weights():
    assert {"duet_dance_128.safetensors", "duet_character_128.safetensors", "duet_words_128.safetensors"} < set(SHIPPED)


def test_contradictions_have_no_words_in_the_groups():
    """What the flat form refuses: one modality with parts of a pair, two networks with what one shares, and so on."""
    fields = set(VideoUNetConfig.__dataclass_fields__)
    in_pairs = {"label", "label_in_controlnet", "cross_modal", "same_place", "shared_maps"}
    assert in_pairs <= set(Pair.__dataclass_fields__) and not in_pairs & set(SeparatePair.__dataclass_fields__)
    assert not (in_pairs | {"given", "modalities", "streams", "zero_snr", "reference", "foreground_width"}) & fields
    assert not {"positions", "mid_block", "attentions"} & set(TemporalLayers.__dataclass_fields__)
    assert replace(IDOL, pair=None).modalities == 1 and not replace(IDOL, pair=None).label
    assert WordTokens(("red", "ball")).width == 6 and MIMO.target == "v" and MIMO.zero_snr
    with pytest.raises(FrozenInstanceError):
        IDOL.pair.label = False


@pytest.mark.parametrize(("make", "words"), [
    (lambda: replace(MIMO, pair=SeparatePair()), "One network reads a reference"),
    (lambda: replace(SD1, prediction="x0"), "prediction is one of eps, v, v_zero_snr, not 'x0'"),
    (lambda: replace(SD1, self_attention="all"), "self_attention is one of frame, sparse_causal, reference"),
    (lambda: replace(SD1, background="blue"), "background is one of none, add, conv, zero"),
    (lambda: replace(SD1, group_norm="batch"), "group_norm is one of frame, clip"),
    (lambda: TemporalLayers("anywhere"), "place is one of before_cross_attention, after_feed_forward"),
    (lambda: CrossModal("none"), "where is one of all, deep"),
    (lambda: Pair(given="kept"), "given is one of noised, clean"),
    (lambda: SeparatePair(given="kept"), "given is one of noised, clean"),
    (lambda: Pair(shared_maps="depth"), "shared_maps is one of none, avg, video"),
    (lambda: replace(SD1, attention_levels=(True,)), "one entry for each level"),
])  # fmt: skip
def test_what_the_form_allows_but_is_wrong_is_refused(make, words):
    with pytest.raises(ValueError, match=words):
        make()


def test_switches_of_a_run_change_a_part_and_keep_the_rest():
    groups = with_switches(IDOL, norm_num_groups=8, label_in_controlnet=True)
    assert groups == replace(IDOL, norm_num_groups=8, pair=replace(IDOL.pair, label_in_controlnet=True))
    assert with_switches(MIMO, temporal="none", motion_mid_block=False) == replace(MIMO, temporal=None)
    assert with_switches(MIMO, prediction="v") == MIMO, "the schedule stays"
    assert with_switches(SD1, foreground_width=32).tokens == ImageTokens(32)
    assert with_switches(SD1, temporal="motion_modules", motion_positions=24).temporal == MotionModules(24)
