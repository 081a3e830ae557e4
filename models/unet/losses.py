"""The losses of dual-modal training (IDOL section 3.3): denoising, consistent motion, consistent cross-attention.

And of one-shot tuning (arXiv 2408.16704, equation 8): neighbouring frames alike.

Where the paper's literal form does not train, its form is a switch and the default is the nearest one that does.
Letters as in pair/layout.py; n tokens of a frame, d channels of a token, t tokens of the context.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ..choices import MODALITIES
from ..pair.layout import ClipLayout
from .attention.capture import Layer, full_precision

SIMILARITIES = ("cos", "dot_scaled", "dot_literal")
REDUCTIONS = ("row", "paper")
DETACHED = ("none", *MODALITIES)
READINGS = ("source", "zero")


def denoising(prediction: Tensor, target: Tensor, layout: ClipLayout) -> dict[str, Tensor]:
    """(k m f) C h w prediction and target to the mean squared error of each modality; their sum is the loss."""
    same_shape("The prediction", prediction, "its target", target)
    error = (prediction.float() - target.float()).square()
    parts = layout.parts(error)
    return {name: part.mean() for name, part in zip(MODALITIES[: len(parts)], parts, strict=True)}


def error_on(mask: Tensor, prediction: Tensor, target: Tensor) -> Tensor:
    """(B, F, H, W) uint8 mask, (B, m, F, C, h, w) prediction and target to the mean squared error under it, modalities added."""
    same_shape("The prediction", prediction, "its target", target)
    cover = F.adaptive_avg_pool2d(mask.float() / 255, target.shape[-2:])[:, None, :, None]
    error = (prediction.float() - target.float()).square().mean(3, keepdim=True)
    return (error * cover).sum() / cover.sum().clamp(min=1)


def motion_consistency(
    video: Tensor, depth: Tensor, similarity: str = "cos", reduction: str = "row", detach: str = "none"
) -> Tensor:
    """(clips, F, n, d) features of both modalities to how differently they move, 0 to 2 for "row"."""
    known("similarity", similarity, SIMILARITIES)
    known("reduction", reduction, REDUCTIONS)
    same_shape("The video's features", video, "those of its depth", depth)
    frames = video.shape[1]
    if frames < 2:
        raise ValueError(
            f"Motion is compared between neighbouring frames, so a clip needs at least 2, but it has {frames}: give "
            "longer clips, or set the weight of the motion loss to 0."
        )
    video, depth = detached(video, depth, detach)
    total = 0.0
    for now in range(frames - 1):
        inputs = (video[:, now], video[:, now + 1], depth[:, now], depth[:, now + 1], similarity, reduction)
        # A pair's n x n fields are dropped and computed again in the backward pass: only one pair's are held at a time.
        if torch.is_grad_enabled():
            total = total + checkpoint(motion_of_pair, *inputs, use_reentrant=False, preserve_rng_state=False)
        else:
            total = total + motion_of_pair(*inputs)
    return total / (frames - 1)


def motion_of_pair(
    video: Tensor, next_video: Tensor, depth: Tensor, next_depth: Tensor, similarity: str, reduction: str
) -> Tensor:
    """Four (clips, n, d) frames to the distance of the two motion fields."""
    fields = motion_field(video, next_video, similarity), motion_field(depth, next_depth, similarity)
    return distance(*fields, reduction)


def motion_field(now: Tensor, then: Tensor, similarity: str = "cos") -> Tensor:
    """(clips, n, d) features of two frames to (clips, n, n): where each token goes, as shares that sum to 1.

    With the paper's temperature 1 / sqrt(d) a plain dot product ("dot_literal") of features of unit size saturates: one
    token gets everything and the gradient is 0. Cosines fit that temperature, dot products fit sqrt(d) ("dot_scaled").
    """
    root = now.shape[-1] ** 0.5
    with full_precision(now):
        now, then = now.float(), then.float()
        if similarity == "cos":
            now, then = F.normalize(now, dim=-1, eps=1e-6), F.normalize(then, dim=-1, eps=1e-6)
        scores = now @ then.transpose(-1, -2)
        return (scores / root if similarity == "dot_scaled" else scores * root).softmax(-1)


def map_consistency(video_maps: Tensor, depth_maps: Tensor, reduction: str = "row", detach: str = "none") -> Tensor:
    """(k f) heads n t cross-attention maps of both modalities to how far apart they look, 0 to 2 for "row"."""
    known("reduction", reduction, REDUCTIONS)
    same_shape("The video's maps", video_maps, "those of its depth", depth_maps)
    return distance(*detached(video_maps.float(), depth_maps.float(), detach), reduction)


def consistency(
    layers: Sequence[Layer],
    layout: ClipLayout,
    similarity: str = "cos",
    reduction: str = "row",
    detach: str = "none",
) -> dict[str, Tensor]:
    """Captured (k m f) ... layers of a pair to the sum over layers of each loss: "motion" and "maps", if captured."""
    if layout.modalities != 2 or not layers:
        raise ValueError(
            f"The consistency losses compare a video and its depth in the up blocks, but there are {layout.modalities} "
            f"modalities and {len(layers)} layers of attention: give a pair, or set the weights of both losses to 0."
        )
    terms = {}
    if all(layer.features is not None for layer in layers):
        clips = [
            [part.unflatten(0, (layout.chunks, layout.frames)) for part in layout.parts(layer.features)]
            for layer in layers
        ]
        terms["motion"] = sum(motion_consistency(*pair, similarity, reduction, detach) for pair in clips)
    if all(layer.maps is not None for layer in layers):
        terms["maps"] = sum(map_consistency(*layout.parts(layer.maps), reduction, detach) for layer in layers)
    return terms


def temporal_consistency(predicted: Tensor, clip: Tensor, signal: Tensor, reading: str = "source") -> Tensor:
    """(B, F, C, h, w) clean latents as predicted, and those of the clip, to one number.

    "zero", the paper's words, wants neighbouring frames alike, which also stills what moves; "source" wants them to
    differ as the clip's do. signal (B,), the share of the clean latent in a noisy one: its square weighs each example,
    for a prediction from almost pure noise is off by any amount.
    """
    known("reading", reading, READINGS)
    same_shape("The clean latents", predicted, "those of the clip", clip)
    if predicted.shape[1] < 2:
        raise ValueError(
            "Temporal consistency compares neighbouring frames, so a clip needs at least 2, but it has "
            f"{predicted.shape[1]}: give a longer clip, or set the weight of this loss to 0."
        )
    error = predicted.float().diff(dim=1)
    if reading == "source":
        error = error - clip.float().diff(dim=1)
    return (signal.float().square() * error.square().flatten(1).mean(1)).mean()


def distance(a: Tensor, b: Tensor, reduction: str) -> Tensor:
    """Shares that sum to 1 in the last place: their squared distance, by row (0 to 2) or by entry as in the paper.

    The mean over entries is at most 2 / n, so at the paper's weight of 0.01 it hardly trains.
    """
    error = (a - b).square()
    return error.sum(-1).mean() if reduction == "row" else error.mean()


def detached(video: Tensor, depth: Tensor, which: str) -> tuple[Tensor, Tensor]:
    """The two, one of them as a fixed goal for the other if so wished."""
    known("detach", which, DETACHED)
    return video.detach() if which == "video" else video, depth.detach() if which == "depth" else depth


def known(name: str, value: str, options: tuple[str, ...]) -> None:
    if value not in options:
        raise ValueError(f"{name} is one of {', '.join(options)}, not {value!r}.")


def same_shape(first: str, a: Tensor, second: str, b: Tensor) -> None:
    """Refuses what would otherwise be broadcast and give a number that means nothing."""
    if a.shape != b.shape:
        raise ValueError(
            f"{first} and {second} must have one shape, but they are {tuple(a.shape)} and {tuple(b.shape)}."
        )
