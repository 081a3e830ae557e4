"""ComfyUI's own context windows along the frames of a pair on Wan 2.2."""

import copy
from functools import cache


class OneTimestep:
    """The host takes a timestep for each frame out of the batch's unless there is one alone; a pair has two that are equal."""

    def evaluate_context_windows(self, calc_cond_batch, model, x_in, conds, timestep, *args, **kwargs):
        calculate = lambda model, conds, x, _, options: calc_cond_batch(model, conds, x, timestep, options)
        return super().evaluate_context_windows(calculate, model, x_in, conds, timestep[:1], *args, **kwargs)


@cache
def one_timestep(kind: type) -> type:
    """The same kind of handler with that."""
    return type(kind.__name__, (OneTimestep, kind), {})


def for_pair(handler):
    """A copy of a handler of context windows that fits a pair; windows along the batch are refused."""
    if getattr(handler, "dim", 0) < 2:
        raise ValueError(
            "These context windows would take the video and its second clip apart: use Wan Context Windows, or set dim to 2 in "
            "Context Windows (Manual)."
        )
    handler = copy.copy(handler)
    handler.__class__ = one_timestep(type(handler))
    return handler
