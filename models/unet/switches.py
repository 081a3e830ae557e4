"""A configuration as flat switches, as runs of training and earlier files write it.

Here two switches can contradict each other; what does is refused, with what to set.
"""

from .config import (
    BACKGROUNDS,
    CROSS_MODAL,
    GIVEN,
    GROUP_NORMS,
    PLACES,
    SHARED_MAPS,
    CrossModal,
    ImageTokens,
    MotionModules,
    Pair,
    SeparatePair,
    TemporalLayers,
    VideoUNetConfig,
    WordTokens,
    check_choice,
)

SAME = (
    "in_channels", "out_channels", "block_out_channels", "layers_per_block", "attention_levels", "attention_head_dim",
    "cross_attention_dim", "use_linear_projection", "norm_num_groups", "background", "group_norm", "motion_code",
)  # fmt: skip
CHOICES = {
    "temporal": ("none", "native", "motion_modules"),
    "temporal_place": PLACES,
    "self_attention": ("frame", "sparse_causal"),
    "cross_modal": ("none", *CROSS_MODAL),
    "background": BACKGROUNDS,
    "group_norm": GROUP_NORMS,
    "prediction": ("eps", "v"),
    "given": GIVEN,
    "streams": ("shared", "separate"),
    "shared_maps": SHARED_MAPS,
}


def with_switches(config: VideoUNetConfig, **changes) -> VideoUNetConfig:
    """A configuration with some switches set anew."""
    return from_switches(switches_of(config) | changes)


def switches_of(config: VideoUNetConfig) -> dict:
    """Every switch of a configuration; those of a part that it lacks have their defaults."""
    motion = config.temporal if isinstance(config.temporal, MotionModules) else MotionModules()
    layers = config.temporal if isinstance(config.temporal, TemporalLayers) else TemporalLayers()
    pair = config.pair if isinstance(config.pair, Pair) else Pair()
    cross_modal = pair.cross_modal or CrossModal()
    return {name: getattr(config, name) for name in SAME} | {
        "prediction": config.target,
        "zero_snr": config.zero_snr,
        "modalities": config.modalities,
        "streams": "separate" if config.separate else "shared",
        "label": pair.label,
        "label_in_controlnet": pair.label_in_controlnet,
        "cross_modal": pair.cross_modal.where if pair.cross_modal else "none",
        "cross_modal_width": cross_modal.width,
        "same_place": pair.same_place,
        "given": config.given,
        "shared_maps": pair.shared_maps,
        "temporal": "none" if config.temporal is None else "native" if config.temporal is layers else "motion_modules",
        "temporal_place": layers.place,
        "motion_positions": motion.positions,
        "motion_mid_block": motion.mid_block,
        "motion_attentions": motion.attentions,
        "self_attention": "frame" if config.reference else config.self_attention,
        "reference": config.reference,
        "words": config.words,
        "foreground_width": config.token_width,
    }


SWITCHES = switches_of(VideoUNetConfig())


def from_switches(switches: dict) -> VideoUNetConfig:
    """The configuration that flat switches describe; missing ones have their defaults."""
    unknown = sorted(set(switches) - set(SWITCHES))
    if unknown:
        raise ValueError(f"A video U-Net has no switch {', '.join(unknown)}: it has {', '.join(SWITCHES)}.")
    s = SWITCHES | switches
    for name, options in CHOICES.items():
        check_choice(name, s[name], options)
    for refused, reason in impossible(s):
        if refused:
            raise ValueError(reason)
    return VideoUNetConfig(
        **{name: s[name] for name in SAME},
        prediction="v_zero_snr" if s["zero_snr"] else s["prediction"],
        temporal=temporal_of(s),
        self_attention="reference" if s["reference"] else s["self_attention"],
        pair=pair_of(s),
        tokens=tokens_of(s),
    )


def temporal_of(s: dict) -> TemporalLayers | MotionModules | None:
    return {
        "none": None,
        "native": TemporalLayers(s["temporal_place"]),
        "motion_modules": MotionModules(s["motion_positions"], s["motion_mid_block"], s["motion_attentions"]),
    }[s["temporal"]]


def pair_of(s: dict) -> Pair | SeparatePair | None:
    if s["modalities"] == 1:
        return None
    if s["streams"] == "separate":
        return SeparatePair(s["given"])
    cross_modal = None if s["cross_modal"] == "none" else CrossModal(s["cross_modal"], s["cross_modal_width"])
    return Pair(s["label"], s["label_in_controlnet"], cross_modal, s["same_place"], s["given"], s["shared_maps"])


def tokens_of(s: dict) -> ImageTokens | WordTokens | None:
    if s["words"]:
        return WordTokens(s["words"])
    return ImageTokens(s["foreground_width"]) if s["foreground_width"] else None


def impossible(s: dict) -> list[tuple[bool, str]]:
    """Switches that exclude each other, and why: what is true is refused."""
    one, separate, maps = s["modalities"] == 1, s["streams"] == "separate", s["shared_maps"] != "none"
    words = WordTokens(s["words"])
    return [
        (s["modalities"] not in (1, 2), f"A model has 1 or 2 modalities, not {s['modalities']}."),
        (separate and one,
         "Separate streams are one network for the video and one for its depth, but modalities is "
         f"{s['modalities']}: set it to 2, or streams to shared."),
        (separate and (s["label"] or s["label_in_controlnet"]),
         "Separate streams take no label, since each network has one modality: set label and label_in_controlnet to "
         "false."),
        (separate and s["cross_modal"] != "none",
         "Cross-modal attention lies inside a shared network, but streams is separate: set cross_modal to none, "
         f"not {s['cross_modal']}."),
        (separate and s["same_place"],
         "Features at the same place are added inside a shared network, but streams is separate: set same_place to false."),
        (separate and maps,
         "Attention maps are shared inside one network, but streams is separate: set shared_maps to none, not "
         f"{s['shared_maps']}."),
        (one and maps,
         f"Attention maps are shared between a video and its depth, but modalities is {s['modalities']}: set it "
         "to 2, or shared_maps to none."),
        (one and s["same_place"],
         f"The same place is that of the other modality, but modalities is {s['modalities']}: set it to 2, or same_place "
         "to false."),
        (one and s["given"] == "clean",
         f"A half can be given where there are two, but modalities is {s['modalities']}: set it to 2, or given to noised."),
        (one and (s["label"] or s["label_in_controlnet"]),
         f"A label distinguishes video from depth, but modalities is {s['modalities']}: set it to 2, or label and "
         "label_in_controlnet to false."),
        (one and s["cross_modal"] != "none",
         f"Cross-modal attention lies between video and depth, but modalities is {s['modalities']}: set it to 2, or "
         "cross_modal to none."),
        (s["reference"] and s["self_attention"] != "frame",
         f"Self-attention with a reference works on single frames, but self_attention is {s['self_attention']}: "
         "set it to frame, or reference to false."),
        (s["zero_snr"] and s["prediction"] != "v",
         f"Out of noise alone a model predicts velocity, but prediction is {s['prediction']}: set it to v, or "
         "zero_snr to false."),
        (bool(s["words"]) and s["foreground_width"] != words.width,
         f"Tokens of {len(s['words'])} words are {words.width} wide, but foreground_width is {s['foreground_width']}: set "
         f"it to {words.width}, or words to none."),
    ]  # fmt: skip
