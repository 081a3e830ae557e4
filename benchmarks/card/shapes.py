"""Which networks bench gpu times, and at which sizes: those of their papers and releases, and small ones for a test."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """What is sampled with a network of random weights."""

    name: str
    what: str
    family: str  # "unet", "flow" or "wan"
    width: int  # pixels
    height: int
    frames: int  # of each clip
    steps: int  # of a whole clip
    cfg: float  # above 1 each step also computes the negative prompt
    weights: str  # numbers of the released file, from which ComfyUI chooses those it computes in
    tokens: int  # of a prompt or a picture
    small: bool = False

    @property
    def chunks(self) -> int:
        """Positive, or positive and negative."""
        return 2 if self.cfg > 1 else 1


FULL = (
    Shape("pair", "video and depth, IDOL on Stable Diffusion 1.5, without its pose ControlNet", "unet",
          256, 256, 8, 50, 1.5, "float16", 257),
    Shape("animatediff", "AnimateDiff v2 on Stable Diffusion 1.5", "unet", 512, 512, 16, 25, 7.5, "float16", 77),
    Shape("lfdm", "motion of a still image, LFDM (MUG)", "flow", 128, 128, 40, 20, 1.0, "float32", 1),
    Shape("wan", "video and depth, UnityVideo on Wan 2.2 5B", "wan", 256, 256, 33, 20, 1.0, "bfloat16", 512),
)  # fmt: skip
SMALL = (
    Shape("pair", "a small pair", "unet", 64, 64, 2, 4, 1.5, "float32", 5, small=True),
    Shape("animatediff", "a small AnimateDiff", "unet", 64, 64, 2, 4, 7.5, "float32", 5, small=True),
    Shape("lfdm", "a small LFDM", "flow", 64, 64, 4, 4, 1.0, "float32", 1, small=True),
    Shape("wan", "a small pair on Wan", "wan", 64, 64, 5, 4, 1.0, "float32", 6, small=True),
)
NAMES = tuple(shape.name for shape in FULL)


def shapes(names: list[str], small: bool) -> list[Shape]:
    return [shape for shape in (SMALL if small else FULL) if shape.name in names]


def size_of(shape: Shape) -> str:
    """As it stands in a table: 256 x 256, 8 frames, cfg 1.5."""
    return f"{shape.width} x {shape.height}, {shape.frames} frames, cfg {shape.cfg:g}"
