"""What all networks of ours need to become a MODEL: kinds of numbers, weights, and the host's patcher."""

import comfy.model_management as memory
import comfy.model_patcher
import comfy.ops
import comfy.utils
import torch
from torch import Tensor


def choose_dtypes(
    state: dict[str, Tensor], supported: list[torch.dtype], dtype: torch.dtype | None = None
) -> tuple[torch.dtype, torch.dtype | None, type]:
    """The dtype of the weights, the one that layers compute in if it differs, and the host's layers for them."""
    device, size = memory.get_torch_device(), sum(value.numel() for value in state.values())
    dtype = dtype or memory.unet_dtype(
        model_params=size, supported_dtypes=supported, weight_dtype=comfy.utils.weight_dtype(state)
    )
    cast = memory.unet_manual_cast(dtype, device, supported)
    return dtype, cast, comfy.ops.pick_operations(dtype, cast, load_device=device)


def load_weights(network: torch.nn.Module, state: dict[str, Tensor], dtype: torch.dtype) -> None:
    """Put weights in a network on meta; one that is missing is refused, for the host would sample NaN from it."""
    network.host_dtype = dtype
    state = {name: cast(name, value, dtype) if value.is_floating_point() else value for name, value in state.items()}
    missing, unexpected = network.load_state_dict(state, strict=False, assign=True)
    if missing or unexpected:
        raise ValueError(
            f"The weights do not fit the model: {len(missing)} are missing and {len(unexpected)} are left over, such "
            f"as {', '.join([*missing, *unexpected][:3])}. Download the file again, or load it as another kind of model."
        )


def cast(name: str, value: Tensor, dtype: torch.dtype) -> Tensor:
    """A weight in another precision; one beyond its range is refused, for it would become infinite."""
    largest = torch.finfo(dtype).max
    if torch.finfo(value.dtype).max > largest and value.numel():
        found = max(value.max().item(), -value.min().item())
        if found > largest:
            raise ValueError(
                f"{name} has numbers up to {found:.6g}, more than {str(dtype).removeprefix('torch.')} holds, in which "
                "ComfyUI computes here: start it with --bf16-unet or --fp32-unet, or use other weights."
            )
    return value.to(dtype)


def as_patcher(model, source: tuple, disable_dynamic: bool) -> comfy.model_patcher.ModelPatcher:
    """The MODEL of a BaseModel; source is (function, arguments) that build the same MODEL anew."""
    device, offload = memory.get_torch_device(), memory.unet_offload_device()
    if not memory.is_device_cpu(offload):
        model.to(offload)
    kind = comfy.model_patcher.ModelPatcher if disable_dynamic else comfy.model_patcher.CoreModelPatcher
    patcher = kind(model, load_device=device, offload_device=offload)
    patcher.cached_patcher_init = source
    return patcher
