"""The pair on Wan 2.2 as a native MODEL: ComfyUI's own class, without what a pair must not take from it (section 3)."""

from dataclasses import replace

import comfy.conds
import comfy.model_base
import comfy.model_patcher
import comfy.supported_models
import torch
from comfy.patcher_extension import WrappersMP
from torch import Tensor

from ....models.wan.files import PICTURES, PairNotes
from ..pair.preview import PairLatent, set_channels
from ..unet.native import as_patcher, cast, choose_dtypes, load_weights
from .boundary import SHOWN, check_before_sampling
from .network import PairPicturesModel, PairWanModel
from .patcher import as_pair_patcher
from .pictures import check_pictures_before_sampling
from .preview import PairWan22

# Noise levels of the schedules: steps that divide it lie exactly where the released sampler has them, 1 - i / steps.
LEVELS = 5040


class PairWanSettings(comfy.supported_models.WAN22_T2V):
    """The released sampler has no shift, where ComfyUI shifts Wan by 8."""

    sampling_settings = {"shift": 1.0}
    latent_format = PairWan22

    def __init__(self, unet_config: dict):
        # The memory factor stays that of one video: ComfyUI multiplies it by the batch, which holds both streams.
        super().__init__(unet_config | {"disable_unet_model_creation": True})


class PicturesSettings(PairWanSettings):
    """Latents of the pack's image VAE, frame by frame."""

    latent_format = PairLatent


class PairWan(comfy.model_base.WAN22):
    """Samples (k m) C T h w: a video and one modality of it."""

    def __init__(self, settings: PairWanSettings, network: PairWanModel, notes: PairNotes):
        super().__init__(settings, image_to_video=True)
        self.model_sampling.set_parameters(**settings.sampling_settings, timesteps=LEVELS)
        self.diffusion_model = network.eval().requires_grad_(False)
        self.shows: tuple[str, ...] = network.modalities  # what the second stream can be
        self.notes = replace(notes, num_heads=network.num_heads)  # for a file that is saved from here

    def extra_conds(self, **kwargs) -> dict:
        out = super().extra_conds(**kwargs)
        out.pop("denoise_mask", None)  # it would give the kept stream a timestep of its own
        if (shown := kwargs.get(SHOWN)) is not None:
            out["modality"] = comfy.conds.CONDConstant(shown)
        return out

    def process_timestep(self, timestep: Tensor, **kwargs) -> Tensor:
        """Both streams read the timestep of the one that is sampled, a kept one too."""
        return timestep


def native_wan_pair(
    config: dict, state: dict[str, Tensor], notes: PairNotes = PairNotes(), *, source: tuple | None = None,  # noqa: B008
    dtype: torch.dtype | None = None, disable_dynamic: bool = False,
) -> comfy.model_patcher.ModelPatcher:  # fmt: skip
    """The MODEL of weights under PairWanModel's names; source is (function, arguments) that build it anew.

    Each weight is cast in `state` itself, so that 10 GB are never held in two precisions.
    """
    supported = PairWanSettings.supported_inference_dtypes
    dtype, computed, operations = choose_dtypes(state, supported, dtype)
    for name, value in state.items():
        state[name] = cast(name, value, dtype)
    pictures = notes.latents == PICTURES
    network = (PairPicturesModel if pictures else PairWanModel)(
        **config, device="meta", dtype=dtype, operations=operations
    )
    load_weights(network, state, dtype)
    settings = (PicturesSettings if pictures else PairWanSettings)(config)
    if pictures:
        set_channels(settings.latent_format, config["in_dim"])
    settings.set_inference_dtype(dtype, computed)
    source = source or (native_copy, (config, state, notes, dtype))
    patcher = as_patcher(PairWan(settings, network, notes), source, disable_dynamic)
    as_pair_patcher(patcher)
    check = check_pictures_before_sampling if pictures else check_before_sampling
    patcher.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, "duet", check)
    return patcher


def native_copy(config, state, notes, dtype, disable_dynamic=False):
    """The same MODEL on weights of its own."""
    copied = {key: value.clone() for key, value in state.items()}
    source = (native_copy, (config, state, notes, dtype))
    return native_wan_pair(config, copied, notes, source=source, dtype=dtype, disable_dynamic=disable_dynamic)
