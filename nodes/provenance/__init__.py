"""Where a clip came from."""

from .watermark import DetectWatermark, EmbedWatermark

NODES = [EmbedWatermark, DetectWatermark]
