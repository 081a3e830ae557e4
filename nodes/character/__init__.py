"""Characters: their model, and who acts, where and how."""

from .align import AlignPose
from .conditioning import EncodeLayers, EncodeMotionCode, EncodeReference
from .loaders import LoadCharacterModel
from .motion_code import MotionCode

NODES = [LoadCharacterModel, EncodeReference, EncodeLayers, EncodeMotionCode, MotionCode, AlignPose]
