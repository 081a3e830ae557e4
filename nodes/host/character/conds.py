"""Character, scene and body of the host's conditioning, each prepared once for all steps.

Letters: B latents of the batch, F frames, n layers, C channels, h and w latent pixels, H and W pixels, s tokens.
"""

import comfy.conds
import comfy.model_management as memory
import comfy.utils
import torch
from torch import Tensor

from ....models.character.reference import Features
from ....models.oneshot.depth_channel import same_view
from ..pair.late import Late
from .conditioning import BODY, LAYERS, REFERENCE

PARTS = {REFERENCE: "a character", LAYERS: "a scene", BODY: "pictures of a body"}


class References:
    """The features of each conditioning chunk of a forward pass; not a list, which the host would take apart."""

    def __init__(self, chunks: list[Features | None]):
        self.chunks = chunks


class ReferenceCond(comfy.conds.CONDRegular):
    """The character's features in one conditioning, (1, s, C) for each attention, or None.

    They serve every frame, area and window alike and combine with any others in one forward pass.
    """

    def process_cond(self, batch_size, **kwargs):
        return self

    def can_concat(self, other) -> bool:
        return True

    def concat(self, others) -> References:
        return References([self.cond, *(other.cond for other in others)])

    def size(self) -> list[int]:
        return [1]


def character_conds(model, context, given: dict) -> dict:
    """What a model's extra_conds adds: features of the character and of the body, computed once for all steps.

    context is the host's condition of the tokens, or one that is computed later.
    """
    video = model.video
    reads = {REFERENCE: video.reference, LAYERS: video.layer_codes > 0, BODY: bool(video.motion_code)}
    for key, read in reads.items():
        if given.get(key) is not None and not read:
            raise ValueError(
                f"Expected a model that reads {PARTS[key]}, got one that does not: remove Encode Character Swap, or load a "
                "character model."
            )
    conds = {}
    if video.reference:
        conds[REFERENCE] = reference_cond(model, context, given)
    if video.motion_code:
        conds[BODY] = body_cond(model, given)
    return conds


def missing(key: str, where: str) -> ValueError:
    """The refusal of a conditioning that lacks a part."""
    return ValueError(
        f"This model reads {PARTS[key]}, but {where} has none: connect positive and negative of Encode Character Swap."
    )


def reference_cond(model, context, given: dict) -> ReferenceCond | Late:
    """(1, C, h, w) latents and the context to the features for self-attention; None for the negative."""
    latents = given.get(REFERENCE)
    if latents is None:
        if given.get("prompt_type") == "positive":
            raise missing(REFERENCE, "the positive conditioning")
        return ReferenceCond(None)

    def read() -> ReferenceCond:
        tokens = (context.value() if isinstance(context, Late) else context).cond
        where = {"device": given["device"], "dtype": model.get_dtype_inference()}
        clean = model.process_latent_in(latents[:1]).to(**where)
        return ReferenceCond(model.diffusion_model.read_reference(clean, tokens[:1].to(**where))[0])

    return Late(("reference", "clip_proj"), read)


def body_cond(model, given: dict) -> Late:
    """(1 or F, 3, H, W) pictures to (B, C0, h, w) on the CPU: the host brings what a window needs to the device."""
    from ....models.character.guider import body_features

    if given.get(BODY) is None:
        raise missing(BODY, "the positive or negative conditioning")
    (pictures,), noise = given[BODY], given["noise"]
    check_count(pictures, noise, model.video.modalities, "body")
    check_view(pictures, noise, "body")

    def read() -> comfy.conds.CONDNoiseShape:
        guider = model.diffusion_model.pose_guider
        height, width = (side * guider.downscale for side in noise.shape[-2:])
        sized = comfy.utils.common_upscale(pictures.float(), width, height, "bilinear", "disabled")
        like = torch.empty(0, device=given["device"], dtype=model.get_dtype_inference())
        features = body_features(guider, sized, like, memory.intermediate_device())
        return comfy.conds.CONDNoiseShape(comfy.utils.repeat_to_batch_size(features, noise.shape[0]))

    return Late(("pose_guider",), read)


def layer_codes(model, given: dict) -> Tensor:
    """(B, n C, h, w): the latents of the layers, scaled as those that are sampled; a missing occluder is zeros."""
    layers, noise = given.get(LAYERS), given["noise"]
    channels, count = model.video.out_channels, model.video.layer_codes
    if layers is None:
        raise missing(LAYERS, "the positive or negative conditioning")
    if layers.shape[1] > channels * count:
        raise ValueError(
            "Expected a scene alone, which is all that this model reads, got a scene and an occluder: disconnect occluder "
            "from Encode Character Swap, and put it in front of the finished frames with Composite Layers."
        )
    check_count(layers, noise, model.video.modalities, "scene")
    layers = model.process_latent_in(layers)
    empty = layers.new_zeros(len(layers), channels * count - layers.shape[1], *layers.shape[2:])
    layers = torch.cat((layers, empty), 1)
    layers = comfy.utils.common_upscale(layers, noise.shape[-1], noise.shape[-2], "bilinear", "disabled")
    return comfy.utils.repeat_to_batch_size(layers, noise.shape[0])


def check_count(given: Tensor, noise: Tensor, m: int, name: str) -> None:
    """1, F or m F frames for a batch of m F latents."""
    if given.shape[0] not in (1, noise.shape[0] // m, noise.shape[0]):
        raise ValueError(
            f"The {name} has {given.shape[0]} frames, which do not fit a batch of {noise.shape[0]} latents: "
            "use one frame, or as many as the clip has."
        )


def check_view(given: Tensor, noise: Tensor, name: str) -> None:
    """Pictures (.., H, W) of another shape than the latents (.., h, w) would be squeezed out of place."""
    if not same_view(given.shape[-2:], noise.shape[-2:]):
        (height, width), (h, w) = given.shape[-2:], noise.shape[-2:]
        raise ValueError(
            f"The {name} is {width} x {height} pixels, but the latent is for pictures of {w * 8} x {h * 8}: "
            "crop or scale one of them to the shape of the other."
        )
