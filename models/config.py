"""What a video U-Net is made of: the 2-D base and the adapters that sit in it. One named instance per system."""

import json
from dataclasses import asdict, dataclass, fields, replace

CHOICES = {
    "temporal": ("none", "native", "motion_modules"),
    "temporal_place": ("before_cross_attention", "after_feed_forward"),
    "cross_modal": ("none", "all", "up", "attention"),
    "background": ("none", "add", "conv", "zero"),
    "group_norm": ("frame", "clip"),
    "prediction": ("eps", "v"),
}


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
    prediction: str = "eps"
    # The adapters.
    modalities: int = 1  # 2: every clip is followed by its depth
    label: bool = False  # an embedding of the modality is added to that of the time
    temporal: str = "none"
    temporal_place: str = "before_cross_attention"
    cross_modal: str = "none"  # which blocks end in attention between the modalities
    cross_modal_width: int = 512  # 0: as wide as the block
    background: str = "none"  # how background latents enter
    foreground_width: int = 0  # width of CLIP tokens that are projected to the context, 0 for none
    group_norm: str = "frame"  # statistics of the ResBlocks' norms: of one frame or of the clip
    motion_positions: int = 32  # longest clip of the motion modules
    motion_mid_block: bool = False
    motion_attentions: int = 2

    def __post_init__(self):
        for name, options in CHOICES.items():
            if getattr(self, name) not in options:
                raise ValueError(f"{name} is one of {', '.join(options)}, not {getattr(self, name)!r}.")
        if self.modalities not in (1, 2):
            raise ValueError(f"A model has 1 or 2 modalities, not {self.modalities}.")
        if len(self.attention_levels) != len(self.block_out_channels):
            raise ValueError("attention_levels and block_out_channels must have one entry for each level.")

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

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "VideoUNetConfig":
        """Read a configuration; a name that this version does not know is refused, since it would change the answer."""
        values = json.loads(text)
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown:
            raise ValueError(
                f"The model was made by a newer version: it asks for {', '.join(sorted(unknown))}. Please update Duet."
            )
        return cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


SD1 = VideoUNetConfig()
SD2_DEPTH = replace(
    SD1, in_channels=5, attention_head_dim=(5, 10, 20, 20), cross_attention_dim=1024, use_linear_projection=True
)
IDOL = replace(
    SD1,
    modalities=2,
    label=True,
    temporal="native",
    cross_modal="all",
    background="conv",
    foreground_width=1024,
)
ANIMATEDIFF_V1 = replace(SD1, temporal="motion_modules", motion_positions=24)
ANIMATEDIFF_V2 = replace(SD1, temporal="motion_modules", motion_mid_block=True)
ANIMATEDIFF_V3 = replace(SD1, temporal="motion_modules")
TINY = {
    "block_out_channels": (64, 128),
    "attention_levels": (True, False),
    "layers_per_block": 1,
    "attention_head_dim": 4,
    "cross_modal_width": 0,
}  # for tests and small models: replace(IDOL, **TINY)
