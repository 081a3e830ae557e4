"""A LATENT of frames compared with what it was made for.

`duet` in it names the modalities and, of a pair, the frames; nodes that cut, repeat or join a batch leave it as it was or
drop it. Letters: F frames, m modalities, C channels, h and w latent pixels, H and W pixels.
"""

from torch import Tensor

from ...models.choices import MODALITIES

PAIR = list(MODALITIES)
MEND = (
    "remove nodes that cut, repeat or join batches, such as Get Latent From Batch and Repeat Latent Batch, or put them between "
    "Split Video and Depth and Join Video and Depth, the same on both"
)


def model_frames(latent: dict, modalities: int, name: str) -> int:
    """F of a latent (m F, C, h, w) for a model of m modalities."""
    if modalities == 2:
        return pair_frames(latent, name)
    return clip_frames(latent, name, "connect Split Video and Depth, or a model without Select Video or Depth")


def pair_frames(latent: dict, name: str) -> int:
    """F of a pair (2F, C, h, w); one that no longer holds as many depth frames as video frames is refused."""
    duet, count = latent.get("duet", {}), len(planes(latent, name))
    if (modalities := duet.get("modalities", PAIR)) != PAIR:
        raise ValueError(
            f"{name}: expected video and depth in one latent, got {' and '.join(modalities)} alone: connect both halves to "
            "Join Video and Depth."
        )
    frames = duet.get("frames", count // 2)
    if count != 2 * frames or not count:
        raise ValueError(f"{name}: expected {in_words(duet)}, got {count}: {MEND}.")
    check_order(latent, name)
    return frames


def clip_frames(latent: dict, name: str, mend: str) -> int:
    """F of a clip (F, C, h, w) of one modality; a pair is refused."""
    count, duet = len(planes(latent, name)), latent.get("duet", {})
    if duet.get("modalities") == PAIR:
        raise ValueError(f"{name}: expected frames of one kind, got {count} latents of video and depth: {mend}.")
    return count


def planes(latent: dict, name: str) -> Tensor:
    """The samples of a latent (B, C, h, w); those of other kinds of models are refused."""
    samples = latent["samples"]
    nested = getattr(samples, "is_nested", False)
    if nested or samples.ndim != 4:
        raise ValueError(
            f"{name}: expected a latent of pictures with 4 dimensions (frames, channels, height, width), got "
            f"{'several latents in one' if nested else f'one with {samples.ndim}'}: encode the clip with the VAE that belongs "
            "to the model."
        )
    return samples


def in_words(duet: dict) -> str:
    """How many latents a pair holds."""
    if "frames" not in duet:
        return "an even number of latents, as many of depth as of video"
    return f"{2 * duet['frames']} latents ({duet['frames']} of video and {duet['frames']} of depth)"


def check_order(latent: dict, name: str) -> None:
    """Nodes that cut, repeat or join a batch leave the numbers that its latents had before.

    They may be those of a whole batch by chance, such as 0 .. 2F - 1 of the video half repeated. One number for all gives
    every frame the same noise (Latent Batch Seed Behavior) and names no order.
    """
    if len(set(latent.get("batch_index") or ())) > 1:
        raise ValueError(
            f"{name}: expected {in_words(latent.get('duet', {}))} in their own order, got {len(latent['samples'])} that were "
            f"cut, repeated or joined as a batch: {MEND}."
        )


def check_noise_mask(mask: Tensor, frames: int, modalities: int, name: str) -> None:
    """Refuses a noise mask (n, 1, H, W) that the host would repeat or cut to other frames."""
    count, counts = len(mask.reshape(-1, *mask.shape[-2:])), sorted({1, frames, modalities * frames})
    if count not in counts:
        depth = " and as many of depth" if modalities == 2 else ""
        raise ValueError(
            f"{name}: expected a noise mask of {' or '.join(map(str, counts))} frames for {frames} frames{depth}, got "
            f"{count}: trim or repeat the mask in front of Set Latent Noise Mask."
        )


def repeated_mask(mask: Tensor, frames: int, modalities: int, name: str) -> Tensor:
    """The noise mask of a latent for each of its frames, as the host repeats it: (m F, 1, H, W)."""
    check_noise_mask(mask, frames, modalities, name)
    mask = mask.reshape(-1, 1, *mask.shape[-2:])
    return mask.repeat(modalities * frames // len(mask), 1, 1, 1)
