"""Names that nodes offer, apart from what they name: the host reads them at its start, which stays fast."""

ACTIONS = ("wave", "walk", "squat", "jump", "turn", "dance", "kick", "bow")
CAMERAS = ("still", "sway", "dolly", "orbit")
STYLES = ("natural", "flat", "clay", "grey", "night", "sunset")

DEPTH_TYPES = ("near is white", "far is white", "distance")
DEPTH_SCALES = ("linear", "inverse")
DEPTH_RANGES = ("min-max", "percentile", "fixed")
CHANNEL_RANGES = ("per clip", "per frame", "unchanged")
DEPTH_POLARITIES = ("near is white", "far is white")
DEPTH_BLENDS = ("mix", "nearest", "farthest")
COLOUR_MAPS = (
    *("hot", "grey", "viridis", "inferno", "magma", "plasma", "turbo", "jet"),
    *("spectral", "coolwarm", "rainbow"),
)

OBJECT_DEPTHS = ("each pixel", "lower edge", "ground under it")
REGION_BACKGROUNDS = ("black", "white", "largest region", "none")
FLOW_WHEELS = ("RAFT", "Duet", "HSV")

WIPE_DIRECTIONS = ("left to right", "top to bottom")
EDGE_COLOURS = {"yellow": (1.0, 0.9, 0.0), "red": (1.0, 0.1, 0.1), "green": (0.1, 1.0, 0.3), "cyan": (0.0, 0.9, 1.0)}
CAMERA_PATHS = ("dolly", "truck", "pedestal", "orbit", "sway", "pan", "tilt", "zoom")
EASES = ("smooth", "linear")
EYES = ("left", "middle", "right")
HOLE_FILLINGS = ("grey", "black", "background")
STEREO_LAYOUTS = ("side by side", "over under", "anaglyph", "VR180 fisheye")

POSE_FORMATS = ("SDPose", "DWPose", "OpenPose")
KEYPOINT_FILES = (*POSE_FORMATS, "OpenPose files")
KEYPOINT_SOURCES = ("detector", "exact")
MODALITIES = ("video", "depth")

FEATURE_SOURCES = ("random filters", "CLIP", "VAE")
SAMPLE_KINDS = ("frames", "clips")


def check_choice(value: str, choices: tuple[str, ...]) -> None:
    """Refuses a value that is none of the choices."""
    if value not in choices:
        raise ValueError(f"Expected one of {', '.join(choices)}, got {value!r}: choose one of these.")
