"""What a node put on a MODEL and our U-Net runs, and what it does not: that is refused before the first step, by its name."""

import comfy.model_management as memory
import comfy.utils
from comfy.patcher_extension import WrappersMP
from torch import Tensor

from ....models.unet.config import SeparatePair, VideoUNetConfig
from ..named import node_name, node_of_cfg_along_batch
from ..pair.boundary import modalities
from ..pair.late import compute_late_conds
from .attention import numbered_places
from .controlnet import check_controlnets
from .patcher import as_video_patcher
from .patches import PLACES

SERVED = {
    *PLACES, "middle_patch", "attn1_patch", "attn1_output_patch", "attn2_patch", "attn2_output_patch",
}  # fmt: skip
REPLACED = ("attn1", "attn2")


def serve(patcher) -> None:
    """Give a MODEL of ours what all nodes of the host count on, and the checks in front of the first step."""
    as_video_patcher(patcher)
    patcher.add_wrapper_with_key(WrappersMP.PREDICT_NOISE, "duet_late", compute_late_conds)
    patcher.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, "duet_served", check_served)


def check_served(executor, noise: Tensor, *args, **kwargs) -> Tensor:
    """The host's OUTER_SAMPLE wrapper point."""
    guider = executor.class_obj
    patcher, options = guider.model_patcher, guider.model_options
    model, given = patcher.model, options.get("transformer_options", {})
    if memory.in_training:
        check_training(model.video, guider.conds)
    check_controlnets(guider.conds, model.video)
    check_patches(given.get("patches", {}))
    check_freeu(given.get("patches", {}), model.video)
    check_replaced(given.get("patches_replace", {}), model.diffusion_model)
    check_objects(patcher)
    check_multiplied(patcher.patches, model.video)
    if modalities(model, options) == 2:
        check_guidance(options)
    if isinstance(model.video.pair, SeparatePair) and modalities(model, options) == 2:
        check_two_networks(given, guider.conds)
    return executor(noise, *args, **kwargs)


def check_training(video: VideoUNetConfig, conds: dict) -> None:
    """The stock Train LoRA draws frames at random: a clip in another order, the video of one frame as its depth."""
    pictures = video.temporal is None and video.pair is None and video.self_attention == "frame"
    if not (pictures and video.in_channels == video.out_channels):
        raise ValueError(
            "Train LoRA draws frames in random order, which takes a clip apart: the model would learn from frames that do "
            "not belong together. Use Train Model of Duet's training nodes, or train the LoRA on a model of pictures."
        )
    if any("control" in cond for chain in conds.values() for cond in chain or ()):
        raise ValueError(
            "Train LoRA cannot train a model beside a ControlNet, whose weights are kept for sampling alone: connect the "
            "conditioning from before Apply ControlNet, or use Train Model of Duet's training nodes."
        )


def check_patches(patches: dict) -> None:
    for name, chain in patches.items():
        if chain and name not in SERVED:
            handler = chain[0][1] if isinstance(chain[0], tuple) else chain[0]
            refuse(node_name(handler), f"its patch {name} belongs to another kind of model")


def check_freeu(patches: dict, video: VideoUNetConfig) -> None:
    """FreeU goes by twice and four times the model's first width, which small models need not have."""
    freeu = [node for node in map(node_name, patches.get("output_block_patch", ())) if node.startswith("FreeU")]
    widths = [factor * video.block_out_channels[0] for factor in (2, 4)]
    if freeu and not set(widths) & set(video.block_out_channels):
        own = ", ".join(map(str, video.block_out_channels))
        refuse(freeu[0], f"it changes features of {widths[0]} and {widths[1]} channels, but this model has {own}")


def check_replaced(replaced: dict, unet) -> None:
    """A replacement of attention must name at least one block that there is."""
    places = {place for _, (place, _) in numbered_places(unet)}
    for kind, blocks in replaced.items():
        if not blocks:
            continue
        node = node_name(next(iter(blocks.values())))
        if kind not in REPLACED:
            refuse(node, f"its replacement of {kind} belongs to another kind of model")
        if not any(tuple(block[:2]) in places for block in blocks):
            names = ", ".join(" ".join(map(str, block)) for block in blocks)
            known = ", ".join(f"{block} {number}" for block, number in sorted(places))
            refuse(node, f"it replaces attention in {names}, but this model has attention in {known}")


def check_objects(patcher) -> None:
    """An object patch must replace what the model has; the host would set a new attribute that nothing reads."""
    for name, value in patcher.object_patches.items():
        try:
            comfy.utils.get_attr(patcher.model, name)
        except AttributeError:
            refuse(node_name(value), f"it replaces {name}, which this model does not have")


def check_multiplied(patches: dict, video: VideoUNetConfig) -> None:
    """UNet Temporal Attention Multiply finds layers over time by the name time_stack, which ours do not have.

    It is known by what it scales: the outputs of attn1 and attn2 without their queries.
    """
    if video.temporal is None:
        return
    scaled = {key for key, chain in patches.items() if any(patch[0] == 0 and patch[1] == (None,) for patch in chain)}
    outputs = [any(key.endswith(f"{attn}.to_out.0.weight") for key in scaled) for attn in ("attn1", "attn2")]
    if all(outputs) and not any(key.endswith("to_q.weight") for key in scaled):
        raise ValueError(
            "UNet Temporal Attention Multiply does not find the layers over time of this model, so its temporal numbers "
            "would have no effect. Use UNet Self-Attention Multiply and UNet Cross-Attention Multiply for each frame, "
            "or a motion LoRA for the layers over time."
        )


def check_guidance(options: dict) -> None:
    """Guidance that rises along the batch would rise from the video to the depth, not along the frames of each."""
    if node := node_of_cfg_along_batch(options):
        refuse(node, "it changes cfg along the batch, and this model's batch is all video, then all depth")


def check_two_networks(options: dict, conds: dict) -> None:
    """Two networks run a step, each with half of the batch: what stores attention or counts latents would mix them."""
    why = "this model has one network for video and one for depth"
    for blocks in options.get("patches_replace", {}).values():
        for patch in blocks.values():
            if getattr(patch, "__qualname__", "").startswith("SelfAttentionGuidance."):
                refuse(node_name(patch), why)
    if any("gligen" in cond for chain in conds.values() for cond in chain or ()):
        refuse("GLIGENTextBoxApply", why)


def refuse(node: str, why: str) -> None:
    raise ValueError(
        f"Expected a model with patches that a Stable Diffusion U-Net runs, got one of {node}: {why}. Remove {node} "
        "between Load Video Model and the sampler."
    )
