"""Weights that two MODELs have in common: in memory once, until a hook writes into them."""

import comfy.utils
from comfy.model_patcher import ModelPatcher
from torch import Tensor

PREFIX = "diffusion_model."


def original_weights(patcher: ModelPatcher) -> dict[str, Tensor]:
    """The weights of a network without the patches on them, where the host keeps them to be loaded; not copied there."""
    patcher.unpatch_model(unpatch_weights=False)  # layers of a clone's own; the host puts them back before each use
    found = patcher.get_key_patches()  # each weight as it was loaded, and its patches
    return {
        key.removeprefix(PREFIX): first[0].detach().to(patcher.offload_device)
        for key, (first, *_) in found.items()
        if key.startswith(PREFIX)
    }


def mark_shared(names: set[str], *patchers: ModelPatcher) -> None:
    """Remember which weights must not be written to in place."""
    for patcher in patchers:
        patcher.model.shared_weights = set(names)


def own_hooked_weights(patcher: ModelPatcher, *_) -> None:
    """The host's callback when hooks are registered: it will write into these weights, so they become the model's own."""
    shared = getattr(patcher.model, "shared_weights", set())
    hooked = {key.removeprefix(PREFIX) for patches in patcher.hook_patches.values() for key in patches}
    for name in shared & hooked:
        key, kept = PREFIX + name, patcher.backup.get(PREFIX + name)
        if kept is None:
            comfy.utils.set_attr_param(patcher.model, key, comfy.utils.get_attr(patcher.model, key).detach().clone())
        else:  # a LoRA is in the network now, and the weight without it lies aside
            patcher.backup[key] = kept._replace(weight=kept.weight.detach().clone())
        shared.discard(name)
