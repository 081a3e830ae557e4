"""A small pair on Wan 2.2 with random weights, of the latents of an image VAE."""

from pathlib import Path

import torch

SHAPE = {"dim": 64, "ffn_dim": 64, "num_heads": 2, "num_layers": 1, "freq_dim": 16, "in_dim": 4, "out_dim": 4}


NAMES = ("small_wan_pair", "duet_wan_128")  # one of its own, and one in place of the shipped weights


def write_small_wan_pair(models: Path) -> None:
    """With the words and settings that its training writes."""
    from pack.models.files.recommended import KEY, WAN_PAIR, Recommended
    from pack.models.wan.files import PICTURES, PairNotes, save_wan_pair
    from pack.models.wan.network import PairNetwork, PairShape
    from pack.training.recipes.wan_text import WordTexts

    from tiny.files import random_state

    texts = WordTexts("depth")
    shape = PairShape(**SHAPE, text_dim=texts.width, patch_size=(2, 2, 2), modalities=("depth",))
    torch.manual_seed(16)
    state = random_state(PairNetwork(shape), 16)
    notes = PairNotes(shape.num_heads, PICTURES, texts.words)
    settings = Recommended(128, 128, 16, WAN_PAIR.steps, WAN_PAIR.cfg, WAN_PAIR.sampler, WAN_PAIR.scheduler)
    (models / "diffusion_models").mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        file = models / "diffusion_models" / f"{name}.safetensors"
        save_wan_pair(file, dict(state), notes, **{KEY: settings.to_json()})
