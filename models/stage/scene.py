"""What is on stage, drawn from a seed; every part may be replaced on its own.

Each part has its own random source, so changing the room leaves the motion alone. A clip in another colour, with
another character or in another style is `dataclasses.replace(scene, ...)`: the same motion, the exact edit.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..choices import CAMERAS
from ..view.camera import Camera, look_at
from .body.character import Character, recolour, sample_character
from .body.motion import ACTIONS, act
from .body.skeleton import Angles
from .objects import StageObject, sample_objects
from .room import Room, sample_room
from .shading import STYLES
from .texture import keyed

ACTION_NAMES = tuple(ACTIONS)


@dataclass(frozen=True)
class Scene:
    character: Character
    action: str
    motion_seed: int
    room: Room
    objects: tuple[StageObject, ...]
    camera: str
    camera_seed: int
    style: str
    frames: int
    frame_rate: float
    height: int
    width: int

    def seconds(self) -> Tensor:
        return torch.arange(self.frames, dtype=torch.float32) / self.frame_rate

    def angles(self) -> Angles:
        return act(self.action, self.motion_seed, self.seconds())

    def with_character(self, seed: int) -> "Scene":
        """The same motion of another person."""
        return replace(self, character=sample_character(seed))

    def with_colours(self, seed: int) -> "Scene":
        """The same person in clothes of other colours."""
        return replace(self, character=recolour(self.character, seed))

    def in_style(self, style: str) -> "Scene":
        return replace(self, style=style)

    def view(self) -> Camera:
        """The camera along the clip."""
        r = keyed(self.camera_seed, "camera")
        distance, high, field = r.uniform(3.45, 3.75), r.uniform(1.1, 1.35), math.radians(r.uniform(35, 37.5))
        aim = torch.tensor([0.0, 0.97, 0.0]).expand(self.frames, 3)
        swing = (2 * math.pi * (self.seconds() / r.uniform(3.5, 5.0) + r.random())).sin()
        still = torch.zeros_like(swing)
        angle = {"orbit": math.radians(11) * swing}.get(self.camera, still)
        away = distance + {"dolly": 0.3 * swing}.get(self.camera, still)
        position = torch.stack((away * angle.sin(), torch.full_like(swing, high), away * angle.cos()), 1)
        aim = aim + torch.stack(({"sway": 0.12 * swing}.get(self.camera, still), still, still), 1)
        extent = min(self.height, 1.35 * self.width)  # a tall narrow picture still has room for the arms
        focal = extent / (2 * math.tan(field / 2))
        return Camera(look_at(position, aim), position, focal, self.height, self.width)


def sample_scene(
    seed: int,
    *,
    frames: int = 16,
    height: int = 128,
    width: int = 128,
    frame_rate: float = 12.0,
    action: str | None = None,
    character_seed: int | None = None,
    motion_seed: int | None = None,
    room_seed: int | None = None,
    objects: int | None = None,
    camera: str = "still",
    style: str = "natural",
) -> Scene:
    """Draw a scene; what is None follows from the seed."""
    _check("action", action, (None, *ACTION_NAMES))
    _check("camera", camera, CAMERAS)
    _check("style", style, tuple(STYLES))
    if frames < 1 or height < 16 or width < 16 or frame_rate <= 0:
        raise ValueError(
            "A stage clip has at least 1 frame, 16 x 16 pixels and a frame rate above 0; "
            f"got {frames} frames of {width} x {height} at {frame_rate} a second."
        )
    r = keyed(seed, "scene")
    chosen, count = r.choice(ACTION_NAMES), r.randint(1, 3)
    pick = lambda value: seed if value is None else value
    return Scene(
        character=sample_character(pick(character_seed)),
        action=action or chosen,
        motion_seed=pick(motion_seed),
        room=sample_room(pick(room_seed)),
        objects=sample_objects(pick(room_seed), count if objects is None else objects),
        camera=camera,
        camera_seed=seed,
        style=style,
        frames=frames,
        frame_rate=frame_rate,
        height=height,
        width=width,
    )


def _check(what: str, value, options) -> None:
    if value not in options:
        names = ", ".join(str(option) for option in options if option is not None)
        raise ValueError(f"The {what} is one of {names}, not {value!r}.")
