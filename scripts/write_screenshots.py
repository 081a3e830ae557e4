"""Writes workflows/<name>.jpg from what the workflows make on the real server.

python3 scripts/host.py exec python scripts/write_screenshots.py
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import av
from duet_host.client import run_prompt
from duet_host.jobs import show_errors
from duet_host.server import running_server
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
# What runs with the pack's own files and whose result is shown alone.
THUMBNAILS = (
    "stage_tour",
    "video_depth_pair",
    "joint_dance",
    "video_to_depth",
    "depth_to_video",
    "long_dance",
    "invert_video",
    "invert_video_by_hand",
)
SMALLEST = 256  # pixels of a thumbnail's shorter side


def picture_of(path: Path) -> Image.Image:
    """A picture, or the middle frame of a video."""
    if path.suffix != ".mp4":
        return Image.open(path).convert("RGB")
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return frames[len(frames) // 2].to_image()


def thumbnail(name: str, output: Path, outputs: dict) -> None:
    """The last picture or video that a workflow leaves, as its thumbnail."""
    results = [item for node in outputs.values() for item in node.get("images", ()) if item["type"] == "output"]
    results.sort(key=lambda item: item["filename"].endswith(".mp4"))  # pictures before videos
    picture = picture_of(output / results[0]["subfolder"] / results[0]["filename"])
    picture.thumbnail((768, 768), Image.LANCZOS)
    times = -(-SMALLEST // min(picture.size))
    picture = picture.resize((picture.width * times, picture.height * times), Image.LANCZOS)
    picture.save(ROOT / "workflows" / f"{name}.jpg", quality=88)


def main() -> None:
    names = sys.argv[1:] or THUMBNAILS
    with tempfile.TemporaryDirectory() as folder:
        host, output = Path(os.environ["COMFYUI_PATH"]), Path(folder) / "output"
        with running_server(host, Path(sys.executable), Path(folder) / "state", output=output) as server:
            for name in names:
                prompt = json.loads((ROOT / "workflows" / "api" / f"{name}.json").read_text())
                result = run_prompt(server.url, prompt)
                if show_errors(prompt, result, server):
                    raise SystemExit(f"{name} made no picture")
                thumbnail(name, output, result.outputs)
    print(f"{len(names)} workflows pictured")


if __name__ == "__main__":
    main()
