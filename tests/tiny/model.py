"""A video U-Net small enough for a test, with random weights that answer smoothly, and what is needed to sample it."""

import torch
from pack.models.unet.config import TINY_IDOL, VideoUNetConfig
from pack.models.unet.switches import with_switches
from pack.nodes.host.unet.model import native_model

import nodes as host

FRAMES = 3
PICTURES = {"modalities": 1, "label": False, "temporal": "none", "cross_modal": "none", "background": "none"}


def tiny_config(**changes) -> VideoUNetConfig:
    return with_switches(
        TINY_IDOL, **{"foreground_width": 0, "layers_per_block": 1, "cross_modal_width": 64, **changes}
    )


def tiny_weights(config: VideoUNetConfig, seed: int = 0) -> dict[str, torch.Tensor]:
    """Every weight is random, the silent adapters too, so that a frame in a wrong place changes the answer."""
    from pack.models.baselines.separate import build_network

    generator = torch.Generator().manual_seed(seed)
    state = build_network(config).state_dict()
    for name, value in state.items():
        fan = value[0].numel() if value.ndim > 1 else 100
        state[name] = torch.randn(value.shape, generator=generator) * 0.5 / fan**0.5
        if "norm" in name and name.endswith("weight"):
            state[name] += 1
    for name in ("conv_out.weight", "streams.video.conv_out.weight", "streams.depth.conv_out.weight"):
        if name in state:
            state[name] *= 0.2  # a gentle answer keeps the sampler from blowing up rounding errors
    return state


def tiny_model(seed: int = 0, dtype: torch.dtype | None = None, **changes):
    """A MODEL as Load Video Model gives it."""
    config = tiny_config(**changes)
    return native_model(config, tiny_weights(config, seed), dtype=dtype)


def noise(shape, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def conditioning(seed: int = 1, tokens: int = 5, width: int = 768, **extra) -> list:
    return [[noise((1, tokens, width), seed), extra]]


def latent(count: int = 2 * FRAMES, size: int = 8, **extra) -> dict:
    return {"samples": torch.zeros(count, 4, size, size), **extra}


def ksampler(
    model, positive=None, negative=None, pair=None, *, steps: int = 2, cfg: float = 5.0, seed: int = 7, **rest
):
    """The stock KSampler's own function; (B, 4, h, w)."""
    positive = conditioning(1) if positive is None else positive
    negative = conditioning(2) if negative is None else negative
    pair = latent() if pair is None else pair
    out = host.common_ksampler(model, seed, steps, cfg, "euler", "normal", positive, negative, pair, **rest)
    return out[0]["samples"]


def gap(a: torch.Tensor, b: torch.Tensor) -> float:
    """Largest difference in parts of the largest value."""
    return ((a - b).abs().max() / b.abs().max()).item()


def hints(count: int, size: int = 64, seed: int = 3) -> torch.Tensor:
    """Hint pictures (count, H, W, 3), no two alike."""
    return torch.rand((count, size, size, 3), generator=torch.Generator().manual_seed(seed))


def random_weights(module: torch.nn.Module, seed: int = 5, scale: float = 1.0) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(seed)
    for value in module.parameters():
        fan = value[0].numel() if value.ndim > 1 else 100
        value.data = torch.randn(value.shape, generator=generator) * scale / fan**0.5
    return module.eval().requires_grad_(False)


def controlnet(layers: int = 1):
    """The host's own ControlNet in the tiny model's shape, with random weights where zeros would hide it."""
    from comfy.cldm.cldm import ControlNet as Network
    from comfy.controlnet import ControlNet
    from comfy.ops import disable_weight_init

    network = Network(
        image_size=32, in_channels=4, hint_channels=3, model_channels=64, num_res_blocks=[layers] * 2, channel_mult=[1, 2],
        transformer_depth=[1] * layers + [0] * layers, transformer_depth_middle=1, num_heads=4, context_dim=768,
        use_spatial_transformer=True, operations=disable_weight_init, dtype=torch.float32,
    )  # fmt: skip
    return ControlNet(random_weights(network), load_device=torch.device("cpu"))


def t2i_adapter():
    """The host's own T2I-adapter in the tiny model's shape."""
    from comfy.controlnet import T2IAdapter
    from comfy.t2i_adapter.adapter import Adapter

    network = Adapter(channels=[64, 128], nums_rb=2, cin=192, ksize=1, sk=True, use_conv=False, xl=False)
    return T2IAdapter(random_weights(network), 3, 8, "nearest-exact", device=torch.device("cpu"))


def controlled(net, images: torch.Tensor, positive=None, negative=None, strength: float = 1.0) -> tuple[list, list]:
    """Positive and negative conditioning behind the stock Apply ControlNet."""
    positive = conditioning(1) if positive is None else positive
    negative = conditioning(2) if negative is None else negative
    return host.ControlNetApplyAdvanced().apply_controlnet(positive, negative, net, images, strength, 0.0, 1.0)


def without_threshold(model):
    """The same flow model as if its loader had not installed the threshold."""
    from comfy.patcher_extension import WrappersMP

    bare = model.clone()
    bare.remove_wrappers_with_key(WrappersMP.PREDICT_NOISE, "duet_threshold")
    return bare


def spied(model, seen: list, before=None):
    """A clone that notes the batch and the chunks of every forward pass."""
    from comfy.patcher_extension import WrappersMP

    def spy(executor, x, *args, **kwargs):
        seen.append((x.shape[0], list(args[3]["cond_or_uncond"])))
        if before is not None:
            before(x)
        return executor(x, *args, **kwargs)

    clone = model.clone()
    clone.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "spy", spy)
    return clone


def on(device: str, patcher, part: float) -> list[str]:
    """Load a part of the model's bytes to a device and name the tensors that nothing would bring there."""
    size = sum(p.numel() * p.element_size() for p in patcher.model.parameters())
    patcher.load(torch.device(device), lowvram_model_memory=int(size * part), full_load=part >= 1)
    return [
        f"{name}.{key}"
        for name, module in patcher.model.diffusion_model.named_modules()
        for key, tensor in module.named_parameters(recurse=False)
        if tensor.device.type != device and not getattr(module, "comfy_cast_weights", False)
    ]
