"""What lies at the same place of the other modality, at the end of a U-Net block. An addition to IDOL.

Attention finds its counterpart by what it looks like, and pixels of a video and of its depth do not look alike: a network
that begins from nothing takes long to learn where to look. Here it need not look.
"""

from torch import Tensor, nn

from ...pair.layout import ClipLayout


class SamePlace(nn.Module):
    """(k m f) c h w features with a projection of the other modality's at each pixel added; silent at birth."""

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
        told = self.layout.whole([self.to_video(depth), self.to_depth(video)])
        return features + told.movedim(-1, 1)
