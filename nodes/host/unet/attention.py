"""Makes diffusers' layers the host's own: attention with its kernel and patches, leaf layers that it casts and streams.

Letters: B latents of the batch, N tokens, C channels.
"""

from collections.abc import Callable, Iterator
from functools import cache, partial

from comfy.ldm.modules.attention import optimized_attention
from torch import Tensor, nn

from ....models.character.reference import ReferenceAttention
from ....models.unet.attention.shared_maps import SharedMaps
from ....models.unet.attention.sparse_causal import SparseCausal

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


def use_host_attention(unet: nn.Module) -> None:
    """Give every attention the host's kernel, and attn1 and attn2 the place names by which patches find them."""
    from diffusers.models.attention_processor import Attention

    for module in unet.modules():
        if isinstance(module, Attention) and not isinstance(module.processor, RULES):
            module.set_processor(HostAttention())
    for order, (place, transformer) in numbered_places(unet):
        for index, block in enumerate(transformer.transformer_blocks):
            for kind in ("attn1", "attn2"):
                attn = getattr(block, kind)
                if attn is not None:
                    rule = attn.processor if isinstance(attn.processor, RULES) else None
                    attn.set_processor(PatchedAttention(kind, place, index, order, rule))


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

    def __call__(self, attn, hidden_states: Tensor, encoder_hidden_states=None, attention_mask=None, **_) -> Tensor:
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        q, k, v = attn.to_q(hidden_states), attn.to_k(context), attn.to_v(context)
        return project(attn, optimized_attention(q, k, v, attn.heads, mask=attention_mask))


class PatchedAttention:
    """Spatial self-attention (attn1) or cross-attention (attn2), B N C, with all that a node may put in between."""

    def __init__(self, kind: str, place: tuple[str, int], index: int, order: int, rule: Rule | None = None):
        self.kind, self.place, self.index, self.order = kind, place, index, order
        self.rule = rule

    def __call__(
        self, attn, hidden_states: Tensor, encoder_hidden_states=None, attention_mask=None, transformer_options=None
    ) -> Tensor:
        options = dict(transformer_options or {}, block=self.place, block_index=self.index)
        patches = options.get("patches", {})
        extra = self.extra(attn, options)
        x = hidden_states
        context = x if encoder_hidden_states is None else encoder_hidden_states
        value = context
        for patch in patches.get(f"{self.kind}_patch", ()):
            x, context, value = patch(x, context, value, extra)
        q, k, v = attn.to_q(x), attn.to_k(context), attn.to_v(context if value is None else value)
        replace = options.get("patches_replace", {}).get(self.kind, {})
        replaced = replace.get((*self.place, self.index), replace.get(self.place))
        rule = self.rule
        if replaced is not None:
            attend = lambda q, k, v: replaced(q, k, v, extra)
            rule = rule if isinstance(rule, SharedMaps) else None  # PAG and SAG want a frame's own tokens
        else:
            attend = lambda q, k, v: optimized_attention(q, k, v, attn.heads, transformer_options=options)
        out = project(attn, attend(q, k, v) if rule is None else self.ruled(attn)(attend, q, k, v))
        for patch in patches.get(f"{self.kind}_output_patch", ()):
            out = patch(out, extra)
        return out

    def ruled(self, attn) -> Callable:
        """How our rule attends; the features of a reference are not projected yet, so it takes the layer."""
        return partial(self.rule.over, attn=attn) if isinstance(self.rule, ReferenceAttention) else self.rule.over

    def extra(self, attn, options: dict) -> dict:
        """What the host's own U-Net passes to a patch about the attention that calls it."""
        known = {key: value for key, value in options.items() if key not in ("patches", "patches_replace")}
        return known | {
            "transformer_index": self.order,
            "n_heads": attn.heads,
            "dim_head": attn.inner_dim // attn.heads,
            "attn_precision": None,
        }


def project(attn, answer: Tensor) -> Tensor:
    """B N C through the output projection."""
    return attn.to_out[1](attn.to_out[0](answer))
