"""Writes docs/pictures/<workflow>.webp, the moving pictures of README.md, from what the shipped workflows make.

Those that show footage are written by write_footage_pictures.py.

python3 scripts/host.py exec python scripts/write_readme_pictures.py [NAME ...]

A workflow runs as it is on a real ComfyUI; only a Save Image is added behind each output that is shown.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

from duet_host.client import run_prompt
from duet_host.jobs import show_errors
from duet_host.server import running_server
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"
# What a picture shows from left to right: what a node reads (its class and the name of an input), or what it makes (its
# class and the number of an output). A latent is shown as VAE Decode makes a picture of it.
SHOWN = {
    "depth_edit": [("DuetCompositeLayers", "inserted_object"), ("DuetCompositeLayers", 0), ("DuetCompositeLayers", 1)],
    "joint_dance": [("ControlNetApplyAdvanced", "image"), ("DuetSplitPair", 0), ("DuetSplitPair", 1)],
    "picture_to_motion": [("DuetEncodeStill", "still_image"), ("DuetAnimateStill", 0), ("DuetDrawFlow", 0)],
}
LATENTS = {"DuetSplitPair"}
WIDTH, GAP = 480, 4  # pixels of a whole picture, and between its parts
FRAME, PAUSE = 125, 700  # milliseconds of a frame, and of the last one
LARGEST = 400_000  # bytes


def place(prompt: dict, kind: str, slot: str | int) -> list:
    """The output of a node that is shown, as [node, output]."""
    key = next(key for key, node in prompt.items() if node["class_type"] == kind)
    if isinstance(slot, str):
        return prompt[key]["inputs"][slot]
    if kind in LATENTS:
        decoders = (k for k, node in prompt.items() if node["class_type"] == "VAEDecode")
        return [next(k for k in decoders if prompt[k]["inputs"]["samples"] == [key, slot]), 0]
    return [key, slot]


def with_saves(prompt: dict, shown: list) -> dict:
    """A workflow with a Save Image behind each output that is shown."""
    saves = {}
    for number, (kind, slot) in enumerate(shown):
        inputs = {"images": place(prompt, kind, slot), "filename_prefix": f"shown_{number}"}
        saves[f"save {number}"] = {"class_type": "SaveImage", "inputs": inputs, "_meta": {"title": "Save Image"}}
    return prompt | saves


def clips_of(result, output: Path, count: int) -> list[list[Image.Image]]:
    """The frames that each of the added nodes has saved."""
    return [
        [Image.open(output / item["subfolder"] / item["filename"]).convert("RGB") for item in node["images"]]
        for node in (result.outputs[f"save {number}"] for number in range(count))
    ]


def side_by_side(clips: list[list[Image.Image]]) -> list[Image.Image]:
    """One picture for each frame, as wide as README needs it; a single picture is repeated."""
    width = (WIDTH - GAP * (len(clips) - 1)) // len(clips)
    height = max(round(width * clip[0].height / clip[0].width) for clip in clips)
    frames = []
    for index in range(max(map(len, clips))):
        frame = Image.new("RGB", (WIDTH, height), "white")
        for number, clip in enumerate(clips):
            part = clip[min(index, len(clip) - 1)].resize((width, height), Image.LANCZOS)
            frame.paste(part, (number * (width + GAP), 0))
        frames.append(frame)
    return frames


def write(path: Path, frames: list[Image.Image]) -> None:
    """An animated WebP that plays again and again, with a short pause at its end."""
    times = [FRAME] * (len(frames) - 1) + [PAUSE]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=times, loop=0, quality=80, method=6)
    if path.stat().st_size > LARGEST:
        raise SystemExit(f"{path.name} has {path.stat().st_size} bytes; {LARGEST} are the most")


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        host, output = Path(os.environ["COMFYUI_PATH"]), Path(folder) / "output"
        with running_server(host, Path(sys.executable), Path(folder) / "state", output=output) as server:
            for name in sys.argv[1:] or SHOWN:
                prompt = json.loads((ROOT / "workflows" / "api" / f"{name}.json").read_text(encoding="utf-8"))
                prompt = with_saves(prompt, SHOWN[name])
                result = run_prompt(server.url, prompt)
                if show_errors(prompt, result, server):
                    raise SystemExit(f"{name} did not run to its end")
                path = PICTURES / f"{name}.webp"
                write(path, side_by_side(clips_of(result, output, len(SHOWN[name]))))
                print(f"{path.relative_to(ROOT)}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
