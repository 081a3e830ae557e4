"""Settings to start from, for each recipe and size of GPU. Standard library only.

The sizes follow from the number of weights (16 bytes for one that trains in full precision, 4 for a frozen one).
"""

from .settings import RECIPES, TRAINS

SIZES = ("CPU", "8 GB", "12 GB", "24 GB", "80 GB")
RECIPE = {  # steps on a GPU and on a CPU, and what else the recipe asks for
    "vae": (20000, 5000, {"lr": 1e-3, "ema": 0.998}),
    "idol_haop": (25000, 4000, {"lr": 1e-3, "decay": "linear"}),
    "idol_image": (15000, 4000, {"lr": 1e-4, "decay": "linear"}),
    "idol_video": (15000, 3000, {"lr": 1e-4, "decay": "linear"}),
}
BATCHES = {  # (batch, accumulate) for each size
    "vae": ((12, 1), (16, 1), (24, 1), (48, 1), (64, 1)),
    "idol_haop": ((8, 1), (1, 16), (2, 8), (4, 4), (32, 1)),
    "idol_image": ((8, 1), (1, 16), (2, 8), (2, 8), (16, 2)),
    "idol_video": ((4, 1), (1, 8), (1, 8), (1, 8), (4, 2)),
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
assert set(RECIPE) == set(BATCHES) == set(RECIPES) and set(SIZE) == set(SIZES)


def preset(recipe: str, size: str) -> dict:
    """Run settings by name, without data and folder."""
    steps, slow, more = RECIPE[recipe]
    steps = slow if size == "CPU" else steps
    batch, accumulate = BATCHES[recipe][SIZES.index(size)]
    made = {"recipe": recipe, "steps": steps, "batch": batch, "accumulate": accumulate, "warmup": steps // 20}
    made |= more | SIZE[size]
    if recipe == "vae":  # small enough to train whole everywhere
        made |= {"trains": "all", "gradient_checkpointing": False}
    return made


def start_from(recipe: str, model: dict, trains: str | None) -> dict:
    """What follows from the files that a run starts from; refuses what cannot be trained."""
    if recipe == "vae":
        return {"model": {}}
    if "vae" not in model:
        raise ValueError(
            f"The recipe {recipe} learns in the latents of a VAE: choose one in vae, or train one with the recipe vae."
        )
    if "init" in model:
        return {"model": model}
    if trains in TRAINS[1:]:
        raise ValueError(
            f"A new network has nothing that {trains} could be added to: choose an init_model, or set trains to all."
        )
    new = {"config": NEW} | ({"freeze_resblocks": False} if recipe == "idol_haop" else {})
    return {"model": new | model, "trains": "all"}
