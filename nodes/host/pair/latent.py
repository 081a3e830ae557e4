"""An empty latent in the form that a MODEL samples: a pair, a clip, or the flow of a clip."""

import comfy.model_management as memory
import torch

from ..memory import bytes_of, check_memory
from ..recommended import recommended_of
from .boundary import sampled
from .wan_latent import empty_pair

SMALLEST = 64  # pixels a side of a picture that the U-Nets can halve often enough


def empty_latent(model, width: int, height: int, frames: int, clips: int) -> dict:
    """Zeros for a MODEL; a width, height or number of frames of 0 is the recommended one."""
    settings = recommended_of(model)
    width, height, frames = width or settings.width, height or settings.height, frames or settings.frames
    latent_format = model.get_model_object("latent_format")
    channels, ratio = latent_format.latent_channels, latent_format.spacial_downscale_ratio
    if hasattr(model.model, "flow"):
        check_sides(width, height, ratio * model.model.flow.step)
        return zero_latent((clips, channels, frames, height // ratio, width // ratio), ratio)
    if latent_format.latent_dimensions == 3 and hasattr(model.model, "shows"):
        return empty_pair(channels, width, height, frames)
    check_clip(model, latent_format, width, height, clips)
    found = sampled(model.model, model.model_options)
    latent = zero_latent((len(found) * frames, channels, height // ratio, width // ratio), ratio)
    if not hasattr(model.model, "video") and not hasattr(model.model, "shows"):
        return latent
    return {**latent, "duet": {"modalities": found} | ({"frames": frames} if len(found) == 2 else {})}


def zero_latent(shape: tuple[int, ...], ratio: int) -> dict:
    width, height = shape[-1] * ratio, shape[-2] * ratio
    check_memory(bytes_of(*shape), f"An empty latent of {width} x {height}", "lower width, height or frames")
    return {"samples": torch.zeros(shape, device=memory.intermediate_device()), "downscale_ratio_spacial": ratio}


def check_sides(width: int, height: int, multiple: int) -> None:
    """The sides of a still image that a flow model can halve often enough."""
    from ....models.lfdm.inference import check_picture

    check_picture(torch.empty(height, width, device="meta"), multiple, "the still image")


def check_clip(model, latent_format, width: int, height: int, clips: int) -> None:
    """What has no latent of this kind is refused."""
    if latent_format.latent_dimensions != 2:
        raise ValueError(
            f"model: expected a model from a loader of Duet or a model of pictures, got a {type(model.model).__name__}, "
            "whose latent has another form: use the empty latent of ComfyUI that belongs to it."
        )
    if min(width, height) < SMALLEST:
        raise ValueError(
            f"width and height: expected 0 or at least {SMALLEST} pixels, got {width} x {height}: raise the smaller one."
        )
    if clips != 1:
        raise ValueError(
            f"batch_size: expected 1, since a batch is one clip with this model, got {clips}: set it to 1 and run the "
            "workflow with another seed for each clip."
        )
