"""A projection of the other modality's features at the same pixel, at the end of a U-Net block. An addition to IDOL.

Attention matches tokens by their features, and those of a video and of its depth differ: a network that is trained from
nothing takes long to learn the match. A projection needs none.
"""

from torch import Tensor, nn

from ...pair.layout import ClipLayout


class SamePlace(nn.Module):
    """(k m f) c h w features with a projection of the other modality's at each pixel added; zero until it is trained."""

    def __init__(self, width: int, layout: ClipLayout):
        super().__init__()
        self.layout = layout
        self.norm = nn.LayerNorm(width)
        self.to_video, self.to_depth = (nn.Linear(width, width) for _ in range(2))
        for projection in (self.to_video, self.to_depth):
            nn.init.zeros_(projection.weight)
            nn.init.zeros_(projection.bias)

    def forward(self, features: Tensor) -> Tensor:
        if self.layout.modalities == 1:
            return features
        video, depth = self.layout.parts(self.norm(features.movedim(1, -1)))
        added = self.layout.whole([self.to_video(depth), self.to_depth(video)])
        return features + added.movedim(-1, 1)
