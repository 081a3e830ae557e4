"""What a video U-Net is made of: the 2-D base and the adapters that sit in it. One named instance per system.

What belongs together is one group, so that switches that exclude each other cannot be written down.
"""

from dataclasses import dataclass, replace

from .words import token_width

PREDICTIONS = ("eps", "v", "v_zero_snr")
PLACES = ("before_cross_attention", "after_feed_forward")
SELF_ATTENTION = ("frame", "sparse_causal", "reference")
CROSS_MODAL = ("all", "deep")
SHARED_MAPS = ("none", "avg", "video")
GIVEN = ("noised", "clean")
BACKGROUNDS = ("none", "add", "conv", "zero")
GROUP_NORMS = ("frame", "clip")


def check_choice(name: str, value, options: tuple) -> None:
    if value not in options:
        raise ValueError(f"{name} is one of {', '.join(options)}, not {value!r}.")


@dataclass(frozen=True)
class TemporalLayers:
    """IDOL's and Tune-A-Video's attention over time in each transformer block, for clips of any length."""

    place: str = "before_cross_attention"  # there each ResBlock also has a convolution over time

    def __post_init__(self):
        check_choice("place", self.place, PLACES)


@dataclass(frozen=True)
class MotionModules:
    """AnimateDiff's transformers over time after each ResBlock and transformer."""

    positions: int = 32  # frames of the longest clip
    mid_block: bool = False
    attentions: int = 2


@dataclass(frozen=True)
class CrossModal:
    """Attention between a frame and its depth (IDOL section 3.2)."""

    where: str = "all"  # which blocks end in it; "deep": all but those at full size
    width: int = 512  # 0: as wide as the block

    def __post_init__(self):
        check_choice("where", self.where, CROSS_MODAL)


@dataclass(frozen=True)
class Pair:
    """Video and depth in one network."""

    label: bool = False  # an embedding of the modality is added to that of the time
    label_in_controlnet: bool = False  # the pose ControlNet has one of its own; a stock one has none
    cross_modal: CrossModal | None = None
    same_place: bool = False  # every block ends in a projection of the other modality's features at the same pixel
    given: str = "noised"  # a kept half enters as noisy as the half that is sampled, or clean at time 0
    shared_maps: str = "none"  # cross-attention maps of both modalities: their mean, or those of the video

    def __post_init__(self):
        check_choice("given", self.given, GIVEN)
        check_choice("shared_maps", self.shared_maps, SHARED_MAPS)


@dataclass(frozen=True)
class SeparatePair:
    """A network for the video and one for its depth (IDOL section 4.3)."""

    given: str = "noised"

    def __post_init__(self):
        check_choice("given", self.given, GIVEN)


@dataclass(frozen=True)
class ImageTokens:
    """Tokens of the character's picture, which a projection turns into context."""

    width: int = 1024


@dataclass(frozen=True)
class WordTokens:
    """Words of a fixed vocabulary in place of a text encoder, see words.py."""

    words: tuple[str, ...]

    @property
    def width(self) -> int:
        return token_width(self.words)


@dataclass(frozen=True)
class VideoUNetConfig:
    # The 2-D base, in diffusers' words.
    in_channels: int = 4
    out_channels: int = 4
    block_out_channels: tuple[int, ...] = (320, 640, 1280, 1280)
    layers_per_block: int = 2
    attention_levels: tuple[bool, ...] = (True, True, True, False)
    attention_head_dim: int | tuple[int, ...] = 8
    cross_attention_dim: int = 768
    use_linear_projection: bool = False
    norm_num_groups: int = 32
    # With zero signal-to-noise the last step of the schedule is noise alone, from which only velocity can be predicted.
    prediction: str = "eps"
    # The adapters.
    temporal: TemporalLayers | MotionModules | None = None
    self_attention: str = "frame"  # to the frame itself, the first and the previous one, or itself and a reference
    pair: Pair | SeparatePair | None = None
    tokens: ImageTokens | WordTokens | None = None  # what a projection turns into context; None: CLIP's text alone
    background: str = "none"  # how the latents of the scene enter
    group_norm: str = "frame"  # statistics of the ResBlocks' norms: of one frame or of the clip
    # A character model (MIMO): whole latents among in_channels beyond the noise are layers, the scene and the occluder.
    motion_code: tuple[int, ...] = ()  # widths of the pose guider, () for none

    def __post_init__(self):
        check_choice("prediction", self.prediction, PREDICTIONS)
        check_choice("self_attention", self.self_attention, SELF_ATTENTION)
        check_choice("background", self.background, BACKGROUNDS)
        check_choice("group_norm", self.group_norm, GROUP_NORMS)
        if len(self.attention_levels) != len(self.block_out_channels):
            raise ValueError("attention_levels and block_out_channels must have one entry for each level.")
        if self.separate and self.reference:
            raise ValueError(
                "One network reads a reference, but streams is separate: set reference to false, or streams to shared."
            )

    @property
    def modalities(self) -> int:
        """2: every clip is followed by its depth."""
        return 1 if self.pair is None else 2

    @property
    def separate(self) -> bool:
        """Whether video and depth have a network each."""
        return isinstance(self.pair, SeparatePair)

    @property
    def label(self) -> bool:
        return isinstance(self.pair, Pair) and self.pair.label

    @property
    def label_in_controlnet(self) -> bool:
        return isinstance(self.pair, Pair) and self.pair.label_in_controlnet

    @property
    def given(self) -> str:
        return "noised" if self.pair is None else self.pair.given

    @property
    def reference(self) -> bool:
        """Whether a second U-Net reads a picture of the character."""
        return self.self_attention == "reference"

    @property
    def target(self) -> str:
        """What is predicted, whatever the schedule: the noise ("eps") or the velocity ("v")."""
        return "eps" if self.prediction == "eps" else "v"

    @property
    def zero_snr(self) -> bool:
        return self.prediction == "v_zero_snr"

    @property
    def token_width(self) -> int:
        """Width of the tokens that are projected to the context, 0 for none."""
        return 0 if self.tokens is None else self.tokens.width

    @property
    def words(self) -> tuple[str, ...]:
        return self.tokens.words if isinstance(self.tokens, WordTokens) else ()

    @property
    def layer_codes(self) -> int:
        """How many layers enter as latents beside the noise: 1 the scene, 2 the scene and the occluder."""
        return self.in_channels // self.out_channels - 1

    def one_stream(self) -> "VideoUNetConfig":
        """One of the two networks of a separate pair."""
        return replace(self, pair=None)

    def controlnet(self) -> "VideoUNetConfig":
        """The pose ControlNet beside this network: nothing in it lies between the modalities."""
        pair = self.pair
        if isinstance(pair, Pair):
            pair = replace(pair, label=pair.label_in_controlnet, cross_modal=None, same_place=False)
        return replace(self, pair=pair, background="none")

    def reference_unet(self) -> "VideoUNetConfig":
        """The network that reads a picture of the character: the 2-D one, on latents alone."""
        kept = ("out_channels", "block_out_channels", "layers_per_block", "attention_levels", "attention_head_dim",
                "cross_attention_dim", "use_linear_projection", "norm_num_groups")  # fmt: skip
        return VideoUNetConfig(in_channels=self.out_channels, **{name: getattr(self, name) for name in kept})

    def base(self) -> dict:
        """The arguments of diffusers' UNet2DConditionModel."""
        down = ["CrossAttnDownBlock2D" if on else "DownBlock2D" for on in self.attention_levels]
        up = ["CrossAttnUpBlock2D" if on else "UpBlock2D" for on in reversed(self.attention_levels)]
        return {
            "in_channels": self.in_channels,
            "out_channels": self.out_channels,
            "block_out_channels": self.block_out_channels,
            "layers_per_block": self.layers_per_block,
            "down_block_types": tuple(down),
            "up_block_types": tuple(up),
            "attention_head_dim": self.attention_head_dim,
            "cross_attention_dim": self.cross_attention_dim,
            "use_linear_projection": self.use_linear_projection,
            "norm_num_groups": self.norm_num_groups,
            "num_class_embeds": 2 if self.label else None,
        }


SD1 = VideoUNetConfig()
SD2_DEPTH = replace(
    SD1, in_channels=5, attention_head_dim=(5, 10, 20, 20), cross_attention_dim=1024, use_linear_projection=True
)
IDOL = replace(
    SD1,
    temporal=TemporalLayers(),
    pair=Pair(label=True, cross_modal=CrossModal("all")),
    tokens=ImageTokens(1024),
    background="conv",
)
ANIMATEDIFF_V1 = replace(SD1, temporal=MotionModules(positions=24))
ANIMATEDIFF_V2 = replace(SD1, temporal=MotionModules(mid_block=True))
ANIMATEDIFF_V3 = replace(SD1, temporal=MotionModules())
ONE_SHOT_FIELDS = {"temporal": TemporalLayers("after_feed_forward"), "self_attention": "sparse_causal"}
ONE_SHOT = replace(SD2_DEPTH, **ONE_SHOT_FIELDS)  # Tune-A-Video with a depth channel
ONE_SHOT_SD1 = replace(SD1, **ONE_SHOT_FIELDS)
MIMO = replace(
    ANIMATEDIFF_V2, in_channels=8, prediction="v_zero_snr", self_attention="reference", motion_code=(16, 32, 96, 256)
)  # as released: the scene beside the noise
MIMO_PAPER = replace(MIMO, in_channels=12)  # the scene and the occluder
TINY = {
    "block_out_channels": (64, 128),
    "attention_levels": (True, False),
    "layers_per_block": 1,
    "attention_head_dim": 4,
    "cross_modal_width": 32,
}  # switches, see switches.py, for tests and small models
# Stable Diffusion's blocks, two ResBlocks in each, only fewer and narrower. Attention among all pixels of a pair grows with
# their square, so what a network as narrow as this spends on it at full size depends on the width of that attention.
TINY_IDOL = replace(
    IDOL, block_out_channels=(64, 128), attention_levels=(True, False), attention_head_dim=4,
    pair=Pair(label=True, cross_modal=CrossModal("all", width=16)),
)  # fmt: skip
