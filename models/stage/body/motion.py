"""Named actions: joint angles as smooth functions of time, varied by a seed.

Letters: F frames.
"""

import math
import random
from collections.abc import Callable

import torch
from torch import Tensor

from ..texture import keyed
from .skeleton import INDEX, Angles

SIDES = ("right", "left")


def turn(degrees: float | Tensor) -> float | Tensor:
    return degrees * (math.pi / 180)


def beat(seconds: Tensor, period: float, phase: float = 0.0) -> Tensor:
    """A sine of the given period, between -1 and 1."""
    return (2 * math.pi * (seconds / period + phase)).sin()


def ease(wave: Tensor) -> Tensor:
    """-1..1 to 0..1."""
    return 0.5 + 0.5 * wave


def idle(pose: Angles, seconds: Tensor, r: random.Random) -> None:
    """Arms a little open, weight shifting: every action starts from here."""
    sway = beat(seconds, 3.1, r.random())
    pose.open[:, INDEX["pelvis"]] = turn(2) * sway
    pose.open[:, INDEX["chest"]] = turn(-3) * sway
    for side in SIDES:
        pose.open[:, INDEX[f"{side}_upper_arm"]] = turn(14 + r.uniform(-4, 6))
        pose.bend[:, INDEX[f"{side}_forearm"]] = turn(12 + r.uniform(0, 10)) + turn(3) * sway
        pose.open[:, INDEX[f"{side}_thigh"]] = turn(5)


def bend_knees(pose: Angles, depth: Tensor, side: str | None = None) -> None:
    """Lower the body upright over its feet; depth 1 is a full squat."""
    for name in SIDES if side is None else (side,):
        pose.bend[:, INDEX[f"{name}_thigh"]] += turn(85) * depth
        pose.bend[:, INDEX[f"{name}_shin"]] += turn(120) * depth
        pose.bend[:, INDEX[f"{name}_foot"]] += turn(35) * depth


def wave(pose: Angles, seconds: Tensor, r: random.Random) -> None:
    side = r.choice(SIDES)
    swing = beat(seconds, r.uniform(0.7, 1.1), r.random())
    pose.open[:, INDEX[f"{side}_upper_arm"]] = turn(r.uniform(105, 130))
    pose.open[:, INDEX[f"{side}_forearm"]] = turn(42) + turn(30) * swing
    pose.bend[:, INDEX[f"{side}_forearm"]] = turn(10)
    pose.twist[:, INDEX["head"]] = turn(12) * beat(seconds, 2.3, r.random())


def walk(pose: Angles, seconds: Tensor, r: random.Random) -> None:
    """A walk along a circle, so that clips of any length stay in the picture."""
    period, radius, direction = r.uniform(1.0, 1.3), r.uniform(0.45, 0.7), r.choice((-1, 1))
    phase = seconds / period + r.random()
    for side, half in zip(SIDES, (0.0, 0.5), strict=True):
        stride = (2 * math.pi * (phase + half)).sin()
        swing = (2 * math.pi * (phase + half) + math.pi / 2).sin().clamp_min(0)
        pose.bend[:, INDEX[f"{side}_thigh"]] = turn(27) * stride + turn(8)
        pose.bend[:, INDEX[f"{side}_shin"]] = turn(10) + turn(45) * swing
        pose.bend[:, INDEX[f"{side}_upper_arm"]] = -turn(26) * stride
        pose.bend[:, INDEX[f"{side}_forearm"]] = turn(28) - turn(12) * stride
    pose.twist[:, INDEX["chest"]] = turn(7) * (2 * math.pi * phase).sin()
    angle = direction * seconds * (0.75 / period) / radius + r.uniform(0, 2 * math.pi)
    pose.ground += torch.stack((radius * angle.cos(), radius * angle.sin()), 1)
    # The person looks along the path: the circle's tangent in x and z.
    pose.heading = torch.atan2(-direction * angle.sin(), direction * angle.cos())


def squat(pose: Angles, seconds: Tensor, r: random.Random) -> None:
    depth = ease(beat(seconds, r.uniform(1.6, 2.2), r.random() - 0.25)) * r.uniform(0.75, 1.0)
    bend_knees(pose, depth)
    pose.bend[:, INDEX["chest"]] += turn(26) * depth
    for side in SIDES:
        pose.bend[:, INDEX[f"{side}_upper_arm"]] += turn(80) * depth
        pose.open[:, INDEX[f"{side}_thigh"]] += turn(14) * depth


def jump(pose: Angles, seconds: Tensor, r: random.Random) -> None:
    period = r.uniform(1.2, 1.5)
    phase = seconds / period + r.random()
    phase = phase - phase.floor()
    flight = ((phase - 0.5) / 0.4).clamp(0, 1)
    pose.lift += 4 * r.uniform(0.22, 0.34) * flight * (1 - flight)
    crouch = (1 - ((phase - 0.25) / 0.25).abs()).clamp(0, 1) + 0.5 * (1 - ((phase - 0.88) / 0.12).abs()).clamp(0, 1)
    crouch = crouch * crouch * (3 - 2 * crouch)
    bend_knees(pose, 0.55 * crouch)
    pose.bend[:, INDEX["chest"]] += turn(22) * crouch
    up = (torch.pi * flight).sin().square()
    for side in SIDES:
        pose.bend[:, INDEX[f"{side}_upper_arm"]] += turn(-35) * crouch
        pose.open[:, INDEX[f"{side}_upper_arm"]] += turn(95) * up
        pose.open[:, INDEX[f"{side}_thigh"]] += turn(12) * up


def spin(pose: Angles, seconds: Tensor, r: random.Random) -> None:
    pose.heading = pose.heading + r.choice((-1, 1)) * 2 * math.pi * seconds / r.uniform(2.2, 3.2)
    for side in SIDES:
        pose.open[:, INDEX[f"{side}_upper_arm"]] = turn(48) + turn(10) * beat(seconds, 1.3, r.random())
        pose.bend[:, INDEX[f"{side}_thigh"]] = turn(8) * beat(seconds, 0.8, 0.0 if side == "right" else 0.5)
        pose.bend[:, INDEX[f"{side}_shin"]] = turn(14) * ease(beat(seconds, 0.8, 0.0 if side == "right" else 0.5))


def dance(pose: Angles, seconds: Tensor, r: random.Random) -> None:
    period = r.uniform(0.9, 1.2)
    bounce = ease(beat(seconds, period, r.random()))
    bend_knees(pose, 0.22 * bounce)
    hips = beat(seconds, 2 * period, r.random())
    pose.open[:, INDEX["pelvis"]] = turn(11) * hips
    pose.open[:, INDEX["chest"]] = turn(-18) * hips
    pose.twist[:, INDEX["chest"]] = turn(16) * beat(seconds, 2 * period, r.random())
    pose.open[:, INDEX["head"]] = turn(9) * beat(seconds, period, r.random())
    pose.heading = pose.heading + turn(22) * beat(seconds, 4 * period, r.random())
    start = r.random()
    for side, half in zip(SIDES, (0.0, 0.5), strict=True):
        arm = ease(beat(seconds, 2 * period, start + half))
        pose.open[:, INDEX[f"{side}_upper_arm"]] = turn(20) + turn(120) * arm
        pose.bend[:, INDEX[f"{side}_forearm"]] = turn(25) + turn(50) * ease(beat(seconds, period, start))
        pose.open[:, INDEX[f"{side}_forearm"]] = turn(45) * arm
        lift = beat(seconds, 2 * period, start + half).clamp_min(0)
        pose.bend[:, INDEX[f"{side}_thigh"]] += turn(30) * lift
        pose.bend[:, INDEX[f"{side}_shin"]] += turn(40) * lift
        pose.open[:, INDEX[f"{side}_thigh"]] = turn(8) + turn(8) * lift


def kick(pose: Angles, seconds: Tensor, r: random.Random) -> None:
    side = r.choice(SIDES)
    other = SIDES[1 - SIDES.index(side)]
    swing = beat(seconds, r.uniform(1.1, 1.5), r.random())
    pose.bend[:, INDEX[f"{side}_thigh"]] = turn(20) + turn(55) * swing
    pose.bend[:, INDEX[f"{side}_shin"]] = turn(55) * ease(-swing)
    bend_knees(pose, 0.12 * ease(swing), other)
    pose.bend[:, INDEX["chest"]] = turn(-10) * swing
    pose.bend[:, INDEX[f"{side}_upper_arm"]] = turn(-35) * swing
    pose.bend[:, INDEX[f"{other}_upper_arm"]] = turn(45) * swing
    pose.heading = pose.heading + turn(r.choice((-1, 1)) * 40)


def bow(pose: Angles, seconds: Tensor, r: random.Random) -> None:
    depth = ease(beat(seconds, r.uniform(1.8, 2.6), r.random() - 0.25))
    pose.bend[:, INDEX["pelvis"]] = turn(28) * depth
    pose.bend[:, INDEX["chest"]] = turn(38) * depth
    pose.bend[:, INDEX["head"]] = turn(15) * depth
    for side in SIDES:
        pose.bend[:, INDEX[f"{side}_thigh"]] = turn(28) * depth
        pose.bend[:, INDEX[f"{side}_upper_arm"]] = turn(40) * depth


ACTIONS: dict[str, Callable[[Angles, Tensor, random.Random], None]] = {
    "wave": wave,
    "walk": walk,
    "squat": squat,
    "jump": jump,
    "turn": spin,
    "dance": dance,
    "kick": kick,
    "bow": bow,
}


def act(action: str, seed: int, seconds: Tensor) -> Angles:
    """(F,) times in seconds to the joint angles of an action, the same for the same seed."""
    if action not in ACTIONS:
        raise ValueError(f"The action is one of {', '.join(ACTIONS)}, not {action!r}.")
    r = keyed(seed, f"motion/{action}")
    pose = Angles.rest(seconds.shape[0])
    pose.heading = pose.heading + turn(r.uniform(-28, 28))
    pose.ground = pose.ground + torch.tensor([r.uniform(-0.12, 0.12), r.uniform(-0.1, 0.1)])
    idle(pose, seconds, r)
    ACTIONS[action](pose, seconds, r)
    return pose
