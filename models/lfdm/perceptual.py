"""Losses between two pictures: by features of VGG19 from a local file (LFDM section 3.2), or by plain colours and edges.

Letters: B pictures, H and W pixels.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from ..files.reading import read_weights
from .equivariance import PYRAMID, pyramid

WIDTHS = (64, 64, "pool", 128, 128, "pool", 256, 256, 256, 256, "pool", 512, 512, 512, 512, "pool", 512)
FEATURE_LAYERS = (2, 7, 12, 21, 30)  # layers of VGG19 that are compared
VGG_MIN_SIDE = 16  # pixels a side, which VGG19 reduces to one
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class VGG19(nn.Module):
    """The first five stages of VGG19 under torchvision's names, frozen."""

    def __init__(self):
        super().__init__()
        layers, inside = [], 3
        for width in WIDTHS:
            if width == "pool":
                layers.append(nn.MaxPool2d(2))
                continue
            layers += [nn.Conv2d(inside, width, 3, padding=1), nn.ReLU()]
            inside = width
        self.features = nn.Sequential(*layers)
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(STD)[:, None, None], persistent=False)
        self.requires_grad_(False).eval()

    @classmethod
    def from_file(cls, path: str | Path) -> "VGG19":
        """A file of torchvision's VGG19, with or without its classifier."""
        file, vgg = read_weights(path), cls()
        missing = sorted(set(vgg.state_dict()) - set(file.shapes))
        if missing:
            raise ValueError(
                f"{Path(path).name} is no VGG19: it has no {missing[0]}. Give torchvision's vgg19 file, or leave vgg "
                "out to compare colours and edges."
            )
        vgg.load_state_dict({name: file.read(name).float() for name in vgg.state_dict()})
        return vgg

    def forward(self, picture: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in [0, 1] to the features of five depths."""
        x, features = (picture - self.mean) / self.std, []
        for number, layer in enumerate(self.features, 1):
            x = layer(x)
            if number in FEATURE_LAYERS:
                features.append(x)
        return features


def perceptual(vgg: VGG19, output: Tensor, target: Tensor, scales: tuple[float, ...] = PYRAMID) -> Tensor:
    """(B, 3, H, W) pictures to the sum, over sizes and depths, of the mean difference of features."""
    total = 0.0
    for one, other in sizes(output, target, scales, VGG_MIN_SIDE):
        with torch.no_grad():
            wanted = vgg(other)
        total = total + sum((a - b).abs().mean() for a, b in zip(vgg(one), wanted, strict=True))
    return total


def photometric(output: Tensor, target: Tensor, scales: tuple[float, ...] = PYRAMID) -> Tensor:
    """(B, 3, H, W) pictures to the sum over sizes of the mean difference of colours and of edges."""
    return sum((one - other).abs().mean() + edge_error(one - other) for one, other in sizes(output, target, scales, 4))


def edge_error(error: Tensor) -> Tensor:
    """(B, 3, H, W): the mean error of the steps between neighbouring pixels."""
    across, down = error.diff(dim=-1), error.diff(dim=-2)
    return sum(step.abs().mean() for step in (across, down) if step.numel())


def sizes(output: Tensor, target: Tensor, scales: tuple[float, ...], min_side: int) -> list[tuple[Tensor, Tensor]]:
    """Both pictures at every size of the pyramid of at least min_side pixels a side."""
    fit = tuple(scale for scale in scales if min(output.shape[-2:]) * scale >= min_side)
    return list(zip(pyramid(output.float(), fit).values(), pyramid(target.float(), fit).values(), strict=True))
