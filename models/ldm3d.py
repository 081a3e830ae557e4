"""The LDM3D-like baseline (IDOL section 4.2): depth packed into three picture channels, and a VAE for six.

16 bits of depth are G * 256 + B, as in LDM3D (arXiv 2305.10853); R stays empty. The U-Net is config.LDM3D: it knows
nothing of this. Letters: b frames, h and w pixels.
"""

import torch
from torch import Tensor

LEVELS = 65535
EDGES = ("encoder.conv_in.weight", "decoder.conv_out.weight", "decoder.conv_out.bias")


def pack(depth: Tensor) -> Tensor:
    """Depth (b, 1, h, w) in [0, 1] to a picture (b, 3, h, w) in [0, 1] of whole bytes."""
    if depth.ndim != 4 or depth.shape[1] != 1:
        raise ValueError(
            f"Depth to be packed has one channel, (frames, 1, height, width), got {tuple(depth.shape)}: "
            "take one channel of it."
        )
    value = (depth.double().clamp(0, 1) * LEVELS).round().long()
    return (torch.cat((torch.zeros_like(value), value // 256, value % 256), 1) / 255).to(torch.float32)


def unpack(picture: Tensor) -> Tensor:
    """A picture (b, 3, h, w) in [0, 1], rounded to bytes, to depth (b, 1, h, w) in [0, 1]."""
    if picture.ndim != 4 or picture.shape[1] != 3:
        raise ValueError(
            f"Packed depth is a picture with 3 channels, (frames, 3, height, width), got {tuple(picture.shape)}: "
            "take the last three of the six that the VAE answers."
        )
    _, high, low = (picture.double().clamp(0, 1) * 255).round().unbind(1)
    return ((high * 256 + low) / LEVELS).float()[:, None]


def six(picture: Tensor, depth: Tensor) -> Tensor:
    """A picture (b, 3, h, w) and its depth (b, 1, h, w), both in [0, 1], to what the wide VAE reads, in [-1, 1]."""
    return torch.cat((picture, pack(depth).to(picture)), 1) * 2 - 1


def picture_and_depth(answer: Tensor) -> tuple[Tensor, Tensor]:
    """The wide VAE's answer (b, 6, h, w) in [-1, 1] to a picture (b, 3, h, w) and depth (b, 1, h, w) in [0, 1]."""
    picture, depth = (answer / 2 + 0.5).clamp(0, 1).chunk(2, 1)
    return picture, unpack(depth)


def widened(vae_state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a diffusers AutoencoderKL for three channels as those of one for six.

    The new inputs are born silent, so that every picture keeps its latent exactly; the new outputs are copies of the
    picture's, since depth that starts as the picture already has its edges in place.
    """
    shapes = [tuple(vae_state[name].shape) if name in vae_state else None for name in EDGES]
    if None in shapes or shapes[0][1] != 3 or shapes[1][0] != 3:
        raise ValueError(
            f"A VAE for pictures with 3 channels in diffusers' form was expected, but of {', '.join(EDGES)} the shapes "
            f"are {', '.join(map(str, shapes))}: take the VAE that belongs to a Stable Diffusion 1 model."
        )
    entry, *exits = EDGES
    state = dict(vae_state)
    state[entry] = torch.cat((state[entry], torch.zeros_like(state[entry])), 1)
    return state | {name: torch.cat((state[name], state[name])) for name in exits}
