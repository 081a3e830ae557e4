"""Names that the stage node offers, apart from what they name: the host reads them at its start, which stays fast."""

ACTIONS = ("wave", "walk", "squat", "jump", "turn", "dance", "kick", "bow")
CAMERAS = ("still", "sway", "dolly", "orbit")
STYLES = ("natural", "flat", "clay", "grey", "night", "sunset")
