"""Edits of one clip: inversion to its noise, video tunings, and depth as conditioning."""

from .depth_channel import EncodeDepth
from .flow_edit import FlowEdit
from .inversion import DDIMInversionSampler, InvertVideo
from .tuning import LoadVideoTuning

NODES = [DDIMInversionSampler, InvertVideo, FlowEdit, EncodeDepth, LoadVideoTuning]
