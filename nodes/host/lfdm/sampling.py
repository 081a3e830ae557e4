"""What sampling adds to a flow model: the threshold after every guidance, and the still image's part of the network.

Letters: B clips of the batch, F frames, h and w points of the flow, C channels.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from .patches import check_patches

THRESHOLD = "duet_threshold"  # the key of the wrapper
PARTS = "duet_still_parts"  # in transformer_options during one sampling


def apply_threshold(executor, x: Tensor, timestep: Tensor, model_options: dict, *args, **kwargs) -> Tensor:
    """The host's PREDICT_NOISE wrapper point, which every guider passes once a step, after its guidance.

    The clean flow (B, 3, F, h, w) within its threshold, without which samplers diverge.
    """
    from ....models.lfdm.diffusion import threshold

    guider = executor.class_obj
    within = partial(threshold, limit=guider.model_patcher.model.flow.limit)
    options = with_clean_unconditional(model_options, guider.model_options, within)
    return within(executor(x, timestep, options, *args, **kwargs))


def with_clean_unconditional(options: dict, before: dict, within: Callable[[Tensor], Tensor]) -> dict:
    """CFG++ samplers continue from the unconditional flow, which they fetch by a function of their own: it is clean too."""
    key = "sampler_post_cfg_function"
    given = before.get(key, [])
    functions = [
        function if function in given else lambda state, own=function: own(
            {**state, "uncond_denoised": within(state["uncond_denoised"])}
        )
        for function in options.get(key, [])
    ]  # fmt: skip
    return {**options, key: functions}


class StillParts:
    """The still image's part of the first convolution, computed once for each conditioning and each state of the hooks."""

    def __init__(self):
        self.parts: dict[tuple, Tensor] = {}

    def of(self, model, features: Tensor, uuids: list) -> Tensor:
        """(B, C, h, w) features of a batch of conditionings to their part (B, C, 1, h, w)."""
        hooks, network = hooks_of(model), model.diffusion_model
        for uuid, one in zip(uuids, features.chunk(len(uuids)), strict=True):
            if (uuid, hooks, features.device) not in self.parts:
                self.parts[uuid, hooks, features.device] = network.still_part(one)
        return torch.cat([self.parts[uuid, hooks, features.device] for uuid in uuids])


def hooks_of(model) -> tuple:
    """The LoRA hooks that the weights have now, each with its strength at this step."""
    group = getattr(model.current_patcher, "current_hooks", None)
    return () if group is None else tuple((hook.hook_ref, hook.strength) for hook in group.hooks)


def use_still_parts(executor, *args, features: Tensor | None = None, **kwargs) -> Tensor:
    """The host's APPLY_MODEL wrapper point, where hooks have changed the weights: features to their part of the network."""
    options = kwargs.get("transformer_options") or args[-1] or {}
    check_patches(options)
    parts, uuids = options.get(PARTS), options.get("uuids")
    if features is None or parts is None or not uuids or torch.is_grad_enabled():
        return executor(*args, features=features, **kwargs)  # training changes the weights at every step
    return executor(*args, still_part=parts.of(executor.class_obj, features, uuids), **kwargs)
