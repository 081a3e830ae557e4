"""ComfyUI's WanModel with its patch embedding, its cross-attention and its head exchanged for those of a pair (section 3)."""

from functools import cache

import comfy.ldm.common_dit
import torch
from comfy.ldm.wan.model import Head, WanAttentionBlock, WanModel, WanT2VCrossAttention
from torch import Tensor, nn

from ....models.wan.layout import joined, picked, side_by_side, streams
from ....models.wan.sentences import MODALITIES


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


class Modality(nn.Module):
    """k C T h x to k c f y x: the patches of the second stream, and what it shows."""

    def __init__(self, patch_embedding: nn.Module, flow_in: nn.Module, embeddings: Embeddings):
        super().__init__()
        self.patch_embedding, self.flow_in, self.embeddings = patch_embedding, flow_in, embeddings
        self.shown: str | None = None  # the modality of this pass

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patch_embedding(x).movedim(1, -1)
        tokens = self.flow_in(tokens.to(self.flow_in.weight.dtype))
        if self.shown is not None:
            tokens = tokens + self.embeddings(self.shown, tokens)
        return tokens.movedim(-1, 1)


class PairPatches:
    """k C T h (m w) to k c f y (m x): the host's convolution for the video, another one for the second stream.

    That one is no child of it: the host gives patches and streamed weights to layers without children only.
    """

    def forward(self, x: Tensor) -> Tensor:
        video, other = x.chunk(2, -1)
        return torch.cat((super().forward(video), self.beside[0](other)), -1)


@cache
def pair_patches(convolution: type) -> type:
    """The same kind of convolution for both streams."""
    return type("PairPatches", (PairPatches, convolution), {})


class PairHead(Head):
    """Both heads on all tokens, one after the other in the batch: which tokens are whose is not known here."""

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        return torch.cat((super().forward(x, e), self.modality(x, e)))


class PairWanModel(WanModel):
    """(k m) C T h w, a timestep for each and (k m) tokens to the answers of both streams."""

    def __init__(self, *args, modalities=MODALITIES, device=None, dtype=None, operations=None, **kwargs):
        super().__init__(
            *args, device=device, dtype=dtype, operations=operations, wan_attn_block_class=PairBlock, **kwargs
        )
        self.modalities = tuple(modalities)
        shape = {"kernel_size": self.patch_size, "stride": self.patch_size, "device": device, "dtype": torch.float32}
        self.modality = Modality(
            operations.Conv3d(self.in_dim, self.dim, **shape),
            operations.Linear(self.dim, self.dim, device=device, dtype=dtype),
            Embeddings(self.modalities, self.dim, dtype, device),
        )
        self.patch_embedding.__class__ = pair_patches(type(self.patch_embedding))
        self.patch_embedding.beside = (self.modality,)
        made = {"operations": operations, "device": device, "dtype": dtype}
        self.head.__class__ = PairHead
        self.head.modality = Head(self.dim, self.out_dim, self.patch_size, self.eps, operation_settings=made)

    def _forward(self, x, timestep, context, *args, modality: str | None = None, **kwargs) -> Tensor:
        frames, height, width = x.shape[-3:]
        self.modality.shown = modality
        pair = side_by_side(comfy.ldm.common_dit.pad_to_patch_size(x, self.patch_size))
        out = super()._forward(pair, timestep[::2], context, *args, **kwargs)
        return picked(out)[..., :frames, :height, :width]


class PairPicturesModel(PairWanModel):
    """The same for latents of an image VAE, frame by frame: (k m F) C h w, with a timestep and tokens for each frame."""

    def forward(self, x, timestep, context, *args, transformer_options={}, **kwargs) -> Tensor:  # noqa: B006
        clips = 2 * len(transformer_options["cond_or_uncond"])
        first = lambda values: values.unflatten(0, (clips // 2, -1))[:, :2].flatten(0, 1)  # the host repeats both
        video = x.unflatten(0, (clips, -1)).transpose(1, 2)
        options = {"transformer_options": transformer_options}
        out = super().forward(video, first(timestep), first(context), *args, **options, **kwargs)
        return out.transpose(1, 2).flatten(0, 1)
