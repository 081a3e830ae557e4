"""Writes the pictures of the pages of the swap nodes from their output.

python3 scripts/host.py exec python scripts/write_swap_pictures.py
"""

import sys
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0:0] = [str(ROOT / "benchmarks"), str(ROOT / "scripts")]
import _host  # noqa: E402, F401
import torch  # noqa: E402
from pack.models.layers.crop import cut_box  # noqa: E402
from pack.models.stage import render, sample_scene  # noqa: E402
from pack.nodes.layers.crop import CropToSubject, PasteCrop  # noqa: E402
from pack.nodes.swap.chunks import JoinChunks  # noqa: E402
from pack.nodes.swap.colours import MatchColors  # noqa: E402
from pack.nodes.swap.reference import FitReference  # noqa: E402
from write_pictures import DEPTH, INK, PAPER, VIDEO, sheet  # noqa: E402

SIZE, FRAMES, K = 256, 16, 8
OVERLAP, CHUNKS = 4, ((0, 10), (6, 16))


def clips():
    """A clip, and the same motion of another character."""
    scene = sample_scene(7, frames=FRAMES, height=SIZE, width=SIZE, frame_rate=8.0, action="walk", objects=1)
    return render(scene), render(replace(scene.with_character(502), objects=()))


def reference_picture(clip, other) -> None:
    portrait = other.character
    small = torch.nn.functional.interpolate(portrait.movedim(-1, 1), scale_factor=0.6, mode="area").movedim(1, -1)
    room = portrait.new_tensor([0.7, 0.75, 0.85]).expand(1, SIZE, SIZE, 3).clone()
    mask = torch.zeros(1, SIZE, SIZE)
    side = small.shape[1]
    inside = (small - small[:, :1, :1]).abs().amax(-1) > 0.02
    room[:, :side, 50 : 50 + side] = torch.where(inside[..., None], small, room[:, :side, 50 : 50 + side])
    mask[:, :side, 50 : 50 + side] = inside.float()
    image, _, report = FitReference.execute(
        room, clip.rgb, clip.person_mask, "grey", -1, character_mask=mask, hidden_mask=clip.occluder_mask
    ).result
    print(report)
    frame = int(report.split()[1])
    sheet("DuetFitReference", [[("clip", clip.rgb[frame]), ("character", room[0]), ("reference", image[0])]])


def drifted(images, number: int):
    """A chunk whose colours are off and drift on."""
    time = torch.linspace(0, 1, len(images))[:, None, None, None]
    gain = torch.tensor(((1.1, 1.0, 0.85), (0.8, 0.95, 1.1))[number])
    return (images * (gain - 0.08 * time) + 0.03).clamp(0, 1)


def colour_pictures(clip, other) -> None:
    swapped = torch.lerp(clip.scene_images, other.rgb, other.person_mask[..., None])
    chunks = [drifted(swapped[start:stop], number) for number, (start, stop) in enumerate(CHUNKS)]
    mask = torch.maximum(clip.person_mask, other.person_mask)
    out, report = MatchColors.execute(chunks, [OVERLAP], [1.0], [9], [clip.rgb], [mask]).result
    print(report)
    rows = [[("original", clip.rgb[start + 6]), (f"chunk {number}", chunks[number][6]), ("matched", out[number][6])]
            for number, (start, _) in enumerate(CHUNKS)]  # fmt: skip
    sheet("DuetMatchColors", rows)
    joined, _, report = JoinChunks.execute(chunks, [OVERLAP], [1.0], [0]).result
    print(report)
    brightness_picture([chunk.mean((1, 2, 3)) for chunk in chunks], joined.mean((1, 2, 3)))


def brightness_picture(chunks: list, joined) -> None:
    """The mean brightness of each frame of two chunks and of the joined clip, as curves."""
    from PIL import Image, ImageDraw, ImageFont

    wide, high, edge = 640, 220, 40
    canvas = Image.new("RGB", (wide, high), PAPER)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(13)
    values = torch.cat([*chunks, joined])
    low, high_value = values.min().item() - 0.02, values.max().item() + 0.02
    x = lambda index: edge + index * (wide - 2 * edge) / (FRAMES - 1)
    y = lambda value: high - edge - (value - low) / (high_value - low) * (high - 2 * edge)
    curves = [(0, joined, VIDEO, 8, "joined", 12)]
    curves += [
        (start, chunks[k], ((90, 90, 96), DEPTH)[k], 2, f"chunk {k}", -24) for k, (start, _) in enumerate(CHUNKS)
    ]
    for start, curve, colour, thick, name, above in curves:
        points = [(x(start + index), y(value)) for index, value in enumerate(curve.tolist())]
        draw.line(points, colour, thick)
        draw.text((points[len(points) // 3][0], points[len(points) // 3][1] + above), name, INK, font)
    draw.text((edge, high - 24), "frame", INK, font)
    draw.text((8, 8), "brightness", INK, font)
    canvas.quantize(64, dither=Image.Dither.NONE).save(ROOT / "web" / "docs" / "DuetJoinChunks.png", optimize=True)


def paste_pictures(clip, other) -> None:
    """The crop nodes as a generator needs them: an edited crop, the whole box pasted, and the person alone."""
    _, _, crop = CropToSubject.execute(
        clip.rgb, clip.person_mask, SIZE, SIZE, 0.1, 9, 0, 4, 16, "4n+1", "follow subject", clip.occluder_mask
    ).result
    boxes, repeated = crop["clips"][0]["boxes"], crop["clips"][0]["repeated"]
    cut_all = lambda planes: torch.stack([cut_box(planes[i], box, (SIZE, SIZE)) for i, box in enumerate(boxes)])
    repeat = lambda batch: torch.cat((batch, batch[-1:].expand(repeated, *batch.shape[1:])))
    swapped = torch.lerp(clip.scene_images, other.rgb, other.person_mask[..., None])
    made = repeat(drifted(cut_all(swapped), 1))
    mask = repeat(cut_all(other.person_mask[..., None])[..., 0])
    scene = torch.lerp(clip.scene_images, clip.rgb, clip.occluder_mask[..., None])  # without the person
    box = PasteCrop.execute([scene], [made], [crop], [2.0], [clip.occluder_mask]).result[0]
    alone, report = PasteCrop.execute(
        [scene], [made], [crop], [2.0], [clip.occluder_mask], [mask], color_match_strength=[1.0]
    ).result
    print(report)
    sheet("DuetPasteCrop", [[("edited crop", made[K]), ("whole box", box[K]), ("subject, colors matched", alone[K])]])


def main() -> None:
    clip, other = clips()
    reference_picture(clip, other)
    colour_pictures(clip, other)
    paste_pictures(clip, other)


if __name__ == "__main__":
    main()
