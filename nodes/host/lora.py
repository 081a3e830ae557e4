"""LoRAs in the form that diffusers and PEFT save, whose names the host's own loader passes over with warnings only."""

import comfy.sd
from torch import Tensor

PREFIXES = ("base_model.model.unet.", "base_model.model.", "unet.")


def convert_lora(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Keys such as unet.*.lora_A.weight as diffusion_model.*; kohya's and the host's own forms stay as they are."""
    return {rename(key): value for key, value in state.items()}


def rename(key: str) -> str:
    prefix = next((prefix for prefix in PREFIXES if key.startswith(prefix)), None)
    if prefix is None:
        return key
    key = "diffusion_model." + key.removeprefix(prefix)
    return key.replace(".processor.to_", ".to_").replace(".to_out_lora.", ".to_out.0_lora.")


def apply_lora(patcher, state: dict[str, Tensor], strength: float):
    """A clone of the MODEL with a LoRA of any form; one of which nothing fits is refused."""
    clone, _ = comfy.sd.load_lora_for_models(patcher, None, convert_lora(state), strength, 0.0)
    if len(clone.patches) == len(patcher.patches) and strength:
        raise ValueError(
            f"None of the {len(state)} tensors of this LoRA fits the model, for example {next(iter(state), 'none')}: "
            "choose a LoRA that was trained for the same kind of model."
        )
    return clone
