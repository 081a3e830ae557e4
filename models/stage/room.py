"""The inside of a box, textured, in perspective: the scene without person and objects, and its depth.

Letters: F frames, H and W pixels.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..view.camera import Camera
from .shading import Style
from .texture import PALETTE, WALLS, colour, keyed, pattern

PALE = (0.82, 0.81, 0.79)
SIDE_LIGHT = {"left wall": 0.86, "right wall": 0.95}
SURFACES = ("left wall", "right wall", "floor", "ceiling", "back wall")


@dataclass(frozen=True)
class Surface:
    colour: str
    second: str
    pattern: str
    period: float  # metres
    light: float


@dataclass(frozen=True)
class Room:
    half_width: float
    height: float
    depth: float  # from the middle of the stage to the back wall
    walls: Surface
    floor: Surface
    ceiling: Surface
    picture: tuple[float, float, float, float]  # x, y, width, height on the back wall
    picture_colour: str


def sample_room(seed: int) -> Room:
    r = keyed(seed, "room")
    wall, wall_second, floor, floor_second, picture = r.sample(sorted(set(PALETTE) - {"black"}), 5)
    return Room(
        half_width=r.uniform(1.7, 2.3),
        height=r.uniform(2.5, 2.9),
        depth=r.uniform(1.7, 2.3),
        walls=Surface(wall, wall_second, r.choice(WALLS), r.uniform(0.5, 0.9), 0.92),
        floor=Surface(floor, floor_second, r.choice(("checked", "panelled", "striped")), r.uniform(0.6, 1.0), 1.0),
        ceiling=Surface("white", "white", "plain", 1.0, 1.05),
        picture=(r.uniform(-0.9, 0.9), r.uniform(1.35, 1.75), r.uniform(0.4, 0.8), r.uniform(0.35, 0.6)),
        picture_colour=picture,
    )


def render_room_depth(room: Room, camera: Camera) -> Tensor:
    """Metric depth (F, H, W) of the empty room."""
    rays = camera.rays()
    views = zip(camera.position, camera.rotation, strict=True)
    return torch.stack([_walls(room, position, rays @ rotation)[0] for position, rotation in views])


def render_room(room: Room, camera: Camera, style: Style) -> tuple[Tensor, Tensor]:
    """Colour (F, H, W, 3) and metric depth (F, H, W) of the empty room."""
    rays = camera.rays()
    colours, depths = [], []
    for rotation, position in zip(camera.rotation, camera.position, strict=True):
        direction = rays @ rotation  # the transpose of world-to-camera, applied to rows
        depth, wall = _walls(room, position, direction)
        colours.append(_paint(room, position + depth[..., None] * direction, wall, depth / camera.focal, style))
        depths.append(depth)
    return torch.stack(colours), torch.stack(depths)


def _walls(room: Room, position: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
    """Distance (H, W) to the wall that each ray meets from inside, and which one (H, W) as an index of SURFACES."""
    x, y, z = direction.unbind(-1)
    away = lambda value: torch.where(value.abs() < 1e-9, 1e-9, value)
    to_side = (torch.where(x > 0, room.half_width, -room.half_width) - position[0]) / away(x)
    to_level = (torch.where(y > 0, room.height, 0.0) - position[1]) / away(y)
    to_back = torch.where(z < 0, (-room.depth - position[2]) / away(z), torch.inf)
    depth, axis = torch.stack((to_side, to_level, to_back)).min(0)
    wall = torch.where(axis == 0, (x > 0).long(), torch.where(axis == 1, 2 + (y > 0).long(), 4))
    return depth, wall


def _paint(room: Room, point: Tensor, wall: Tensor, pixel: Tensor, style: Style) -> Tensor:
    """Colour (H, W, 3) of points (H, W, 3) on the walls; pixel (H, W) is its width there in metres."""
    x, y, z = point.unbind(-1)
    out = torch.empty_like(point)
    for index, name in enumerate(SURFACES):
        here = wall == index
        surface = room.floor if name == "floor" else room.ceiling if name == "ceiling" else room.walls
        u, v = {"floor": (x, z), "ceiling": (x, z), "back wall": (x, y)}.get(name, (z, y))
        mix = pattern(surface.pattern, *(length[here] / surface.period for length in (u, v, pixel)))
        first = colour(surface.colour).lerp(torch.tensor(PALE), 0.35)  # so that the person stands out
        second = first.lerp(colour(surface.second).lerp(torch.tensor(PALE), 0.35), 0.45)
        painted = first.to(out).lerp(second.to(out), mix[:, None] * style.texture)
        out[here] = painted * surface.light * SIDE_LIGHT.get(name, 1.0)
    left, low, wide, high = room.picture
    frame = torch.maximum((x - left).abs() / wide, (y - low).abs() / high) * 2
    on_wall = (wall == 4)[..., None]
    edge = lambda size: ((size - frame) * high / (2 * pixel) + 0.5).clamp(0, 1)[..., None] * on_wall * style.texture
    out = out.lerp(colour("brown").to(out).expand_as(out), edge(1.0))
    out = out.lerp(colour(room.picture_colour).to(out).expand_as(out), edge(0.86))
    gaps = torch.stack((room.half_width - x.abs(), y, room.height - y, z + room.depth), -1)
    own = torch.tensor([0, 0, 1, 2, 3])[wall]
    corner = gaps.scatter(-1, own[..., None], torch.inf).amin(-1).clamp_min(0)  # distance to the next wall
    return style.apply(out, 1 - 0.28 * style.light * torch.exp(-corner / 0.35))
