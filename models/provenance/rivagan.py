"""RivaGAN's two networks, with the weights that the package invisible-watermark ships.

The encoder adds at most 2 of 255 steps to each colour; the decoder gives a score for each of 32 bits. Both look at a picture
part by part, so memory stays the same for any size, and the result is that of the whole picture.
Letters: H and W pixels, h and w pixels of a part.
"""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from .code import BITS
from .onnx import read_weights

KERNEL, WIDTH = (11, 11), 32
MOST = 0.016  # that the encoder adds, for colours from -1 to 1
PART = 512  # pixels of a side
FOLDER = "imwatermark"


class Attention(nn.Sequential):
    """(1, 3, h, w) pictures to (1, 32, h, w): how much each pixel carries of each bit."""

    def __init__(self):
        super().__init__(
            convolution(3, WIDTH), nn.Tanh(), nn.BatchNorm2d(WIDTH), convolution(WIDTH, BITS), nn.Tanh(), nn.BatchNorm2d(BITS),
            nn.Softmax(1),
        )  # fmt: skip


class Encoder(nn.Module):
    """What to add to (1, 3, h, w) pictures so that they carry (32,) bits."""

    reach = 20  # pixels around a pixel that count: four convolutions

    def __init__(self):
        super().__init__()
        self._attention = Attention()
        self._conv = nn.Sequential(
            convolution(4, WIDTH), nn.Tanh(), nn.BatchNorm2d(WIDTH), convolution(WIDTH, 3), nn.Tanh()
        )

    def forward(self, pictures: Tensor, bits: Tensor) -> Tensor:
        carried = (self._attention(pictures) * (2 * bits - 1)[:, None, None]).sum(1, keepdim=True)
        return MOST * self._conv(torch.cat([pictures, carried], 1))


class Decoder(nn.Module):
    """(1, 3, h, w) pictures to scores of 32 bits at each pixel, whose mean counts."""

    reach = 10

    def __init__(self):
        super().__init__()
        self._attention = Attention()
        self._conv = nn.Sequential(convolution(3, WIDTH), nn.Tanh(), nn.BatchNorm2d(WIDTH), convolution(WIDTH, BITS))

    def forward(self, pictures: Tensor) -> Tensor:
        return self._attention(pictures) * self._conv(pictures)


def convolution(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, KERNEL, padding="same")


class Rivagan:
    """Both networks, for pictures (H, W, 3) from 0 to 1. `stop` is called before each part of a picture."""

    def __init__(self, device: torch.device | str = "cpu", stop: Callable[[], None] = lambda: None):
        folder = package_folder()
        self.device, self.stop = torch.device(device), stop
        self.encoder = opened(Encoder(), folder / "rivagan_encoder.onnx").to(device)
        self.decoder = opened(Decoder(), folder / "rivagan_decoder.onnx").to(device)

    @torch.no_grad()
    def mark(self, picture: Tensor, bits: Tensor) -> Tensor:
        """(H, W, 3) what to add to a picture so that it carries (32,) bits."""
        pictures, bits = self.as_input(picture), bits.to(self.device, torch.float32)
        added = torch.empty_like(pictures)
        for outer, inner, here in parts(*pictures.shape[2:], self.encoder.reach):
            self.stop()
            added[here] = self.encoder(pictures[outer], bits)[inner]
        return (added[0].flip(0).movedim(0, -1) / 2).to(picture.device)

    @torch.no_grad()
    def scores(self, picture: Tensor) -> Tensor:
        """(32,) a score for each bit, above 0 where it is 1; without a mark most are near 0."""
        pictures, total = self.as_input(picture), 0.0
        for outer, inner, _ in parts(*pictures.shape[2:], self.decoder.reach):
            self.stop()
            total = total + self.decoder(pictures[outer])[inner].sum((0, 2, 3))
        return (total / pictures[0, 0].numel()).cpu()

    def as_input(self, picture: Tensor) -> Tensor:
        """(H, W, 3) from 0 to 1 as the networks were trained: (1, blue green red, H, W) from -1 to 1."""
        return (2 * picture.to(self.device, torch.float32) - 1).movedim(-1, 0).flip(0)[None]


def package_folder() -> Path:
    """Where invisible-watermark lies, or an ImportError that names it."""
    package = find_spec(FOLDER)  # not imported: only its two files of weights are needed
    if package is None:
        raise ImportError(
            "A watermark needs the package invisible-watermark, which is not installed: run "
            "`pip install --no-deps invisible-watermark` with the Python of ComfyUI and restart ComfyUI."
        )
    return Path(package.submodule_search_locations[0])


def opened(network: nn.Module, path: Path) -> nn.Module:
    """A network with the weights of a file, which has one dimension more for the time."""
    weights = read_weights(path)
    network.load_state_dict({name: w.squeeze(2) if w.ndim == 5 else w for name, w in weights.items()})
    return network.eval()


def parts(height: int, width: int, reach: int) -> Iterator[tuple]:
    """Equal parts of a picture (1, 3, H, W): what the network looks at, the part in that, and the part in the picture."""
    for rows in cuts(height):
        for columns in cuts(width):
            (top, inner_rows), (left, inner_columns) = widened(rows, reach), widened(columns, reach)
            yield (..., top, left), (..., inner_rows, inner_columns), (..., rows, columns)


def cuts(length: int) -> list[slice]:
    """A length in equal parts of at most PART."""
    count = -(-length // PART)
    ends = [length * i // count for i in range(count + 1)]
    return [slice(*ends[i : i + 2]) for i in range(count)]


def widened(part: slice, reach: int) -> tuple[slice, slice]:
    """A part with what counts around it, as far as the picture goes, and where the part lies in that."""
    start = max(part.start - reach, 0)
    return slice(start, part.stop + reach), slice(part.start - start, part.stop - start)
