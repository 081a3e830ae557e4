"""Video and depth as one latent: made, told, sampled."""

from .conditioning import EncodeBackground, EncodeForeground
from .latent import EmptyVideoDepthLatent, JoinVideoDepth, SplitVideoDepth
from .modality import SetModality
from .sampler import ModalityConditionedSampler
from .windows import PairedContextWindows

NODES = [
    EmptyVideoDepthLatent,
    JoinVideoDepth,
    SplitVideoDepth,
    EncodeForeground,
    EncodeBackground,
    SetModality,
    PairedContextWindows,
    ModalityConditionedSampler,
]
