"""Weights in fp8 with a scale for each, in the two forms that ComfyUI reads: they are read as their products in fp16.

The older form has "scaled_fp8" and "*.scale_weight"; the newer one has "*.weight_scale" and says its format in "*.comfy_quant"
or in the metadata "_quantization_metadata". The scales of inputs only serve a faster multiplication, and are left out.
"""

import json

import torch
from torch import Tensor

from .reading import FP8, Weights

MARK = "scaled_fp8"
SCALES = (".scale_weight", ".weight_scale")
BESIDE = (*SCALES, ".scale_input", ".input_scale", ".comfy_quant")
FORMATS = {"float8_e4m3fn": torch.float8_e4m3fn, "float8_e5m2": torch.float8_e5m2}
DECLARED = "_quantization_metadata"


def without_scales(file: Weights) -> Weights:
    """The same weights times their scales, without the scales; a file without any stays as it is."""
    beside = [name for name in file.shapes if name.endswith(BESIDE) or name.rpartition(".")[2] == MARK]
    if not beside and DECLARED not in file.metadata:
        return file
    formats = declared_formats(file, beside)
    scales = {name.removesuffix(end) + ".weight": name for end in SCALES for name in beside if name.endswith(end)}
    kept = file.pick({name: name for name in file.shapes if name not in set(beside)})

    def read(name: str) -> Tensor:
        value = file.read(name)
        module = name.removesuffix(".weight")
        if value.dtype == torch.uint8 and module in formats:
            value = value.view(formats[module])
        return value if name not in scales else value.half() * scale_of(file, scales[name], value)

    return Weights(kept.path, kept.shapes, kept.metadata, read)


def scale_of(file: Weights, name: str, value: Tensor) -> Tensor:
    """The one scale of a weight."""
    scale = file.read(name)
    if value.dtype not in FP8 or scale.numel() != 1 or not scale.is_floating_point():
        raise ValueError(
            f"{file.name} stores {name} in a form that is unknown here; one scale for each weight in fp8 was expected. "
            "Use the model in fp16, bf16 or fp32."
        )
    return scale.float().reshape(())


def declared_formats(file: Weights, beside: list[str]) -> dict[str, torch.dtype]:
    """{module: its kind of fp8}; another quantisation is refused by its name."""
    texts = {
        name.removesuffix(".comfy_quant"): bytes_of(file, name) for name in beside if name.endswith(".comfy_quant")
    }
    try:
        layers = {module: json.loads(text) for module, text in texts.items()}
        layers |= json.loads(file.metadata.get(DECLARED, "{}")).get("layers", {})
        names = {module: layer["format"] for module, layer in layers.items()}
        return {module: FORMATS[name] for module, name in names.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"{file.name} is quantised in a form that is unknown here ({str(error)[:100]}): use the model in fp16, bf16, fp32 "
            "or fp8."
        ) from error


def bytes_of(file: Weights, name: str) -> bytes:
    value = file.read(name)
    return value.numpy().tobytes() if value.dtype == torch.uint8 else b""
