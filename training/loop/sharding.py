"""Sharding (torch's FSDP2): each process holds a share of the trained weights, so a network may be larger than one GPU.

A block is gathered just before its forward pass and sharded again right after. Between two passes every weight is a DTensor
under its own name, and so are its gradient, AdamW's state and its average. Tensors without shares pass through here as
they are.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ..recipes.base import Recipe

BLOCKS = (
    "down_blocks",
    "mid_block",
    "up_blocks",
    "blocks",
)  # diffusers' names in every U-Net and ControlNet, and Wan's


def shard(recipe: Recipe, device: torch.device, processes: int) -> None:
    """Cut the networks that train into shares, one for each process; those that are frozen whole stay whole."""
    try:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
    except ImportError as error:
        raise RuntimeError(
            f"Sharding needs PyTorch 2.7 or newer, and this is {torch.__version__}: update it, or set sharding to none."
        ) from error
    trained = [net for net in recipe.children() if any(value.requires_grad for value in net.parameters())]
    frozen = {value for net in recipe.children() if net not in trained for value in net.parameters()}
    for value in set(recipe.parameters()) - frozen:
        value.data = value.data.contiguous()  # fully_shard does not support channels_last
    # The root is sharded again after a pass too, so that a change of weights between passes changes the shares.
    how = {"mesh": init_device_mesh(device.type, (processes,)), "reshard_after_forward": True}
    for block in blocks_of(trained):
        fully_shard(block, **how)
    fully_shard(recipe, ignored_params=frozen, **how)
    for name in ("pictures", "figures"):
        register_fsdp_forward_method(recipe, name)


def blocks_of(networks: list[nn.Module]) -> Iterator[nn.Module]:
    """The modules that are gathered at once: each block of a U-Net or ControlNet; the rest goes with the recipe itself."""
    for net in networks:
        for module in list(net.modules()):
            for part in (getattr(module, name, None) for name in BLOCKS):
                yield from part if isinstance(part, nn.ModuleList) else [part] * isinstance(part, nn.Module)


@torch.no_grad()
def whole(value: Tensor) -> Tensor:
    """The tensor that the processes share; all of them must call this."""
    return value.full_tensor() if hasattr(value, "full_tensor") else value


def gather(values: dict[str, Tensor], keep: bool) -> dict[str, Tensor]:
    """Whole tensors by name, for the one process that keeps them; all take part, and a device holds one at a time."""
    out = {}
    for name, value in values.items():
        full = whole(value)
        if keep:
            out[name] = value if full is value else full.cpu()
    return out


def place_like(value: Tensor, like: Tensor) -> Tensor:
    """A whole tensor where another one lies: its device, and of shares only this process's own."""
    value = value.to(like.device)
    if not hasattr(like, "full_tensor"):
        return value
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(value, like.device_mesh, like.placements, src_data_rank=None)


@contextmanager
def with_full_weights(recipe: Recipe, keep: bool) -> Iterator[None]:
    """The recipe with whole weights on the CPU for a while, in the one process that keeps them; all take part."""
    shares = [(module, name, value) for module in recipe.modules() for name, value in module._parameters.items()
              if hasattr(value, "full_tensor")]  # fmt: skip
    for module, name, value in shares:
        full = whole(value)
        if keep:
            setattr(module, name, nn.Parameter(full.cpu(), requires_grad=value.requires_grad))
    try:
        yield
    finally:
        for module, name, value in shares if keep else ():
            setattr(module, name, value)
