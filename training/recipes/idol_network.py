"""The networks that IDOL's stages train: new ones, ones that extend a picture model, or trained ones."""

from torch import Tensor, nn

from ...models.baselines.separate import build_controlnet, build_network, copy_to_controlnet, inflate_network
from ...models.files import open_controlnet, open_model
from ...models.pair.foreground import latent_width
from ...models.unet.config import IDOL, VideoUNetConfig
from ...models.unet.controlnet import PoseControlNet
from ...models.unet.switches import switches_of, with_switches
from .shape import shape_from_settings
from .wide_network import with_latent_channels

ADAPTERS = ("tem_", "motion_modules", "cross_modal", "same_place", "class_embedding", "conv_bg", "clip_proj")
GAINED = ("modalities", "label", "temporal", "cross_modal", "background")  # set when a picture model is extended
SHARED = (
    "in_channels",
    "block_out_channels",
    "layers_per_block",
    "cross_attention_dim",
)  # equal in U-Net and ControlNet


def start_unet(model: dict, channels: int) -> nn.Module:
    """A network from a file, with adapters added where it has none, or a new one of the given shape, for a VAE's channels."""
    shape = shape_from_settings(model)
    if not model.get("init"):
        shape = {"in_channels": channels, "out_channels": channels} | shape
        width = {} if model.get("clip") else {"foreground_width": latent_width(channels)}
        return build_network(with_switches(IDOL, **(width | shape)))
    config, state, _ = open_model(model["init"])
    config, state = with_latent_channels(config, state, channels)
    if config.modalities == 2:
        return load_trained(state, build_network(with_switches(config, **shape)))
    gained = {name: switches_of(IDOL)[name] for name in GAINED}
    width = {"foreground_width": config.token_width or 1024}
    net = inflate_network(state, with_switches(config, **(gained | width | shape)))
    if net.video.label:
        net.reset_depth_label()
    return net


def start_controlnet(model: dict, unet: nn.Module) -> nn.Module:
    """The pose ControlNet of the previous stage, or a copy of the U-Net's encoder."""
    if not model.get("controlnet"):
        net = copy_to_controlnet(unet)
        if not model.get("init"):
            for stream in net.modules():
                if isinstance(stream, PoseControlNet):
                    stream.reset_output()
        return net
    config, state, _ = open_controlnet(model["controlnet"])
    config, state = with_latent_channels(config, state, unet.video.out_channels)
    refuse_unfit(config, unet.video)
    labelled = config.label_in_controlnet or unet.video.label_in_controlnet
    groups = unet.video.norm_num_groups
    return load_trained(
        state, build_controlnet(with_switches(config, norm_num_groups=groups, label_in_controlnet=labelled))
    )


def is_adapter(name: str) -> bool:
    """Whether a weight belongs to an adapter, which is zero-initialised, and not to the 2-D network."""
    return any(part in name for part in ADAPTERS)


def refuse_unfit(control: VideoUNetConfig, unet: VideoUNetConfig) -> None:
    """Refuse a ControlNet whose residuals or context do not fit the U-Net, before a step fails on their shapes."""
    for name in SHARED:
        if getattr(control, name) != getattr(unet, name):
            raise ValueError(
                f"model: controlnet belongs to another network, its {name} is {getattr(control, name)} and that of the "
                f"U-Net {getattr(unet, name)}: take the pose.safetensors that lies beside init, or leave controlnet out "
                "to begin with a copy of the U-Net."
            )


def load_trained(state: dict[str, Tensor], unet: nn.Module) -> nn.Module:
    """A network with the weights of a trained one of its shape; new adapters stay zero-initialised."""
    own = {name: value.shape for name, value in unet.state_dict().items()}
    wrong = [name for name, value in state.items() if own.pop(name, None) != value.shape]
    if wrong := wrong + [name for name in own if not is_adapter(name)]:
        raise ValueError(
            f"model: init and config do not fit, first at {wrong[0]}: leave the shape of the network out of config, or "
            "begin a new one without init."
        )
    unet.load_state_dict({name: value.float() for name, value in state.items()}, strict=False)
    return unet
