"""The host's ModelPatcher around a flow U-Net: what finds no layer in it is refused, where the host would pass it over."""

from functools import cache

import comfy.model_patcher

UNET = "diffusion_model."
# The stock nodes that scale attention look for weights of these names and leave a model without them as it is.
SCALED = {"attn1.to_out.0.weight": "Self", "attn2.to_out.0.weight": "Cross"}


class FlowPatcher:
    """It lists weights that Stable Diffusion has and a flow model lacks, and takes no patch of them."""

    def model_state_dict(self, filter_prefix: str | None = None) -> dict:
        state = super().model_state_dict(filter_prefix)
        return state | dict.fromkeys(SCALED) if filter_prefix is None else state

    def get_key_patches(self, filter_prefix: str | None = None) -> dict:
        return super().get_key_patches(filter_prefix or UNET)

    def add_patches(self, patches: dict, strength_patch: float = 1.0, strength_model: float = 1.0) -> list:
        if scaled := next((SCALED[key] for key in patches if key in SCALED), None):
            raise ValueError(
                f"UNet {scaled}-Attention Multiply and UNet Temporal Attention Multiply scale attention of Stable Diffusion, "
                "which a flow model does not have: remove that node from the flow model's line."
            )
        if not patches:
            raise ValueError(
                "Expected a LoRA of a flow model, got one that fits none of its weights: choose one that was trained on this "
                "model, or remove the LoRA from the flow model's line."
            )
        return super().add_patches(patches, strength_patch, strength_model)


@cache
def flow_patcher(kind: type) -> type:
    """The same kind of patcher with all that."""
    return type(kind.__name__, (FlowPatcher, kind), {})


def as_flow_patcher(patcher: comfy.model_patcher.ModelPatcher) -> None:
    patcher.__class__ = flow_patcher(type(patcher))
