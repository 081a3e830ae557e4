"""The pose ControlNet as a native CONTROL_NET: it chains with stock ones and works on clips."""

from functools import cache

import comfy.controlnet
import comfy.model_management as memory
import comfy.ops
import comfy.utils
import torch
from torch import Tensor

from ....models.choices import MODALITIES
from ....models.unet.config import VideoUNetConfig
from ..pair.boundary import MODALITY, chain
from .attention import HostAttention, precision_of, use_host_layers


class ClipControlNet(comfy.controlnet.ControlNet):
    """A ControlNet that gets the cut of the batch before each call."""

    def get_control(self, x_noisy, t, cond, batched_number, transformer_options):
        self.control_model.chunks = batched_number
        self.control_model.alone = transformer_options.get(MODALITY)
        return super().get_control(x_noisy, t, cond, batched_number, transformer_options)

    def copy(self):
        twin = ClipControlNet(None, load_device=self.load_device, manual_cast_dtype=self.manual_cast_dtype)
        twin.control_model, twin.control_model_wrapped = self.control_model, self.control_model_wrapped
        self.copy_to(twin)
        return twin


def check_controlnets(conds: dict, video: VideoUNetConfig) -> None:
    """A pose ControlNet of ours must read the latents and the tokens that this model's sampler gives it."""
    controls = [
        control for chained in conds.values() for cond in chained or () for control in chain(cond.get("control"))
    ]
    for net in (getattr(control, "control_model", None) for control in controls):
        if not isinstance(net, HostHints):
            continue
        for what, theirs, ours in (
            ("latent channels", net.video.in_channels, video.out_channels),
            ("numbers a token", net.video.cross_attention_dim, video.cross_attention_dim),
        ):
            if theirs != ours:
                raise ValueError(
                    f"The ControlNet of Load Pose ControlNet reads {theirs} {what}, but this model gives it {ours}: use "
                    "one that was made for the same base model."
                )


class HostHints:
    """The host's way of calling a ControlNet of ours; it precedes the network's class among the bases."""

    host_dtype = torch.float32
    device = torch.device("cpu")  # the host writes where the weights are; diffusers only lets it be read
    chunks = 1
    alone = None  # the one modality that is sampled by itself

    @property
    def dtype(self) -> torch.dtype:
        return self.host_dtype

    def forward(self, x: Tensor, hint: Tensor, timesteps: Tensor, context: Tensor, **_) -> dict:
        hint = hint.expand(x.shape[0], -1, -1, -1)  # one picture serves all frames
        which = {} if self.alone is None else {"modalities": 1, "labels": self.labels(x)}
        down, middle = super().forward(x, timesteps, context, hint, self.chunks, **which)
        return {"output": down, "middle": [middle]}

    def labels(self, x: Tensor) -> Tensor:
        """The number of the one modality for each latent, which selects one of two ControlNets."""
        return x.new_full(x.shape[:1], MODALITIES.index(self.alone), dtype=torch.long)


@cache
def host_controlnet_class(separate: bool = False) -> type:
    """PoseControlNet, or two of them; built on first use, because diffusers is slow to import."""
    from ....models.baselines.separate import SeparateControlNets
    from ....models.unet.controlnet import PoseControlNet

    if separate:
        return type("HostSeparateControlNets", (HostHints, SeparateControlNets), {})
    return type("HostPoseControlNet", (HostHints, PoseControlNet), {})


def native_controlnet(config: VideoUNetConfig, state_dict: dict[str, Tensor]) -> ClipControlNet:
    """A CONTROL_NET of the host from a configuration and weights under PoseControlNet's own names."""
    device = memory.get_torch_device()
    dtype = memory.unet_dtype(device=device, weight_dtype=comfy.utils.weight_dtype(state_dict))
    cast = memory.unet_manual_cast(dtype, device)
    net = host_controlnet_class(config.separate)(config)
    net = torch.nn.Module.to(net, dtype).eval().requires_grad_(False)  # diffusers' own `to` warns of what is not there
    net.host_dtype = dtype
    missing, unexpected = net.load_state_dict({key: value.to(dtype) for key, value in state_dict.items()}, strict=False)
    if missing or unexpected:
        raise ValueError(
            f"The ControlNet's weights do not fit: {len(missing)} are missing and {len(unexpected)} are left over, such "
            f"as {', '.join([*missing, *unexpected][:3])}. Load it with the node that its makers name."
        )
    use_host_layers(net, comfy.ops.pick_operations(dtype, cast, load_device=device))
    for module in net.modules():
        if hasattr(module, "set_processor"):
            module.set_processor(HostAttention(precision_of(config)))
    return ClipControlNet(net, load_device=device, manual_cast_dtype=cast)
