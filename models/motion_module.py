"""AnimateDiff's motion modules (stub while being written)."""


def add_motion_modules(unet, config, layout):
    raise ValueError
