"""Contact sheets: rows of labelled pictures in one file, for the eye; they show people and are never committed."""

from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

WIDTH, LABEL, GAP = 480, 20, 6
INK, PAPER = (40, 40, 44), (250, 249, 246)


def save_sheet(path: Path, rows: list[list[tuple[str, Tensor]]]) -> None:
    """Rows of (label, picture (H, W, 3))."""
    height = round(WIDTH * rows[0][0][1].shape[0] / rows[0][0][1].shape[1])
    columns, font = max(map(len, rows)), ImageFont.load_default(14)
    size = (columns * (WIDTH + GAP) + GAP, len(rows) * (height + LABEL + GAP) + GAP)
    canvas = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(canvas)
    for y, row in enumerate(rows):
        for x, (label, picture) in enumerate(row):
            corner = (GAP + x * (WIDTH + GAP), GAP + y * (height + LABEL + GAP))
            draw.text(corner, label, INK, font)
            canvas.paste(scaled(picture, (WIDTH, height)), (corner[0], corner[1] + LABEL))
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.save(path)


def scaled(picture: Tensor, size: tuple[int, int]) -> Image.Image:
    data = (picture.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    return Image.fromarray(data).resize(size, Image.LANCZOS)
