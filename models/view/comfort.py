"""How far a stereo clip's two pictures are apart, and what that means on a screen.

Parallax is a point's column for the right eye less that for the left one: below 0 the point is in front of the screen.
Letters: H and W pixels.
"""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

APART = 0.063  # metres between a viewer's eyes
ANGLE = 1.0  # degrees of disparity that are comfortable, the usual rule
HEADSET_ANGLE = 7.0  # degrees: half a metre away for a person
SHARE = 0.005  # of a frame's pixels that may be nearer or farther and do not count
SIDE = 180  # pixels a side that are enough to see which distances a frame has
TOUCHING = 0.02  # of a side's pixels that may be in front of the screen


@dataclass
class Comfort:
    """What a clip's distances make of the eyes' distance and the convergence."""

    focal: float  # pixels
    width: int
    eye_distance: float  # metres
    convergence: float  # metres
    screen_width: float  # metres
    viewing_distance: float  # metres
    nearest: float = math.inf
    farthest: float = 0.0
    windows: list[int] = field(default_factory=list)  # frames that something in front of the screen leaves at a side

    def add(self, depth: Tensor, frame: int) -> None:
        """Counts the distances (H, W) of one frame."""
        step = max(1, min(depth.shape) // SIDE)
        known = depth[::step, ::step]
        known = known[torch.isfinite(known)].sort().values
        skip = int(SHARE * (len(known) - 1))
        self.nearest = min(self.nearest, known[skip].item())
        self.farthest = max(self.farthest, known[-1 - skip].item())
        sides = torch.stack((depth[:, 0], depth[:, -1]))
        if ((sides < 0.98 * self.convergence).float().mean(1) > TOUCHING).any():
            self.windows.append(frame)

    def parallax(self, distance: float) -> float:
        """Percent of the picture's width."""
        return 100 * self.focal * self.eye_distance * (1 / self.convergence - 1 / distance) / self.width

    def angle(self, percent: float) -> float:
        """Degrees between where the eyes cross for that parallax and where they cross for the screen; below 0 in front."""
        apart = percent / 100 * self.screen_width
        crossing = lambda metres: 2 * math.atan(metres / 2 / self.viewing_distance)
        return math.degrees(crossing(APART) - crossing(APART - apart))

    def advice(self) -> list[str]:
        """What to change, in sentences; empty for a comfortable clip."""
        near, far = self.parallax(self.nearest), self.parallax(self.farthest)
        found = []
        worst = max(-self.angle(near), self.angle(far))
        if worst > ANGLE:
            lower = self.eye_distance * ANGLE / worst * 1000
            found.append(
                f"The depth is stronger than {ANGLE:g} degree, which tires the eyes: lower eye_distance to about "
                f"{lower:.0f} mm."
            )
        if far / 100 * self.screen_width > APART:
            found.append(
                "The farthest points lie farther apart on the screen than a viewer's eyes, which would have to turn outwards: "
                "lower convergence_distance or eye_distance."
            )
        if self.windows:
            first = ", ".join(map(str, self.windows[:5])) + (" and more" if len(self.windows) > 5 else "")
            found.append(
                f"Something in front of the screen is cut off by the left or right side in {len(self.windows)} frames "
                f"({first}): lower convergence_distance to {self.nearest:.3g} m, or crop the clip."
            )
        return found

    def headset_report(self) -> str:
        """The figures and the advice for VR180, which has no screen: by how much the eyes turn inwards."""
        turn = math.degrees(self.eye_distance / self.nearest)
        lines = [
            f"Nearest point: {self.nearest:.3g} m, the eyes turn inwards by {turn:.2f} degrees",
            f"Farthest point: {self.farthest:.3g} m",
        ]
        if turn > HEADSET_ANGLE:
            lower = self.nearest * math.radians(HEADSET_ANGLE) * 1000
            return "\n".join([*lines, f"That is too near for a headset: lower eye_distance to about {lower:.0f} mm."])
        return "\n".join([*lines, "Comfortable in a headset."])

    def report(self) -> str:
        """The figures and the advice."""
        near, far = self.parallax(self.nearest), self.parallax(self.farthest)
        line = lambda name, distance, percent: (
            f"{name} point: {distance:.3g} m, parallax {percent:+.2f} % of the width, {self.angle(percent):+.2f} degrees"
        )
        screen = f"Screen: {self.screen_width:g} m wide, seen from {self.viewing_distance:g} m"
        lines = [line("Nearest", self.nearest, near), line("Farthest", self.farthest, far), screen]
        return "\n".join([*lines, *(self.advice() or ["Comfortable on this screen."])])
