"""The networks of the paper's comparisons (IDOL section 4), a configuration each."""

from dataclasses import replace

from ..unet.config import IDOL, CrossModal, MotionModules, Pair, SeparatePair, TemporalLayers


def with_pair(**changes):
    return replace(IDOL, pair=replace(IDOL.pair, **changes))


ABLATIONS = {
    "video_only": replace(IDOL, pair=None),
    "separate": replace(IDOL, pair=SeparatePair()),
    "shared": replace(IDOL, pair=Pair(label=True)),
    "cross_modal": IDOL,
    "cross_modal_up": with_pair(cross_modal=CrossModal("up")),
    "cross_modal_attention": with_pair(cross_modal=CrossModal("attention")),
    "cross_modal_deep": with_pair(cross_modal=CrossModal("deep")),
    "cross_modal_full": with_pair(cross_modal=CrossModal("all", width=0)),
    "maps_avg": with_pair(shared_maps="avg"),
    "maps_video": with_pair(shared_maps="video"),
    "animatediff": replace(IDOL, temporal=MotionModules(mid_block=True)),
    "no_temporal": replace(IDOL, temporal=None),
}  # the networks of the paper's comparisons; losses, pose and depth sources are switched elsewhere
POSE_CONTROLNETS = {"controlnet3d": {"temporal": TemporalLayers()}, "controlnet2d": {"temporal": None}}  # to replace
