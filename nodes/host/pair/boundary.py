"""What the host would silently sample wrongly is refused before the first step, with the numbers.

Letters: F frames of the clip, m modalities, B = m F latents.
"""

from collections.abc import Iterator

from torch import Tensor

from ....models.choices import MODALITIES
from ....models.pair.layout import ClipLayout
from ..finite import finite_result, finite_start
from .preview import previewed

MODALITY = "duet_modality"  # in transformer_options: the one modality that a pair model samples alone


def modalities(model, model_options: dict) -> int:
    """How many modalities a batch holds, after Select Video or Depth; 1 for every model that is not ours."""
    return len(sampled(model, model_options))


def sampled(model, model_options: dict) -> list[str]:
    """The modalities that a batch holds."""
    if alone := model_options.get("transformer_options", {}).get(MODALITY):
        return [alone]
    if hasattr(model, "shows"):  # a pair on Wan 2.2
        return list(MODALITIES)
    video = getattr(model, "video", None)
    return list(MODALITIES[: 1 if video is None else video.modalities])


def counts(frames: int, m: int) -> list[int]:
    """How many hints or masks the host repeats correctly to a batch of m F latents."""
    return sorted({1, frames, frames * m})


def chain(control) -> Iterator:
    """A ControlNet and those that were applied before it."""
    while control is not None:
        yield control
        control = control.previous_controlnet


def check_before_sampling(executor, noise: Tensor, latent_image: Tensor, *args, **kwargs) -> Tensor:
    """The host's OUTER_SAMPLE wrapper point: noise and latent (B, C, h, w), then sampler, sigmas and noise mask."""
    guider = executor.class_obj
    model, options = guider.model_patcher.model, guider.model_options
    m = modalities(model, options)
    check_latent(noise, model.video, m)
    check_windows(options.get("context_handler"), model.video, m)
    frames = noise.shape[0] // m
    for name, conds in guider.conds.items():
        for cond in conds or ():
            check_tokens(cond.get("cross_attn"), model.video, name)
            check_counts(cond, frames, m)
    check_noise_mask(kwargs.get("denoise_mask", args[2] if len(args) > 2 else None), frames, m)
    finite_start(latent_image, m)
    with previewed(m):
        return finite_result(executor(noise, latent_image, *args, **kwargs), m)


def check_latent(noise: Tensor, video, m: int) -> None:
    """4 dimensions, the model's channels, and a count that cuts into modalities."""
    if noise.ndim != 4 or noise.shape[1] != video.out_channels:
        raise ValueError(
            f"Expected a latent (frames, {video.out_channels}, height, width), got {tuple(noise.shape)}: "
            "encode the clip with the VAE that belongs to this model."
        )
    ClipLayout().cut(noise.shape[0], 1, m)


def check_windows(handler, video, m: int) -> None:
    """The host's own context windows run along the batch: they would mix frames of a pair, and lose the first frame."""
    if handler is None or getattr(handler, "keeps_pairs", False):
        return
    if m > 1:
        raise ValueError(
            "ComfyUI's context windows would join video frames with the depth of other frames: "
            "use Context Windows (Video and Depth) instead."
        )
    if video.self_attention == "sparse_causal":
        raise ValueError(
            "Every frame of a one-shot model attends to the first frame of the clip, which ComfyUI's context windows leave "
            "out: use Context Windows (Video and Depth) instead."
        )


def check_tokens(tokens: Tensor | None, video, name: str) -> None:
    """Conditioning tokens (.., N, width) must have the width that the model reads."""
    widths = [width for width in (video.cross_attention_dim, video.token_width) if width]
    came = "no tokens" if tokens is None else tokens.shape[-1]
    if came not in widths:
        raise ValueError(
            f"The {name} conditioning must hold tokens of width {' or '.join(map(str, widths))}, got {came}: encode it "
            f"with {encoder_of(video)}."
        )


def encoder_of(video) -> str:
    """The node whose tokens a model reads."""
    if video.words:
        return "CLIP Text Encode and the clip output of Load Video Model"
    if video.reference:
        return "Encode Character Swap"
    if video.token_width:
        return "Encode Character (Video and Depth), or a prompt with CLIP Text Encode"
    return "CLIP Text Encode and the CLIP that belongs to this model"


def check_counts(cond: dict, frames: int, m: int) -> None:
    """Hints of every ControlNet in the chain and masks of a conditioning."""
    hints = [getattr(control, "cond_hint_original", None) for control in chain(cond.get("control"))]
    named = [("ControlNet hint", "pictures", hint) for hint in hints]
    mask = cond.get("mask")
    named.append(("conditioning mask", "frames", mask if mask is None or mask.ndim > 2 else mask[None]))
    for name, unit, tensor in named:
        if tensor is not None and tensor.shape[0] not in counts(frames, m):
            refuse(name, unit, tensor.shape[0], frames, m)


def check_noise_mask(mask: Tensor | None, frames: int, m: int) -> None:
    """The host has repeated the mask (m F, C, h, w) by now, so a short one is recognized by its period p.

    Frames that are all white or all black repeat in whole masks too, such as those that keep every second frame: with them
    only a p that gives depth frames the masks of other video frames is refused.
    """
    if mask is None or mask.shape[0] != frames * m:
        return
    contents = [frame.tobytes() for frame in mask[:, 0].cpu().numpy()]
    period = next((p for p in range(1, len(contents)) if contents[p:] == contents[:-p]), frames)
    if period in counts(frames, m):
        return
    if (m == 2 and period < frames and frames % period) or not even(mask[period:]):
        refuse("noise mask", "frames", period, frames, m)


def even(mask: Tensor) -> bool:
    """Whether each frame of a mask has one value everywhere."""
    return bool((mask == mask[..., :1, :1]).all())


def refuse(name: str, unit: str, came: int, frames: int, m: int) -> None:
    expected = " or ".join(map(str, counts(frames, m)))
    pair = " and as many of depth" if m == 2 else ""
    raise ValueError(
        f"The {name} has {came} {unit}, but the clip has {frames} frames{pair}: give it {expected} {unit}."
    )
