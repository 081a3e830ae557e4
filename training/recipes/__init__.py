"""Recipes by name. A recipe is one file: what trains, which data, and its loss."""

from importlib import import_module

from ..page.settings import RECIPES, RunSettings

FILES = {
    "vae": ("vae", "TrainVAE"),
    "idol_haop": ("idol_stages", "Outpainting"),
    "idol_image": ("idol_stages", "Pictures"),
    "idol_video": ("idol_stages", "Clips"),
    "one_shot": ("one_shot", "OneShot"),
    "depth_words": ("depth_words", "DepthWords"),
    "lfae": ("lfae", "TrainCodec"),
    "lfdm": ("lfdm", "TrainFlow"),
    "mimo": ("mimo", "Character"),
    "wan_pair": ("wan_pair", "WanPair"),
}
assert set(FILES) == set(RECIPES)


def make_recipe(settings: RunSettings):
    file, name = FILES[settings.recipe]
    return getattr(import_module(f".{file}", __package__), name)(settings)
