"""Configurations of the flow autoencoder and of the 3-D U-Net, with one instance for each released variant."""

import json
from dataclasses import asdict, dataclass, fields, replace

PICTURE, STATE = 3, 3  # colours of a picture; grid x, grid y and occlusion of a state
FLOW_CHOICES = {
    "upsample": ("deconv", "conv"), "null": ("zeros", "learned"), "prediction": ("eps", "v"), "motion": ("grid", "offset", "root"),
}  # fmt: skip


MAX_DEPTH, MAX_WIDTH = 64, 2**20  # of what a file may ask for; the released networks have 8 and 4096


def check_sizes(config) -> None:
    """Refuses numbers that no network has: a file's configuration is built before its weights are compared with it."""
    for field in fields(config):
        value = getattr(config, field.name)
        if isinstance(field.default, bool) or isinstance(field.default, str):
            sound = isinstance(value, type(field.default))
        elif isinstance(field.default, float):
            sound = type(value) in (int, float) and abs(value) <= MAX_WIDTH  # NaN is not
        else:
            numbers = value if isinstance(field.default, tuple) and isinstance(value, tuple) else (value,)
            sound = 0 < len(numbers) <= MAX_DEPTH and all(type(one) is int and 0 <= one <= MAX_WIDTH for one in numbers)
        if not sound:
            raise ValueError(f"{field.name} of {str(value)[:40]} is no size of a flow network.")


class Json:
    """A frozen dataclass to JSON and back."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str):
        """Read a configuration; an unknown name is refused, since it would change the output."""
        values = json.loads(text)
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown:
            raise ValueError(
                f"The model is of a newer version: it needs {', '.join(sorted(unknown))}. Please update Duet."
            )
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


@dataclass(frozen=True)
class AutoencoderConfig(Json):
    """An hourglass is (width, largest width, levels)."""

    regions: int = 10
    width: int = 64
    max_width: int = 512
    levels: int = 2
    bottleneck: int = 6
    flow: tuple[int, int, int] = (64, 1024, 5)
    region: tuple[int, int, int] = (32, 1024, 5)
    background: tuple[int, int, int] = (32, 1024, 5)
    scale: float = 0.25  # of the pictures in which regions and flow are estimated
    temperature: float = 0.1  # of the heat maps
    heat_map_padding: int = 3  # of their convolution, 3 or 0; it does not follow from the weights

    def __post_init__(self):
        check_sizes(self)
        if max(self.levels, self.bottleneck, *(network[2] for network in self.hourglasses)) > MAX_DEPTH:
            raise ValueError(f"Networks of at most {MAX_DEPTH} levels were expected.")
        if min(self.scale, self.temperature) < 1 / MAX_DEPTH:
            raise ValueError(f"scale and temperature are at least {1 / MAX_DEPTH:g}.")
        if self.heat_map_padding not in (0, 3):
            raise ValueError(f"heat_map_padding is 3 (MUG) or 0 (MHAD, NATOPS), not {self.heat_map_padding}.")

    @property
    def hourglasses(self) -> tuple[tuple[int, int, int], ...]:
        return self.flow, self.region, self.background

    @property
    def feature_width(self) -> int:
        """Channels of the encoded picture."""
        return min(self.max_width, self.width * 2**self.levels)

    @property
    def shrink(self) -> int:
        """Pixels of a picture for one of its features, along each side."""
        return 2**self.levels

    @property
    def step(self) -> int:
        """Sides of a picture must be a multiple of this to have their motion estimated."""
        hourglass = round(1 / self.scale) * 2 ** max(self.flow[2], self.region[2])
        return max(hourglass, 2 ** self.background[2], self.shrink)


@dataclass(frozen=True)
class FlowUNetConfig(Json):
    width: int = 64
    multiples: tuple[int, ...] = (1, 2, 4, 8)
    heads: int = 8
    head_width: int = 32
    groups: int = 8
    feature_width: int = 256  # of the encoded picture
    text_width: int = 768
    upsample: str = "deconv"  # or conv: nearest pixels and a convolution with a reflected border
    null: str = "zeros"  # or learned: the text vector of an empty prompt
    # How it was trained. The released models predict noise on grids, which are mostly positions and hardly motion. Small
    # models start with velocity on offsets and may continue with noise, as a residual, on roots.
    prediction: str = "eps"
    motion: str = (
        "grid"  # or offset: the distance of each point from its own position, or root: the square root of that
    )
    motion_scale: float = 1.0  # by which offsets or roots are multiplied, to be about as large as the noise
    residual: bool = False  # the output is added to the input state, which at first is nearly all noise

    def __post_init__(self):
        check_sizes(self)
        for name, options in FLOW_CHOICES.items():
            if getattr(self, name) not in options:
                raise ValueError(f"{name} is one of {', '.join(options)}, not {getattr(self, name)!r}.")
        if self.motion_scale <= 0 or (self.motion == "grid" and self.motion_scale != 1):
            raise ValueError(
                f"motion_scale is above 0, and 1 where motion is grid, not {self.motion_scale}: set motion to offset "
                "or root, or leave it out."
            )

    @property
    def limit(self) -> float:
        """The largest value of a state: half a picture, in offsets or roots."""
        return self.motion_scale

    @property
    def widths(self) -> tuple[int, ...]:
        return tuple(self.width * multiple for multiple in self.multiples)

    @property
    def step(self) -> int:
        """Sides of a state must be a multiple of this."""
        return 2 ** (len(self.multiples) - 1)


FRAMES = 40  # of the clips that the released models were trained on
MUG_AUTOENCODER = AutoencoderConfig()
MHAD_AUTOENCODER = NATOPS_AUTOENCODER = replace(MUG_AUTOENCODER, heat_map_padding=0)
MUG_UNET = MHAD_UNET = FlowUNetConfig()
NATOPS_UNET = replace(MUG_UNET, upsample="conv", null="learned")
TINY_AUTOENCODER = AutoencoderConfig(4, 8, 32, 2, 2, (8, 32, 3), (8, 32, 3), (8, 32, 3))  # for tests and small models
TINY_UNET = FlowUNetConfig(width=16, multiples=(1, 2, 4), feature_width=12)
