"""Draws the card of a template from what a run of it left: a square that moves, or two results with an edge that moves."""

import math
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIDE, FRAMES, SECONDS = 400, 24, 2.4  # of every card
EDGE, SWEEP = 3, 0.32  # width of the edge in pixels, how far it moves from the middle
INK, PAPER, STRIP = (245, 245, 245), (24, 40, 58), (16, 24, 34)


def frames_of(paths: list[Path]) -> list[Image.Image]:
    """The frames of a video, or the pictures of a list of files."""
    if len(paths) == 1 and paths[0].suffix in (".mp4", ".webm", ".mkv"):
        with av.open(str(paths[0])) as container:
            return [frame.to_image() for frame in container.decode(video=0)]
    return [Image.open(path).convert("RGB") for path in paths]


def part_of(frame: Image.Image, part: int, parts: int) -> Image.Image:
    """One of several pictures that lie side by side in a frame."""
    width = frame.width // parts
    return frame.crop((part * width, 0, (part + 1) * width, frame.height))


def square(frame: Image.Image) -> Image.Image:
    """The middle of a frame at the size of a card."""
    side = min(frame.size)
    left, top = (frame.width - side) // 2, (frame.height - side) // 2
    return frame.convert("RGB").crop((left, top, left + side, top + side)).resize((SIDE, SIDE), Image.LANCZOS)


def spread(frames: list) -> list:
    """As many frames as a card has, in even steps over a clip."""
    return [frames[int(i * len(frames) / FRAMES)] for i in range(FRAMES)] if len(frames) > 1 else frames


def wipe(before: list, after: list) -> list[Image.Image]:
    """Two clips in one square; the edge between them moves to and fro."""
    count = FRAMES
    pictures = []
    for i in range(count):
        a, b = (clip[int(i * len(clip) / count)] for clip in (before, after))
        x = round(SIDE * (0.5 + SWEEP * math.sin(2 * math.pi * i / count)))
        picture = Image.fromarray(np.concatenate((np.asarray(a)[:, :x], np.asarray(b)[:, x:]), 1))
        ImageDraw.Draw(picture).rectangle((x - EDGE // 2, 0, x + EDGE // 2, SIDE), INK)
        pictures.append(picture)
    return pictures


def with_caption(picture: Image.Image, caption: str) -> Image.Image:
    """The picture with a line of text at its foot."""
    picture = picture.copy()
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, SIDE - 44, SIDE, SIDE), STRIP)
    draw.text((SIDE / 2, SIDE - 22), caption, INK, ImageFont.load_default(21), anchor="mm")
    return picture


def typeset(words: str) -> Image.Image:
    """A card of words, for what has no picture: files that are made of files."""
    picture = Image.new("RGB", (SIDE, SIDE), PAPER)
    lines = words.strip().splitlines()
    draw = ImageDraw.Draw(picture)
    for row, line in enumerate(lines):
        y = SIDE / 2 + (row - (len(lines) - 1) / 2) * 50
        draw.text((SIDE / 2, y), line, INK, ImageFont.load_default(34), anchor="mm")
    return picture


def draw_card(card: dict, files_of) -> list[Image.Image]:
    """The frames of a card; `files_of(node)` gives the files that a node left."""
    if "words" in card:
        return [typeset(card["words"])]
    parts = card.get("parts", 1)
    clips = []
    for node in [card[key] for key in ("before", "after", "result") if key in card]:
        frames = spread(frames_of(files_of(str(node))))
        shown = card.get("show", range(parts)) if parts > 1 and "before" not in card else [card.get("part", 0)]
        clips += [[square(part_of(frame, part, parts)) for frame in frames] for part in shown]
    pictures = wipe(*clips[:2]) if len(clips) > 1 else clips[0]
    return [with_caption(picture, card["caption"]) for picture in pictures] if "caption" in card else pictures


def save_card(path: Path, pictures: list[Image.Image]) -> None:
    """Writes a WebP under the name .jpg: the page shows pictures of that name only, and plays it."""
    more = {"save_all": True, "append_images": pictures[1:], "duration": round(1000 * SECONDS / FRAMES), "loop": 0}
    with path.open("wb") as file:
        pictures[0].save(file, "WEBP", quality=72, method=6, **(more if len(pictures) > 1 else {}))
