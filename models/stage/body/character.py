"""One person: proportions, hair, clothes and colours, and the capsules of the body.

Letters: K capsules, B bones, F frames.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..texture import PALETTE, PATTERNS, keyed
from .skeleton import BONES, INDEX

BUILDS = {  # height, width, head
    "small": (0.78, 0.92, 1.12),
    "slim": (1.0, 0.86, 0.96),
    "sturdy": (0.97, 1.22, 1.04),
    "tall": (1.1, 0.98, 0.98),
}
HAIR = ("short", "long", "bun", "short", "long", "bald")
SKINS = ((0.95, 0.78, 0.66), (0.87, 0.66, 0.52), (0.70, 0.48, 0.35), (0.45, 0.29, 0.21))
HAIR_COLOURS = ((0.12, 0.09, 0.08), (0.33, 0.20, 0.12), (0.75, 0.55, 0.28), (0.60, 0.24, 0.12), (0.72, 0.71, 0.70))
MATERIALS = ("skin", "hair", "shirt", "trousers", "shoes")


@dataclass(frozen=True)
class Character:
    build: str = "slim"
    hair: str = "short"
    skin: int = 0
    hair_colour: int = 0
    shirt: str = "red"
    shirt_second: str = "white"
    shirt_pattern: str = "plain"
    trousers: str = "blue"
    trousers_second: str = "black"
    trousers_pattern: str = "plain"
    shoes: str = "black"
    long_sleeves: bool = True
    long_trousers: bool = True


def sample_character(seed: int) -> Character:
    r = keyed(seed, "character")
    clothes = r.sample(sorted(PALETTE), 4)
    return Character(
        build=r.choice(sorted(BUILDS)),
        hair=r.choice(HAIR),
        skin=r.randrange(len(SKINS)),
        hair_colour=r.randrange(len(HAIR_COLOURS)),
        shirt=clothes[0],
        shirt_second=clothes[1],
        shirt_pattern=r.choice(PATTERNS),
        trousers=clothes[2],
        trousers_second=clothes[3],
        trousers_pattern=r.choice(("plain", "plain", "striped", "checked")),
        shoes=r.choice(("black", "white", "brown", "red", "blue")),
        long_sleeves=r.random() < 0.5,
        long_trousers=r.random() < 0.75,
    )


def recolour(character: Character, seed: int) -> Character:
    """The same person and cut of clothes in other colours: the exact result of a colour edit."""
    names = sorted(set(PALETTE) - {character.shirt, character.trousers})
    shirt, second, trousers = keyed(seed, "recolour").sample(names, 3)
    return replace(character, shirt=shirt, shirt_second=second, trousers=trousers)


@dataclass(frozen=True)
class Body:
    """Capsules fixed to bones, in each bone's own axes."""

    offsets: Tensor  # (B, 3) from the parent bone's origin
    bone: Tensor  # (K,) int64
    start: Tensor  # (K, 3)
    end: Tensor  # (K, 3)
    start_radius: Tensor  # (K,)
    end_radius: Tensor  # (K,)
    material: Tensor  # (K,) int64 into MATERIALS
    head_radius: float

    def place(self, rotations: Tensor, origins: Tensor) -> tuple[Tensor, Tensor]:
        """(F, B, 3, 3) and (F, B, 3) to capsule starts and ends (F, K, 3)."""
        turn, origin = rotations[:, self.bone], origins[:, self.bone]
        ends = [(turn @ point[..., None])[..., 0] + origin for point in (self.start, self.end)]
        return ends[0], ends[1]

    def lowest(self, rotations: Tensor, origins: Tensor) -> Tensor:
        """(F,) height of the lowest point of the body."""
        start, end = self.place(rotations, origins)
        return torch.minimum(start[..., 1] - self.start_radius, end[..., 1] - self.end_radius).amin(1)


def build_body(character: Character) -> Body:
    tall, wide, big = BUILDS[character.build]
    r = 0.115 * big * (0.5 + 0.5 * tall)  # radius of the head
    offsets = torch.zeros(len(BONES), 3)
    rows = []

    def bone(name: str, x: float, y: float, z: float = 0.0):
        offsets[INDEX[name]] = torch.tensor([x * wide, y, z]) * tall

    def add(name: str, start, end, radii, material: str, scale: float = tall):
        thick = scale if name == "head" else scale * wide
        rows.append(
            (INDEX[name], *(c * scale for c in (*start, *end)), *(q * thick for q in radii), MATERIALS.index(material))
        )

    bone("chest", 0, 0.17)
    bone("head", 0, 0.36)
    add("pelvis", (-0.075 * wide, 0.0, 0), (0.075 * wide, 0.0, 0), (0.105, 0.105), "trousers")
    add("pelvis", (0, 0.06, 0), (0, 0.18, 0), (0.112, 0.108), "shirt")
    add("chest", (0, 0.02, 0), (0, 0.2, 0.005), (0.112, 0.125), "shirt")
    add("chest", (-0.1 * wide, 0.25, 0), (0.1 * wide, 0.25, 0), (0.075, 0.075), "shirt")
    add("chest", (0, 0.3, 0), (0, 0.4, 0.01), (0.052, 0.048), "skin")
    add("head", (0, 0.92, 0.1), (0, 1.28, 0.0), (0.74, 1.0), "skin", r)
    add("head", (0, 1.1, 1.0), (0, 1.0, 1.08), (0.1, 0.16), "skin", r)
    for row in _hair(character.hair):
        add("head", *row, "hair", r)
    sleeves = "shirt" if character.long_sleeves else "skin"
    legs = "trousers" if character.long_trousers else "skin"
    for side, x in (("right", -1), ("left", 1)):
        bone(f"{side}_upper_arm", 0.178 * x, 0.255)
        bone(f"{side}_forearm", 0, -0.285)
        bone(f"{side}_hand", 0, -0.25)
        bone(f"{side}_thigh", 0.095 * x, -0.02)
        bone(f"{side}_shin", 0, -0.43)
        bone(f"{side}_foot", 0, -0.42)
        add(f"{side}_upper_arm", (0, 0, 0), (0, -0.27, 0), (0.062, 0.047), "shirt")
        add(f"{side}_forearm", (0, 0, 0), (0, -0.25, 0), (0.046, 0.034), sleeves)
        add(f"{side}_hand", (0, -0.02, 0), (0, -0.1, 0.01), (0.034, 0.04), "skin")
        add(f"{side}_thigh", (0, 0, 0), (0, -0.42, 0), (0.09, 0.062), "trousers")
        add(f"{side}_shin", (0, 0, 0), (0, -0.4, 0), (0.06, 0.042), legs)
        add(f"{side}_foot", (0, -0.035, -0.02), (0, -0.05, 0.13), (0.048, 0.036), "shoes")
    table = torch.tensor(rows)
    return Body(
        offsets=offsets,
        bone=table[:, 0].long(),
        start=table[:, 1:4],
        end=table[:, 4:7],
        start_radius=table[:, 7],
        end_radius=table[:, 8],
        material=table[:, 9].long(),
        head_radius=r,
    )


def _hair(kind: str) -> list:
    """Two capsules in units of the head's radius (start, end, radii): every character has the same number."""
    if kind == "bald":  # hidden inside the skull
        return [((0, 1.28, 0), (0, 1.28, 0), (0.5, 0.5))] * 2
    second = {
        "short": ((0, 1.15, -0.38), (0, 0.85, -0.42), (0.86, 0.7)),
        "long": ((0, 1.2, -0.45), (0, -0.35, -0.62), (0.72, 0.5)),
        "bun": ((0, 2.05, -0.7), (0, 2.1, -0.75), (0.42, 0.4)),
    }[kind]
    return [((0, 1.46, -0.12), (0, 1.25, -0.3), (1.0, 0.98)), second]
