"""Video and depth in one latent: joined and split, conditioned, sampled; and the nodes that serve every model's latent."""

from .conditioning import EncodePairCharacter, EncodePairScene
from .latent import EmptyLatent, JoinPair, SplitPair
from .modality import SelectModality
from .sampler import SampleLatent
from .windows import SetPairWindows

NODES = [
    EmptyLatent,
    SampleLatent,
    JoinPair,
    SplitPair,
    EncodePairCharacter,
    EncodePairScene,
    SelectModality,
    SetPairWindows,
]
