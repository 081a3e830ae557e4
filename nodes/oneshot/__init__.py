"""One clip: back to its noise, tunings, and depth and words as conditioning."""

from .depth_channel import EncodeDepthCondition
from .inversion import DDIMInversionSampler, InvertVideo
from .tuning import LoadOneShotTuning
from .words import EncodeStageWords

NODES = [DDIMInversionSampler, InvertVideo, EncodeDepthCondition, LoadOneShotTuning, EncodeStageWords]
