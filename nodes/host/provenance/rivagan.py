"""RivaGAN on the device that the host computes on, stopped by Cancel."""

import comfy.model_management as memory

from ....models.provenance.rivagan import Rivagan
from ..progress import stop_if_cancelled

NEEDED = 2**29  # bytes for both networks at work on one part of a picture


def open_rivagan() -> Rivagan:
    """Both networks; a GPU first unloads other models where they leave no room."""
    device = memory.get_torch_device()
    network = Rivagan(device, stop_if_cancelled)
    memory.free_memory(NEEDED, device)
    return network
