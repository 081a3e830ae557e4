"""The flow autoencoder: a generator that renders a picture moved by a flow, and the networks that estimate the flow.

Letters: B pictures, C channels, H and W pixels, h and w of the flow (a quarter of them).
"""

from collections import OrderedDict
from typing import NamedTuple

from torch import Tensor, nn

from .config import PICTURE, AutoencoderConfig
from .flow_predictor import BackgroundPredictor, PixelwiseFlowPredictor
from .layers import ConvBlock, DownBlock, ResidualBlock, UpBlock
from .regions import RegionPredictor, Regions
from .warp import Motion


class Encoded(NamedTuple):
    """A picture with its features of every size, largest first; the last (B, 256, h, w) is the condition of the U-Net."""

    picture: Tensor
    maps: tuple[Tensor, ...]

    @property
    def features(self) -> Tensor:
        return self.maps[-1]

    def to(self, like: Tensor) -> "Encoded":
        return Encoded(self.picture.to(like), tuple(one.to(like) for one in self.maps))


class Generator(nn.Module):
    """Encoder and decoder; every layer of the decoder takes what stays visible from the moved features."""

    def __init__(self, config: AutoencoderConfig):
        super().__init__()
        widths = [min(config.max_width, config.width * 2**level) for level in range(config.levels + 1)]
        down, up = zip(widths, widths[1:], strict=False), zip(widths[::-1], widths[-2::-1], strict=False)
        self.pixelwise_flow_predictor = PixelwiseFlowPredictor(config)
        self.first = ConvBlock(PICTURE, config.width, 7)
        self.down_blocks = nn.ModuleList(DownBlock(*pair) for pair in down)
        self.bottleneck = nn.Sequential(
            OrderedDict((f"r{i}", ResidualBlock(widths[-1])) for i in range(config.bottleneck))
        )
        self.up_blocks = nn.ModuleList(UpBlock(*pair) for pair in up)
        self.final = nn.Conv2d(config.width, PICTURE, 7, padding=3)

    def encode(self, picture: Tensor) -> Encoded:
        """(B, 3, H, W) in [0, 1] to its features."""
        maps = [self.first(picture)]
        for block in self.down_blocks:
            maps.append(block(maps[-1]))
        return Encoded(picture, tuple(maps))

    def decode(self, source: Encoded, motion: Motion) -> Tensor:
        """One encoded picture, or B of them, and B motions to (B, 3, H, W) pictures in [0, 1]."""
        *shallow, deepest = source.maps
        visible = motion.warp_visible(deepest)
        hidden = 1 - motion.at(deepest.shape[-2:])[1]
        x = visible + self.bottleneck(visible) * hidden
        for block, features in zip(self.up_blocks, reversed(shallow), strict=True):
            x = motion.blend(features, block(x))
        return motion.blend(source.picture, self.final(x).sigmoid())

    def forward(
        self, picture: Tensor, source: Regions, driving: Regions, background: Tensor | None = None
    ) -> tuple[Tensor, Motion]:
        """(B, 3, H, W) source picture and the regions of both to the driving picture and the motion to it."""
        motion = self.pixelwise_flow_predictor(picture, source, driving, background)
        return self.decode(self.encode(picture), motion), motion


class FlowAutoencoder(nn.Module):
    """The three networks that are trained together (stage 1), under the released files' names."""

    def __init__(self, config: AutoencoderConfig):
        super().__init__()
        self.config = config
        self.generator = Generator(config)
        self.region_predictor = RegionPredictor(config)
        self.bg_predictor = BackgroundPredictor(config)

    def estimate(self, source: Tensor, driving: Tensor) -> Motion:
        """(B, 3, H, W) pictures to the motion by which the driving one fetches its pixels from the source."""
        regions, background = self.region_predictor, self.bg_predictor(source, driving)
        return self.generator.pixelwise_flow_predictor(source, regions(source), regions(driving), background)

    def forward(self, source: Tensor, driving: Tensor) -> tuple[Tensor, Motion]:
        """(B, 3, H, W) pictures to the driving picture rendered from the source, and the motion."""
        motion = self.estimate(source, driving)
        return self.generator.decode(self.generator.encode(source), motion), motion
