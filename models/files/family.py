"""The family of a file by the names of its weights, and the sentence that refuses a wrong one."""

from .ldm import prefix_of
from .reading import Weights
from .tuned import is_tuning

# Weights beside a U-Net that the host loads by its own means, or that are not needed: prefix and words.
ASIDE = {
    "cond_stage_model.": "the text encoder",
    "text_encoder.": "the text encoder",
    "first_stage_model.": "the VAE",
    "vae.": "the VAE",
    "depth_model.": "the depth estimator",
    "model_ema.": "the averaged copy",
    "controlnet.": "the ControlNets",
    "clip_image_encoder.": "the image encoder",
    "image_encoder.": "the image encoder",
    "betas": "the noise schedule",
    "alphas_cumprod": "the noise schedule",
    "sqrt_": "the noise schedule",
    "log_one_minus_alphas": "the noise schedule",
    "posterior_": "the noise schedule",
    "lvlb_weights": "the noise schedule",
    "logvar": "the noise schedule",
    "scale_factor": "the noise schedule",
}
CODED = ((8,), (12,))  # input channels of a network with one or two layers beside the noise
WORDS = {
    "lora": "a LoRA",
    "sd3": "a Stable Diffusion 3 model",
    "flux": "a Flux model",
    "wan pair": "a pair on Wan 2.2",
    "wan": "a Wan model",
    "sdxl": "a Stable Diffusion XL model",
    "motion": "an AnimateDiff motion module",
    "controlnet": "a ControlNet in diffusers' form",
    "ldm controlnet": "a ControlNet in its authors' form",
    "tuning": "a video tuning",
    "character": "the U-Net of a character model",
    "reference": "the network of a character model that reads the reference",
    "pose guider": "the pose guider of a character model",
    "tuneavideo": "a Tune-A-Video model",
    "disco": "a DisCo checkpoint",
    "ldm": "a Stable Diffusion checkpoint",
    "diffusers": "a U-Net in diffusers' form",
    "vae": "a VAE",
    "text encoder": "a text encoder",
    "inpainting": "an inpainting model with 9 channels",
    "edit": "an instruction editing model with 8 channels",
}
MEND = {
    "lora": "Load it with Load LoRA, on top of a Stable Diffusion 1.5 model.",
    "wan pair": "Load it with Load Wan 2.2 Pair (UnityVideo).",
    "wan": "Load it with the stock Load Diffusion Model.",
    "motion": "Load it with Load Motion Module, on top of a Stable Diffusion 1.5 model.",
    "tuning": "Load it with Load Video Tuning, on top of the model that it was tuned on.",
    "character": "Load it with Load Character Model, together with its other files.",
    "reference": "Load it with Load Character Model, beside the U-Net that it belongs to.",
    "pose guider": "Load it with Load Character Model, beside the U-Net that it belongs to.",
    "controlnet": "Load it with Load Pose ControlNet.",
    "ldm controlnet": "Load it with the stock Load ControlNet Model, or take the file in diffusers' form.",
    "vae": "Load it with Load VAE.",
    "text encoder": "Load it with Load CLIP.",
    "inpainting": "Take the base model that it was made from.",
    "edit": "Take the base model that it was made from.",
}


def kind_of(weights: Weights) -> str | None:
    """The family of a file by its names; the order matters, since checkpoints hold parts of others."""
    names = weights.shapes
    has = lambda *parts: any(part in name for name in names for part in parts)
    starts = lambda *parts: any(name.startswith(parts) for name in names)
    motion = [".motion_modules." in name for name in names]
    order = {
        "lora": starts("lora_") or has(".lora_down.", ".lora_up.", ".lora_A.", ".lora_B.", "_lora.", ".lora."),
        "sd3": has("joint_blocks."),
        "flux": has("double_blocks."),
        "wan pair": has("flow_in.") and has(".self_attn.q."),
        "wan": has(".self_attn.q.") and has("patch_embedding."),
        "sdxl": has("label_emb.", "add_embedding.", "conditioner.embedders.") or _context(weights) == 2048,
        "motion": bool(motion) and all(motion),
        "tuning": is_tuning(names),
        "tuneavideo": has(".attn_temp.") and "conv_in.weight" in names,
        "disco": has(".tem_conv.") and has("up_blocks.") and not has(".cross_modal."),
        "ldm controlnet": has("input_hint_block.") or starts("control_model."),
        "controlnet": has("controlnet_cond_embedding.", "controlnet_down_blocks.") and not has("up_blocks."),
        "ldm": prefix_of(names) is not None,
        "character": "conv_in.weight" in names and any(motion) and weights.shapes["conv_in.weight"][1:2] in CODED,
        "reference": "conv_in.weight" in names and starts("up_blocks.") and not has("conv_out.", "conv_norm_out."),
        "pose guider": {"conv_in.weight", "blocks.0.weight", "conv_out.weight"} <= names.keys(),
        "diffusers": "conv_in.weight" in names and starts("down_blocks.") and starts("up_blocks."),
        "vae": starts("encoder.", "decoder.", "first_stage_model.") and has("conv_in."),
        "text encoder": starts("cond_stage_model.") or has("text_model."),
    }
    return next((kind for kind, found in order.items() if found), None)


def _context(weights: Weights) -> int | None:
    """Width of the tokens that the first cross-attention reads."""
    shapes = (shape for name, shape in weights.shapes.items() if name.endswith(".attn2.to_k.weight"))
    return next((shape[-1] for shape in shapes if shape), None)


def wrong_family(weights: Weights, kind: str | None, expected: str) -> ValueError:
    """The sentence for a file of another family."""
    if kind is None:
        some = ", ".join(sorted(weights.shapes)[:3])
        return ValueError(
            f"{weights.name} is of an unknown family: {expected} was expected, and it holds "
            f"{len(weights.shapes)} tensors such as {some or 'none'}. Choose another file."
        )
    mend = MEND.get(kind, "Choose another file.")
    return ValueError(f"{weights.name} is {WORDS[kind]}, but {expected} was expected. {mend}")
