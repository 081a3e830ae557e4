"""The video U-Net as a native MODEL, so that every sampler, ControlNet, LoRA, mask and hook of the host works with it.

Letters: B latents of the batch, (k m f) = B as in models/pair/layout.py, F frames, C channels, h and w latent pixels.
"""

import comfy.conds
import comfy.latent_formats
import comfy.model_management as memory
import comfy.model_patcher
import comfy.utils
import torch
from comfy.model_base import BaseModel, ModelType
from comfy.patcher_extension import CallbacksMP, WrappersMP
from comfy.supported_models_base import BASE
from torch import Tensor

from ....models.oneshot.depth_channel import depth_channel
from ....models.unet.config import MotionModules, VideoUNetConfig
from ..character.conds import character_conds, check_count, check_view, layer_codes
from ..oneshot.conditioning import DEPTH, DEPTH_RANGE
from ..pair.boundary import MODALITY, check_before_sampling
from ..pair.given import given_conds
from ..pair.late import Late
from ..pair.preview import PairLatent, set_channels
from .attention import use_host_attention, use_host_layers
from .native import as_patcher, choose_dtypes, load_weights
from .network import host_unet_class
from .served import serve
from .shared import own_hooked_weights

PROJECTIONS = ("clip_proj", "streams.video.clip_proj", "streams.depth.clip_proj")  # of tokens to context


class ClipSettings(BASE):
    unet_config = {}
    unet_extra_config = {}
    latent_format = comfy.latent_formats.SD15
    memory_usage_factor = 1.0  # of Stable Diffusion 1.5 in the host; 0.65 and less were measured, see PairSettings
    supported_inference_dtypes = [torch.float16, torch.bfloat16, torch.float32]


class PairSettings(ClipSettings):
    """Attention from a frame to its depth takes more than the host's estimate for pictures.

    The factors are measured on a CPU, by the peak of one step above the loaded model: 1.0 to 1.17 for a pair as wide as Stable
    Diffusion 1.5, 0.94 at a fifth of its width; 1.0 and 0.89 for sparse-causal attention, whose keys are twice as many. Of the
    159 kB for each latent pixel at 256 pixels, scores of attention are 8 heads x 1024 keys x 4 bytes = 33 kB a copy. With
    memory-efficient attention on a GPU they do not exist, and half precision halves the rest.
    """

    latent_format = PairLatent
    memory_usage_factor = 1.4


SPARSE_CAUSAL = 1.3  # memory_usage_factor, see PairSettings


class VideoModel(BaseModel):
    """What the host samples: noise schedule, latent format and the conditions that enter besides the tokens."""

    def __init__(self, settings: ClipSettings, unet: torch.nn.Module):
        kind = ModelType.V_PREDICTION if unet.video.target == "v" else ModelType.EPS
        super().__init__(settings, model_type=kind)
        self.video: VideoUNetConfig = unet.video
        self.diffusion_model = unet.eval().requires_grad_(False)
        memory.archive_model_dtypes(unet)

    def extra_conds(self, **kwargs) -> dict:
        """Adds background latents (1, F or 2F, C, h, w), set on a conditioning as `duet_background`."""
        out = super().extra_conds(**kwargs)
        context = self.context(kwargs.get("cross_attn"), kwargs)
        if context is not None:
            out["c_crossattn"] = context
        background = kwargs.get("duet_background")
        if background is not None:
            if self.video.background == "none":
                raise ValueError("This model takes no background: remove it from the conditioning, or load another.")
            background = self.process_latent_in(background)
            check_count(background, kwargs["noise"], self.video.modalities, "background")
            background = fit(background, kwargs["noise"])
            out["duet_background"] = comfy.conds.CONDNoiseShape(background)
        return out | character_conds(self, context, kwargs) | given_conds(self.video, kwargs)

    def context(self, tokens: Tensor | None, given: dict) -> comfy.conds.CONDCrossAttn | Late | None:
        """The tokens of a conditioning, projected once for all steps: ControlNets read the same as the U-Net."""
        if tokens is None:
            return None
        if self.video.token_width != tokens.shape[-1]:
            return comfy.conds.CONDCrossAttn(tokens)
        count, alone = given["noise"].shape[0], given.get(MODALITY)

        def project() -> comfy.conds.CONDCrossAttn:
            here = tokens.to(given["device"], self.get_dtype_inference())
            here = here.clone() if here.is_inference() else here  # no other tensor can be kept for a backward pass
            return comfy.conds.CONDCrossAttn(self.diffusion_model.projected(here, count, alone))

        return Late(PROJECTIONS, project)

    def concat_cond(self, **kwargs) -> Tensor | None:
        """The channels beside the noise: latents of layers, or the depth of a conditioning, (B, 1, h, w) in [-1, 1]."""
        if self.video.layer_codes:
            return layer_codes(self, kwargs)
        depth, noise = kwargs.get(DEPTH), kwargs["noise"]
        if self.video.in_channels == self.video.out_channels:
            if depth is not None and DEPTH_RANGE in kwargs:
                raise ValueError(
                    "This model has no depth channel: remove Encode Depth (Depth-to-Image Model) and use a depth ControlNet, or load "
                    "Stable Diffusion 2 with depth."
                )
            return None
        if depth is None:
            # A flat depth in its place would silently ignore what the artist connected.
            raise ValueError(
                "This model reads a depth picture beside the noise, but its positive or negative conditioning has none: "
                "send both through Encode Depth (Depth-to-Image Model), with one flat grey where the depth does not matter."
            )
        check_count(depth, noise, self.video.modalities, "depth")
        if DEPTH_RANGE in kwargs:
            check_view(depth, noise, "depth")
            depth = depth_channel(depth, noise.shape[-2:], kwargs[DEPTH_RANGE])
        return fit(depth, noise)


def fit(latents: Tensor, noise: Tensor) -> Tensor:
    """Latents repeated over the batch and resized to the noise."""
    latents = comfy.utils.common_upscale(latents, noise.shape[-1], noise.shape[-2], "bilinear", "disabled")
    return comfy.utils.repeat_to_batch_size(latents, noise.shape[0])


def native_model(
    config: VideoUNetConfig,
    state_dict: dict[str, Tensor],
    *,
    source: tuple | None = None,
    dtype: torch.dtype | None = None,
    disable_dynamic: bool = False,
) -> comfy.model_patcher.ModelPatcher:
    """A MODEL of the host from a configuration and weights under VideoUNet's own names.

    source is (function, arguments) that build the same MODEL anew; without it the weights given here are kept for that.
    """
    dtype, cast, operations = choose_dtypes(state_dict, ClipSettings.supported_inference_dtypes, dtype)
    with torch.device("meta"):  # no random numbers and no memory for weights that are replaced at once
        unet = host_unet_class(config.separate)(config).requires_grad_(False)
    load_weights(unet, state_dict, dtype)
    use_host_layers(unet, operations)
    use_host_attention(unet)
    model = VideoModel(settings(config, dtype, cast, memory.get_torch_device()), unet)
    patcher = as_patcher(model, source or (native_copy, (config, state_dict, dtype)), disable_dynamic)
    serve(patcher)
    patcher.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, "duet", check_before_sampling)
    patcher.add_callback_with_key(CallbacksMP.ON_REGISTER_ALL_HOOK_PATCHES, "duet", own_hooked_weights)
    if config.separate:
        patcher.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, "duet_streams", name_modality)
    return patcher


def name_modality(executor, noise: Tensor, *args, **kwargs) -> Tensor:
    """The host's OUTER_SAMPLE wrapper point: two networks need the modality that is sampled alone in every condition."""
    guider = executor.class_obj
    alone = guider.model_options.get("transformer_options", {}).get(MODALITY)
    for conds in guider.conds.values():
        for cond in conds or ():
            cond[MODALITY] = alone
    return executor(noise, *args, **kwargs)


def native_copy(config, state_dict, dtype, disable_dynamic=False):
    """The same MODEL on weights of its own."""
    state = {key: value.clone() for key, value in state_dict.items()}
    return native_model(config, state, source=(native_copy, (config, state_dict, dtype)), dtype=dtype,
                        disable_dynamic=disable_dynamic)  # fmt: skip


def settings(config: VideoUNetConfig, dtype, cast, device) -> ClipSettings:
    """What the host's nodes read of a model; `num_res_blocks` stays out, it would rename the keys of LoRAs."""
    kind = PairSettings if config.modalities == 2 else ClipSettings
    result = kind({
        "disable_unet_model_creation": True,
        "model_channels": config.block_out_channels[0],
        "in_channels": config.in_channels,
        "context_dim": config.cross_attention_dim,
    })  # fmt: skip
    set_channels(result.latent_format, config.out_channels)
    if config.zero_snr:
        result.sampling_settings = {"zsnr": True}
    elif isinstance(config.temporal, MotionModules):
        # AnimateDiff learned on betas that rise evenly; the host's default raises their roots evenly.
        result.sampling_settings = {"beta_schedule": "sqrt_linear"}
    if config.self_attention == "sparse_causal":
        result.memory_usage_factor = max(result.memory_usage_factor, SPARSE_CAUSAL)
    result.set_inference_dtype(dtype, cast, device=device)
    return result


def set_modality(patcher: comfy.model_patcher.ModelPatcher, which: str | None) -> comfy.model_patcher.ModelPatcher:
    """A clone that samples one modality alone, or both (None)."""
    if getattr(patcher.model, "shows", None):
        raise ValueError(
            "Expected a model from Load Video Model, got a pair on Wan 2.2, which always samples both clips: remove Select "
            "Video or Depth; to get one clip from the other, set task in KSampler (Auto Settings)."
        )
    video = getattr(patcher.model, "video", None)
    if video is None or video.modalities != 2:
        raise ValueError(
            "Expected a model of video and depth, got one without depth: "
            "connect Load Video Model with a video-depth file."
        )
    clone = patcher.clone()
    options = clone.model_options["transformer_options"]
    options.pop(MODALITY, None)
    if which is not None:
        options[MODALITY] = which
    return clone


def config_of(patcher: comfy.model_patcher.ModelPatcher) -> VideoUNetConfig:
    """The configuration of a MODEL of ours."""
    config = getattr(patcher.model, "video", None)
    if config is None:
        raise ValueError("Expected a model from Load Video Model, got one of the host's own: load the file there.")
    return config


def weights_of(patcher: comfy.model_patcher.ModelPatcher) -> tuple[VideoUNetConfig, dict[str, Tensor]]:
    """The configuration and weights of a MODEL, with its LoRAs baked in, on the CPU."""
    config = config_of(patcher)
    if patcher.is_dynamic():  # on most GPUs: patches are added while a layer computes, never to the weights
        patcher = patcher.clone(disable_dynamic=True)
    memory.load_models_gpu([patcher], force_patch_weights=True)
    state = patcher.model.diffusion_model.state_dict()
    return config, {name: value.detach().to("cpu", copy=True) for name, value in state.items()}
