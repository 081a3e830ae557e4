"""Named colours and soft procedural patterns for clothes, walls and objects."""

import random

import torch
from torch import Tensor

PALETTE = {
    "red": (0.80, 0.16, 0.16),
    "orange": (0.92, 0.50, 0.14),
    "yellow": (0.93, 0.79, 0.24),
    "green": (0.22, 0.58, 0.26),
    "teal": (0.12, 0.56, 0.56),
    "blue": (0.18, 0.36, 0.76),
    "purple": (0.48, 0.27, 0.66),
    "pink": (0.91, 0.54, 0.66),
    "white": (0.92, 0.91, 0.88),
    "grey": (0.55, 0.55, 0.57),
    "brown": (0.46, 0.30, 0.19),
    "black": (0.14, 0.14, 0.16),
}
PATTERNS = ("plain", "striped", "checked", "dotted")
WALLS = ("plain", "striped", "checked", "brick", "panelled")


def keyed(seed: int, purpose: str) -> random.Random:
    """A random source of its own for each seed and purpose, the same on every machine."""
    return random.Random(f"{seed}/{purpose}")


def colour(name: str) -> Tensor:
    return torch.tensor(PALETTE[name])


def wave(x: Tensor, blur: Tensor) -> Tensor:
    """A square wave of period 1 between 0 and 1 whose edges are as soft as a pixel is wide."""
    return (0.5 + ((x - x.floor() - 0.5).abs() - 0.25) / blur).clamp(0, 1)


def groove(x: Tensor, width: float, blur: Tensor) -> Tensor:
    """Lines at the integers, `width` periods wide."""
    away = 0.5 - (x - x.floor() - 0.5).abs()
    return ((width / 2 - away) / blur + 0.5).clamp(0, 1)


def pattern(kind: str, u: Tensor, v: Tensor, pixel: Tensor) -> Tensor:
    """How much of the second colour shows at (u, v); all lengths, that of a pixel too, in periods of the pattern.

    Edges are blurred by more than a pixel so that a moving pattern keeps its colour from frame to frame.
    """
    blur = (2.5 * pixel).clamp(0.03, 0.5)
    if kind == "plain":
        return torch.zeros_like(u)
    if kind == "striped":
        return wave(v, blur)
    if kind == "checked":
        a, b = wave(u, blur), wave(v, blur)
        return a + b - 2 * a * b
    if kind == "dotted":
        du, dv = u - u.floor() - 0.5, v - v.floor() - 0.5
        return ((0.3 - (du * du + dv * dv).sqrt()) / blur + 0.5).clamp(0, 1)
    if kind == "brick":
        row = (2 * v).floor()
        return torch.maximum(groove(2 * v, 0.1, 2 * blur), groove(u + row / 2, 0.05, blur))
    if kind == "panelled":
        return torch.maximum(groove(v, 0.05, blur), groove(u, 0.05, blur))
    raise ValueError(f"The pattern is one of {', '.join(dict.fromkeys(PATTERNS + WALLS))}, not {kind!r}.")
