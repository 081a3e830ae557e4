"""The runner put into the shot of the woman by depth, while the depth of that shot breathes as an estimator's does.

He is painted in one colour that the shot lacks, so that every pixel shows without doubt whether he is visible. Where he should
be follows from the drawn depth. Letters: N frames, H and W pixels.
"""

import numpy as np
import torch
from torch import Tensor

from .nodes import has, run
from .shots import Footage, as_depth

COLOUR = (1.0, 0.0, 1.0)
SCALE, SHIFT = (
    (0.8, 1.25),
    0.08,
)  # of nearness in every frame: a factor, and a part of the range of the shot to both sides
SEED = 5
DEPTHS = ("drawn", "breathing", "steady")
SHARED = 200  # pixels that a frame needs, for its share to mean anything
SURE = 0.01  # nearness by which he must be in front or behind for a pixel to count: his soles touch the lawn


def breathing(near: Tensor, seed: int = SEED) -> Tensor:
    """(N, H, W) with another scale and another shift in every frame."""
    draw = torch.Generator().manual_seed(seed)
    low, high = SCALE
    scale = low * (high / low) ** torch.rand(len(near), 1, 1, generator=draw)
    shift = SHIFT * (2 * torch.rand(len(near), 1, 1, generator=draw) - 1) * (near.max() - near.min())
    return near * scale + shift


def pair(shot: Footage, other: Footage) -> tuple[Footage, Footage]:
    """As many frames of both, of the first from its middle: there its person is beside the object in front."""
    frames = min(len(shot.frames), len(other.frames))
    first = (len(shot.frames) - frames) // 2
    cut = lambda one, start: Footage(
        one.name, one.frames[start : start + frames], one.plate, one.person[start : start + frames], one.kept,
        one.near[start : start + frames],
    )  # fmt: skip
    return cut(shot, first), cut(other, 0)


def measure(shot: Footage, other: Footage) -> dict:
    """The rows: wrong pixels with drawn depth, with breathing depth, and with breathing depth made steady."""
    shot, other = pair(shot, other)
    rows = {}
    for name in DEPTHS:
        depth = depth_of(shot, name)
        found = {} if depth is None else wrong(shot, other, visible(shot, other, depth))
        rows |= {f"insert_{part}_{name}": found.get(part) for part in ("shared", "all")}
    return rows


def depth_of(shot: Footage, name: str) -> Tensor | None:
    """Depth of the shot as pictures (N, H, W, 3) in 0..1: drawn, breathing, or breathing and then through Steady Depth."""
    normal = lambda depth: run("DuetNormalizeDepth", depth=depth)["depth"]
    if name == "drawn":
        return normal(shot.depth())
    breathed = normal(as_depth(breathing(torch.from_numpy(shot.near).float())))
    if name == "breathing":
        return breathed
    return run("DuetSteadyDepth", images=shot.images(), depth=breathed)["depth"] if has("DuetSteadyDepth") else None


def visible(shot: Footage, other: Footage, depth: Tensor) -> np.ndarray:
    """(N, H, W) bool where the inserted person is visible in the composited shot."""
    images = shot.images()
    layers = run(
        "DuetDecomposeLayers", images=images, person_mask=shot.mask(), depth=depth, object_masks=shot.objects()
    )["layers"]  # fmt: skip
    own = run("DuetNormalizeDepth", depth=other.depth())["depth"]
    still = torch.from_numpy(~shot.person & ~other.person).float()
    own = run("DuetMatchDepth", depth=own, reference_depth=depth, static_mask=still)["depth"]
    paint = torch.tensor(COLOUR).expand(1, *images.shape[1:])
    out = run(
        "DuetCompositeLayers", layers=layers, inserted_object=paint, inserted_object_mask=other.mask(), inserted_object_depth=own
    )["images"]  # fmt: skip
    return np.stack([((one - paint[0]).abs().amax(-1) < 0.25).numpy() for one in out])


def wrong(shot: Footage, other: Footage, seen: np.ndarray) -> dict:
    """Percent of wrong pixels in the worst frame: of those he shares with person and object, and of all of him."""
    inside, ahead = truth(shot, other)
    errors = (seen != (ahead > 0)) & inside & (np.abs(ahead) > SURE)
    taken = shot.person if shot.kept is None else shot.person | shot.kept
    return {"shared": worst(errors, inside & taken), "all": worst(errors, inside)}


def truth(shot: Footage, other: Footage) -> tuple[np.ndarray, np.ndarray]:
    """(N, H, W) where his mask is, and by how much nearer he is there than what the shot shows."""
    return other.person, other.near.astype(np.float32) - shot.near.astype(np.float32)


def worst(errors: np.ndarray, counted: np.ndarray) -> float | None:
    """The largest percentage of errors among counted pixels (N, H, W) of a frame with enough of them."""
    counts = counted.sum((1, 2))
    shares = [
        100 * float((error & here).sum() / count)
        for error, here, count in zip(errors, counted, counts, strict=True)
        if count >= SHARED
    ]
    return max(shares) if shares else None


def sheet(shot: Footage, other: Footage) -> list[list[tuple[str, Tensor]]]:
    """Rows of labelled pictures: where he is visible with each depth."""
    shot, other = pair(shot, other)
    found = {name: visible(shot, other, depth) for name in DEPTHS if (depth := depth_of(shot, name)) is not None}
    images, rows = shot.images(), []
    for index in np.linspace(0, len(images) - 1, 5).round().astype(int).tolist():
        paint = lambda seen, index=index: torch.where(
            torch.from_numpy(seen[index] & other.person[index])[..., None], torch.tensor(COLOUR), images[index]
        )
        rows.append([(f"{name}, frame {index}", paint(seen)) for name, seen in found.items()])
    return rows
