"""What a watermark survives, and how often a clip without one is taken for marked: python3 scripts/host.py bench watermark [--json]

Clips are slow pans over pictures of ComfyUI's own templates, and stage clips with --stage. Bits: the share of 32 that is right in
a frame, and of a whole clip, whose frames' scores are added. Found: the share of clips in which Detect Watermark finds
the number, searched for among all and expected.
With --clean N it reads N clips without a mark, each a single frame, in place of the table.
"""

import argparse
import json
import sysconfig
import time
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path

import _pack  # noqa: F401
import _results
import numpy as np
import torch
from _lossy import h264, jpeg
from pack.models.provenance.clip import eight_bits, judge, mark_clip
from pack.models.provenance.code import BITS, matched
from pack.models.provenance.rivagan import Rivagan
from pack.models.stage import render, sample_scene
from PIL import Image
from torch import Tensor

NUMBER = 4711
BY_BITS = attrgetter("bits")
ART = "comfyui_workflow_templates_media_*/templates/*.webp"


def art() -> list[Path]:
    """The still pictures of ComfyUI's templates, in an order drawn once."""
    found = sorted(Path(sysconfig.get_paths()["purelib"]).glob(ART))
    return [found[i] for i in np.random.default_rng(0).permutation(len(found))]


def square(path: Path, size: int) -> Tensor:
    """(size, size, 3) the middle of a picture."""
    picture = Image.open(path).convert("RGB")
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    picture = picture.crop((left, top, left + side, top + side)).resize((size, size), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(picture)).float() / 255


def pan(path: Path, frames: int, size: int) -> Tensor:
    """(frames, size, size, 3) a slow pan over a picture."""
    whole = square(path, size + 3 * frames)
    return torch.stack([whole[2 * i : 2 * i + size, 3 * i : 3 * i + size] for i in range(frames)])


def stage(seed: int, frames: int, size: int) -> Tensor:
    scene = sample_scene(seed, frames=frames, height=size, width=size, frame_rate=8)
    return eight_bits(render(scene, samples=1).rgb.clamp(0, 1))


# --- attacks ---------------------------------------------------------------------------------------------------------


def scaled(images: Tensor, *sizes: int) -> Tensor:
    """Scaled to one size after the other, each rounded to 8 bits."""
    for size in sizes:
        small = torch.nn.functional.interpolate(
            images.movedim(-1, 1), size=(size, size), mode="bicubic", antialias=True
        )
        images = eight_bits(small.movedim(1, -1).clamp(0, 1))
    return images


def noisy(images: Tensor, steps: float) -> Tensor:
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    return eight_bits((images + steps / 255 * noise).clamp(0, 1))


def attacks(size: int) -> dict:
    tenth = size // 10
    return {
        "none": lambda clip: clip,
        **{f"JPEG {quality}": lambda clip, quality=quality: jpeg(clip, quality) for quality in (95, 85, 70, 50)},
        **{f"H.264 crf {crf}": lambda clip, crf=crf: h264(clip, crf) for crf in (18, 23, 28)},
        "half the size and back": lambda clip: scaled(clip, size // 2, size),
        "scaled to 0.75": lambda clip: scaled(clip, size * 3 // 4),
        "cropped by 10 %": lambda clip: clip[:, tenth:, tenth:],
        "cropped by 1 pixel": lambda clip: clip[:, 1:, 1:],
        "brightness + 10 %": lambda clip: eight_bits((clip * 1.1).clamp(0, 1)),
        "noise of 5 steps": lambda clip: noisy(clip, 5),
        "mirrored": lambda clip: clip.flip(2),
    }


# --- measurements ----------------------------------------------------------------------------------------------------


def measure(name: str, clip: Tensor, strength: float, network: Rivagan) -> Iterator[dict]:
    """A row for each attack on one clip."""
    begin = time.perf_counter()
    marked = mark_clip(clip, NUMBER, strength, network)
    seconds = (time.perf_counter() - begin) / len(clip)
    written = eight_bits(marked.images.clamp(0, 1))
    for attack, apply in attacks(clip.shape[1]).items():
        images, mirrored = apply(written), attack == "mirrored"
        scores = torch.stack([network.scores(frame) for frame in images])
        read = torch.stack([network.scores(frame.flip(1)) for frame in images]) if mirrored else scores
        yield {
            "clip": name, "attack": attack, "strength": strength,
            "frame": matched(scores, NUMBER).float().mean().item() / BITS,
            "whole": matched(scores.sum(0), NUMBER).item() / BITS,
            "found": judge(read, None).sure and judge(read, None).number == NUMBER,
            "expected": judge(read, NUMBER).sure,
            "psnr": marked.psnr.mean().item(), "seconds": seconds,
        }  # fmt: skip


def clean(first: int, count: int, size: int, network: Rivagan) -> Iterator[dict]:
    """Clips without a mark: the templates' pictures, then stage pictures."""
    pictures = art()
    for place in range(first, first + count):
        name = pictures[place].name if place < len(pictures) else f"stage {place}"
        picture = square(pictures[place], size) if place < len(pictures) else stage(place, 1, size)[0]
        ways = [network.scores(turned)[None] for turned in (picture, picture.flip(1))]
        best, expected = (max((judge(way, number) for way in ways), key=BY_BITS) for number in (None, NUMBER))
        yield {"clip": name, "bits": best.bits, "found": best.sure, "expected": expected.sure}


def table(rows: list[dict]) -> None:
    print(f"{'attack':<24}{'bits, frame':>12}{'bits, clip':>12}{'found':>8}{'expected':>10}")
    for attack in dict.fromkeys(row["attack"] for row in rows):
        these = [row for row in rows if row["attack"] == attack]
        mean = {key: sum(row[key] for row in these) / len(these) for key in ("frame", "whole", "found", "expected")}
        print(f"{attack:<24}{mean['frame']:>12.3f}{mean['whole']:>12.3f}{mean['found']:>8.2f}{mean['expected']:>10.2f}")
    psnr, seconds = ([row[key] for row in rows] for key in ("psnr", "seconds"))
    print(f"PSNR {sum(psnr) / len(psnr):.1f} dB, lowest {min(psnr):.1f}; {sum(seconds) / len(seconds):.2f} s a frame")


def kept(rows: list[dict], places: range, options: argparse.Namespace) -> dict:
    """The figures of each clip by attack."""
    names, found = ("frame", "whole", "found", "expected", "psnr", "seconds"), {}
    for row in rows:
        figures = found.setdefault(row["attack"], {name: [] for name in names})
        for name in names:
            figures[name].append(float(row[name]))
    settings = {"strength": options.strength, "size": options.size, "frames": options.frames,
                "clips": "stage" if options.stage else "template pictures by place"}  # fmt: skip
    return _results.make(places, found, settings, options.threads)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--first", type=int, default=0, help="the first of these clips, for several short runs")
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--strength", type=float, default=1.0)
    parser.add_argument("--stage", action="store_true", help="stage clips in place of pictures")
    parser.add_argument("--clean", type=int, default=0, metavar="N", help="read N clips without a mark")
    parser.add_argument("--save", action="store_true", help="keep the figures of each clip as results/watermark.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    network = Rivagan()
    places = range(options.first, options.first + options.clips)
    if options.clean:
        rows = list(clean(options.first, options.clean, options.size, network))
    else:
        rows = [row for place in places for row in measure_place(place, options, network)]
    if options.save:
        _results.save("watermark", kept(rows, places, options))
    if options.json:
        print(json.dumps({"threads": options.threads, "torch": torch.__version__, "rows": rows}, indent=2))
    elif options.clean:
        bits = [row["bits"] for row in rows]
        print(f"{sum(row['found'] for row in rows)} of {len(rows)} clips without a mark are taken for marked, with an expected "
              f"number {sum(row['expected'] for row in rows)}; most bits {max(bits)} of {BITS}")  # fmt: skip
    else:
        table(rows)


def measure_place(place: int, options: argparse.Namespace, network: Rivagan) -> Iterator[dict]:
    if options.stage:
        name, clip = f"stage {place}", stage(place, options.frames, options.size)
    else:
        path = art()[place]
        name, clip = path.name, pan(path, options.frames, options.size)
    return measure(name, clip, options.strength, network)


if __name__ == "__main__":
    main()
