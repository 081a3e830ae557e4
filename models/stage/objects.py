"""Moving objects: rigid tapered capsules that cross the stage in front of the person or behind.

Letters: F frames.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from .body.skeleton import rotation
from .texture import PALETTE, keyed

KINDS = {  # start, end and radii in units of the size, and whether it slides along the floor
    "ball": ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (1.0, 1.0), False),
    "cone": ((0.0, -0.9, 0.0), (0.0, 1.3, 0.0), (1.0, 0.18), False),
    "pill": ((0.0, -1.1, 0.0), (0.0, 1.1, 0.0), (0.7, 0.7), False),
    "pole": ((0.0, -7.0, 0.0), (0.0, 7.0, 0.0), (0.6, 0.6), True),
}


@dataclass(frozen=True)
class StageObject:
    kind: str
    size: float  # metres
    colour: str
    second: str
    pattern: str
    start: tuple[float, float, float]
    end: tuple[float, float, float]
    bounce: float  # metres
    spin: float  # turns a second

    def capsule(self) -> tuple[Tensor, Tensor, Tensor]:
        """Start (3,), end (3,) and radii (2,) in the object's own axes."""
        start, end, radii, _ = KINDS[self.kind]
        return torch.tensor(start) * self.size, torch.tensor(end) * self.size, torch.tensor(radii) * self.size

    def move(self, seconds: Tensor, duration: float) -> tuple[Tensor, Tensor]:
        """(F,) times to rotations (F, 3, 3) and positions (F, 3)."""
        part = (seconds / duration)[:, None]
        place = torch.tensor(self.start) * (1 - part) + torch.tensor(self.end) * part
        hop = self.bounce * (torch.pi * 3 * part[:, 0]).sin().abs()
        place = torch.stack((place[:, 0], place[:, 1] + hop, place[:, 2]), 1)
        return rotation(-2 * torch.pi * self.spin * seconds, 2), place


def sample_objects(seed: int, count: int) -> tuple[StageObject, ...]:
    """`count` objects; the first crosses between the camera and the person, the others alternate behind and in front."""
    return tuple(_sample_object(seed, index) for index in range(count))


def _sample_object(seed: int, index: int) -> StageObject:
    r = keyed(seed, f"prop/{index}")
    front = index % 2 == 0
    kind = r.choice(sorted(KINDS))
    start, _, radii, stands = KINDS[kind]
    size = r.uniform(0.11, 0.16) if front else r.uniform(0.14, 0.22)
    depth = r.uniform(1.15, 1.5) if front else r.uniform(-1.3, -1.05)
    reach = 1.05 if front else 1.5
    base = (radii[0] - start[1]) * size
    height = base if stands else r.uniform(0.75, 1.2)
    side = r.choice((-1, 1))
    shift = r.uniform(-0.25, 0.25)
    colour, second = r.sample(sorted(PALETTE), 2)
    return StageObject(
        kind=kind,
        size=size,
        colour=colour,
        second=second,
        pattern=r.choice(("plain", "striped", "checked")),
        start=(-side * reach + shift, height, depth),
        end=(side * reach + shift, height, depth),
        bounce=0.0 if kind == "pole" else r.uniform(0.0, 0.3),
        spin=0.0 if stands else side * r.uniform(0.1, 0.4),
    )
