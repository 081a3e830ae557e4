"""Settings to start from, for each recipe and size of GPU. Standard library only.

The sizes follow from the number of weights (16 bytes for one that trains in full precision, 4 for a frozen one).
"""

from .limits import MODEL
from .settings import RECIPES, TRAINS

# What the artist chooses, in the order in which recipes follow each other, and the recipe's name in run settings.
RECIPE_NAMES = {
    "video tuning (one clip)": "one_shot",
    "autoencoder (VAE)": "vae",
    "video and depth 1: person in a scene": "idol_haop",
    "video and depth 2: pictures": "idol_image",
    "video and depth 3: clips": "idol_video",
    "pictures from depth and words": "depth_words",
    "character swap": "mimo",
    "flow 1: autoencoder": "lfae",
    "flow 2: motion of a still": "lfdm",
    "Wan 2.2 pair": "wan_pair",
}
INPUTS = {"init": "start_model", "controlnet": "start_controlnet", "clip": "clip_vision_folder", "text": "positive"}
SIZES = ("CPU", "8 GB", "12 GB", "24 GB", "80 GB")
RECIPE = {  # steps on a GPU and on a CPU, and further settings of the recipe
    "vae": (20000, 5000, {"lr": 1e-3, "ema": 0.998}),
    "idol_haop": (25000, 4000, {"lr": 1e-3, "decay": "linear"}),
    "idol_image": (15000, 4000, {"lr": 1e-4, "decay": "linear"}),
    "idol_video": (15000, 3000, {"lr": 1e-4, "decay": "linear"}),
    "one_shot": (500, 500, {
        "lr": 3e-5, "decay": "none", "warmup": 0, "betas": [0.9, 0.999], "weight_decay": 1e-2,
    }),
    "depth_words": (20000, 4000, {"lr": 1e-3, "ema": 0.998}),
    "lfae": (46500, 6000, {"lr": 2e-4, "betas": [0.5, 0.999], "weight_decay": 0.0, "clip": 0.0}),
    "lfdm": (111600, 5000, {"lr": 2e-4, "betas": [0.9, 0.99], "weight_decay": 0.0}),
    "mimo": (50000, 4000, {"lr": 1e-5}),
    "wan_pair": (15000, 4000, {"lr": 5e-5, "lr_floor": 0.1, "clip": 1.5, "ema": 0.9999}),  # as UnityVideo
}  # fmt: skip
BATCHES = {  # (batch, accumulate) for each size
    "vae": ((12, 1), (16, 1), (24, 1), (48, 1), (64, 1)),
    "idol_haop": ((8, 1), (1, 16), (2, 8), (4, 4), (32, 1)),
    "idol_image": ((8, 1), (1, 16), (2, 8), (2, 8), (16, 2)),
    "idol_video": ((4, 1), (1, 8), (1, 8), (1, 8), (4, 2)),
    "one_shot": ((1, 1), (1, 1), (1, 1), (1, 1), (1, 1)),
    "depth_words": ((8, 1), (16, 1), (32, 1), (32, 1), (64, 1)),
    "lfae": ((8, 1), (8, 1), (16, 1), (32, 1), (100, 1)),
    "lfdm": ((4, 1), (1, 5), (1, 5), (2, 3), (5, 1)),
    "mimo": ((4, 1), (1, 8), (1, 8), (1, 8), (4, 2)),
    "wan_pair": ((4, 1), (1, 8), (1, 8), (1, 8), (1, 8)),
}
SIZE = {
    "CPU": {"precision": "fp32", "device": "cpu", "trains": "all"},
    "8 GB": {"precision": "bf16", "trains": "lora", "lora_rank": 8, "gradient_checkpointing": True},
    "12 GB": {"precision": "bf16", "trains": "lora", "gradient_checkpointing": True},
    "24 GB": {"precision": "bf16", "trains": "adapters", "gradient_checkpointing": True},
    "80 GB": {"precision": "bf16", "trains": "all", "gradient_checkpointing": True},
}
# The shape of a new network: 128 pixels on a laptop. A model file brings its own shape.
NEW = {
    "block_out_channels": [64, 96, 128], "attention_levels": [True, True, False], "layers_per_block": 1,
    "attention_head_dim": 4, "cross_attention_dim": 64, "cross_modal_width": 0, "prediction": "v",
}  # fmt: skip
FLOW = ("lfae", "lfdm")
# LFDM for 64 pixels on a laptop: both networks together have 3 of the released pair's 106 million weights.
SMALL_FLOW = {
    "lfae": {"width": 24, "max_width": 96, "bottleneck": 3, "flow": [24, 96, 3], "region": [24, 96, 3],
             "background": [16, 64, 4]},
    "lfdm": {"width": 32, "multiples": [1, 2, 3], "heads": 2, "head_width": 16, "text_width": 32,
             "prediction": "v", "motion": "offset", "motion_scale": 4.0},
}  # fmt: skip
# What the authors trained each data set with, for 128 pixels and 40 frames; their two drops of the rate are a cosine here.
PAPER = {
    "LFDM: MUG": {"lfae": {"steps": 46500, "batch": 100}, "lfdm": {"steps": 111600, "batch": 5}},
    "LFDM: MHAD": {"lfae": {"steps": 43100, "batch": 100, "model": {"config": {"heat_map_padding": 0}}},
                   "lfdm": {"steps": 86400, "batch": 6}},
    "LFDM: NATOPS": {"lfae": {"steps": 24000, "batch": 100, "model": {"config": {"heat_map_padding": 0}}},
                     "lfdm": {"steps": 33600, "batch": 20, "lr": 1e-4,
                              "model": {"config": {"upsample": "conv", "null": "learned"}}}},
}  # fmt: skip
assert set(RECIPE) == set(BATCHES) == set(RECIPE_NAMES.values()) == set(RECIPES) and set(SIZE) == set(SIZES)


def name_of(recipe: str) -> str:
    """What the page calls a recipe."""
    return next(name for name, value in RECIPE_NAMES.items() if value == recipe)


def preset(recipe: str, size: str) -> dict:
    """Run settings by name, without data and folder."""
    if size in PAPER:
        if recipe not in FLOW:
            raise ValueError(
                f"The preset {size} is for the recipes {' and '.join(map(name_of, FLOW))}, not for {name_of(recipe)}: choose "
                "one of them, or another preset."
            )
        run = preset(recipe, "80 GB") | {"accumulate": 1, "precision": "fp32", "clip": 0.0, "ema": 0.0}
        run |= {"stratified": False, "decayed": "all"}
        return run | PAPER[size][recipe]
    steps, slow, more = RECIPE[recipe]
    steps = slow if size == "CPU" else steps
    batch, accumulate = BATCHES[recipe][SIZES.index(size)]
    run = {"recipe": recipe, "steps": steps, "batch": batch, "accumulate": accumulate, "warmup": steps // 20}
    run |= {"stratified": True, "decayed": "matrices"} | more | SIZE[size]
    if recipe in ("vae", "depth_words", *FLOW):  # small enough to train whole everywhere
        run |= {"trains": "all", "gradient_checkpointing": False}
    if recipe in FLOW and size == "CPU":
        run |= {"lr": 1e-3, "ema": 0.995, "model": {"config": SMALL_FLOW[recipe]}}
    if recipe == "one_shot":
        run |= {"decayed": "all"}  # as Tune-A-Video
        run |= {"trains": "lora" if size == "8 GB" else "all"}
        run |= {"lr": 3e-4} if size == "CPU" else {}  # the small networks that a CPU tunes move further in a step
    if recipe == "wan_pair":
        run |= {"stratified": False}  # its noise levels are drawn as UnityVideo's
        run |= {"lr": 1e-3, "ema": 0.998} if size == "CPU" else {}
    if recipe == "mimo":  # 27 GB of a pair of Stable Diffusions train at once, or 7 of the motion modules
        run |= {"trains": "all" if size in ("CPU", "80 GB") else "adapters"}
        run |= {"lr": 1e-3, "ema": 0.998} if size == "CPU" else {}
    return run


def start_from(recipe: str, model: dict, trains: str | None, shape: dict | None = None) -> dict:
    """What follows from the files that a run starts from; refuses what cannot be trained.

    A preset may bring the shape of a new network: {"config": ...}.
    """
    refuse_unused(recipe, model)
    if recipe == "vae":
        return {"model": {}}
    if recipe in FLOW:
        return {"model": flow_files(recipe, model, shape or {}), "trains": "all"}
    if "vae" not in model:
        raise ValueError(
            f"The recipe {name_of(recipe)} trains on the latents of a VAE: choose one in vae_name, or train one with the recipe "
            f"{name_of('vae')}."
        )
    if "init" in model:
        return {"model": model}
    if recipe == "one_shot":
        raise ValueError(
            f"The recipe {name_of(recipe)} needs an existing model: choose it in start_model, such as Stable Diffusion 2 with "
            "depth or duet_words_128."
        )
    if trains in TRAINS[1:]:
        raise ValueError(
            f"{trains} can only be added to an existing model: choose a start_model, or set trained_weights to all."
        )
    if recipe in ("depth_words", "mimo", "wan_pair"):  # they have shapes of their own
        return {"model": model, "trains": "all"}
    new = {"config": NEW} | ({"freeze_resblocks": False} if recipe == "idol_haop" else {})
    return {"model": new | model, "trains": "all"}


def refuse_unused(recipe: str, model: dict) -> None:
    """Refuses files that a recipe would not read; vae_name alone may stay chosen."""
    used = {"vae"} | (set(MODEL[recipe]) - ({"init"} if recipe == "vae" else set()))
    for part in sorted(set(model) - used):
        empty = "leave it empty" if part == "clip" else "set it to none"
        raise ValueError(
            f"The recipe {name_of(recipe)} does not use {INPUTS[part]}: {empty}, or choose another recipe."
        )


def flow_files(recipe: str, model: dict, shape: dict) -> dict:
    """The files of a flow recipe under its names: the input vae holds the flow autoencoder of flow 2."""
    if recipe == "lfdm" and "vae" not in model:
        raise ValueError(
            f"The recipe {name_of(recipe)} trains on the flow of a flow autoencoder: choose one in vae_name, or train one with "
            f"the recipe {name_of('lfae')}."
        )
    found = {} if "init" in model else dict(shape)
    found |= {"init": model["init"]} if "init" in model else {}
    return found | ({"codec": model["vae"]} if recipe == "lfdm" else {})
