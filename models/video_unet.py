"""The video U-Net of all systems: diffusers' 2-D U-Net, its names untouched, with adapters switched by a config.

A freshly inflated network answers exactly what the 2-D one answers, frame by frame. Letters as in modality.py.
"""

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from .attention.cross_modal import CrossModalAttention
from .blocks import copy_of_conv, inflate, norm_over_clip, pairs, zeros_like_conv
from .config import VideoUNetConfig
from .modality import ClipLayout
from .motion_module import add_motion_modules


class VideoUNet(UNet2DConditionModel):
    """(k m f) C h w noisy latents, times and context tokens to the prediction of the same shape."""

    def __init__(self, video: VideoUNetConfig):
        super().__init__(**video.base())
        self.video, self.layout = video, ClipLayout()
        for block in self.blocks():
            inflate(block, video, self.layout)
        if video.temporal == "motion_modules":
            add_motion_modules(self, video, self.layout)
        self._add_cross_modal(video)
        if video.label:
            nn.init.zeros_(self.class_embedding.weight)
        if video.background in ("conv", "zero"):
            self.conv_bg = copy_of_conv(self.conv_in) if video.background == "conv" else zeros_like_conv(self.conv_in)
        if video.foreground_width:
            self.clip_proj = nn.Linear(video.foreground_width, video.cross_attention_dim, bias=False)

    def blocks(self) -> list[nn.Module]:
        """The blocks from the input to the output: nine in Stable Diffusion 1."""
        return [*self.down_blocks, self.mid_block, *self.up_blocks]

    def _add_cross_modal(self, video: VideoUNetConfig) -> None:
        chosen = {
            "none": [],
            "all": self.blocks(),
            "up": list(self.up_blocks),
            "attention": [b for b in [*self.down_blocks, *self.up_blocks] if getattr(b, "attentions", None)],
        }[video.cross_modal]
        for block in chosen:
            width = block.resnets[-1].out_channels
            inner = video.cross_modal_width or width
            block.cross_modal = CrossModalAttention(width, inner, self.layout)
            end = block.resnets[-1] if block is self.mid_block else pairs(block)[-1]
            end.after.append(block.cross_modal)

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
        """Predict for a batch cut as (k m f).

        background (k m f) C h w latents; control holds residuals: "down" one for each skip, "mid", and "levels" one
        for each down block (T2I-adapters).
        """
        self.layout.cut(sample.shape[0], chunks, modalities or self.video.modalities)
        control = control or {}
        emb = self.embed(sample, timestep, labels)
        if self.video.foreground_width and context.shape[-1] == self.video.foreground_width:
            context = self.clip_proj(context)
        kwargs = {"encoder_hidden_states": context, "cross_attention_kwargs": attention_kwargs}

        x = self.enter(sample, background)
        skips, levels = [x], list(control.get("levels", ()))
        for block in self.down_blocks:
            level = levels.pop(0) if levels else None
            if getattr(block, "attentions", None):
                x, more = block(x, emb, additional_residuals=level, **kwargs)
            else:
                x, more = block(x, emb)
                if level is not None:
                    x = x + level
                    more = (*more[:-1], x)  # the skip carries it too, as in blocks with attention
            skips += more
        if "down" in control:
            skips = [skip + residual for skip, residual in zip(skips, control["down"], strict=True)]

        x = self.mid_block(x, emb, **kwargs)
        if "mid" in control:
            x = x + control["mid"]

        for block in self.up_blocks:
            count = len(block.resnets)
            skips, here = skips[:-count], tuple(skips[-count:])
            size = skips[-1].shape[2:] if skips else None
            more = kwargs if getattr(block, "attentions", None) else {}
            x = block(x, res_hidden_states_tuple=here, temb=emb, upsample_size=size, **more)

        norm = self.conv_norm_out
        x = norm_over_clip(norm, x, self.layout) if self.video.group_norm == "clip" else norm(x)
        return self.conv_out(self.conv_act(x))

    def embed(self, sample: Tensor, timestep: Tensor, labels: Tensor | None) -> Tensor:
        """Time and modality as one vector for each latent: (k m f) 4 C0."""
        emb = self.time_embedding(self.get_time_embed(sample, timestep))
        if self.class_embedding is None:
            return emb
        labels = self.layout.labels(sample.device) if labels is None else labels
        return emb + self.class_embedding(labels).to(emb.dtype)

    def enter(self, sample: Tensor, background: Tensor | None) -> Tensor:
        """The first convolution, with the background latents added to the noise (IDOL section 3.1)."""
        if background is None or self.video.background == "none":
            return self.conv_in(sample)
        if self.video.background == "add":
            return self.conv_in(sample + background)
        return self.conv_in(sample) + self.conv_bg(background)


def inflated(state: dict[str, Tensor], config: VideoUNetConfig) -> VideoUNet:
    """A video U-Net with the weights of a 2-D one; the adapters keep their silent birth."""
    unet = VideoUNet(config)
    missing, unexpected = unet.load_state_dict(state, strict=False)
    lost = set(missing) & set(UNet2DConditionModel(**config.base()).state_dict()) - {"class_embedding.weight"}
    if lost or unexpected:
        raise ValueError(
            f"These weights do not fit a 2-D U-Net of this shape: {len(lost)} are missing and {len(unexpected)} are "
            f"left over, such as {', '.join(sorted([*lost, *unexpected])[:3])}."
        )
    if config.background == "conv":
        with torch.no_grad():
            unet.conv_bg.weight.copy_(unet.conv_in.weight)
    return unet
