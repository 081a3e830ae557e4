"""What the loaders say of a Duet file: the shipped ones, and the networks that somebody may have trained."""

from pathlib import Path

import pytest
from pack.models.files import open_controlnet, open_model
from pack.models.files.about import of_controlnet, of_model
from pack.models.unet.config import ANIMATEDIFF_V2, IDOL, ONE_SHOT, SD1
from pack.models.unet.switches import with_switches
from tiny.ablations import ABLATIONS

WEIGHTS = Path(__file__).resolve().parents[3] / "weights"


def test_the_shipped_pair_says_what_it_is():
    report = open_model(WEIGHTS / "diffusion_models/duet_dance_128.safetensors")[2]
    assert report.text.startswith(f"Duet model: {report.found} weights found, 0 missing. ")
    assert report.text.endswith(
        "It generates video and its depth together and predicts velocity (v). "
        "It reads a scene from Encode Scene (Video and Depth) and a character from Encode Character (Video and Depth)."
    )
    report = open_controlnet(WEIGHTS / "controlnet/duet_dance_128_pose.safetensors")[2]
    assert report.text.endswith("It reads whole clips, with a label for video and depth.")


def test_the_shipped_model_of_words_says_what_it_reads():
    config, _, report = open_model(WEIGHTS / "diffusion_models/duet_words_128.safetensors")
    assert report.text.endswith(
        "It generates pictures and predicts velocity (v). It reads a depth clip from Encode Depth (Depth-to-Image Model) and "
        f"a prompt of its {len(config.words)} words from CLIP Text Encode with the clip of Load Video Model."
    )


@pytest.mark.parametrize("config, expected", [
    (SD1, ("It generates pictures and predicts noise (eps).",)),
    (ONE_SHOT, ("It generates video and predicts noise (eps).", "It reads a depth clip from Encode Depth (Depth-to-Image Model).")),
    (ANIMATEDIFF_V2, ("It generates video and predicts noise (eps).", "Clips have up to 32 frames, or that many in a window.")),
    (with_switches(IDOL, background="none", temporal="none"), (
        "It generates pictures and their depth together and predicts noise (eps).", "It reads a character from Encode Character (Video and Depth).",
    )),
    (ABLATIONS["separate"], (
        "It generates video and its depth in a network for each and predicts noise (eps).",
        "It reads a scene from Encode Scene (Video and Depth) and a character from Encode Character (Video and Depth).",
    )),
])  # fmt: skip
def test_a_sentence_for_what_it_makes_and_one_for_what_it_reads(config, expected):
    assert of_model(config) == expected


@pytest.mark.parametrize("fields, expected", [
    ({"temporal": "none"}, "It reads each frame by itself."),
    ({"temporal": "native"}, "It reads whole clips."),
    ({"temporal": "native", "modalities": 2}, "It reads whole clips."),
    ({"temporal": "none", "modalities": 2, "label_in_controlnet": True},
     "It reads each frame by itself, with a label for video and depth."),
])  # fmt: skip
def test_a_controlnet_says_whether_it_looks_over_time_and_has_a_label(fields, expected):
    assert of_controlnet(with_switches(SD1, **fields)) == (expected,)
