"""The 2-D blocks of the flow autoencoder's networks.

Letters: B pictures, C channels, H and W pixels.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvBlock(nn.Module):
    """Convolution, norm, ReLU; the size stays."""

    def __init__(self, inside: int, outside: int, kernel: int = 3):
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, kernel, padding=kernel // 2)
        self.norm = nn.BatchNorm2d(outside)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x)))


class DownBlock(ConvBlock):
    """The same, then the mean of each two by two pixels."""

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(super().forward(x), 2)


class UpBlock(ConvBlock):
    """Every pixel becomes two by two, then the same."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.interpolate(x, scale_factor=2, mode="nearest"))


class ResidualBlock(nn.Module):
    """Two convolutions around a residual, each after its norm."""

    def __init__(self, width: int):
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
        self.conv1, self.conv2 = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.relu(self.norm2(self.conv1(F.relu(self.norm1(x))))))


class Encoder(nn.Module):
    """(B, C, H, W) to maps of every size, the picture itself first."""

    def __init__(self, inside: int, width: int, largest: int, levels: int):
        super().__init__()
        widths = [inside, *(min(largest, width * 2 ** (level + 1)) for level in range(levels))]
        self.down_blocks = nn.ModuleList(DownBlock(*pair) for pair in zip(widths, widths[1:], strict=False))

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = [x]
        for block in self.down_blocks:
            maps.append(block(maps[-1]))
        return maps


class Decoder(nn.Module):
    """Maps of every size to one of the first size, (B, width + C, H, W)."""

    def __init__(self, inside: int, width: int, largest: int, levels: int):
        super().__init__()
        at = lambda level: min(largest, width * 2**level)
        deepest = levels - 1
        self.up_blocks = nn.ModuleList(
            UpBlock(at(level + 1) * (1 if level == deepest else 2), at(level)) for level in range(deepest, -1, -1)
        )
        self.out_channels = width + inside

    def forward(self, maps: list[Tensor]) -> Tensor:
        x, *skips = reversed(maps)
        for block, skip in zip(self.up_blocks, skips, strict=True):
            x = torch.cat((block(x), skip), 1)
        return x


class Hourglass(nn.Module):
    def __init__(self, inside: int, width: int, largest: int, levels: int):
        super().__init__()
        self.encoder = Encoder(inside, width, largest, levels)
        self.decoder = Decoder(inside, width, largest, levels)
        self.out_channels = self.decoder.out_channels

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))


class AntiAlias(nn.Module):
    """A Gaussian blur, then every (1 / scale)-th pixel: (B, C, H, W) to (B, C, H scale, W scale)."""

    def __init__(self, channels: int, scale: float):
        super().__init__()
        self.stride = round(1 / scale)
        if self.stride > 1:
            self.register_buffer("weight", gaussian((1 / scale - 1) / 2).expand(channels, 1, -1, -1).clone())

    def forward(self, x: Tensor) -> Tensor:
        if self.stride == 1:
            return x
        weight = self.weight.to(x)
        return F.conv2d(x, weight, stride=self.stride, padding=weight.shape[-1] // 2, groups=x.shape[1])


def gaussian(sigma: float) -> Tensor:
    """A square kernel of sum 1 that reaches four sigma."""
    reach = round(4 * sigma)
    line = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float32) / sigma) ** 2)
    line = line / (sigma * math.sqrt(2 * math.pi))
    kernel = line[:, None] * line
    return kernel / kernel.sum()
