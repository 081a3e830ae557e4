"""A pair on Wan 2.2, and the host's own Wan with the same weights, which sees the two clips side by side.

What the pair has beside the weights of Wan is a copy of them or does nothing, and both clips have one prompt: then the pair
answers what the host's own network answers. The host's model is given the latents as the pair's are, one behind the other in
the batch, so that nodes around the network see the same; its network lays them side by side. Two habits of the host's Wan 2.2
that do not fit a pair are left out there too: a timestep for each frame of a noise mask, and a shift of the schedule.
"""

from functools import cache

import comfy.ldm.common_dit
import comfy.ldm.wan.vae as wan21
import comfy.ldm.wan.vae2_2 as wan22
import comfy.sd
import torch
from comfy.ldm.wan.model import WanModel
from comfy.model_base import WAN22
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import WrappersMP
from pack.nodes.host.wan.boundary import SHOWN
from pack.nodes.host.wan.model import LEVELS, native_wan_pair
from pack.nodes.host.wan.network import side_by_side
from pack.nodes.host.wan.windows import for_pair

from tiny.files import random_state
from tiny.model import conditioning
from tiny.wan import copied, host_wan, pair_state

FRAMES = 3  # of the latent, in time
CHANNELS = 48


class SideBySide(WanModel):
    """The host's own network on two clips that lie side by side."""

    def _forward(self, x, timestep, context, *args, **kwargs):
        height, width = x.shape[-2:]
        wide = side_by_side(comfy.ldm.common_dit.pad_to_patch_size(x, self.patch_size))
        out = super()._forward(wide, timestep[::2], context[::2], *args, **kwargs)
        return torch.stack(out.chunk(2, -1), 1).flatten(0, 1)[..., :height, :width]


class OneTimestep(WAN22):
    """The host's own model without a timestep for each frame."""

    def extra_conds(self, **kwargs):
        out = super().extra_conds(**kwargs)
        out.pop("denoise_mask", None)
        return out


@cache
def weights(seed: int) -> tuple[dict, dict, dict]:
    """The shape of both networks, the weights of the host's, and those of the pair."""
    config, state = pair_state(seed, text_dim=768)
    return config, *copied(state)


@cache
def our_pair(seed: int, shape: str | None = None):
    config, _, state = weights(seed)
    return native_wan_pair(config, dict(state), dtype=torch.float32)


@cache
def our_pair_with(seed: int, identity: float):
    """The same pair, whose identity is that many times as large: what it is added to or taken from must keep its own."""
    config, _, state = weights(seed)
    name = "modality.flow_in.weight"
    return native_wan_pair(config, state | {name: identity * state[name]}, dtype=torch.float32)


@cache
def hosts_wan(seed: int, shape: str | None = None):
    config, state, _ = weights(seed)
    patcher = host_wan(config, state)
    patcher.model.__class__, patcher.model.diffusion_model.__class__ = OneTimestep, SideBySide
    patcher.model.model_sampling.set_parameters(shift=1.0, timesteps=LEVELS)
    patcher.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, "two_clips", with_windows)
    return patcher


def with_windows(executor, *args, **kwargs):
    """The host's context windows take the timesteps of a batch of two for those of two frames."""
    options = executor.class_obj.model_options
    if "context_handler" in options:
        options["context_handler"] = for_pair(options["context_handler"])
    return executor(*args, **kwargs)


@cache
def vae():
    """The VAE of Wan 2.2, narrow; the host makes one of its full width of every file, so its network is exchanged."""
    whole = comfy.sd.VAE(sd=random_state(narrow(wan21.WanVAE, z_dim=16), 6, gain=1.0))
    whole.first_stage_model = narrow(wan22.WanVAE, z_dim=CHANNELS, dec_dim=8)
    whole.first_stage_model.load_state_dict(random_state(whole.first_stage_model, 6, gain=1.0))
    whole.first_stage_model.eval().requires_grad_(False)
    whole.patcher = ModelPatcher(whole.first_stage_model, load_device=whole.device, offload_device=whole.device)
    whole.latent_channels = CHANNELS
    whole.upscale_ratio, whole.upscale_index_formula = (lambda a: max(0, a * 4 - 3), 16, 16), (4, 16, 16)
    whole.downscale_ratio, whole.downscale_index_formula = (lambda a: max(0, (a + 3) // 4), 16, 16), (4, 16, 16)
    return whole


def narrow(kind, **shape):
    shape |= {"dim": 8, "dim_mult": [1, 2, 4, 4], "num_res_blocks": 2, "attn_scales": []}
    return kind(**shape, temperal_downsample=[False, True, True])


def prompts(seed: int) -> list:
    """One prompt for both clips."""
    tokens = conditioning(seed)[0][0]
    return [[tokens.repeat(2, 1, 1), {SHOWN: "depth"}]]
