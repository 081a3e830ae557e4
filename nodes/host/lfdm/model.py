"""The flow U-Net as a native MODEL: a 5-D latent, the authors' noise schedule, and their threshold always in place.

A latent is (B, 3, F, h, w): grid x, grid y and 2 occlusion - 1. Letters: B clips, F frames, h and w points of
the flow, C channels.
"""

from functools import cache

import comfy.conds
import comfy.latent_formats
import comfy.model_management as memory
import comfy.model_patcher
import comfy.ops
import node_helpers
import torch
from comfy.model_base import BaseModel, ModelType
from comfy.patcher_extension import WrapperExecutor, WrappersMP, get_all_wrappers
from comfy.supported_models_base import BASE
from torch import Tensor, nn

from ....models.flow.warp import colour_wheel
from ....models.lfdm.config import STATE, FlowUNetConfig
from ....models.lfdm.labels import Labels
from ..unet.attention import use_host_layers
from ..unet.native import as_patcher, choose_dtypes, load_weights
from .boundary import POINT, STILL, check_flow_sampling, check_still, check_text
from .first_step import check_first_step
from .patcher import as_flow_patcher
from .sampling import THRESHOLD, apply_threshold, use_still_parts

PREVIEWED = 4  # frames of a preview
# Measured on a CPU: a step on 20 frames of 32 x 32 points takes 83 MB at width 64, one on 40 frames 88 MB at width 32. The
# smaller of the host's two formulas then gives 86 MB for either.
MEMORY_PER_CHANNEL = 0.1 / 64


def preview_of(state: Tensor) -> Tensor:
    """(B, 3, F, h, w) to (1, 3, 1, h, 4 w) in -1..1: the first clip's motion as colours, dark where hidden."""
    frames = (
        torch.linspace(state.shape[2] / PREVIEWED, state.shape[2] - 1, PREVIEWED)
        .round()
        .long()
        .clamp_max(state.shape[2] - 1)
    )
    clip = state[0].float().movedim(0, -1)
    offset = clip[frames][..., :2] - clip[:1, ..., :2]  # the first frame is the still image itself
    colours = colour_wheel(offset, offset.norm(dim=-1).amax().clamp_min(0.1))
    shade = 0.5 + 0.5 * ((clip[frames][..., 2:] + 1) / 2).clamp(0, 1)
    return (2 * torch.cat((colours * shade).unbind(0), 1) - 1).movedim(-1, 0)[None, :, None]


class FlowLatent(comfy.latent_formats.LatentFormat):
    """Outside of the model a latent is always grid and occlusion, inside it has the form of the network."""

    latent_channels = STATE
    latent_dimensions = 3
    spacial_downscale_ratio = POINT
    latent_rgb_factors = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]

    def __init__(self, config: FlowUNetConfig | None = None):
        self.config = config or FlowUNetConfig()

    def process_in(self, latent: Tensor) -> Tensor:
        from ....models.lfdm.state import to_network

        return to_network(latent, self.config)

    def process_out(self, latent: Tensor) -> Tensor:
        from ....models.lfdm.state import from_network

        return from_network(latent, self.config)

    def latent_rgb_factors_reshape(self, latent: Tensor) -> Tensor:
        """The latent as the host's preview draws it: the motion itself, not its form inside the network."""
        return preview_of(self.process_out(latent))


class FlowSettings(BASE):
    unet_config = {}
    unet_extra_config = {}
    latent_format = FlowLatent
    memory_usage_factor = 0.1
    supported_inference_dtypes = [torch.float32, torch.bfloat16, torch.float16]


class FlowModel(BaseModel):
    """The model that the host samples: the cosine schedule, conditioned on one text vector and one still image."""

    def __init__(self, settings: FlowSettings, unet: nn.Module, labels: Labels | None = None):
        from ....models.lfdm.diffusion import cosine_betas

        super().__init__(
            settings, model_type=ModelType.V_PREDICTION if unet.config.prediction == "v" else ModelType.EPS
        )
        self.model_sampling._register_schedule(given_betas=cosine_betas())  # the host's own cosine ends elsewhere
        self.flow: FlowUNetConfig = unet.config
        self.labels = labels  # the labels in the model's file, or None
        self.diffusion_model = unet
        memory.archive_model_dtypes(unet)

    def extra_conds(self, **kwargs) -> dict:
        """The still image's features and the text; what the network computes of them waits until hooks act on its weights."""
        from ....models.lfdm.unet import check_state

        noise = kwargs["noise"]
        check_state(noise, self.flow)
        cast = lambda value: value.to(kwargs["device"], self.get_dtype_inference())
        features, text = kwargs.get(STILL), kwargs.get("pooled_output")
        check_still(features, noise, self.flow)
        text = cast(noise.new_zeros(1, self.flow.text_width) if text is None else text)
        check_text(text, self.flow)
        return {"features": comfy.conds.CONDRegular(cast(features)), "text": comfy.conds.CONDRegular(text)}


def with_still(conditioning: list, features: Tensor) -> list:
    """A conditioning with the (1 or B, C, h, w) features of the still image added."""
    return node_helpers.conditioning_set_values(conditioning, {STILL: features})


def text_conditioning(text: Tensor) -> list:
    """(1, width) of a text as a conditioning; the host wants tokens too, which this model does not use."""
    return [[text[:, None], {"pooled_output": text}]]


class HostDeconv(nn.ConvTranspose3d, comfy.ops.CastWeightBiasOp):
    """The host has no transposed convolution over clips; like its own layers it casts and streams its weights.

    (B, C, F, h, w) to (B, C, F, 2h, 2w), each frame as a picture: Apple's GPUs have none over clips in half precision.
    """

    def forward(self, x: Tensor) -> Tensor:
        comfy.ops.run_every_op()
        weight, bias, stream = comfy.ops.cast_bias_weight(self, x, offloadable=True)
        frames = x.transpose(1, 2).flatten(0, 1)
        out = nn.functional.conv_transpose2d(frames, weight[:, :, 0], bias, self.stride[1:], self.padding[1:])
        comfy.ops.uncast_bias_weight(self, weight, bias, stream)
        return out.unflatten(0, (len(x), -1)).transpose(1, 2)


@cache
def host_unet_class() -> type:
    """FlowUNet with the host's calling convention."""
    from ....models.lfdm.unet import FlowUNet

    class HostFlowUNet(FlowUNet):
        host_dtype = torch.float32

        @property
        def dtype(self) -> torch.dtype:
            return self.host_dtype  # the host reads it; the first parameter may be streamed or patched

        def forward(self, x, timesteps, context=None, control=None, transformer_options=None, **kwargs) -> Tensor:
            wrappers = get_all_wrappers(WrappersMP.DIFFUSION_MODEL, transformer_options or {})
            executor = WrapperExecutor.new_class_executor(self.predict, self, wrappers)
            return executor.execute(x, timesteps, context, control, transformer_options or {}, **kwargs)

        def predict(
            self, x, timesteps, context, control, options, features=None, text=None, still_part=None, **_
        ) -> Tensor:
            if text is not None:  # zeros are no text, also from the stock Conditioning Zero Out
                text = torch.where(text.any(-1, keepdim=True), text, self.null_text(text))
            return super().forward(x, timesteps, features, text, still_part)

    return HostFlowUNet


def native_flow_model(
    config: FlowUNetConfig,
    state_dict: dict[str, Tensor],
    *,
    labels: Labels | None = None,
    source: tuple | None = None,
    dtype: torch.dtype | None = None,
    disable_dynamic: bool = False,
) -> comfy.model_patcher.ModelPatcher:
    """A MODEL of the host from a configuration and weights under our names.

    source is (function, arguments) that build the same MODEL again; without it a copy is built from these weights.
    """
    dtype, cast, operations = choose_dtypes(state_dict, FlowSettings.supported_inference_dtypes, dtype)
    with torch.device("meta"):  # weights that are replaced at once need no memory
        unet = host_unet_class()(config)
    load_weights(unet, state_dict, dtype)
    use_flow_layers(unet, operations)
    settings = FlowSettings({"disable_unet_model_creation": True, "model_channels": config.width, "in_channels": STATE})
    settings.latent_format = FlowLatent(config)
    settings.memory_usage_factor = MEMORY_PER_CHANNEL * config.width
    settings.set_inference_dtype(dtype, cast, device=memory.get_torch_device())
    model = FlowModel(settings, unet.eval().requires_grad_(False), labels)
    patcher = as_patcher(model, source or (native_copy, (config, state_dict, dtype, labels)), disable_dynamic)
    as_flow_patcher(patcher)
    patcher.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, "duet", check_flow_sampling)
    patcher.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, "duet_first_step", check_first_step)
    patcher.add_wrapper_with_key(WrappersMP.PREDICT_NOISE, THRESHOLD, apply_threshold)
    patcher.add_wrapper_with_key(WrappersMP.APPLY_MODEL, "duet", use_still_parts)
    return patcher


def use_flow_layers(network: nn.Module, operations) -> None:
    """Give every layer the host's class in place, and transposed convolutions ours."""
    use_host_layers(network, operations)
    for module in network.modules():
        if type(module) is nn.ConvTranspose3d:
            module.__class__ = HostDeconv


def native_copy(config, state_dict, dtype, labels=None, disable_dynamic=False):
    """The same MODEL on weights of its own."""
    state = {name: value.clone() for name, value in state_dict.items()}
    source = (native_copy, (config, state_dict, dtype, labels))
    return native_flow_model(config, state, labels=labels, source=source, dtype=dtype, disable_dynamic=disable_dynamic)


def flow_of(model: comfy.model_patcher.ModelPatcher) -> FlowModel:
    """The flow model in a MODEL; one of another kind is refused."""
    if not isinstance(getattr(model, "model", None), FlowModel):
        raise ValueError(
            f"Expected a flow model, got a {type(getattr(model, 'model', model)).__name__}: connect Load Flow Model."
        )
    return model.model
