"""Two networks in place of one: IDOL's first ablation (section 4.3).

They share nothing, so no label is needed. Letters as in pair/layout.py.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..choices import MODALITIES
from ..pair.layout import ClipLayout
from ..unet.changes import Changes
from ..unet.config import VideoUNetConfig
from ..unet.controlnet import PoseControlNet
from ..unet.inflation import inflate_unet
from ..unet.network import VideoUNet


class Streams(nn.Module):
    """One network for the video half of a batch and one for the depth half, called as a shared one would be."""

    def __init__(self, video: VideoUNetConfig, make: Callable[[VideoUNetConfig], nn.Module]):
        super().__init__()
        self.video, self.layout = video, ClipLayout()
        self.streams = nn.ModuleDict({name: make(video.one_stream()) for name in MODALITIES})

    def stream_of(self, labels: Tensor | None) -> nn.Module:
        """The network of the one modality that a batch holds: the video's unless labels say depth."""
        found = [0] if labels is None else labels.unique().tolist()
        if len(found) != 1:
            raise ValueError(
                "Separate networks sample a whole pair or one modality alone, but the labels of a batch of one name both: "
                "give the pair without labels, or one modality at a time."
            )
        return self.streams[MODALITIES[found[0]]]

    def halves(self, **inputs) -> list[dict]:
        """The arguments for each network: whatever has one entry for each latent is cut, the rest goes to both."""
        return [self.half(inputs, modality) for modality in range(self.layout.modalities)]

    def half(self, value, modality: int):
        if isinstance(value, dict):
            return {name: self.half(part, modality) for name, part in value.items()}
        if isinstance(value, list | tuple):
            return [self.half(part, modality) for part in value]
        if isinstance(value, Tensor) and value.ndim and value.shape[0] == self.layout.batch:
            return self.layout.parts(value)[modality]
        return value

    def attention_kwargs(self, given: dict | None) -> list[dict | None]:
        """The arguments of each network's attention; on the host they differ."""
        return [given] * len(self.streams)


class SeparateUNets(Streams):
    """(k m f) C h w noisy latents, times and context tokens to the prediction, each half by its own U-Net."""

    def __init__(self, video: VideoUNetConfig):
        super().__init__(video, VideoUNet)

    @property
    def skip_widths(self) -> list[int]:
        return self.streams["video"].skip_widths

    def changes(self, kwargs: dict | None) -> Changes | None:
        """What changes the features of one network, from the arguments of its attention; the host has such."""
        return None

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor,
        context: Tensor,
        chunks: int = 1,
        modalities: int | None = None,
        labels: Tensor | None = None,
        background: Tensor | None = None,
        control: dict | None = None,
        attention_kwargs: dict | None = None,
    ) -> Tensor:
        """Predict for a pair, or with modalities=1 for the one modality that labels name."""
        self.layout.cut(sample.shape[0], chunks, modalities or self.video.modalities)
        inputs = {"background": background, "control": control}
        if self.layout.modalities == 1:
            own = {"chunks": chunks, "attention_kwargs": attention_kwargs, "changes": self.changes(attention_kwargs)}
            return self.stream_of(labels)(sample, timestep, context, **inputs, **own)
        halves = self.halves(sample=sample, timestep=timestep, context=context, **inputs)
        for half, kwargs in zip(halves, self.attention_kwargs(attention_kwargs), strict=True):
            half |= {"chunks": chunks, "attention_kwargs": kwargs, "changes": self.changes(kwargs)}
        return self.layout.whole([net(**half) for net, half in zip(self.streams.values(), halves, strict=True)])


class SeparateControlNets(Streams):
    """A pose ControlNet for each network, answering with residuals of the whole batch."""

    def __init__(self, video: VideoUNetConfig):
        super().__init__(video, PoseControlNet)

    def forward(
        self, sample, timestep, context, pose, chunks=1, modalities=None, labels=None, attention_kwargs=None
    ) -> tuple[list[Tensor], Tensor]:
        """(k m f) C h w latents and (k m f) 3 H W pose pictures in [0, 1] to the residuals ("down", "mid")."""
        self.layout.cut(sample.shape[0], chunks, modalities or self.video.modalities)
        inputs = {"sample": sample, "timestep": timestep, "context": context, "pose": pose}
        if self.layout.modalities == 1:
            return self.stream_of(labels)(**inputs, chunks=chunks, attention_kwargs=attention_kwargs)
        kwargs_of_each = self.attention_kwargs(attention_kwargs)
        answers = [
            net(**half, chunks=chunks, attention_kwargs=kwargs)
            for net, half, kwargs in zip(self.streams.values(), self.halves(**inputs), kwargs_of_each, strict=True)
        ]
        down = [self.layout.whole(list(pair)) for pair in zip(*(answer[0] for answer in answers), strict=True)]
        return down, self.layout.whole([answer[1] for answer in answers])


def build_network(config: VideoUNetConfig) -> nn.Module:
    """The network of a configuration."""
    return SeparateUNets(config) if config.separate else VideoUNet(config)


def build_controlnet(config: VideoUNetConfig) -> nn.Module:
    """The pose ControlNet beside the network of a configuration: as many as there are streams."""
    return SeparateControlNets(config) if config.separate else PoseControlNet(config)


def copy_to_controlnet(unet: nn.Module) -> nn.Module:
    """A new pose ControlNet: the encoder of the U-Net, or of each of the two."""
    if not isinstance(unet, SeparateUNets):
        return PoseControlNet.copied_from(unet)
    nets = SeparateControlNets(unet.video)
    for name, net in unet.streams.items():
        nets.streams[name].load_state_dict(PoseControlNet.copied_from(net).state_dict())
    return nets


def inflate_network(state: dict[str, Tensor], config: VideoUNetConfig) -> nn.Module:
    """The network of a configuration with the weights of a 2-D one, in both streams if there are two."""
    if not config.separate:
        return inflate_unet(state, config)
    nets = SeparateUNets(config)
    for net in nets.streams.values():
        with torch.no_grad():
            net.load_state_dict(inflate_unet(state, net.video).state_dict())
    return nets
