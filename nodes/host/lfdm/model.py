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

STILL = "duet_flow_still"  # (1 or B, C, h, w) features of the still image, set on a conditioning
PREVIEWED = 4  # frames of a preview


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
    spacial_downscale_ratio = 4
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
    memory_usage_factor = 0.5
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
        """The still image's part of the first convolution, computed once for all steps and frames, and the text."""
        from ....models.lfdm.unet import check_state

        noise, unet = kwargs["noise"], self.diffusion_model
        check_state(noise, self.flow)
        check_area(kwargs)
        cast = lambda value: value.to(kwargs["device"], self.get_dtype_inference())
        features, text = kwargs.get(STILL), kwargs.get("pooled_output")
        check_still(features, noise, self.flow)
        text = cast(noise.new_zeros(1, self.flow.text_width) if text is None else text)
        check_text(text, self.flow)
        if not text.any():  # no text, also from the stock Conditioning Zero Out
            text = unet.null_text(text)
        return {
            "still_part": comfy.conds.CONDRegular(unet.still_part(cast(features))),
            "text": comfy.conds.CONDRegular(text),
        }


def check_still(features: Tensor | None, noise: Tensor, config: FlowUNetConfig) -> None:
    """(1 or B, C, h, w) of the model's own autoencoder, as large as the latent."""
    if features is None:
        raise ValueError(
            "A flow model animates a still image, but the conditioning has none: connect Encode Still Image (Flow)."
        )
    if features.shape[1] != config.feature_width:
        raise ValueError(
            f"This flow model takes pictures encoded to {config.feature_width} channels, but the conditioning has "
            f"{features.shape[1]}: encode the still image with the autoencoder of the same Load Flow Model."
        )
    if features.shape[-2:] != noise.shape[-2:]:
        width, height = (FlowLatent.spacial_downscale_ratio * side for side in (features.shape[-1], features.shape[-2]))
        raise ValueError(
            f"The still image needs a flow latent of {features.shape[-1]} x {features.shape[-2]} points, got "
            f"{noise.shape[-1]} x {noise.shape[-2]}: set Empty Latent for Model to {width} x {height} pixels."
        )


def check_area(conditioning: dict) -> None:
    """A flow holds positions in the whole picture, so a part cut out of it would point elsewhere."""
    if "area" in conditioning:
        raise ValueError(
            "A flow model takes no conditioning for an area of the picture: use Conditioning (Set Mask) with set_cond_area on "
            "default, or sample a flow for each object and join them with Compose Flows."
        )


def check_text(text: Tensor, config: FlowUNetConfig) -> None:
    if text.ndim != 2 or text.shape[-1] != config.text_width:
        raise ValueError(
            f"A flow model takes a prompt as one vector of {config.text_width} numbers, got a tensor of shape "
            f"{tuple(text.shape)}: use CLIP Text Encode with the clip of Load Flow Model."
        )


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

        def predict(self, x, timesteps, context, control, options, still_part=None, text=None, **_) -> Tensor:
            return super().forward(x, timesteps, text=text, still_part=still_part)

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
    settings.set_inference_dtype(dtype, cast, device=memory.get_torch_device())
    model = FlowModel(settings, unet.eval().requires_grad_(False), labels)
    patcher = as_patcher(model, source or (native_copy, (config, state_dict, dtype, labels)), disable_dynamic)
    patcher.set_model_sampler_post_cfg_function(apply_threshold)
    return patcher


def apply_threshold(args: dict) -> Tensor:
    """After guidance, at every step: the clean flow within its threshold, without which samplers diverge."""
    from ....models.lfdm.diffusion import threshold

    return threshold(args["denoised"], args["model"].flow.limit)


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
