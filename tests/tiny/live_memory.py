"""How much memory tensors hold while a network runs, counted without running it: on the meta device tensors have shapes alone."""

import weakref

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

RELEASED = {  # the shape of the pair on Wan 2.2 5B
    "dim": 3072, "ffn_dim": 14336, "num_heads": 24, "num_layers": 30, "in_dim": 48, "out_dim": 48, "text_dim": 4096,
    "freq_dim": 256, "patch_size": (1, 2, 2),
}  # fmt: skip
TOKENS = 512  # of a prompt


class LiveMemory(TorchDispatchMode):
    """Bytes of all tensors that were made and are still there, now and at most, without those that were there before."""

    def __init__(self, before):
        super().__init__()
        self.now, self.most = 0, 0
        self.known = dict.fromkeys(tensor.untyped_storage()._cdata for tensor in before)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                self.see(tensor.untyped_storage())
        self.most = max(self.most, self.now)
        return out

    def see(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self.known:
            return

        def gone(_):
            if self.known.pop(key, None):
                self.now -= size

        self.known[key] = weakref.ref(storage, gone)
        self.now += size


def flash(func, q, k, v, heads, **kwargs):
    """Attention that never holds a full matrix, as on a GPU: its result, and one number for each query."""
    sums = q.new_empty(*q.shape[:2], heads, dtype=torch.float32)
    out = torch.empty_like(q)
    del sums
    return out


def expected(shape: tuple[int, ...]) -> float:
    """Bytes that ComfyUI expects of a pass over latents of that shape in bf16, by its formula for attention without a full matrix."""
    from pack.nodes.host.wan.model import PairWanSettings

    pixels = shape[0] * shape[2] * shape[3] * shape[4]
    return pixels * 2 * 0.01 * PairWanSettings(RELEASED).memory_usage_factor * 2**20


def pair_network(blocks: int = 30, dtype: torch.dtype = torch.bfloat16, device: str = "meta"):
    """The network of the pair at the width of the released file."""
    import comfy.ops
    from pack.nodes.host.wan.network import PairWanModel

    config = RELEASED | {"num_layers": blocks}
    return PairWanModel(**config, dtype=dtype, device=device, operations=comfy.ops.disable_weight_init).eval()


def given(width: int, height: int, frames: int, chunks: int = 1, dtype=torch.bfloat16, device: str = "meta") -> tuple:
    """What the network reads for clips of that size: latents, timesteps and prompts; two chunks with guidance."""
    shape = (2 * chunks, 48, 1 + (frames - 1) // 4, height // 16, width // 16)
    make = lambda *shape: torch.zeros(shape, dtype=dtype, device=device)
    return make(*shape), make(2 * chunks).float(), make(2 * chunks, TOKENS, 4096)


def in_a_pass(network, given: tuple, attention=flash) -> int:
    """Bytes that a pass of a network holds at most, beside its weights and what it reads."""
    options = {"optimized_attention_override": attention}
    with torch.no_grad(), LiveMemory((*network.parameters(), *given)) as memory:
        network(*given, transformer_options=options, modality="depth")
    return memory.most
