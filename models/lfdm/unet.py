"""The 3-D U-Net that denoises a flow (LFDM section 3.3).

It mixes frames by attention over time and by its norms, whose statistics run over the whole clip; convolutions stay
inside a frame. Letters: b clips, c channels, f frames, h w points of the flow.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import FramePositions, LinearAttention, SpaceAttention, TimeAttention, channels_last
from .config import STATE, FlowUNetConfig


class FlowUNet(nn.Module):
    def __init__(self, config: FlowUNetConfig):
        super().__init__()
        self.config = config
        width, widths = config.width, config.widths
        heads = (config.heads, config.head_width)
        self.time_rel_pos_bias = FramePositions(config.heads)
        self.init_conv = StillConv(config.feature_width, width)
        self.init_temporal_attn = TimeAttention(width, *heads)
        self.time_mlp = nn.Sequential(
            Sinusoids(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, 4 * width)
        )
        if config.null == "learned":
            self.null_cond_emb = nn.Parameter(torch.randn(1, config.text_width))
        levels = list(zip((width, *widths), widths, strict=False))
        self.downs = nn.ModuleList(
            self.level(inside, outside, outside, down(outside) if i < len(levels) - 1 else nn.Identity())
            for i, (inside, outside) in enumerate(levels)
        )
        self.mid_block1, self.mid_block2 = self.block(widths[-1], widths[-1]), self.block(widths[-1], widths[-1])
        self.mid_spatial_attn = SpaceAttention(widths[-1], *heads)
        self.mid_temporal_attn = TimeAttention(widths[-1], *heads)
        self.ups = nn.ModuleList(
            self.level(2 * outside, inside, inside, up(inside, config.upsample) if i else nn.Identity())
            for i, (inside, outside) in reversed(list(enumerate(levels)))
        )
        self.final_conv = self.head(2)
        self.occlusion_map = self.head(1)

    def block(self, inside: int, outside: int) -> "ResBlock":
        return ResBlock(inside, outside, self.config.groups, 4 * self.config.width + self.config.text_width)

    def level(self, inside: int, outside: int, width: int, resize: nn.Module) -> nn.ModuleList:
        heads = (self.config.heads, self.config.head_width)
        blocks = self.block(inside, outside), self.block(outside, outside)
        return nn.ModuleList([*blocks, LinearAttention(width, *heads), TimeAttention(width, *heads), resize])

    def head(self, channels: int) -> nn.Sequential:
        width = self.config.width
        return nn.Sequential(ResBlock(2 * width, width, self.config.groups), nn.Conv3d(width, channels, 1))

    def null_text(self, like: Tensor) -> Tensor:
        """The text vector of an empty prompt, (b, text_width)."""
        null = getattr(self, "null_cond_emb", None)
        return torch.zeros_like(like) if null is None else null.to(like).expand_as(like)

    def still_part(self, features: Tensor) -> Tensor:
        """(b, feature_width, h, w) of the still image to its part of the first convolution, (b c 1 h w)."""
        return self.init_conv(channels_last(features[:, :, None]))

    def first_conv(self, state: Tensor, features: Tensor | None, still_part: Tensor | None) -> Tensor:
        """The first convolution, over a state and the picture's features."""
        part = self.still_part(features) if still_part is None else still_part
        return self.init_conv(channels_last(state)) + part

    def forward(
        self,
        state: Tensor,
        time: Tensor,
        features: Tensor | None = None,
        text: Tensor | None = None,
        still_part: Tensor | None = None,
    ) -> Tensor:
        """(b 3 f h w) noisy state, (b,) times, features of the picture or its part, (b, width) text to the noise."""
        check_state(state, self.config)
        if text is None:
            text = self.null_text(state.new_zeros(len(state), self.config.text_width))
        first = x = self.first_conv(state, features, still_part)
        # Sinusoids in full precision, everything after them in that of the network.
        embedding = torch.cat((self.time_mlp[1:](self.time_mlp[0](time).to(x.dtype)), text.to(x.dtype)), -1)
        bias = self.time_rel_pos_bias(x.shape[2], x.device)
        x = self.init_temporal_attn(x, bias)
        skips = []
        for block1, block2, space, over_time, resize in self.downs:
            x = over_time(space(block2(block1(x, embedding), embedding)), bias)
            skips.append(x)
            x = resize(x)
        x = self.mid_block1(x, embedding)
        x = self.mid_temporal_attn(self.mid_spatial_attn(x), bias)
        x = self.mid_block2(x, embedding)
        for block1, block2, space, over_time, resize in self.ups:
            x = block1(torch.cat((x, skips.pop()), 1), embedding)
            x = resize(over_time(space(block2(x, embedding)), bias))
        x = torch.cat((x, first), 1)
        output = torch.cat((self.final_conv(x), self.occlusion_map(x)), 1)
        return state + output if self.config.residual else output


class StillConv(nn.Conv3d):
    """The first convolution, over the state and the features of the picture.

    The features are the same in every frame and at every step, so the sum is computed in two parts: once from the
    features, at every step from the state.
    """

    def __init__(self, features: int, outside: int):
        super().__init__(STATE + features, outside, (1, 7, 7), padding=(0, 3, 3))

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None, *args, **kwargs) -> Tensor:
        if x.shape[1] == STATE:
            weight, bias = weight[:, :STATE], None
        elif x.shape[1] == self.in_channels - STATE:
            weight = weight[:, STATE:]
        return super()._conv_forward(x, weight, bias, *args, **kwargs)


class Sinusoids(nn.Module):
    """(b,) times to (b, width) waves, sines first."""

    def __init__(self, width: int):
        super().__init__()
        self.width = width

    def forward(self, time: Tensor) -> Tensor:
        half = self.width // 2
        speed = torch.exp(torch.arange(half, device=time.device) * (-math.log(10000) / (half - 1)))
        angle = time.float()[:, None] * speed
        return torch.cat((angle.sin(), angle.cos()), -1)


class Block(nn.Module):
    """Convolution, norm over the clip, modulation by time and text, SiLU."""

    def __init__(self, inside: int, outside: int, groups: int):
        super().__init__()
        self.proj = nn.Conv3d(inside, outside, (1, 3, 3), padding=(0, 1, 1))
        self.norm = nn.GroupNorm(groups, outside)

    def forward(self, x: Tensor, modulation: tuple[Tensor, Tensor] | None = None) -> Tensor:
        x = self.norm(self.proj(x))
        if modulation is not None:
            scale, shift = modulation
            x = torch.addcmul(shift, x, scale + 1)
        return F.silu(x)


class ResBlock(nn.Module):
    def __init__(self, inside: int, outside: int, groups: int, embedding: int = 0):
        super().__init__()
        if embedding:
            self.mlp = nn.Sequential(nn.SiLU(), nn.Linear(embedding, 2 * outside))
        self.block1, self.block2 = Block(inside, outside, groups), Block(outside, outside, groups)
        self.res_conv = nn.Conv3d(inside, outside, 1) if inside != outside else nn.Identity()

    def forward(self, x: Tensor, embedding: Tensor | None = None) -> Tensor:
        """(b c f h w) features and (b, width) embedding of time and text."""
        modulation = None if embedding is None else self.mlp(embedding)[..., None, None, None].chunk(2, 1)
        return self.block2(self.block1(x, modulation)) + self.res_conv(x)


def down(width: int) -> nn.Conv3d:
    return nn.Conv3d(width, width, (1, 4, 4), (1, 2, 2), (0, 1, 1))


class ReflectedConv(nn.Conv3d):
    """torch's own convolution: the replacement of a host for some versions of cuDNN would skip the reflected border."""

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None, **_) -> Tensor:
        return nn.Conv3d._conv_forward(self, x, weight, bias)


def up(width: int, kind: str) -> nn.Module:
    if kind == "deconv":
        return nn.ConvTranspose3d(width, width, (1, 4, 4), (1, 2, 2), (0, 1, 1))
    conv = ReflectedConv(width, width, (1, 3, 3), padding=(0, 1, 1), padding_mode="reflect")
    return nn.Sequential(nn.Upsample(scale_factor=(1, 2, 2), mode="nearest"), conv)


def check_state(state: Tensor, config: FlowUNetConfig) -> None:
    """A state of the wrong shape is refused with the nearest that fits."""
    if state.ndim != 5 or state.shape[1] != STATE or state.shape[-2] % config.step or state.shape[-1] % config.step:
        near = " x ".join(str(max(config.step, round(side / config.step) * config.step)) for side in state.shape[-2:])
        raise ValueError(
            f"Expected a flow latent (clips, {STATE}, frames, height, width) whose height and width are multiples of "
            f"{config.step}, got {tuple(state.shape)}: connect Empty Latent for Model; the nearest size that fits is {near}."
        )


def guided(unet: FlowUNet, state: Tensor, time: Tensor, part: Tensor, text: Tensor, scale: float = 1.0) -> Tensor:
    """The noise with classifier-free guidance: 1 is the output of the text, 0 that of an empty prompt."""
    null = None if scale == 1 else unet(state, time, text=unet.null_text(text), still_part=part)
    if scale == 0:
        return null
    output = unet(state, time, text=text, still_part=part)
    return output if null is None else null + (output - null) * scale
