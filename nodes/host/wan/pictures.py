"""What is refused before a pair on Wan 2.2 samples the latents of an image VAE, frame by frame.

Letters: F frames of the clip, m = 2 streams, C channels, h w latent pixels.
"""

from torch import Tensor

from ..finite import finite_result, finite_start
from ..pair.boundary import check_noise_mask
from ..pair.preview import previewed
from .boundary import check_guidance, check_prompts


def check_pictures_before_sampling(executor, noise: Tensor, latent_image: Tensor, *args, **kwargs) -> Tensor:
    """The host's OUTER_SAMPLE wrapper point: noise and latent (m F, C, h, w)."""
    guider = executor.class_obj
    model = guider.model_patcher.model
    frames = check_frames(noise, model)
    check_guidance(guider.model_options)
    check_windows(guider.model_options.get("context_handler"))
    for name, conds in guider.conds.items():
        if conds is not None:
            check_prompts(conds, model, name)
    check_noise_mask(kwargs.get("denoise_mask", args[2] if len(args) > 2 else None), frames, 2)
    finite_start(latent_image, 2)
    with previewed(2):
        return finite_result(executor(noise, latent_image, *args, **kwargs), 2)


def check_frames(noise: Tensor, model) -> int:
    """The number of frames of a pair (m F, C, h, w); a latent of another form is refused."""
    network = model.diffusion_model
    if getattr(noise, "is_nested", False) or noise.ndim != 4 or noise.shape[1] != network.in_dim or len(noise) % 2:
        came = "several latents in one" if getattr(noise, "is_nested", False) else f"{tuple(noise.shape)}"
        raise ValueError(
            f"Expected a latent of all video frames and then as many of depth, (2 x frames, {network.in_dim}, height, width), got "
            f"{came}: use Empty Latent for Model, or encode both clips with the VAE of this model and join them with Join "
            "Video and Depth."
        )
    return len(noise) // 2


def check_windows(handler) -> None:
    """The host's own windows along a batch would join video frames with the depth of other frames."""
    if handler is not None and not getattr(handler, "keeps_pairs", False):
        raise ValueError(
            "ComfyUI's context windows would join video frames with the depth of other frames: use Context Windows (Video "
            "and Depth) instead."
        )
