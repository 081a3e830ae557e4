"""The shape of a network from the settings of a run."""

from ...models.unet.switches import SWITCHES
from ..page.limits import check_names


def shape_from_settings(model: dict) -> dict:
    """The switches of a video U-Net that `config` in the model's settings names, lists as the tuples that they stand for."""
    shape = {name: tuple(v) if isinstance(v, list) else v for name, v in model.get("config", {}).items()}
    check_names("model: config", shape, SWITCHES)
    return shape
