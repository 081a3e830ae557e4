"""The shape of a network from the settings of a run."""

from ...models.unet.switches import SWITCHES


def shape_from_settings(model: dict) -> dict:
    """The switches of a video U-Net that `config` in the model's settings names, lists as the tuples that they stand for."""
    shape = {name: tuple(v) if isinstance(v, list) else v for name, v in model.get("config", {}).items()}
    unknown = set(shape) - set(SWITCHES)
    if unknown:
        raise ValueError(
            f"model: config has no {', '.join(sorted(unknown))}: see models/unet/switches.py for its names."
        )
    return shape
