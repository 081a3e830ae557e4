"""What a video U-Net is made of: the 2-D base and the adapters that sit in it. One named instance per system."""

import json
from dataclasses import asdict, dataclass, fields, replace

CHOICES = {
    "temporal": ("none", "native", "motion_modules"),
    "temporal_place": ("before_cross_attention", "after_feed_forward"),
    "self_attention": ("frame", "sparse_causal"),
    "cross_modal": ("none", "all", "up", "attention", "deep"),
    "background": ("none", "add", "conv", "zero"),
    "group_norm": ("frame", "clip"),
    "prediction": ("eps", "v"),
    "given": ("noised", "clean"),
    "streams": ("shared", "separate"),
    "shared_maps": ("none", "avg", "video"),
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
    label_in_controlnet: bool = False  # the poses' ControlNet has one of its own; a stock one has none
    temporal: str = "none"
    temporal_place: str = "before_cross_attention"
    self_attention: str = "frame"  # what a frame sees of its clip: itself, or the first frame and the one before
    cross_modal: str = "none"  # which blocks end in attention between the modalities
    cross_modal_width: int = 512  # of it; 0: as wide as the block
    same_place: bool = False  # every block also ends in what lies at the same place of the other modality
    background: str = "none"  # how background latents enter
    given: str = "noised"  # how a kept half enters beside the one that is made: as noisy as that, or clean at time 0
    foreground_width: int = 0  # width of CLIP tokens that are projected to the context, 0 for none
    words: tuple[str, ...] = ()  # that the projection knows in place of CLIP tokens, see words.py
    group_norm: str = "frame"  # statistics of the ResBlocks' norms: of one frame or of the clip
    motion_positions: int = 32  # longest clip of the motion modules
    motion_mid_block: bool = False
    motion_attentions: int = 2
    # The character (MIMO). Whole latents among in_channels beyond the noise are codes of layers: scene, occluder.
    reference: bool = False  # a second U-Net reads a picture of the character, and self-attention sees its features
    motion_code: tuple[int, ...] = ()  # widths of the network that reads pictures of the motion, () for none
    zero_snr: bool = False  # the last step of the schedule is noise alone
    # The paper's ablations and baselines (IDOL section 4).
    streams: str = "shared"  # separate: two networks, one for the video and one for its depth
    shared_maps: str = "none"  # cross-attention maps of both modalities: their mean, or those of the video

    def __post_init__(self):
        for name, options in CHOICES.items():
            if getattr(self, name) not in options:
                raise ValueError(f"{name} is one of {', '.join(options)}, not {getattr(self, name)!r}.")
        if self.modalities not in (1, 2):
            raise ValueError(f"A model has 1 or 2 modalities, not {self.modalities}.")
        if len(self.attention_levels) != len(self.block_out_channels):
            raise ValueError("attention_levels and block_out_channels must have one entry for each level.")
        for refused, reason in self._impossible():
            if refused:
                raise ValueError(reason)

    def _impossible(self) -> list[tuple[bool, str]]:
        """Switches that exclude each other, and why: what is true is refused."""
        separate, maps = self.streams == "separate", self.shared_maps != "none"
        return [
            (separate and self.modalities != 2,
             "Separate streams are one network for the video and one for its depth, but modalities is "
             f"{self.modalities}: set it to 2, or streams to shared."),
            (separate and (self.label or self.label_in_controlnet),
             "Separate streams take no label, since each network knows its modality: set label and label_in_controlnet to "
             "false."),
            (separate and self.cross_modal != "none",
             "Cross-modal attention lies inside a shared network, but streams is separate: set cross_modal to none, "
             f"not {self.cross_modal}."),
            (separate and self.same_place,
             "What lies at the same place is told inside a shared network, but streams is separate: set same_place to false."),
            (separate and maps,
             "Attention maps are shared inside one network, but streams is separate: set shared_maps to none, not "
             f"{self.shared_maps}."),
            (maps and self.modalities != 2,
             f"Attention maps are shared between a video and its depth, but modalities is {self.modalities}: set it "
             "to 2, or shared_maps to none."),
            (self.same_place and self.modalities != 2,
             f"The same place is that of the other modality, but modalities is {self.modalities}: set it to 2, or same_place to false."),
            (self.given == "clean" and self.modalities != 2,
             f"A half can be given where there are two, but modalities is {self.modalities}: set it to 2, or given to noised."),
            (separate and self.reference,
             "One network reads a reference, but streams is separate: set reference to false, or streams to shared."),
            (self.reference and self.self_attention != "frame",
             f"Self-attention that sees a reference looks at single frames, but self_attention is {self.self_attention}: "
             "set it to frame, or reference to false."),
            (self.zero_snr and self.prediction != "v",
             f"Out of noise alone a model predicts velocity, but prediction is {self.prediction}: set it to v, or "
             "zero_snr to false."),
        ]  # fmt: skip

    def one_stream(self) -> "VideoUNetConfig":
        """One of the two networks of separate streams."""
        return replace(self, streams="shared", modalities=1, given="noised")

    @property
    def layer_codes(self) -> int:
        """How many layers enter as latents beside the noise: 1 the scene, 2 also what passes in front."""
        return self.in_channels // self.out_channels - 1

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

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "VideoUNetConfig":
        """Read a configuration; a name that this version does not know is refused, since it would change the answer."""
        values = json.loads(text)
        if values.get("coupling") == "none":  # a switch that earlier files name, which changed nothing when it was off
            values = {name: value for name, value in values.items() if name not in ("coupling", "coupling_window")}
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
ONE_SHOT_FIELDS = {
    "temporal": "native", "temporal_place": "after_feed_forward", "self_attention": "sparse_causal",
}  # fmt: skip
ONE_SHOT = replace(SD2_DEPTH, **ONE_SHOT_FIELDS)  # Tune-A-Video with a depth channel
ONE_SHOT_SD1 = replace(SD1, **ONE_SHOT_FIELDS)
MIMO = replace(
    ANIMATEDIFF_V2, in_channels=8, prediction="v", zero_snr=True, reference=True, motion_code=(16, 32, 96, 256)
)  # as released: the scene beside the noise
MIMO_PAPER = replace(MIMO, in_channels=12)  # the scene and what passes in front of the character
TINY = {
    "block_out_channels": (64, 128),
    "attention_levels": (True, False),
    "layers_per_block": 1,
    "attention_head_dim": 4,
    "cross_modal_width": 32,
}  # for tests and small models
# Stable Diffusion's blocks, two ResBlocks in each, only fewer and narrower. Attention among all pixels of a pair grows with
# their square, so what a network as narrow as this spends on it at full size depends on the width of that attention.
TINY_IDOL = replace(IDOL, **TINY | {"layers_per_block": 2, "cross_modal_width": 16})
