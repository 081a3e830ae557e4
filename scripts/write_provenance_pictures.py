"""Writes the pictures of the watermark's help pages, from the output of the nodes on a test clip.

python3 scripts/host.py exec python scripts/write_provenance_pictures.py
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0:0] = [str(ROOT / "benchmarks"), str(ROOT / "scripts")]
import _host  # noqa: E402, F401
import watermark as attacks  # noqa: E402
from pack.models.stage import render, sample_scene  # noqa: E402
from pack.nodes.provenance.watermark import DetectWatermark, EmbedWatermark  # noqa: E402
from write_pictures import sheet  # noqa: E402

NUMBER, SIZE = 4711, 384


def main() -> None:
    scene = sample_scene(5, frames=2, height=SIZE, width=SIZE, frame_rate=8, action="dance", objects=1)
    clip = attacks.eight_bits(render(scene).rgb[:2].clamp(0, 1))
    images = EmbedWatermark.execute(clip, NUMBER, 1.5).args[0]
    difference = 0.5 + 20 * (images - clip)
    sheet("DuetEmbedWatermark", [[("original", clip[1]), ("marked", images[1]), ("difference x 20", difference[1])]])
    tenth = SIZE // 10
    copies = {
        "JPEG 85": attacks.jpeg(attacks.eight_bits(images.clamp(0, 1)), 85),
        "cropped by 10 %": images[:, :, tenth:],
        "noise": attacks.noisy(images, 5),
        "mirrored": images.flip(2),
        "no watermark": clip,
    }
    row = []
    for name, copy in copies.items():
        found, number, report = DetectWatermark.execute(copy, -1, 0).args
        print(name, report)
        row.append((f"{name}: {number if found else 'none'}", copy[1]))
    sheet("DuetDetectWatermark", [row])


if __name__ == "__main__":
    main()
