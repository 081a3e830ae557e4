"""The networks of the paper's comparisons (IDOL section 4), a configuration each."""

from dataclasses import replace

from ..unet.config import IDOL

_SHARED = replace(IDOL, cross_modal="none")
_SEPARATE = replace(_SHARED, streams="separate", label=False)
ABLATIONS = {
    "video_only": replace(_SHARED, modalities=1, label=False),
    "separate": _SEPARATE,
    "shared": _SHARED,
    "cross_modal": IDOL,
    "cross_modal_up": replace(IDOL, cross_modal="up"),
    "cross_modal_attention": replace(IDOL, cross_modal="attention"),
    "cross_modal_deep": replace(IDOL, cross_modal="deep"),
    "cross_modal_full": replace(IDOL, cross_modal_width=0),
    "maps_avg": replace(IDOL, shared_maps="avg"),
    "maps_video": replace(IDOL, shared_maps="video"),
    "animatediff": replace(IDOL, temporal="motion_modules", motion_mid_block=True),
    "no_temporal": replace(IDOL, temporal="none"),
}  # the networks of the paper's comparisons; losses, pose and depth sources are switched elsewhere
POSE_CONTROLNETS = {"controlnet3d": {"temporal": "native"}, "controlnet2d": {"temporal": "none"}}  # fields to replace
