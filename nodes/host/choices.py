"""Names of the host that nodes offer, apart from our code that uses them."""

import comfy.context_windows
import comfy.samplers

SAMPLERS = comfy.samplers.KSampler.SAMPLERS
SCHEDULERS = comfy.samplers.KSampler.SCHEDULERS
CONTEXT_SCHEDULES = ["standard_static", "standard_uniform", "looped_uniform", "batched"]
FUSE_METHODS = list(comfy.context_windows.ContextFuseMethods.LIST_STATIC)
