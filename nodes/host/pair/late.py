"""Conditions that a network computes from its weights: at the first step, once for all steps, and again when hooks change.

The host calls extra_conds before it applies the hooks of a conditioning (a LoRA as a weight hook), so nothing that is
computed there would have them.
"""

from collections.abc import Callable

import comfy.model_management as memory
import torch
from comfy.conds import CONDRegular
from torch import Tensor

LATE = "duet_late"  # in a conditioning: its late conditions and what they were computed under


class Late:
    """A condition that is computed when it is first needed; parts are the modules whose weights it depends on."""

    def __init__(self, parts: tuple[str, ...], compute: Callable[[], CONDRegular]):
        self.prefixes, self.compute = tuple(f"diffusion_model.{part}." for part in parts), compute

    def value(self) -> CONDRegular:
        with torch.set_grad_enabled(memory.in_training):
            return self.compute()

    def process_cond(self, **kwargs):
        """For callers outside a guider, who set no hooks."""
        return self.value().process_cond(**kwargs)


class LateConds:
    """The late conditions of one conditioning, each with the strengths of the hooks that it was computed under."""

    def __init__(self, model_conds: dict):
        self.found = {name: cond for name, cond in model_conds.items() if isinstance(cond, Late)}
        self.under: dict[str, tuple] = {}

    def refresh(self, cond: dict, model, timestep: Tensor, options: dict) -> None:
        """Compute what was not computed yet under the hooks of this step, with the host's weights under these hooks."""
        hooks, patcher = cond.get("hooks"), model.current_patcher
        if hooks is not None:
            patcher.prepare_hook_patches_current_keyframe(timestep, hooks, options)
        now = {name: strengths(patcher, hooks, late.prefixes) for name, late in self.found.items()}
        stale = [name for name in now if memory.in_training or self.under.get(name) != now[name]]
        if stale:
            patcher.apply_hooks(hooks=hooks)
            with model.diffusion_model.call_options.set(options.get("transformer_options", {})):
                cond["model_conds"] |= {name: self.found[name].value() for name in stale}
            self.under |= {name: now[name] for name in stale}


def strengths(patcher, hooks, prefixes: tuple[str, ...]) -> tuple:
    """Each hook that changes weights whose names begin so, with its strength at this step."""
    if hooks is None:
        return ()
    touches = lambda hook: any(key.startswith(prefixes) for key in patcher.hook_patches.get(hook.hook_ref, ()))
    return tuple((hook.hook_ref, hook.strength) for hook in hooks.hooks if touches(hook))


def compute_late_conds(executor, x: Tensor, timestep: Tensor, model_options: dict | None = None, seed=None) -> Tensor:
    """The host's PREDICT_NOISE wrapper point, in front of every step."""
    guider = executor.class_obj
    for conds in guider.conds.values():
        for cond in conds or ():
            if LATE not in cond:
                cond[LATE] = LateConds(cond["model_conds"])
                cond["model_conds"] = dict(cond["model_conds"])
            if cond[LATE].found and is_active(cond, timestep):
                cond[LATE].refresh(cond, guider.inner_model, timestep, model_options or {})
    return executor(x, timestep, model_options, seed)


def is_active(cond: dict, timestep: Tensor) -> bool:
    """Whether a conditioning takes part in this step (Set Timestep Range)."""
    start, end = cond.get("timestep_start"), cond.get("timestep_end")
    return not ((start is not None and timestep[0] > start) or (end is not None and timestep[0] < end))
