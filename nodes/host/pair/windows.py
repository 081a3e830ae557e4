"""Context windows for every MODEL whose frames they can cut: the batch of a U-Net, or the latent frames of a pair on Wan 2.2."""

import logging

import comfy.context_windows as windows
from comfy.patcher_extension import WrappersMP

from .clip_windows import ClipWindows, latent_frames, latent_overlap
from .context import PairedWindows

KEY = "duet_windows"


def use_windows(
    model, *, length: int, overlap: int, schedule: str, fuse: str, stride: int, closed: bool, freenoise: bool
):
    """A clone of the MODEL that samples a long clip in windows; length and overlap are frames of the clip."""
    if overlap >= length:
        raise ValueError(
            f"Windows of {length} frames cannot overlap by {overlap}: lower context_overlap to {length - 1} or less."
        )
    kind, length, overlap = fitting(model, length, overlap)
    clone = model.clone()
    clone.model_options["context_handler"] = kind(
        context_schedule=windows.get_matching_context_schedule(schedule),
        fuse_method=windows.get_matching_fuse_method(fuse),
        context_length=length,
        context_overlap=overlap,
        context_stride=stride,
        closed_loop=closed,
        freenoise=freenoise,
    )
    for point in (WrappersMP.PREPARE_SAMPLING, WrappersMP.SAMPLER_SAMPLE):  # of the host's node, if it came before
        clone.remove_wrappers_with_key(point, f"ContextWindows_{point}")
    clone.remove_wrappers_with_key(WrappersMP.PREPARE_SAMPLING, KEY)
    clone.add_wrapper_with_key(WrappersMP.PREPARE_SAMPLING, KEY, budget)
    if freenoise:
        windows.create_sampler_sample_wrapper(clone)
    return clone


def fitting(model, length: int, overlap: int) -> tuple[type, int, int]:
    """The windows for a MODEL, with length and overlap in what its latent counts: frames, or latent frames of a pair."""
    form = model.get_model_object("latent_format")
    if form.latent_dimensions == 2:
        return PairedWindows, length, overlap
    if form.latent_dimensions != 3 or not hasattr(model.model, "shows"):
        refuse(model)
    ratio = form.temporal_downscale_ratio
    latents, shared = latent_frames(length, ratio), latent_overlap(overlap, ratio)
    whole = 1 + ratio * (latents - 1)
    if (whole, ratio * shared) != (length, overlap):
        logging.warning(
            "[Duet] Context Windows (Video and Depth): a latent frame of this model is %d frames, the first is 1; made windows of %d "
            "frames that share %d in place of %d and %d.", ratio, whole, ratio * shared, length, overlap,
        )  # fmt: skip
    return ClipWindows, latents, shared


def refuse(model) -> None:
    """Names a MODEL whose latent keeps the frames of a clip in one entry, where windows along the batch find none."""
    mend = "set fewer frames" if hasattr(model.model, "flow") else "use ComfyUI's Context Windows (Manual) with dim 2"
    raise ValueError(
        "model: expected a model whose latent is a batch of frames or a pair on Wan 2.2, got a "
        f"{type(model.model).__name__}, whose latent holds a whole clip at once: {mend}."
    )


def budget(executor, model, noise_shape, conds, *args, **kwargs):
    """The host's PREPARE_SAMPLING wrapper point: the memory of one window is estimated, not that of the clip."""
    options = kwargs.get("model_options") or {}
    shape, handler = list(noise_shape), options.get("context_handler")
    if hasattr(handler, "one_window"):
        shape = handler.one_window(shape, model.model, options)
    return executor(model, shape, conds, *args, **kwargs)
