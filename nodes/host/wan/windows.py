"""ComfyUI's own context windows along the frames of a pair on Wan 2.2."""

import copy
from functools import partial


def for_pair(handler):
    """A copy of a handler of context windows that fits a pair; windows along the batch are refused."""
    if getattr(handler, "dim", 0) < 2:
        raise ValueError(
            "These context windows would take the video and its second clip apart: use Context Windows (Video and Depth), or set "
            "dim to 2 in Context Windows (Manual)."
        )
    handler = copy.copy(handler)
    handler.evaluate_context_windows = partial(with_one_timestep, handler.evaluate_context_windows)
    return handler


def with_one_timestep(evaluate, calc_cond_batch, model, x_in, conds, timestep, *args, **kwargs):
    """The host takes a timestep for each frame out of the batch's unless there is one alone; a pair has two that are equal."""
    calculate = lambda model, conds, x, _, options: calc_cond_batch(model, conds, x, timestep, options)
    return evaluate(calculate, model, x_in, conds, timestep[:1], *args, **kwargs)
