"""The pose ControlNet with temporal layers, one for both streams (IDOL section 3.1; DisCo's temporal ControlNet).

Letters as in pair/layout.py.
"""

from diffusers import ControlNetModel
from torch import Tensor, nn

from ..pair.layout import ClipLayout
from .blocks import inflate_block
from .config import VideoUNetConfig

BETWEEN = (".cross_modal.", ".same_place.")  # adapters between the modalities
LACKED = (*BETWEEN, ".motion_modules.")  # adapters of a U-Net that a ControlNet lacks
# What a ControlNet copies from its U-Net.
SHARED = ("conv_in", "time_embedding", "class_embedding", "down_blocks", "mid_block")


class PoseControlNet(ControlNetModel):
    """Noisy latents and pose pictures to one residual for each skip of the U-Net and one for its middle."""

    def __init__(self, video: VideoUNetConfig):
        video = video.controlnet()
        base = video.base()
        for name in ("out_channels", "up_block_types"):
            base.pop(name)
        super().__init__(**base)
        self.video = video
        if video.label:
            nn.init.zeros_(self.class_embedding.weight)
        self.layout = ClipLayout()
        for block in [*self.down_blocks, self.mid_block]:
            inflate_block(block, self.video, self.layout)

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor,
        context: Tensor,
        pose: Tensor,
        chunks: int = 1,
        modalities: int | None = None,
        labels: Tensor | None = None,
        attention_kwargs: dict | None = None,
    ) -> tuple[list[Tensor], Tensor]:
        """(k m f) C h w latents and pose pictures in [0, 1] to the residuals ("down", "mid").

        The pictures are (k m f) 3 H W, or (k f) 3 H W where the streams share them.
        """
        self.layout.cut(sample.shape[0], chunks, modalities or self.video.modalities)
        times = timestep.expand(sample.shape[0]) if timestep.ndim else timestep.repeat(sample.shape[0])
        emb = self.time_embedding(self.time_proj(times).to(sample.dtype))
        if self.class_embedding is not None:
            labels = self.layout.labels(sample.device) if labels is None else labels
            emb = emb + self.class_embedding(labels).to(emb.dtype)
        kwargs = {"encoder_hidden_states": context, "cross_attention_kwargs": attention_kwargs}
        hint = self.controlnet_cond_embedding(pose)
        if len(hint) != len(sample):
            hint = self.layout.whole([hint] * self.layout.modalities)
        x = self.conv_in(sample) + hint
        skips = [x]
        for block in self.down_blocks:
            x, more = block(x, emb, **(kwargs if getattr(block, "attentions", None) else {}))
            skips += more
        x = self.mid_block(x, emb, **kwargs)
        down = [zero(skip) for skip, zero in zip(skips, self.controlnet_down_blocks, strict=True)]
        return down, self.controlnet_mid_block(x)

    def reset_output(self) -> None:
        """Random output layers in place of zeros, beside a U-Net that is trained from nothing: zeros would delay it."""
        for layer in (*self.controlnet_down_blocks, self.controlnet_mid_block, self.controlnet_cond_embedding.conv_out):
            layer.reset_parameters()

    @classmethod
    def copied_from(cls, unet) -> "PoseControlNet":
        """A new ControlNet: the encoder of a U-Net with its temporal layers; its residuals are zero until it is trained."""
        net = cls(unet.video)
        state = {name: value for name, value in unet.state_dict().items() if name.split(".")[0] in SHARED}
        state = {name: value for name, value in state.items() if not any(part in name for part in LACKED)}
        if not net.video.label:
            state.pop("class_embedding.weight", None)
        missing, unexpected = net.load_state_dict(state, strict=False)
        new = ("controlnet_", "class_embedding")
        assert not unexpected and all(name.startswith(new) for name in missing), (missing, unexpected)
        return net
