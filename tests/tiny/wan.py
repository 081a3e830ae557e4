"""A small pair on Wan 2.2 with random weights, and ComfyUI's own Wan of the same shape."""

import torch

SHAPE = {
    "dim": 48, "ffn_dim": 96, "freq_dim": 32, "text_dim": 24, "in_dim": 48, "out_dim": 48, "num_heads": 4, "num_layers": 2,
    "patch_size": (1, 2, 2),
}  # fmt: skip


def drawn(module: torch.nn.Module, seed: int = 0) -> dict[str, torch.Tensor]:
    """Weights of the usual size for every name of a network; none is zero."""
    state, g = {}, torch.Generator().manual_seed(seed)
    for name, value in module.state_dict().items():
        noise = torch.randn(value.shape, generator=g)
        scale = 0.3 if value.ndim == 1 or "modulation" in name else value[0].numel() ** -0.5
        state[name] = noise * scale + (value.ndim == 1 and "norm" in name and name.endswith("weight"))
    return state


def pair_state(seed: int = 0, **shape) -> tuple[dict, dict[str, torch.Tensor]]:
    """The shape and weights of a small pair."""
    from pack.nodes.host.wan.network import PairWanModel

    config = SHAPE | shape
    return config, drawn(PairWanModel(**config, device="meta", dtype=torch.float32, operations=torch.nn), seed)


def host_wan(config: dict, state: dict[str, torch.Tensor]):
    """ComfyUI's own Wan 2.2 as a MODEL, without a shift of its schedule."""
    import comfy.model_base
    import comfy.model_patcher
    import comfy.ops
    import comfy.supported_models

    settings = comfy.supported_models.WAN22_T2V({"image_model": "wan2.1", "model_type": "t2v", **config})
    settings.sampling_settings = {"shift": 1.0}
    settings.custom_operations = comfy.ops.disable_weight_init
    settings.unet_config |= {"dtype": torch.float32}
    settings.unet_config.pop("image_model")
    model = comfy.model_base.WAN22(settings, image_to_video=True)
    missing = model.diffusion_model.load_state_dict(state)
    assert not missing.missing_keys and not missing.unexpected_keys
    cpu = torch.device("cpu")
    return comfy.model_patcher.ModelPatcher(model, cpu, cpu)


def copied(state: dict) -> tuple[dict, dict]:
    """Weights of a plain Wan, and of a pair whose added parts are copies of it and do nothing else."""
    added = ("modality.", "head.modality.")
    plain = {name: value for name, value in state.items() if not name.startswith(added)}
    pair = dict(state)
    for name in state:
        if name.startswith(("modality.patch_embedding.", "head.modality.")):
            pair[name] = plain[name.replace("modality.", "")]
        elif name.startswith("modality.embeddings."):
            pair[name] = torch.zeros_like(state[name])
    dim = len(pair["modality.flow_in.bias"])
    pair["modality.flow_in.weight"], pair["modality.flow_in.bias"] = torch.eye(dim), torch.zeros(dim)
    return plain, pair


def both_models():
    """A pair and ComfyUI's own Wan with the same weights: what was added to the pair is a copy or does nothing."""
    from pack.nodes.host.wan.model import native_wan_pair

    config, state = pair_state()
    plain, pair = copied(state)
    ours = native_wan_pair(config, pair, dtype=torch.float32, disable_dynamic=True)
    theirs = host_wan(config, plain)
    theirs.model.model_sampling.set_parameters(shift=1.0, timesteps=len(ours.model.model_sampling.sigmas))
    return ours, theirs


def sample_wan(model, noise, tokens, shown=None, cfg=1.0, steps=4):
    """A latent (B, C, T, h, w) sampled as KSampler does, with tokens for positive and other ones for negative."""
    import comfy.sample
    from pack.nodes.host.wan.boundary import SHOWN

    more = {SHOWN: shown} if shown else {}
    conds = [[[part, dict(more)]] for part in (tokens, tokens.flip(1) * 0.5)]
    return comfy.sample.sample(
        model, noise, steps, cfg, "euler", "simple", *conds, torch.zeros_like(noise), seed=0, disable_pbar=True
    )
