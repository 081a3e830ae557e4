"""The networks of the paper's comparisons (IDOL section 4), a configuration each: its tables print how large they are."""

from dataclasses import replace

from pack.models.unet.config import IDOL, MotionModules, Pair, SeparatePair, TemporalLayers


def with_pair(**changes):
    return replace(IDOL, pair=replace(IDOL.pair, **changes))


ABLATIONS = {
    "video_only": replace(IDOL, pair=None),
    "separate": replace(IDOL, pair=SeparatePair()),
    "shared": replace(IDOL, pair=Pair(label=True)),
    "cross_modal": IDOL,
    "maps_avg": with_pair(shared_maps="avg"),
    "maps_video": with_pair(shared_maps="video"),
    "animatediff": replace(IDOL, temporal=MotionModules(mid_block=True)),
}
POSE_CONTROLNETS = {"controlnet3d": {"temporal": TemporalLayers()}, "controlnet2d": {"temporal": None}}  # to replace
