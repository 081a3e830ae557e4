"""The small auto-encoder that a run starts from, also with more latent channels than its file has.

The added channels start on the principal axes of the error of the file's auto-encoder, as far as the last features of its
encoder predict that error, which is little: an encoder drops what it has no channel for. So a run first teaches them
the error on those axes. The decoder ignores them at first, so that the start decodes exactly what the file does.

Letters: B pictures, H and W pixels, N latent pixels, K numbers around a latent pixel (64 features at 9 places, and a 1),
D colours of the 8 x 8 pixels of a latent pixel.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ...models.files.reading import read_weights
from ...models.unet.small_vae import SmallVAE

PIXELS = 8  # a side of a latent pixel
AT_ONCE = 32  # pictures
LARGEST = 3.0  # of a latent, see Clamp of the small auto-encoder
RIDGE = 1e-4  # of the mean square of a feature, since features that are always zero have no solution
FIRST = "taesd_decoder.1.weight"  # its second side is the number of latent channels


def open_small_vae(path: Path, channels: int | None = None) -> tuple[SmallVAE, int]:
    """The auto-encoder of a file with as many latent channels, and how many of them are the file's own."""
    file = read_weights(path)
    if FIRST not in file.shapes:
        raise ValueError(
            f"model: init is a small auto-encoder with the tensor names of TAESD, which {file.name} is not: take the file "
            "of an earlier run of the recipe vae."
        )
    own = file.shapes[FIRST][1]
    if channels is not None and channels < own:
        raise ValueError(
            f"model: channels is {own} or more for {file.name}, which has {own} latent channels, not {channels}."
        )
    vae = SmallVAE(own)
    vae.load_state_dict({name: value.float() for name, value in file.state().items()})
    return (vae if channels in (None, own) else widen(vae, channels)), own


@torch.no_grad()
def widen(vae: SmallVAE, channels: int) -> SmallVAE:
    """The same auto-encoder with added latent channels, which are zero and which its decoder ignores."""
    wide = SmallVAE(channels)
    places = wide.state_dict()
    for name, value in vae.state_dict().items():
        places[name].zero_()[tuple(map(slice, value.shape))] = value
    return wide


@torch.no_grad()
def fit_added(vae: SmallVAE, own: int, pictures: Tensor) -> Tensor:
    """Starts the channels after the first `own` on (B, 3, H, W) pictures; returns the axes (D, added), for errors of size 1.

    Each reads from the encoder's last features what they predict of the error on one axis, with mean 0 and size 1 as the
    file's own channels have.
    """
    last = vae.taesd_encoder[-1]
    products, with_error, of_error = means(vae, pictures)
    mean = products[-1]  # of the K numbers, since the last of them is always 1
    damping = RIDGE * products.diagonal().mean() * torch.eye(len(mean), dtype=mean.dtype, device=mean.device)
    values, axes = torch.linalg.eigh(of_error)  # rising
    values, axes = values.flip(0)[: len(last.bias) - own], axes.flip(1)[:, : len(last.bias) - own]
    rows = torch.linalg.solve(products + damping, with_error) @ axes
    spread = (rows * ((products - torch.outer(mean, mean)) @ rows)).sum(0)
    rows = rows / spread.clamp_min(1e-12).sqrt()
    last.weight[own:] = rows[:-1].T.unflatten(1, last.weight.shape[1:]).to(last.weight)
    last.bias[own:] = (rows[-1] - mean @ rows).to(last.bias)
    return (axes / values.clamp_min(1e-12).sqrt()).float()


def means(vae: SmallVAE, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Over all latent pixels: products of the K numbers (K, K), of those with the error (K, D), and of the error (D, D)."""
    products, with_error, of_error, count = 0, 0, 0, 0
    for some in pictures.split(AT_ONCE):
        numbers, error = numbers_around(vae, some), error_patches(vae, some)
        products, with_error = products + numbers.T @ numbers, with_error + numbers.T @ error
        of_error, count = of_error + error.T @ error, count + len(error)
    return products / count, with_error / count, of_error / count


@torch.no_grad()
def on_axes(vae: SmallVAE, axes: Tensor, pictures: Tensor) -> Tensor:
    """(B, added, h, w): the error of an auto-encoder on (D, added) axes, within what a decoder's first layer lets through."""
    error = F.pixel_unshuffle((pictures - vae.decode(vae.encode(pictures))).float(), PIXELS)
    return torch.einsum("bdhw,da->bahw", error, axes).clamp(-LARGEST, LARGEST)


def numbers_around(vae: SmallVAE, pictures: Tensor) -> Tensor:
    """(N, K): what the encoder's last convolution reads for each latent pixel, and a 1."""
    features = vae.taesd_encoder[:-1](pictures)
    around = F.unfold(features, 3, padding=1).transpose(1, 2).flatten(0, 1)
    return F.pad(around, (0, 1), value=1.0).double()


def error_patches(vae: SmallVAE, pictures: Tensor) -> Tensor:
    """(N, D): what the auto-encoder does not return of the pixels of each latent pixel."""
    error = pictures - vae.decode(vae.encode(pictures))
    return F.pixel_unshuffle(error, PIXELS).flatten(2).transpose(1, 2).flatten(0, 1).double()
