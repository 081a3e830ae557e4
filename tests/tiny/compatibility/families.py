"""The models of ours, and beside each the host's own model with the same weights: Stable Diffusion 1.5, or Wan 2.2.

A network of ours that was not trained answers what the picture network answers, frame by frame, so its samples are compared
with those of the host's own network. Where that needs help:

- the character's self-attention also reads features of the character, so the host's network gets them by a patch in the
  host's own form: tokens that are added to keys and values, behind the patches of all nodes;
- a frame of a one-shot model attends to the first and to the previous frame, so all its frames are equal;
- weights that read a scene or a depth beside the noise are zeros.

A flow model has no counterpart: its answer must change, be finite and stay within the model's threshold.

Letters: B latents of the batch, F frames, C channels, h and w latent pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import comfy.latent_formats
import comfy.model_base
import comfy.model_patcher
import comfy.ops
import comfy.supported_models
import torch
from comfy.patcher_extension import WrappersMP
from comfy.utils import unet_to_diffusers
from pack.models.lfdm.config import TINY_UNET
from pack.models.lfdm.unet import FlowUNet
from pack.models.unet.config import ANIMATEDIFF_V2, IDOL, MIMO_PAPER, ONE_SHOT_FIELDS, SD1, VideoUNetConfig
from pack.models.unet.inflation import inflate_unet
from pack.nodes.host.character.conditioning import set_body, set_layers, set_reference
from pack.nodes.host.lfdm.model import native_flow_model
from pack.nodes.host.oneshot.conditioning import with_depth
from pack.nodes.host.unet.model import native_model, set_modality
from torch import Tensor

from tiny.compatibility import wan
from tiny.files import random_state
from tiny.model import noise, random_weights

SIDE = 8  # latent pixels of each side
SHAPE = {  # Stable Diffusion 1.5 with one ResBlock in each of three levels
    "image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": 64, "num_res_blocks": [1, 1, 1],
    "channel_mult": [1, 2, 4], "transformer_depth": [1, 1, 0], "transformer_depth_middle": 1, "context_dim": 768,
    "transformer_depth_output": [1, 1, 1, 1, 0, 0], "use_linear_in_transformer": False, "use_spatial_transformer": True,
    "adm_in_channels": None, "legacy": False, "use_temporal_attention": False,
}  # fmt: skip
FULL_SHAPE = SHAPE | {  # with all its levels and ResBlocks
    "model_channels": 32, "num_res_blocks": [2] * 4, "channel_mult": [1, 2, 4, 4], "transformer_depth": [1] * 6 + [0] * 2,
    "transformer_depth_output": [1] * 9 + [0] * 3,
}  # fmt: skip
ONE_LEVEL = SHAPE | {  # for merging, which takes longer than sampling: its time grows with the square of the weights' number
    "num_res_blocks": [1], "channel_mult": [1], "transformer_depth": [1], "transformer_depth_output": [1, 1],
}  # fmt: skip
SHAPES = {"three levels": SHAPE, "one level": ONE_LEVEL}
THREE, ONE = SHAPES
NARROW = {
    THREE: {"block_out_channels": (64, 128, 256), "attention_levels": (True, True, False), "layers_per_block": 1},
    ONE: {"block_out_channels": (64,), "attention_levels": (True,), "layers_per_block": 1},
}
FIRST, SECOND = 3, 4  # seeds of the weights of a model and of the one that it is merged with
SCHEDULES = {"eps": {}, "even betas": {"beta_schedule": "sqrt_linear"}, "zero snr": {"zsnr": True}}


def host_unet(shape: dict = SHAPE):
    """The host's own U-Net, without weights."""
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel

    return UNetModel(**shape, num_heads=8, operations=comfy.ops.disable_weight_init, dtype=torch.float32)


def loud_weights(unet, seed: int) -> dict[str, Tensor]:
    """Random weights under the host's own names, so large that a change in any layer is seen in the answer."""
    state = {name: value * 2 if value.ndim > 1 else value for name, value in random_state(unet, seed).items()}
    state["out.2.weight"] *= 8
    return state


@cache
def picture_weights(seed: int, shape: str = THREE) -> dict[str, Tensor]:
    return loud_weights(host_unet(SHAPES[shape]), seed)


def as_diffusers(state: dict[str, Tensor], shape: dict = SHAPE) -> dict[str, Tensor]:
    """The same under diffusers' names, which are ours."""
    return {ours: state[theirs] for ours, theirs in unet_to_diffusers(shape).items() if theirs in state}


@cache
def host_model(schedule: str, seed: int = FIRST, shape: str = THREE):
    """The host's own MODEL of Stable Diffusion 1.5, narrow, with a noise schedule."""
    settings = comfy.supported_models.SD15(SHAPES[shape])
    settings.sampling_settings = SCHEDULES[schedule]
    settings.set_inference_dtype(torch.float32, None)
    kinds = comfy.model_base.ModelType
    model = comfy.model_base.BaseModel(settings, kinds.V_PREDICTION if schedule == "zero snr" else kinds.EPS)
    model.diffusion_model.load_state_dict(picture_weights(seed, shape))
    cpu = torch.device("cpu")
    model.eval().requires_grad_(False)
    return comfy.model_patcher.CoreModelPatcher(model, load_device=cpu, offload_device=cpu)


def our_model(config: VideoUNetConfig, seed: int = FIRST, shape: str = THREE):
    """A MODEL of ours with the same weights; its own layers are as before their training."""
    config = replace(config, **NARROW[shape])
    state = as_diffusers(picture_weights(seed, shape), SHAPES[shape])
    more = config.in_channels - config.out_channels
    if more and not config.reference:
        first = state["conv_in.weight"]
        state["conv_in.weight"] = torch.cat((first, first.new_zeros(len(first), more, *first.shape[2:])), 1)
    torch.manual_seed(seed)  # the other layers draw what is multiplied by zero later
    state = inflate_unet(state, config).state_dict()
    for name in state:
        if name.startswith("reference.") and ".attn2.to_out." in name:
            state[name] = torch.zeros_like(state[name])  # the features are the same for every prompt
    return native_model(config, state)


def flow_model(seed: int = FIRST, shape: str = THREE):
    state = random_weights(FlowUNet(TINY_UNET), seed, 0.7).state_dict()
    return native_flow_model(
        TINY_UNET, {name: v + 1 if name.endswith(("gamma", "norm.weight")) else v for name, v in state.items()}
    )


def with_reference(model, features: Callable[[object], list[Tensor]]):
    """A clone of a MODEL of the host whose self-attention also reads features (1, s, c), one for each transformer.

    A self-attention that a node replaces is left as it is, and so does ours.
    """
    found, replaced = [], set()

    def add(x, context, value, extra):
        if (*extra["block"], extra["block_index"]) in replaced or extra["block"] in replaced:
            return x, context, value
        if len(context) != len(x):  # HyperTile cuts the queries alone, and the kernel the rest to match
            context = context.reshape(len(x), -1, context.shape[2])
            value = None if value is None else value.reshape(context.shape)
        more = found[extra["transformer_index"]].to(context).expand(len(context), -1, -1)
        context = torch.cat((context, more), 1)
        return x, context, context if value is None else torch.cat((value, more), 1)

    def last(executor, x, time, context, y, control, options, **rest):
        found[:] = features(executor.class_obj)
        replaced.update(options.get("patches_replace", {}).get("attn1", {}))
        patches = options.get("patches", {})
        patches = patches | {"attn1_patch": [*patches.get("attn1_patch", ()), add]}
        try:
            return executor(x, time, context, y, control, {**options, "patches": patches}, **rest)
        finally:
            replaced.clear()

    clone = model.clone()
    clone.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "reference", last)
    return clone


def read_by_host(unet) -> list[Tensor]:
    """What the host's own U-Net has in front of each self-attention for the picture of the character, whatever the prompt."""
    found = []
    keep = lambda x, context, value, extra: (found.append(x), (x, context, value))[1]
    patches = {"attn1_patch": [keep], "attn2_output_patch": [lambda out, extra: torch.zeros_like(out)]}
    options = {"patches": patches, "cond_or_uncond": [0]}
    unet._forward(portrait_latents(), torch.zeros(1), noise((1, 5, 768), 1), transformer_options=options)
    return found


def portrait_latents() -> Tensor:
    return noise((1, 4, SIDE, SIDE), 40) * comfy.latent_formats.SD15().scale_factor


@dataclass(frozen=True)
class Family:
    """A kind of model of ours with what its conditioning holds, and the host's model that it is compared with."""

    title: str
    models: Callable[[int, str], object]  # a MODEL of ours for a seed and a shape
    frames: int
    schedule: str | None = "eps"  # of the host's model; None: there is none to compare with
    adds: Callable[[list], list] = lambda prompt: prompt
    copies: int = 1  # a pair holds each frame twice, as video and as depth
    equal: bool = False  # all frames are equal
    twin: Callable[[int, str], object] | None = None  # the host's model, where it is no Stable Diffusion 1.5
    clip: tuple[int, ...] | None = None  # the shape of one latent, where it is no picture
    prompt: Callable[[int], list] | None = None  # where it is no row of tokens

    @property
    def batch(self) -> int:
        return self.frames * self.copies


PICTURES = 2  # hint pictures of every family: a pair and a clip of four read them twice


def add_character(prompt: list) -> list:
    prompt = set_layers(set_reference(prompt, noise((1, 4, SIDE, SIDE), 40)), noise((1, 8, SIDE, SIDE), 41))
    return set_body(prompt, noise((1, 8 * SIDE, 8 * SIDE, 3), 42).sigmoid())


def add_depth(prompt: list) -> list:
    return with_depth(prompt, noise((1, 8 * SIDE, 8 * SIDE), 43).sigmoid(), "per clip")


def models_of(config: VideoUNetConfig) -> Callable[[int, str], object]:
    return cache(lambda seed, shape=THREE: our_model(config, seed, shape))


pair = models_of(IDOL)
FAMILIES = {
    "pair": Family("pair", pair, 2, copies=2),
    "alone": Family("video alone", cache(lambda seed, shape=THREE: set_modality(pair(seed, shape), "video")), 4),
    "one_shot": Family(
        "one-shot", models_of(replace(SD1, in_channels=5, **ONE_SHOT_FIELDS)), 2, adds=add_depth, equal=True
    ),
    "character": Family("character", models_of(MIMO_PAPER), 2, schedule="zero snr", adds=add_character),
    "animatediff": Family("AnimateDiff", models_of(ANIMATEDIFF_V2), 2, schedule="even betas"),
    "wan_pair": Family(
        "pair on Wan 2.2",
        wan.our_pair,
        1,
        schedule="flow",
        copies=2,
        twin=wan.hosts_wan,
        clip=(wan.CHANNELS, wan.FRAMES, SIDE, SIDE),
        prompt=wan.prompts,
    ),
    "flow": Family("flow", cache(flow_model), 4, schedule=None),
}


@cache
def host_twin(family: str, seed: int = FIRST, shape: str = THREE):
    """The host's own MODEL that a family is compared with.

    Of one level it is there to be merged, and reads the character with the weights that it has while it samples.
    """
    if FAMILIES[family].twin:
        return FAMILIES[family].twin(seed, shape)
    model = host_model(FAMILIES[family].schedule, seed, shape)
    if family != "character":
        return model
    if shape == ONE:
        return with_reference(model, read_by_host)
    unet = FAMILIES[family].models(seed).model.diffusion_model
    features = unet.read_reference(portrait_latents(), noise((1, 5, 768), 1))[0]
    return with_reference(model, lambda _: features)
