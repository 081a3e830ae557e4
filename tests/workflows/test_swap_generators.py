"""The swaps around Wan-Animate, SCAIL-2 and VACE on the real server, with small random networks of ComfyUI's own classes.

In place of what ComfyUI opens in one size only: umT5-XXL is a small text encoder, CLIP ViT-H is left out, and the mattes of
BiRefNet are rectangles. The pose is that of a test video in the size of the crop, since SDPose takes long on a CPU.
"""

import json
from pathlib import Path

import av
import numpy as np
import pytest
from duet_host.client import run_prompt
from PIL import Image

pytestmark = pytest.mark.long(seconds=120)

API = Path(__file__).resolve().parents[2] / "workflows" / "api"
KINDS = {"swap_wan_animate": "animate", "swap_scail2": "scail2", "swap_vace": "vace"}
FRAMES, SIDE = 9, 160
DANCE = {
    "seed": 7, "frame_rate": 8.0, "action": "walk", "character_seed": -1, "motion_seed": -1, "room_seed": -1, "object_count": 0,
    "camera": "still", "style": "natural", "smooth_edges": True,
}  # fmt: skip
LEFT_OUT = {"13", "16", "17", "26", "29", "35"}


def read(name):
    return json.loads((API / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def models(server):
    """Small files under the names of the workflows, in the folders of the running server."""
    from pack.training.recipes.wan_text import WordTexts
    from tiny.generators import write_generators

    files = {}
    for name, kind in KINDS.items():
        for node in read(name).values():
            for key, folder, made in (
                ("unet_name", "diffusion_models", kind), ("lora_name", "loras", "lora"), ("vae_name", "vae", "vae")
            ):  # fmt: skip
                if key in node["inputs"]:
                    files[node["inputs"][key]] = folder, made
    write_generators(server.log.parent / "models", files, WordTexts("depth").width)
    return files


def small(name):
    """The workflow on nine frames of 160 pixels."""
    prompt = read(name)
    prompt = {key: node for key, node in prompt.items() if key not in LEFT_OUT}
    prompt["30"]["inputs"].pop("clip_vision_output", None)
    prompt["4"]["inputs"] |= {"batch_index": 7, "length": FRAMES}
    prompt["5"]["inputs"]["resize_type.longer_size"] = SIDE
    prompt["8"]["inputs"]["resolution"] = 140
    prompt["11"]["inputs"] |= {"width": 64, "height": 96}
    prompt["42"] = {"class_type": "SolidMask", "inputs": {"value": 0.0, "width": 64, "height": 96}}
    prompt["43"] = {"class_type": "SolidMask", "inputs": {"value": 1.0, "width": 32, "height": 80}}
    inside = {"destination": ["42", 0], "source": ["43", 0], "x": 16, "y": 8, "operation": "add"}
    prompt["14"] = {"class_type": "MaskComposite", "inputs": inside}
    prompt["24"] = {"class_type": "DuetLoadWanPair", "inputs": {"model_name": "small_wan_pair.safetensors"}}
    for key in ("27", "28"):
        prompt[key]["inputs"] |= {"clip": ["24", 2], "text": "a slim person in a red shirt dances in a teal room"}
    if "keypoints" in prompt["18"]["inputs"]:
        prompt["16"] = {
            "class_type": "DuetRenderTestVideo",
            "inputs": DANCE | {"frames": FRAMES, "width": 64, "height": 96},
        }
        prompt["17"] = {"class_type": "DuetTestVideoTruth", "inputs": {"test_video": ["16", 1]}}
        prompt["18"]["inputs"]["keypoints"] = ["17", 3]
    prompt["37"]["inputs"]["subject_mask"] = ["14", 0]
    for node in prompt.values():
        if "steps" in node["inputs"]:
            node["inputs"]["steps"] = 1
    prompt["41"] = {"class_type": "SaveImage", "inputs": {"images": ["36", 0], "filename_prefix": f"{name}_without"}}
    return prompt


def frames(path):
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.mark.parametrize("name", KINDS)
def test_it_runs_from_the_clip_to_the_saved_video(server, models, name):
    result = run_prompt(server.url, small(name))
    assert result.ok, result.error and "".join(result.error["traceback"])
    (item,) = result.outputs["39"]["images"]
    clip = frames(server.output / item["subfolder"] / item["filename"])
    assert clip.shape == (FRAMES, SIDE, SIDE, 3), (
        "as long and as large as the clip, without the crop and its repeated frames"
    )
    without = np.stack([
        np.asarray(Image.open(server.output / one["subfolder"] / one["filename"])) for one in result.outputs["41"]["images"]
    ])  # fmt: skip
    off = np.abs(clip.astype(int) - without).max(-1)
    assert np.median(off) < 12, "the scene stays"
    assert (off > 40).mean() > 0.01, "someone is put into it"
    (report,) = result.outputs["40"]["text"]
    assert f"{FRAMES} frames of 64 x 96" in report
