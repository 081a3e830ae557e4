"""What a flow model would silently ignore or sample wrongly is refused before the first step, with the way out.

Letters: B clips, C channels, F frames, h and w points of the flow.
"""

import torch
from torch import Tensor

from ....models.lfdm.config import FlowUNetConfig
from ..finite import finite_result, finite_start
from ..named import node_name
from .patches import check_cfg, check_guidance, check_patches
from .sampling import PARTS, StillParts

STILL = "duet_flow_still"  # (1 or B, C, h, w) features of the still image, set on a conditioning
POINT = 4  # pixels of the still image for one point of the flow
OWN = "duet_"  # how the keys begin that nodes of this pack set on a conditioning


def check_flow_sampling(executor, noise: Tensor, latent: Tensor, *args, **kwargs) -> Tensor:
    """The host's OUTER_SAMPLE wrapper point: noise (B, 3, F, h, w), then latent, sampler, sigmas and noise mask."""
    guider = executor.class_obj
    check_options(guider.model_options)
    for patcher in (guider.model_patcher, getattr(guider, "uncond_model_patcher", None)):
        if patcher is not None:
            check_schedule(patcher.object_patches)
    for name, conds in guider.conds.items():
        for cond in conds or ():
            check_conditioning(cond, name)
    finite_start(latent)
    guider.model_options["transformer_options"][PARTS] = StillParts()
    return finite_result(executor(noise, latent, *args, **kwargs))


def check_options(options: dict) -> None:
    """Refuses context windows, patches and guidance by patches."""
    if options.get("context_handler") is not None:
        raise ValueError(
            "A flow model samples all frames of a clip together, but context windows cut the clip into parts: remove the "
            "node of context windows from the flow model's line, and sample fewer frames if memory is short."
        )
    check_patches(options.get("transformer_options", {}))
    check_guidance(options)
    check_cfg(options)


def check_schedule(object_patches: dict) -> None:
    """Refuses another noise schedule than the one that the model was trained on."""
    for kind in ("model_sampling", "latent_format"):
        if kind in object_patches:
            name = node_name(object_patches[kind])
            raise ValueError(
                f"{name} replaces the {kind.replace('_', ' ')} of the model, but a flow model samples with the noise schedule "
                f"and latent of LFDM only: remove {name} from the flow model's line."
            )


def check_conditioning(cond: dict, name: str) -> None:
    """Refuses what was added to a conditioning for other models."""
    if cond.get("control") is not None:
        raise ValueError(
            f"The {name} conditioning has a ControlNet, but a flow model takes none: remove Apply ControlNet from it."
        )
    if cond.get("gligen") is not None:
        raise ValueError(f"The {name} conditioning has GLIGEN boxes, but a flow model takes none: remove them from it.")
    if STILL in cond and (bad := int((~torch.isfinite(cond[STILL])).sum())):
        raise ValueError(
            f"The encoded still image has {bad} NaN or infinite values: encode another picture, or load the "
            "autoencoder's file again."
        )
    check_area(cond)
    check_tokens(cond.get("cross_attn"), name)
    for key in cond:
        if key.startswith(OWN) and key != STILL:
            raise ValueError(
                f"The {name} conditioning was encoded for a video model ({key.removeprefix(OWN)}), which a flow model does "
                "not take: connect Encode Still Image (Flow) to CLIP Text Encode."
            )


def check_still(features: Tensor | None, noise: Tensor, config: FlowUNetConfig) -> None:
    """(1 or B, C, h, w) of the model's own autoencoder, as large as the latent."""
    if features is None:
        raise ValueError(
            "A flow model animates a still image, but the conditioning has none: connect Encode Still Image (Flow)."
        )
    if features.shape[1] != config.feature_width:
        raise ValueError(
            f"This flow model takes pictures encoded to {config.feature_width} channels, but the conditioning has "
            f"{features.shape[1]}: encode the still image with the autoencoder of the same Load Flow Model."
        )
    if features.shape[-2:] != noise.shape[-2:]:
        width, height = (POINT * side for side in (features.shape[-1], features.shape[-2]))
        raise ValueError(
            f"The still image needs a flow latent of {features.shape[-1]} x {features.shape[-2]} points, got "
            f"{noise.shape[-1]} x {noise.shape[-2]}: set Empty Latent for Model to {width} x {height} pixels."
        )


def check_area(conditioning: dict) -> None:
    """A flow holds positions in the whole picture, so a part cut out of it would point elsewhere."""
    if "area" in conditioning:
        raise ValueError(
            "A flow model takes no conditioning for an area of the picture: use Conditioning (Set Mask) with set_cond_area on "
            "default, or sample a flow for each object and join them with Compose Flows."
        )


def check_tokens(tokens: Tensor | None, name: str) -> None:
    """(1, T, d) tokens must be the one vector that is read; what Conditioning (Concat) or Apply Style Model adds never is."""
    if tokens is not None and tokens.shape[1] != 1:
        raise ValueError(
            f"The {name} conditioning holds {tokens.shape[1]} vectors of text, but a flow model reads one: encode the prompt with "
            "the clip of Load Flow Model, and remove Conditioning (Concat) and Apply Style Model; Conditioning (Average) mixes "
            "two prompts."
        )


def check_text(text: Tensor, config: FlowUNetConfig) -> None:
    if text.ndim != 2 or text.shape[-1] != config.text_width:
        raise ValueError(
            f"A flow model takes a prompt as one vector of {config.text_width} numbers, got a tensor of shape "
            f"{tuple(text.shape)}: use CLIP Text Encode with the clip of Load Flow Model."
        )
