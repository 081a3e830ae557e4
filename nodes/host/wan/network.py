"""ComfyUI's WanModel with its patch embedding, its cross-attention and its head exchanged for those of a pair (section 3)."""

import comfy.ldm.common_dit
import torch
from comfy.ldm.wan.model import Head, WanAttentionBlock, WanModel, WanT2VCrossAttention
from torch import Tensor, nn

from .layout import joined, picked, side_by_side, streams

MODALITIES = ("depth", "raft", "segmentation", "skeleton", "densepose")


class PairCrossAttention(WanT2VCrossAttention):
    """Each stream reads its own prompt, with the same weights."""

    def forward(self, x: Tensor, context: Tensor, transformer_options: dict = {}, **kwargs) -> Tensor:  # noqa: B006
        grid = transformer_options["grid_sizes"]
        out = super().forward(streams(x, grid), context, transformer_options=transformer_options, **kwargs)
        return joined(out, grid)


class PairBlock(WanAttentionBlock):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.cross_attn.__class__ = PairCrossAttention


class Embeddings(nn.Module):
    """A vector for each modality that a file knows."""

    def __init__(self, names: tuple[str, ...], dim: int, dtype, device):
        super().__init__()
        for name in names:
            setattr(self, name, nn.Parameter(torch.empty(dim, dtype=dtype, device=device)))

    def forward(self, name: str, like: Tensor) -> Tensor:
        return getattr(self, name).to(like)


class PairPatches(nn.Module):
    """k C T h (m w) to k c f y (m x): a convolution for each stream, and for the second what it shows."""

    def __init__(self, video: nn.Module, modality: nn.Module, flow_in: nn.Module, embeddings: Embeddings):
        super().__init__()
        self.video, self.modality, self.flow_in, self.embeddings = video, modality, flow_in, embeddings
        self.shown: str | None = None  # the modality of this pass

    @property
    def weight(self) -> Tensor:
        """The host reads the number of channels from it."""
        return self.video.weight

    def forward(self, x: Tensor) -> Tensor:
        video, other = x.chunk(2, -1)
        other = self.modality(other).movedim(1, -1)
        other = self.flow_in(other.to(self.flow_in.weight.dtype))
        if self.shown is not None:
            other = other + self.embeddings(self.shown, other)
        return torch.cat((self.video(video), other.movedim(-1, 1)), -1)


class PairHead(nn.Module):
    """Both heads on all tokens, one after the other in the batch: which tokens are whose is not known here."""

    def __init__(self, video: Head, modality: Head):
        super().__init__()
        self.video, self.modality = video, modality

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        return torch.cat((self.video(x, e), self.modality(x, e)))


class PairWanModel(WanModel):
    """(k m) C T h w, a timestep for each and (k m) tokens to the answers of both streams."""

    def __init__(self, *args, modalities=MODALITIES, device=None, dtype=None, operations=None, **kwargs):
        super().__init__(
            *args, device=device, dtype=dtype, operations=operations, wan_attn_block_class=PairBlock, **kwargs
        )
        self.modalities = tuple(modalities)
        shape = {"kernel_size": self.patch_size, "stride": self.patch_size, "device": device, "dtype": torch.float32}
        self.patch_embedding = PairPatches(
            self.patch_embedding,
            operations.Conv3d(self.in_dim, self.dim, **shape),
            operations.Linear(self.dim, self.dim, device=device, dtype=dtype),
            Embeddings(self.modalities, self.dim, dtype, device),
        )
        made = {"operations": operations, "device": device, "dtype": dtype}
        other = Head(self.dim, self.out_dim, self.patch_size, self.eps, operation_settings=made)
        self.head = PairHead(self.head, other)

    def _forward(self, x, timestep, context, *args, modality: str | None = None, **kwargs) -> Tensor:
        height, width = x.shape[-2:]
        self.patch_embedding.shown = modality
        pair = side_by_side(comfy.ldm.common_dit.pad_to_patch_size(x, self.patch_size))
        out = super()._forward(pair, timestep[::2], context, *args, **kwargs)
        return picked(out)[..., :height, :width]
