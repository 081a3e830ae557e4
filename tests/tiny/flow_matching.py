"""ComfyUI's own models of flow matching, small and with random weights: Wan 2.2, LTX, HunyuanVideo, Flux, Stable Diffusion 3."""

from dataclasses import dataclass

import torch

from .wan import SHAPE, drawn

FLUX = {
    "vec_in_dim": 16, "context_in_dim": 24, "hidden_size": 48, "mlp_ratio": 2.0, "num_heads": 4, "depth": 1,
    "depth_single_blocks": 1, "axes_dim": [4, 4, 4], "theta": 10000, "qkv_bias": True, "guidance_embed": False,
}  # fmt: skip
HUNYUAN = FLUX | {
    "patch_size": [1, 2, 2], "byt5": False, "meanflow": False, "use_cond_type_embedding": False, "vision_in_dim": None,
    "meanflow_sum": False,
}  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """How a small model is made, its latent's shape, and its conditioning."""

    settings: str  # a class of comfy.supported_models
    config: dict
    latent: tuple[int, ...]
    width: int = 24  # of tokens
    pooled: int | None = None
    strength: float = (
        0.3  # of the last layer: an inversion step converges where an answer changes less than what it reads
    )


KINDS = {
    "Wan": Kind("WAN22_T2V", {"image_model": "wan2.1", "model_type": "t2v", **SHAPE}, (1, 48, 2, 4, 6)),
    "LTX": Kind(
        "LTXV",
        {"image_model": "ltxv", "in_channels": 128, "cross_attention_dim": 32, "attention_head_dim": 8,
         "num_attention_heads": 4, "caption_channels": 24, "num_layers": 2},
        (1, 128, 2, 2, 3),
    ),
    "HunyuanVideo": Kind("HunyuanVideo", {"image_model": "hunyuan_video", "in_channels": 16, "out_channels": 16, **HUNYUAN}, (1, 16, 2, 4, 6), pooled=16),
    "Flux": Kind("Flux", {"image_model": "flux", "in_channels": 16, "out_channels": 16, "patch_size": 2, "txt_ids_dims": [], **FLUX}, (2, 16, 4, 6), pooled=16),
    "Stable Diffusion 3": Kind(
        "SD3",
        {"in_channels": 16, "out_channels": 16, "patch_size": 2, "depth": 1, "input_size": None, "adm_in_channels": 16,
         "context_embedder_config": {"target": "torch.nn.Linear", "params": {"in_features": 24, "out_features": 64}},
         "num_patches": 36, "pos_embed_max_size": 6, "pos_embed_scaling_factor": None},
        (2, 16, 4, 6), pooled=16,
    ),
}  # fmt: skip


WIDE_FLUX = {"hidden_size": 384, "num_heads": 6, "axes_dim": [16, 24, 24], "depth": 3, "depth_single_blocks": 3}
WIDE = {  # a step takes tens of milliseconds on one core, so that what a sampler adds can be told from what the network takes
    "Wan": ({"dim": 384, "ffn_dim": 1536, "num_heads": 6, "num_layers": 6}, (1, 48, 3, 16, 16)),
    "LTX": (
        {"cross_attention_dim": 384, "attention_head_dim": 64, "num_attention_heads": 6, "num_layers": 6}, (1, 128, 3, 8, 8),
    ),
    "HunyuanVideo": (WIDE_FLUX, (1, 16, 3, 16, 16)),
    "Flux": (WIDE_FLUX, (2, 16, 24, 24)),
    "Stable Diffusion 3": ({"depth": 6, "num_patches": 576, "pos_embed_max_size": 24}, (2, 16, 24, 24)),
}  # fmt: skip


def wide(name: str):
    """A larger MODEL of a kind, and a LATENT for it."""
    shape, size = WIDE[name]
    config = dict(KINDS[name].config) | shape
    if name == "Stable Diffusion 3":
        config["context_embedder_config"] = {
            "target": "torch.nn.Linear", "params": {"in_features": 24, "out_features": 64 * shape["depth"]},
        }  # fmt: skip
    latent = {"samples": torch.randn(size, generator=torch.Generator().manual_seed(9))}
    return flow_model(name, config=config), latent


def flow_model(name: str, seed: int = 0, strength: float | None = None, config: dict | None = None):
    """The MODEL of a kind."""
    import comfy.model_patcher
    import comfy.ops
    import comfy.supported_models

    kind = KINDS[name]
    settings = getattr(comfy.supported_models, kind.settings)(dict(config or kind.config))
    settings.unet_config = {key: value for key, value in settings.unet_config.items() if key != "image_model"}
    settings.unet_config["dtype"] = torch.float32
    settings.custom_operations = comfy.ops.disable_weight_init
    model = settings.get_model({})
    state = drawn(model.diffusion_model, seed)
    model.diffusion_model.load_state_dict(state)
    soften(model.diffusion_model, kind.strength if strength is None else strength)
    cpu = torch.device("cpu")
    return comfy.model_patcher.ModelPatcher(model, cpu, cpu)


def soften(network: torch.nn.Module, strength: float) -> None:
    """Scales the last linear layer, by which the whole answer is."""
    last = [module for module in network.modules() if isinstance(module, torch.nn.Linear)]
    names = dict(network.named_modules())
    final = next((names[n] for n in ("head.head", "proj_out", "final_layer.linear") if n in names), last[-1])
    with torch.no_grad():
        final.weight *= strength
        final.bias *= strength


def prompt(name: str, seed: int) -> list:
    """A conditioning for a kind."""
    kind, g = KINDS[name], torch.Generator().manual_seed(seed)
    tokens = torch.randn(1, 7, kind.width, generator=g)
    more = {} if kind.pooled is None else {"pooled_output": torch.randn(1, kind.pooled, generator=g)}
    more |= {"attention_mask": torch.ones(1, 7)} if name == "LTX" else {}
    return [[tokens, more]]


def clip_of(name: str, seed: int = 9) -> dict:
    """A LATENT to edit."""
    return {"samples": torch.randn(KINDS[name].latent, generator=torch.Generator().manual_seed(seed))}
