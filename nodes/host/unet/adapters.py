"""Layers that a node adds to a MODEL: a clone on a larger network, which keeps everything that was set on the MODEL before.

Patches go by the names of weights, which stay the same; where the adapter brings another weight, they act on that one.
"""

from collections.abc import Callable, Iterator

from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from torch import Tensor

from ....models.unet.config import VideoUNetConfig
from .model import config_of, native_model
from .shared import PREFIX, mark_shared, original_weights

# What a clone has in common with its parent because both are the same network to the host; this one is another.
OF_A_NETWORK = {
    "size", "parent", "patches_uuid", "clone_base_uuid", "cached_patcher_init", "is_multigpu_base_clone",
    "hook_backup", "cached_hook_patches", "current_hooks",
}  # fmt: skip
NETWORK = PREFIX.rstrip(".")


def base_of(patcher: ModelPatcher, node: str) -> tuple[VideoUNetConfig, dict[str, Tensor]]:
    """The configuration and the weights that a node adds its layers to, without patches and without a copy."""
    config = config_of(patcher)
    for what in bound_to_network(patcher):
        raise ValueError(f"{what} in front of {node}, which makes another network: put that node behind {node}.")
    return config, original_weights(patcher)


def bound_to_network(patcher: ModelPatcher) -> Iterator[str]:
    """What holds on to the layers that a MODEL has now, and so would have no effect on those of another network."""
    if patcher.get_wrappers(WrappersMP.APPLY_MODEL, "torch.compile"):
        yield "TorchCompileModel has compiled the network"
    if patcher.get_injections("bypass_lora"):
        yield "Load LoRA (Bypass) has changed layers"
    if patcher.get_additional_models_with_key("multigpu"):
        yield "MultiGPU CFG Split has copied the network"
    for name in patcher.object_patches:
        if name == NETWORK or name.startswith(PREFIX):
            place = name.removeprefix(NETWORK).lstrip(".") or "the network"
            yield f"A node puts something of its own in place of {place}"


def adapted(
    patcher: ModelPatcher, config: VideoUNetConfig, state: dict[str, Tensor], source: tuple | None
) -> ModelPatcher:
    """A clone of a MODEL on the network of another configuration; state holds weights of base_of and the new ones."""
    dtype = patcher.model.diffusion_model.dtype
    new = native_model(config, state, source=source, dtype=dtype, disable_dynamic=not patcher.is_dynamic())
    mark_shared(set(state), patcher, new)
    clone = patcher.clone(model_override=new.get_clone_model_override())
    for name in OF_A_NETWORK & vars(new).keys():
        setattr(clone, name, getattr(new, name))
    return clone


def source_of(add: Callable, patcher: ModelPatcher, path) -> tuple | None:
    """What the host calls for a fresh copy of add(patcher, path)[0]."""
    return None if patcher.cached_patcher_init is None else (add_again, (add, patcher.cached_patcher_init, path), 0)


def add_again(add: Callable, source: tuple, path, disable_dynamic: bool = False) -> tuple:
    """The same layers on a fresh copy of the MODEL that they were added to."""
    build, args, *index = source
    base = build(*args, disable_dynamic=disable_dynamic)
    return add(base[index[0]] if index else base, path)
