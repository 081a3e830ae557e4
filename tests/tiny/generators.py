"""The host's own Wan-Animate, VACE and SCAIL-2, and the VAE of Wan 2.1, small and with random weights."""

import json
from pathlib import Path

import torch

from tiny.wan import drawn

WIDTH = 24  # of the text that the small networks read
SHAPE = {"dim": 128, "ffn_dim": 64, "num_heads": 1, "freq_dim": 256}
KINDS = {
    "animate": {"in_dim": 36, "num_layers": 5},  # every fifth block reads the face
    "vace": {"in_dim": 16, "num_layers": 1, "vace_layers": 1, "vace_in_dim": 96},
    "scail2": {"in_dim": 20, "num_layers": 1},
}


def network(kind: str, width: int = WIDTH) -> torch.nn.Module:
    """The host's network of a kind, without numbers."""
    from comfy.ldm.wan.model import SCAIL2WanModel, VaceWanModel
    from comfy.ldm.wan.model_animate import AnimateWanModel

    made = {"animate": AnimateWanModel, "vace": VaceWanModel, "scail2": SCAIL2WanModel}[kind]
    shape = SHAPE | KINDS[kind] | {"text_dim": width}
    return made(**shape, device="meta", dtype=torch.float32, operations=torch.nn)


def notes(width: int = WIDTH) -> dict[str, str]:
    """What a file says of its network where the host cannot see it in the weights."""
    return {"config": json.dumps({"transformer": {"text_dim": width}})}


def generator(kind: str):
    """A MODEL of a kind, opened by the host itself."""
    import comfy.sd

    return comfy.sd.load_diffusion_model_state_dict(drawn(network(kind), 7), metadata=notes(), disable_dynamic=True)


def vae_state() -> dict[str, torch.Tensor]:
    from comfy.ldm.wan.vae import WanVAE

    settings = {
        "dim_mult": [1, 2, 4, 4],
        "num_res_blocks": 2,
        "attn_scales": [],
        "temperal_downsample": [False, True, True],
    }
    return drawn(WanVAE(dim=4, z_dim=16, **settings), 8)


def wan_vae():
    """The VAE of Wan 2.1 with four channels at its ends, opened by the host itself."""
    import comfy.sd

    return comfy.sd.VAE(sd=vae_state())


def write_generators(models: Path, files: dict[str, tuple[str, str]], width: int) -> None:
    """Writes small files under the names that workflows have: name to (folder, kind)."""
    from safetensors.torch import save_file

    for name, (folder, kind) in files.items():
        path = models / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "vae":
            save_file(vae_state(), str(path))
        elif kind == "lora":
            rows = {"lora_down": (4, SHAPE["dim"]), "lora_up": (SHAPE["dim"], 4)}
            parts = {
                f"diffusion_model.blocks.0.self_attn.q.{key}.weight": torch.zeros(size) for key, size in rows.items()
            }
            save_file(parts, str(path))
        else:
            save_file(drawn(network(kind, width), 7), str(path), metadata=notes(width))
