"""A small pair on Wan 2.2 with its own words on the running ComfyUI, from its loader to the decoded clips."""

import pytest

pytestmark = pytest.mark.long(seconds=20)

WORDS = "a slim person in a red shirt dances in a teal room"
LOADED = {
    "1": {"class_type": "DuetLoadWanPair", "inputs": {"model_name": "small_wan_pair.safetensors"}},
    "2": {"class_type": "VAELoader", "inputs": {"vae_name": "duet_vae_128.safetensors"}},
    "3": {"class_type": "DuetEncodeWanPrompt", "inputs": {"clip": ["1", 2], "prompt": WORDS, "second_clip": "depth"}},
}


def sampled(latent: list, task: str) -> dict:
    """The nodes from the sampler to two previews."""
    how = {"seed": 1, "task": task, "steps": 2, "cfg": 0.0, "sampler_name": "auto", "scheduler": "auto", "denoise": 1.0}
    conds = {"model": ["1", 0], "positive": ["3", 0], "negative": ["3", 0], "latent": latent}
    return LOADED | {
        "10": {"class_type": "DuetSampleLatent", "inputs": conds | how},
        "11": {"class_type": "DuetSplitPair", "inputs": {"video_depth_latent": ["10", 0]}},
        "12": {"class_type": "VAEDecode", "inputs": {"samples": ["11", 0], "vae": ["2", 0]}},
        "13": {"class_type": "VAEDecode", "inputs": {"samples": ["11", 1], "vae": ["2", 0]}},
        "14": {"class_type": "PreviewImage", "inputs": {"images": ["12", 0]}},
        "15": {"class_type": "PreviewImage", "inputs": {"images": ["13", 0]}},
    }


def test_words_become_a_video_and_its_depth(run):
    empty = {"model": ["1", 0], "width": 64, "height": 64, "frames": 4, "batch_size": 1}
    result = run(sampled(["4", 0], "all") | {"4": {"class_type": "DuetEmptyLatent", "inputs": empty}})
    assert result.ok, (result.error, result.node_errors)
    assert [len(result.outputs[node]["images"]) for node in ("14", "15")] == [4, 4]


def test_a_clip_gets_its_depth(run):
    clip = {"width": 64, "height": 64, "batch_size": 4, "color": 0xFF8040}
    pair = {"video_latent": ["5", 0], "depth_latent": ["5", 0]}
    result = run(
        sampled(["6", 0], "depth from video")
        | {
            "4": {"class_type": "EmptyImage", "inputs": clip},
            "5": {"class_type": "VAEEncode", "inputs": {"pixels": ["4", 0], "vae": ["2", 0]}},
            "6": {"class_type": "DuetJoinPair", "inputs": pair},
        }
    )
    assert result.ok, (result.error, result.node_errors)
    assert [len(result.outputs[node]["images"]) for node in ("14", "15")] == [4, 4]
