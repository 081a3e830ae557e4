"""Pictures and texts as vectors of one space, by the host's two halves of CLIP.

Letters: N pictures, H and W pixels, d features.
"""

from collections.abc import Callable
from pathlib import Path

import comfy.model_management as memory
import torch
from torch import Tensor

from ....models.files.reading import read_weights
from ..progress import progress

CHUNK = 16
WHOLE_CLIP = "the whole CLIP ViT-L/14 in one file, whose text part ends in text_projection"


def encode_images(clip_vision, images: Tensor) -> Tensor:
    """(N, H, W, 3) pictures to (N, d) embeddings; each is squeezed to a square, so that nothing is cut off."""
    refuse_unprojected_vision(clip_vision)
    return in_chunks(images, lambda some: one_each(clip_vision.encode_image(some, crop=False)["image_embeds"]))


def in_chunks(images: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
    """Long clips a few frames at a time, so that memory does not grow with them and Cancel works."""
    report, vectors = progress(len(images)), []
    for begin in range(0, len(images), CHUNK):
        with torch.no_grad():
            vectors.append(encode(images[begin : begin + CHUNK]).float().cpu())
        report(min(begin + CHUNK, len(images)))
    return torch.cat(vectors)


def one_each(embeddings: Tensor) -> Tensor:
    """(N, d); a model that gives several vectors for a picture is refused."""
    if embeddings.ndim != 2:
        raise ValueError(
            f"clip_vision: expected one vector for each picture, got {tuple(embeddings.shape)[1]} of them, as from "
            "SigLIP in ComfyUI: load CLIP ViT-L/14 in Load CLIP Vision."
        )
    return embeddings


def refuse_unprojected_vision(clip_vision) -> None:
    """Refuses a file without CLIP's visual_projection, whose vectors are not those of the space that texts share.

    The host makes that layer all the same and leaves in it what lies in memory, mostly zeros.
    """
    model = clip_vision.model
    weight = getattr(getattr(model, "visual_projection", None), "weight", None)
    if weight is None or not is_trained(weight.detach().float()):
        raise ValueError(
            "clip_vision: expected CLIP with visual_projection, which turns its pictures into vectors that compare, but "
            "this file has none: load CLIP ViT-L/14 in Load CLIP Vision."
        )


def is_trained(weight: Tensor) -> bool:
    """Whether a matrix holds weights: finite, of a usual size and hardly any of them zero."""
    return bool(torch.isfinite(weight).all() and weight.abs().max() < 1000 and (weight == 0).float().mean() < 0.01)


def encode_text(clip, text: str) -> Tensor:
    """(1, d) embedding of a text in the space of the pictures; a text encoder without a projection is refused."""
    refuse_unprojected(clip)
    tokens, model = clip.tokenize(text, disable_weights=True), clip.cond_stage_model
    with torch.no_grad(), memory.cuda_device_context(clip.patcher.load_device):
        plain = clip.encode_from_tokens(tokens, return_pooled="unprojected")[1]
        # The host's text encoders of Stable Diffusion 1.x and Flux leave the projection out by default.
        model.set_clip_options({"projected_pooled": True})
        vector = model.encode_token_weights(tokens)[1]
        model.reset_clip_options()
    if vector is None or not torch.isfinite(vector).all() or not vector.any() or torch.equal(vector, plain):
        raise ValueError(
            "clip: expected a text encoder of CLIP, but the vector of this one does not compare with pictures: load "
            f"{WHOLE_CLIP}, in Load CLIP."
        )
    return vector.float().cpu()


def refuse_unprojected(clip) -> None:
    """The host fills a missing text_projection with whatever is in memory, so the names in the file decide."""
    files = [name for name in map(Path, files_of(clip)) if name.is_file()]
    if any(
        name.endswith(("text_projection", "text_projection.weight")) for f in files for name in read_weights(f).shapes
    ):
        return
    came = f"{' and '.join(f.name for f in files)} has none" if files else "the file of this one is unknown"
    raise ValueError(
        f"clip: expected a text encoder with text_projection, which texts and pictures share, but {came} "
        f"(checkpoints of Stable Diffusion 1.x and clip_l.safetensors lack it): load {WHOLE_CLIP}, in Load CLIP and in "
        "Load CLIP Vision, or give clip_folder."
    )


def files_of(clip) -> list[str]:
    """The files that the host would load this text encoder from again."""
    loader = getattr(clip.patcher, "cached_patcher_init", None)
    first = loader[1][0] if loader else []
    return list(first) if isinstance(first, list | tuple) else [first]
