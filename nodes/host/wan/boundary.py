"""What ComfyUI would sample wrongly with a pair on Wan 2.2 is refused before the first step."""

from torch import Tensor

from ..finite import finite_result, finite_start
from ..pair.boundary import check_noise_mask as check_repeated_mask
from ..pair.preview import previewed
from .windows import for_pair

SHOWN = "duet_shown"  # on a conditioning: the modality that the second stream shows
NODE = "Encode Prompt (Wan 2.2 Pair)"


def check_before_sampling(executor, noise: Tensor, latent_image: Tensor, *args, **kwargs) -> Tensor:
    """The host's OUTER_SAMPLE wrapper point: noise and latent (2, C, T, h, w)."""
    guider = executor.class_obj
    model = guider.model_patcher.model
    check_latent(noise, model.diffusion_model.in_dim)
    if (handler := guider.model_options.get("context_handler")) is not None:
        guider.model_options["context_handler"] = for_pair(handler)
    for name, conds in guider.conds.items():
        for cond in conds or ():
            check_prompt(cond, model, name)
    check_noise_mask(kwargs.get("denoise_mask", args[2] if len(args) > 2 else None), noise)
    finite_start(latent_image)
    return finite_result(executor(noise, latent_image, *args, **kwargs))


def check_pictures_before_sampling(executor, noise: Tensor, latent_image: Tensor, *args, **kwargs) -> Tensor:
    """The same wrapper point for a pair whose frames are latents of an image VAE: noise and latent (m F, C, h, w)."""
    guider = executor.class_obj
    model = guider.model_patcher.model
    frames = check_frames(noise, model)
    check_batch_windows(guider.model_options.get("context_handler"))
    for name, conds in guider.conds.items():
        for cond in conds or ():
            check_prompt(cond, model, name)
    check_repeated_mask(kwargs.get("denoise_mask", args[2] if len(args) > 2 else None), frames, 2)
    finite_start(latent_image, 2)
    with previewed(2):
        return finite_result(executor(noise, latent_image, *args, **kwargs), 2)


def check_frames(noise: Tensor, model) -> int:
    """The number of frames of a pair (m F, C, h, w) that its network's patches cut evenly."""
    network = model.diffusion_model
    if getattr(noise, "is_nested", False) or noise.ndim != 4 or noise.shape[1] != network.in_dim or len(noise) % 2:
        came = "several latents in one" if getattr(noise, "is_nested", False) else f"{tuple(noise.shape)}"
        raise ValueError(
            f"Expected a latent of all video frames and then as many of depth, (2 x frames, {network.in_dim}, height, width), got "
            f"{came}: use Empty Latent for Model, or encode both clips with the VAE of this model and join them with Join "
            "Video and Depth."
        )
    return len(noise) // 2


def check_batch_windows(handler) -> None:
    """The host's own windows along a batch would join video frames with the depth of other frames."""
    if handler is not None and not getattr(handler, "keeps_pairs", False):
        raise ValueError(
            "ComfyUI's context windows would join video frames with the depth of other frames: use Context Windows (Video "
            "and Depth) instead."
        )


def check_latent(noise: Tensor, channels: int) -> None:
    """Two streams of one clip, in the latents of Wan 2.2."""
    if getattr(noise, "is_nested", False) or noise.ndim != 5 or noise.shape[1] != channels:
        came = "several latents in one" if getattr(noise, "is_nested", False) else f"{tuple(noise.shape)}"
        raise ValueError(
            f"Expected a latent of the video and its second clip (2, {channels}, frames, height, width), got {came}: use Empty Latent for "
            "Model, or encode the clip with the VAE of Wan 2.2 and join it with Join Video and Depth."
        )
    if noise.shape[0] != 2:
        raise ValueError(
            f"Expected one video and its second clip, a batch of 2 latents, got {noise.shape[0]}: sample one pair at a time, from "
            "Empty Latent for Model or Join Video and Depth."
        )


def check_prompt(cond: dict, model, name: str) -> None:
    """Both streams need their own tokens, and a modality that the file knows."""
    tokens, shown = cond.get("cross_attn"), cond.get(SHOWN)
    if shown is None or tokens is None or tokens.shape[0] != 2:
        raise ValueError(
            f"The {name} conditioning has one prompt where the video and its second clip need one each: encode it with {NODE}."
        )
    if shown not in model.shows:
        raise ValueError(
            f"The {name} conditioning asks for {shown}, but this model was trained on {', '.join(model.shows)}: choose one of them in {NODE}."
        )
    width = model.diffusion_model.text_dim
    if tokens.shape[-1] != width:
        raise ValueError(
            f"The {name} conditioning has tokens of width {tokens.shape[-1]}, but this model reads {width}: {encoder_of(model)}."
        )


def encoder_of(model) -> str:
    """Where the tokens of a model come from."""
    if model.notes.words:
        return "connect the clip output of Load Wan 2.2 Pair to the prompts"
    return "load umT5-XXL by Load CLIP with the type wan"


def check_noise_mask(mask: Tensor | None, noise: Tensor) -> None:
    """A mask of pictures would be read as one over time, the same for both streams."""
    if mask is not None and mask.shape[0] not in (1, noise.shape[0]):
        raise ValueError(
            f"Expected a noise mask for both streams, got one of {mask.shape[0]} latents: set the task in KSampler (Auto Settings), "
            "or put Set Latent Noise Mask in front of Join Video and Depth."
        )
