"""Makes diffusers' layers the host's own: attention with its kernel and patches, leaf layers that it casts and streams.

Letters: B latents of the batch, N tokens, C channels.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial

import torch
from comfy.ldm.modules.attention import optimized_attention
from einops import rearrange
from torch import Tensor, nn

from ....models.character.reference import ReferenceAttention
from ....models.unet.attention.shared_maps import SharedMaps
from ....models.unet.attention.sparse_causal import SparseCausal
from ....models.unet.attention.temporal import TemporalAttention

LEAVES = (
    nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.GroupNorm, nn.LayerNorm, nn.Embedding,
)  # fmt: skip
Rule = SharedMaps | SparseCausal | ReferenceAttention  # our processors that say who looks at what
RULES = (SharedMaps, SparseCausal, ReferenceAttention)  # the host's kernel runs inside them


def use_host_layers(network: nn.Module, operations) -> None:
    """Retag every leaf layer in place; a layer of torch would stay on the CPU in a partial load."""
    for module in network.modules():
        leaf = next((leaf for leaf in LEAVES if isinstance(module, leaf)), None)
        if leaf is not None:
            module.__class__ = host_layer(type(module), leaf, getattr(operations, leaf.__name__))
            module.bias = getattr(module, "bias", None)  # the host reads one of an Embedding


@cache
def host_layer(own: type, leaf: type, host: type) -> type:
    """The host's layer in place of torch's; a layer of ours keeps its own methods and gets the host's below them."""
    return host if own is leaf else type(own.__name__, (own, host), {})


class CallOptions:
    """The host's transformer_options of the forward pass that runs, for attention that diffusers does not hand them to."""

    current: dict = {}

    @contextmanager
    def set(self, options: dict):
        self.current = options
        try:
            yield
        finally:
            self.current = {}


def use_host_attention(unet: nn.Module) -> None:
    """Give every attention the host's kernel, and attn1 and attn2 the place names by which patches find them."""
    from diffusers.models.attention_processor import Attention

    unet.call_options, precision = CallOptions(), precision_of(unet.video)
    for module in unet.modules():
        if isinstance(module, TemporalAttention):
            module.__class__, module.call_options, module.precision = HostTemporal, unet.call_options, precision
        if isinstance(module, Attention) and not isinstance(module.processor, RULES):
            module.set_processor(HostAttention(precision, unet.call_options))
    for order, (place, transformer) in numbered_places(unet):
        transformer.register_forward_pre_hook(partial(enter, place, order), with_kwargs=True)
        transformer.register_forward_hook(leave, with_kwargs=True)
        for index, block in enumerate(transformer.transformer_blocks):
            block.after_attn1 = MiddlePatches(block.attn1, index, precision)
            for kind in ("attn1", "attn2"):
                attn = getattr(block, kind)
                if attn is not None:
                    rule = attn.processor if isinstance(attn.processor, RULES) else None
                    attn.set_processor(PatchedAttention(kind, index, precision, rule))


def precision_of(video) -> torch.dtype | None:
    """Stable Diffusion 2 overflows half precision in attention, so the host computes it in float32 (its SD20)."""
    return torch.float32 if video.use_linear_projection else None


def enter(place: tuple[str, int], order: int, module: nn.Module, args: tuple, kwargs: dict) -> None:
    """A forward pre-hook of a transformer: tells patches where they are, as the host's own U-Net does."""
    options = options_of(kwargs)
    if options is not None:
        shape = args[0].shape if args else kwargs["hidden_states"].shape
        options.update(block=place, transformer_index=order, activations_shape=list(shape))


def leave(module: nn.Module, args: tuple, kwargs: dict, output: tuple) -> None:
    """A forward hook of a transformer: the next one has the next number."""
    options = options_of(kwargs)
    if options is not None:
        options["transformer_index"] += 1


def options_of(kwargs: dict) -> dict | None:
    return (kwargs.get("cross_attention_kwargs") or {}).get("transformer_options")


def numbered_places(unet: nn.Module) -> Iterator[tuple[int, tuple[tuple[str, int], nn.Module]]]:
    """The transformers of a network, or of each of two, counted from 0."""
    for net in getattr(unet, "streams", {"": unet}).values():
        yield from enumerate(places(net))


def places(unet: nn.Module) -> Iterator[tuple[tuple[str, int], nn.Module]]:
    """Each transformer with the name it has in the host's own U-Net, in the order of a forward pass."""
    index = 1  # input block 0 is the first convolution
    for block in unet.down_blocks:
        for i, transformer in enumerate(getattr(block, "attentions", None) or ()):
            yield ("input", index + i), transformer
        index += len(block.resnets) + len(block.downsamplers or ())
    for transformer in getattr(unet.mid_block, "attentions", None) or ():
        yield ("middle", 0), transformer
    index = 0
    for block in unet.up_blocks:
        for i, transformer in enumerate(getattr(block, "attentions", None) or ()):
            yield ("output", index + i), transformer
        index += len(block.resnets)


class HostAttention:
    """Attention over time and between modalities: the host's kernel, no patches, for they expect frames of tokens."""

    def __init__(self, precision: torch.dtype | None = None, call_options: CallOptions | None = None):
        self.precision, self.call_options = precision, call_options or CallOptions()

    def __call__(self, attn, hidden_states: Tensor, encoder_hidden_states=None, attention_mask=None, **_) -> Tensor:
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        q, k, v = attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context)
        how = {"attn_precision": self.precision, "transformer_options": self.call_options.current}
        return project(attn, optimized_attention(q, k, v, attn.heads, mask=attention_mask, **how))


class HostTemporal(TemporalAttention):
    """Attention over time whose kernel a node may replace; otherwise torch's own, which copies nothing."""

    def attend(self, query: Tensor, key: Tensor, value: Tensor, layout) -> Tensor:
        options = self.call_options.current
        if "optimized_attention_override" not in options:
            return super().attend(query, key, value, layout)
        by_pixel = [rearrange(x, "(n f) d c -> (n d) f c", n=layout.clips) for x in (query, key, value)]
        how = {"attn_precision": self.precision, "transformer_options": options}
        answer = optimized_attention(*by_pixel, self.heads, **how)
        return rearrange(answer, "(n d) f c -> (n f) d c", n=layout.clips)


class MiddlePatches:
    """What nodes put between self-attention and cross-attention (GLIGEN): B N C in and out, each latent by itself."""

    def __init__(self, attn, index: int, precision: torch.dtype | None):
        self.attn, self.index, self.precision = attn, index, precision

    def __call__(self, x: Tensor, transformer_options: dict | None = None) -> Tensor:
        patches = (transformer_options or {}).get("patches", {}).get("middle_patch", ())
        if not patches:
            return x
        transformer_options["block_index"] = self.index
        told = extra_options(self.attn, transformer_options, self.precision)
        for patch in patches:
            x = patch(x, told)
        return x


class PatchedAttention:
    """Spatial self-attention (attn1) or cross-attention (attn2), B N C, with all that a node may put in between."""

    def __init__(self, kind: str, index: int, precision: torch.dtype | None = None, rule: Rule | None = None):
        self.kind, self.index, self.precision, self.rule = kind, index, precision, rule

    def __call__(
        self, attn, hidden_states: Tensor, encoder_hidden_states=None, attention_mask=None, transformer_options=None
    ) -> Tensor:
        options = {} if transformer_options is None else transformer_options
        options["block_index"] = self.index
        patches, extra = options.get("patches", {}), extra_options(attn, options, self.precision)
        x = hidden_states
        context = x if encoder_hidden_states is None else encoder_hidden_states
        value = context
        for patch in patches.get(f"{self.kind}_patch", ()):
            x, context, value = patch(x, context, value, extra)
        q, k, v = attn.to_q(x), attn.to_k(context), attn.to_v(context if value is None else value)
        out = project(attn, self.attend(attn, q, k, v, options, extra))
        for patch in patches.get(f"{self.kind}_output_patch", ()):
            out = patch(out, extra)
        return out

    def attend(self, attn, q: Tensor, k: Tensor, v: Tensor, options: dict, extra: dict) -> Tensor:
        """By the host's kernel or what replaces it, and by our rule of who looks at what."""
        replaced, rule = self.replacement(options), self.rule
        if replaced is not None:
            attend = lambda q, k, v: replaced(q, k, v, extra)
            rule = rule if isinstance(rule, SharedMaps) else None  # PAG and SAG want a frame's own tokens
        else:
            how = {"attn_precision": self.precision, "transformer_options": options}
            attend = lambda q, k, v: optimized_attention(q, k, v, attn.heads, **how)
        if rule is None:
            return attend(q, k, v)
        if len(k) != len(q):  # HyperTile cuts the queries alone; the kernel would cut the rest to match only later
            k, v = (x.reshape(len(q), -1, x.shape[2]) for x in (k, v))
        return self.ruled(attn)(attend, q, k, v)

    def replacement(self, options: dict) -> Callable | None:
        """What a node put in the place of this attention: of this block of the transformer, or of all."""
        replace = options.get("patches_replace", {}).get(self.kind)
        if not replace:
            return None
        place = options["block"]
        return replace.get((*place, self.index), replace.get(place))

    def ruled(self, attn) -> Callable:
        """How our rule attends; the features of a reference are not projected yet, so it takes the layer."""
        return partial(self.rule.over, attn=attn) if isinstance(self.rule, ReferenceAttention) else self.rule.over


def extra_options(attn, options: dict, precision: torch.dtype | None) -> dict:
    """What the host's own U-Net passes to a patch about the attention that calls it."""
    known = {key: value for key, value in options.items() if key not in ("patches", "patches_replace")}
    return known | {"n_heads": attn.heads, "dim_head": attn.inner_dim // attn.heads, "attn_precision": precision}


def project(attn, answer: Tensor) -> Tensor:
    """B N C through the output projection."""
    return attn.to_out[1](attn.to_out[0](answer))
