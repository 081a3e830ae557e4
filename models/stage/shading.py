"""Styles, and the colours of the person and the objects under them.

Letters: M hits.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..view.camera import Camera
from .body.capsules import Hits
from .body.character import HAIR_COLOURS, MATERIALS, SKINS, Character
from .body.skeleton import INDEX
from .texture import colour, pattern

SOFT = 2.5  # pixels that an edge on a surface is blurred over, so that it keeps its colours while it moves
LIGHT = (-0.46, 0.72, 0.52)  # from the upper left, behind the camera


@dataclass(frozen=True)
class Style:
    light: float = 1.0  # how strongly surfaces are modelled by light
    texture: float = 1.0  # how strongly patterns show
    saturation: float = 1.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def apply(self, albedo: Tensor, shade: Tensor) -> Tensor:
        """(..., 3) albedo under (...) shade to the picture's colour."""
        if self.saturation != 1:
            albedo = albedo.mean(-1, keepdim=True).lerp(albedo, self.saturation)
        return (albedo * shade[..., None] * albedo.new_tensor(self.tint)).clamp(0, 1)


STYLES = {
    "natural": Style(),
    "flat": Style(light=0.0),
    "clay": Style(texture=0.0, saturation=0.12, tint=(1.12, 1.05, 0.98)),
    "grey": Style(saturation=0.0),
    "night": Style(saturation=0.55, tint=(0.36, 0.45, 0.78)),
    "sunset": Style(saturation=0.9, tint=(1.12, 0.82, 0.58)),
}


def paint(hits: Hits, actors, scene, camera: Camera, frames: slice, style: Style) -> Tensor:
    """(M, 3) colours of hits on the person and the objects."""
    normals = actors.local_normals(hits, camera, frames)
    points = actors.local_points(hits, normals)
    albedo = torch.empty_like(points)
    layer = hits.layer
    person = (layer == 0).nonzero()[:, 0]
    capsule = hits.capsule[person]
    pixel = hits.depth / camera.focal  # metres
    albedo[person] = person_albedo(
        scene.character,
        style,
        actors.body.material[capsule],
        actors.body.bone[capsule] == INDEX["head"],
        points[person],
        pixel[person],
        actors.body.head_radius,
    )
    for index, thing in enumerate(scene.objects):
        here = (layer == 1 + index).nonzero()[:, 0]
        period = 1.1 * thing.size
        mix = pattern(thing.pattern, points[here, 0] / period, points[here, 1] / period, pixel[here] / period)
        albedo[here] = colour(thing.colour).lerp(colour(thing.second), mix[:, None] * style.texture)
    world = (hits.normal[:, None] @ camera.rotation[frames][hits.frame])[:, 0]
    return style.apply(albedo, lambert(world, style))


def lambert(normal: Tensor, style: Style) -> Tensor:
    """(M, 3) world normals to (M,) brightness, soft enough that a turning limb changes it slowly."""
    facing = normal @ torch.nn.functional.normalize(normal.new_tensor(LIGHT), dim=0)
    return 1 + style.light * (0.46 * (0.5 + 0.5 * facing).square() - 0.34)


def person_albedo(
    character: Character, style: Style, material: Tensor, head: Tensor, point: Tensor, pixel: Tensor, radius: float
) -> Tensor:
    """(M,) materials, (M,) on the head, (M, 3) points in the bone's axes, (M,) width of a pixel to (M, 3) colours."""
    table = torch.stack(
        [
            torch.tensor(SKINS[character.skin]),
            torch.tensor(HAIR_COLOURS[character.hair_colour]),
            colour(character.shirt),
            colour(character.trousers),
            colour(character.shoes),
        ]
    ).to(point)
    out = table[material]
    clothes = {
        "shirt": (character.shirt_pattern, character.shirt_second),
        "trousers": (character.trousers_pattern, character.trousers_second),
    }
    for name, (kind, second) in clothes.items():
        if kind == "plain" or not style.texture:
            continue
        here = (material == MATERIALS.index(name)).nonzero()[:, 0]
        mix = pattern(kind, point[here, 0] / 0.15, point[here, 1] / 0.15, pixel[here] / 0.15) * style.texture
        out[here] = out[here].lerp(colour(second).to(out).expand(here.numel(), 3), mix[:, None])
    face = (head & (material == MATERIALS.index("skin"))).nonzero()[:, 0]
    out[face] = _face(out[face], point[face] / radius, pixel[face] / radius)
    return out


def _face(skin: Tensor, place: Tensor, pixel: Tensor) -> Tensor:
    """Eyes and a mouth on (M, 3) skin at (M, 3) places; all lengths in units of the head's radius."""
    x, y, z = place.unbind(-1)

    def spot(cx: float, cy: float, wide: float, high: float) -> Tensor:
        """An ellipse as a lens of two pixels sees it: what is smaller grows to that size and pales by as much."""
        across, along = (
            torch.hypot(pixel * SOFT, pixel.new_tensor(wide)),
            torch.hypot(pixel * SOFT, pixel.new_tensor(high)),
        )
        inside = 1 - torch.hypot((x.abs() - cx) / across, (y - cy) / along)
        edge = inside * along / (SOFT * pixel) + 0.5
        return ((wide * high / (across * along)) * edge.clamp(0, 1) * (z > 0))[:, None]

    out = skin.lerp(skin.new_tensor((0.96, 0.96, 0.96)).expand_as(skin), spot(0.38, 1.32, 0.24, 0.17))
    out = out.lerp(out.new_tensor((0.1, 0.09, 0.12)).expand_as(skin), spot(0.37, 1.32, 0.13, 0.16))
    return out.lerp(out.new_tensor((0.6, 0.16, 0.18)).expand_as(skin), spot(0.0, 0.78, 0.26, 0.08))
