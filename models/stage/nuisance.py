"""What real footage adds to a rendered clip: foliage, a shadow on the floor, exposure, a tripod's drift and sensor noise.

Each part has its own random source, so one may change without the others. The functions below give what each of them
does exactly, for tests. Foliage lies in the picture, not in the world: it belongs to clips of a still camera.
Letters: N frames, H and W pixels.
"""

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..flow.frames import Report, silent
from ..flow.warp import warp
from ..opencv import import_cv2
from .texture import keyed

EXPOSURES = ("step", "ramp")
WANDER = 0.8  # of the shake is a slow wander, the rest trembles from frame to frame
SWAY = 1.5  # pixels that a leaf moves at most to each side
LEANS, LIES, FADES, SOFT = 0.5, 0.3, 0.7, 0.02  # a shadow in parts of the person's height: see cast_shadow
DARK_LEAF, PALE_LEAF = (0.10, 0.20, 0.08), (0.52, 0.66, 0.34)


@dataclass(frozen=True)
class Nuisances:
    """How strong each one is; 0 is none."""

    noise: float = 0.0  # standard deviation of the noise on white; it grows with the square root of brightness
    exposure: float = 0.0  # share of the brightness that is lost in the course of the clip, below 1
    exposure_kind: str = "step"  # one of EXPOSURES: at once, or slowly
    shake: float = 0.0  # pixels that no frame is farther away from the first one
    shadow: float = 0.0  # share of the light that the floor loses at the person's feet
    leaves: float = 0.0  # share of the picture that is trembling foliage

    def __post_init__(self):
        most = {"noise": 1.0, "exposure": 0.99, "shake": 100.0, "shadow": 1.0, "leaves": 1.0}
        for name, top in most.items():
            if not 0 <= getattr(self, name) <= top:
                raise ValueError(f"{name}: expected a number from 0 to {top:g}, got {getattr(self, name)}.")
        if self.exposure_kind not in EXPOSURES:
            raise ValueError(f"exposure_kind: expected {' or '.join(EXPOSURES)}, got {self.exposure_kind!r}.")

    def none(self) -> bool:
        """Whether all are 0."""
        return not any(value for name, value in asdict(self).items() if name != "exposure_kind")


def add_nuisances(
    images: Tensor,
    nuisances: Nuisances,
    seed: int,
    person_mask: Tensor | None = None,
    scene_mask: Tensor | None = None,
    report: Report = silent,
) -> Tensor:
    """(N, H, W, 3) pictures in [0, 1] with the nuisances, or the same tensor if there are none.

    person_mask (N, H, W) casts the shadow; shadow and foliage appear where scene_mask (N, H, W) is 1, without it where
    there is no person. Both are those of the clip before the shake.
    """
    if nuisances.none():
        return images
    frames, size = len(images), tuple(images.shape[1:3])
    if nuisances.shadow and person_mask is None:
        raise ValueError("shadow: expected the mask of the person who casts it, got none: give person_mask.")
    gains = exposure_gains(frames, nuisances, seed)
    shifts = camera_shifts(frames, nuisances, seed)
    foliage = Foliage(size, nuisances.leaves, seed) if nuisances.leaves else None
    generator = torch.Generator().manual_seed(own_seed(seed, "noise"))
    out = torch.empty_like(images)
    for i in range(frames):
        scene = free_of_person(person_mask, scene_mask, i)
        picture = images[i]
        if foliage is not None:
            picture = foliage.laid_over(picture, i, scene)
        if nuisances.shadow:
            picture = picture * (1 - cast_shadow(person_mask[i : i + 1], nuisances.shadow)[0] * scene)[..., None]
        picture = shifted(picture[None] * gains[i], shifts[i : i + 1])[0]
        if nuisances.noise:
            drawn = torch.randn(picture.shape, generator=generator).to(picture)
            picture = picture + nuisances.noise * picture.clamp_min(0).sqrt() * drawn
        out[i] = picture.clamp(0, 1)
        report(i + 1)
    return out


def free_of_person(person_mask: Tensor | None, scene_mask: Tensor | None, frame: int) -> Tensor | float:
    """(H, W) how much of each pixel of a frame shows the scene."""
    if scene_mask is not None:
        return scene_mask[frame]
    return 1.0 if person_mask is None else 1 - person_mask[frame]


def own_seed(seed: int, purpose: str) -> int:
    """A seed of its own for each purpose, for torch."""
    return keyed(seed, purpose).getrandbits(48)


def exposure_gains(frames: int, nuisances: Nuisances, seed: int) -> Tensor:
    """(N,) by what each frame is multiplied: 1 on the first one, 1 - exposure on the last."""
    r = keyed(seed, "exposure")
    if nuisances.exposure_kind == "step":
        turn = max(1, round(frames * r.uniform(1 / 3, 2 / 3)))
        lost = (torch.arange(frames) >= turn).float()
    else:
        place = torch.arange(frames) / max(frames - 1, 1)
        begin, end = r.uniform(0, 0.2), r.uniform(0.8, 1)
        lost = 0.5 - 0.5 * (math.pi * ((place - begin) / (end - begin)).clamp(0, 1)).cos()
    return 1 - nuisances.exposure * lost


def camera_shifts(frames: int, nuisances: Nuisances, seed: int) -> Tensor:
    """(N, 2) pixels (dx, dy) by which a frame's content moves, 0 on the first and never more than `shake`.

    Waves that begin at 0 wander without adding up, however long the clip is.
    """
    r = keyed(seed, "shake")
    time = 2 * math.pi * torch.arange(frames, dtype=torch.float64)
    wave = lambda low, high: r.choice((-1, 1)) * (time / r.uniform(low, high)).sin()
    wander = torch.stack([0.6 * wave(40, 90) + 0.4 * wave(15, 35) for _ in "xy"], 1)
    tremble = torch.tensor([[r.uniform(-1, 1), r.uniform(-1, 1)] for _ in range(frames)], dtype=torch.float64)
    tremble[:1] = 0
    return (nuisances.shake / math.sqrt(2) * (WANDER * wander + (1 - WANDER) * tremble)).float()


def shifted(planes: Tensor, shifts: Tensor) -> Tensor:
    """(N, H, W, C) planes with the content of each moved by (dx, dy) of (N, 2); the border is repeated.

    Cubic, as linear interpolation would soften each frame by another amount.
    """
    height, width = planes.shape[1:3]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    out = planes.clone()
    for i, (right, down) in enumerate(shifts.tolist()):
        if right or down:
            grid = torch.stack(((x - right) * 2 / max(width - 1, 1) - 1, (y - down) * 2 / max(height - 1, 1) - 1), -1)
            fetched = F.grid_sample(
                planes[i : i + 1].movedim(-1, 1), grid[None].to(planes), "bicubic", "border", align_corners=True
            )
            out[i] = fetched[0].movedim(0, -1)
    return out


def cast_shadow(person_mask: Tensor, strength: float) -> Tensor:
    """(N, H, W) the share of the light that a person (N, H, W) keeps from the floor; 0 on the person.

    The person's mask is laid down from the lowest row upwards to LIES of its height, leaning to the right by LEANS of
    it, since the stage's light comes from the upper left. It fades by FADES towards the head and is soft over SOFT.
    """
    return torch.stack([_frame_shadow(mask, strength) for mask in person_mask])


def _frame_shadow(mask: Tensor, strength: float) -> Tensor:
    """cast_shadow() of one frame (H, W)."""
    rows = (mask > 0.5).any(1).nonzero()[:, 0]
    if not len(rows):
        return torch.zeros_like(mask)
    cv2, (height, width) = import_cv2(), mask.shape
    feet, tall = int(rows[-1]), int(rows[-1] - rows[0]) + 1
    standing = (feet - torch.arange(height, dtype=torch.float32))[:, None] / tall  # 0 at the feet, 1 at the head
    faded = mask.float().cpu() * (1 - FADES * standing).clamp(0, 1)
    lay_down = torch.tensor([[1, -LEANS, LEANS * feet], [0, LIES, (1 - LIES) * feet]], dtype=torch.float64)
    lying = cv2.warpAffine(faded.numpy(), lay_down.numpy(), (width, height))
    soft = torch.from_numpy(cv2.GaussianBlur(lying, (0, 0), max(0.8, SOFT * tall)))
    return strength * soft.clamp(0, 1).to(mask) * (1 - mask)


def smooth_noise(size: tuple[int, int], cell: float, channels: int, seed: int) -> Tensor:
    """(H, W, C) random numbers from 0 to 1 that change over `cell` pixels."""
    coarse = [max(2, math.ceil(side / cell) + 1) for side in size]
    drawn = torch.rand(1, channels, *coarse, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(drawn, size, mode="bicubic", align_corners=True)[0].movedim(0, -1).clamp(0, 1)


def leaf_mask(size: tuple[int, int], share: float, seed: int) -> Tensor:
    """(H, W) 1 on the share of a picture that is foliage, in a few patches."""
    hills = smooth_noise(size, max(size) / 5, 1, own_seed(seed, "leaves"))[..., 0].flatten()
    mask = torch.zeros_like(hills)
    mask[hills.argsort(descending=True, stable=True)[: round(share * hills.numel())]] = 1
    return mask.view(size)


class Foliage:
    """Leaves on a share of a picture (H, W), each patch trembling by up to SWAY pixels on its own."""

    def __init__(self, size: tuple[int, int], share: float, seed: int):
        self.mask = leaf_mask(size, share, seed)
        grain = smooth_noise(size, 3, 1, own_seed(seed, "leaf colours"))
        self.picture = torch.tensor(DARK_LEAF).lerp(torch.tensor(PALE_LEAF), grain)
        self.sways = [2 * smooth_noise(size, 24, 2, own_seed(seed, f"sway {i}")) - 1 for i in range(2)]
        r = keyed(seed, "wind")
        self.waves = [(r.uniform(6, 14), r.uniform(0, 2 * math.pi)) for _ in self.sways]

    def offset(self, frame: int) -> Tensor:
        """(H, W, 2) where each pixel of a frame fetches its leaf."""
        swing = [math.sin(2 * math.pi * frame / period + phase) for period, phase in self.waves]
        return SWAY / len(swing) * sum(sway * share for sway, share in zip(self.sways, swing, strict=True))

    def laid_over(self, picture: Tensor, frame: int, scene: Tensor | float) -> Tensor:
        """A picture (H, W, 3) with the leaves of a frame where `scene` (H, W) is 1."""
        leaves = warp(self.picture[None], self.offset(frame)[None])[0].to(picture)
        return picture.lerp(leaves, (self.mask.to(picture) * scene)[..., None])
