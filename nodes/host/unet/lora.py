"""LoRAs of every form, also as diffusers and PEFT save them, whose names the host's own loader passes over."""

import re

import comfy.lora
import comfy.lora_convert
from torch import Tensor

PREFIXES = ("base_model.model.unet.", "base_model.model.", "unet.")
BARE = re.compile(r"(down_blocks|mid_block|up_blocks)\.")  # AnimateDiff's motion LoRAs


def convert_lora(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Keys such as unet.*.lora_A.weight as diffusion_model.*; kohya's and the host's own forms stay as they are."""
    return {rename(key): value for key, value in state.items()}


def rename(key: str) -> str:
    prefix = "" if BARE.match(key) else next((prefix for prefix in PREFIXES if key.startswith(prefix)), None)
    if prefix is None:
        return key
    key = "diffusion_model." + key.removeprefix(prefix)
    return key.replace(".processor.to_", ".to_").replace(".to_out_lora.", ".to_out.0_lora.")


def fit_lora(patcher, state: dict[str, Tensor]) -> tuple[dict, list[str]]:
    """The host's patches, one for each weight that changes, and the names of the tensors that fit nothing."""
    targets = comfy.lora.model_lora_keys_unet(patcher.model, {})
    names = {rename(key) if hasattr(patcher.model, "video") else key: key for key in state}
    converted = comfy.lora_convert.convert_lora({new: state[old] for new, old in names.items()})
    patches = comfy.lora.load_lora(converted, targets, log_missing=False)
    weights = patcher.model.state_dict()
    # Keys that are not text name a slice of a weight, in models of the host that join several into one.
    fits = lambda key, patch: not isinstance(key, str) or has_shape_of(patch, weights.get(key))
    patches = {key: patch for key, patch in patches.items() if fits(key, patch)}
    modules = {name for name, key in targets.items() if key in patches}
    return patches, [old for new, old in names.items() if not is_part(new, modules)]


def has_shape_of(patch, weight: Tensor | None) -> bool:
    """Whether the host can add a patch to a weight; where it cannot, it would only write into its log."""
    if getattr(patch, "name", None) == "lora":
        up, down, _, mid, _, reshape = patch.weights
        inner = down[0].numel() * (1 if mid is None else mid[0, 0].numel())
        same = weight is not None and up.shape[0] == weight.shape[0] and up.shape[0] * inner == weight.numel()
        return same or reshape is not None
    if isinstance(patch, tuple) and patch[0] in ("diff", "set"):
        return weight is not None and patch[1][0].shape == weight.shape
    return True


def is_part(name: str, modules: set[str]) -> bool:
    """Whether a tensor's name begins with one of the modules that change."""
    parts = name.replace("_lora.", ".").split(".")
    return any(".".join(parts[:end]) in modules for end in range(1, len(parts) + 1))


def add_lora(patcher, state: dict[str, Tensor], strength: float) -> tuple:
    """A clone of the MODEL with a LoRA, how many weights it changes, and the names of the tensors that fit nothing."""
    patches, left = fit_lora(patcher, state)
    if not patches:
        raise ValueError(
            f"None of the {len(state)} tensors of this LoRA fits the model, for example {next(iter(state), 'none')}: "
            "choose a LoRA that was trained for the same kind of model."
        )
    clone = patcher.clone()
    clone.add_patches(patches, strength)
    return clone, len(patches), left
