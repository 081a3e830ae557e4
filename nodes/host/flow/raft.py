"""The host's optical flow model, torchvision's RAFT, as an estimator of the flow between two pictures.

Letters: H and W pixels.
"""

from functools import partial

import comfy.model_management as memory
import torch
import torch.nn.functional as F
from torch import Tensor

from ....models.flow.estimate import Estimate
from ....models.flow.fields import Field, resized, scaled
from ..memory import check_memory

STEP, SMALLEST = 8, 128  # RAFT's features are eight times smaller, and at least 16 a side
LARGEST = 1024  # pixels of the longer side that RAFT was made for; its memory grows with the square of the pixels
PARTS = ("feature_encoder", "context_encoder", "update_block")
PYRAMID = 1.4  # the correlation of all points with all, with its smaller copies
LAYERS = 160  # float32 numbers a pixel that the encoders and the updates hold


def raft_estimator(optical_flow, size: tuple[int, int]) -> Estimate:
    """An estimator for pictures of (H, W), with the model loaded; larger ones than LARGEST are estimated smaller."""
    check_model(optical_flow)
    working = working_size(size)
    needed = bytes_needed(working)
    if memory.is_device_cpu(optical_flow.load_device):
        check_memory(needed, f"Optical flow of {size[1]} x {size[0]} by RAFT", "use a smaller clip")
    memory.load_models_gpu([optical_flow], memory_required=needed, force_full_load=True)
    network = optical_flow.model.to(optical_flow.load_device)  # --novram does not load what it cannot stream
    return partial(estimate, network, optical_flow.load_device, working)


def check_model(optical_flow) -> None:
    """Refuses what another pack may send under the same name of socket."""
    network = getattr(optical_flow, "model", None)
    if not hasattr(optical_flow, "load_device") or not all(hasattr(network, part) for part in PARTS):
        raise ValueError(
            f"optical_flow: expected RAFT from Load Optical Flow Model, got {type(network or optical_flow).__name__}: "
            "connect that node, with raft_large in models/optical_flow."
        )


def working_size(size: tuple[int, int]) -> tuple[int, int]:
    """(H, W) at which pictures are estimated."""
    share = min(1.0, LARGEST / max(size))
    return max(1, round(share * size[0])), max(1, round(share * size[1]))


def padding(size: tuple[int, int]) -> tuple[int, int]:
    """By how many rows and columns pictures of (H, W) grow until RAFT can read them."""
    return tuple(max(SMALLEST, -(-side // STEP) * STEP) - side for side in size)


def bytes_needed(size: tuple[int, int]) -> int:
    """About how much memory one pair of pictures takes."""
    low, right = padding(size)
    pixels = (size[0] + low) * (size[1] + right)
    return int(4 * (PYRAMID * (pixels / STEP**2) ** 2 + LAYERS * pixels))


@torch.no_grad()
def estimate(
    network: torch.nn.Module, device: torch.device, working: tuple[int, int], start: Tensor, end: Tensor
) -> Tensor:
    """The offset of each pixel of `start` in `end`: (H, W, 3) pictures in [0, 1] to flow (H, W, 2)."""
    low, right = padding(working)

    def prepared(picture: Tensor) -> Tensor:
        planes = resized(picture.movedim(-1, 0)[None].to(device, torch.float32).clamp(0, 1), working)
        return 2 * F.pad(planes, (0, right, 0, low), mode="replicate") - 1

    flow = network(prepared(start), prepared(end))[-1][:, :, : working[0], : working[1]].movedim(1, -1)
    field = scaled(Field(flow, flow.new_ones(flow.shape[:3])), tuple(start.shape[:2]))
    return field.offset[0].to(start.device)
