"""Names that nodes offer, apart from what they name: the host reads them at its start, which stays fast."""

ACTIONS = ("wave", "walk", "squat", "jump", "turn", "dance", "kick", "bow")
CAMERAS = ("still", "sway", "dolly", "orbit")
STYLES = ("natural", "flat", "clay", "grey", "night", "sunset")

DEPTH_SOURCES = ("near is large", "far is large", "distance")
DEPTH_SPACES = ("as given", "inverse")
DEPTH_RANGES = ("min-max", "percentile", "fixed")
CHANNEL_RANGES = ("per clip", "per frame", "unchanged")
DEPTH_POLARITIES = ("near is white", "near is black")
DEPTH_BLENDS = ("mix", "nearest", "farthest")
COLOUR_MAPS = ("hot", "grey", "viridis", "inferno", "magma", "plasma", "turbo", "jet")

POSE_DIALECTS = ("native", "dwpose", "openpose")
MODALITIES = ("video", "depth")
