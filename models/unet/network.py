"""The video U-Net of all systems: diffusers' 2-D U-Net, its names untouched, with the adapters that a config names.

The output of a newly inflated network is exactly that of the 2-D one, frame by frame; with sparse-causal attention, which
adds no weights, only for a clip of one frame. Letters as in pair/layout.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from ..character.guider import PoseGuider
from ..character.reference import Features, reference_features, remove_output, set_reference
from ..pair.layout import ClipLayout
from .attention.cross_modal import CrossModalAttention
from .attention.same_place import SamePlace
from .attention.shared_maps import SharedMaps
from .blocks import VideoTransformerBlock, copy_of_conv, inflate_block, norm_over_clip, pairs, zeros_like_conv
from .changes import Changes, add_residual, down_by_layers, store_skip, up_by_layers
from .config import MotionModules, Pair, VideoUNetConfig
from .motion_module import add_motion_modules
from .schedule import STEPS


@dataclass
class ForwardState:
    """A forward pass between two blocks: its features, what conditions them, and the skips for the up blocks."""

    x: Tensor
    emb: Tensor
    kwargs: dict
    control: dict
    skips: list[Tensor]
    changes: Changes | None = None
    sample: Tensor | None = None  # what the network was called with
    timestep: Tensor | None = None


class VideoUNet(UNet2DConditionModel):
    """(k m f) C h w noisy latents, times and context tokens to the prediction of the same shape."""

    def __init__(self, video: VideoUNetConfig):
        super().__init__(**video.base())
        self.video, self.layout = video, ClipLayout()
        for block in self.blocks():
            inflate_block(block, video, self.layout)
        if isinstance(video.temporal, MotionModules):
            add_motion_modules(self, video.temporal, video.norm_num_groups, self.layout)
        if video.pair is not None:
            self._add_pair_layers(video.pair)
        if video.label:
            nn.init.zeros_(self.class_embedding.weight)
        if video.background in ("conv", "zero"):
            self.conv_bg = copy_of_conv(self.conv_in) if video.background == "conv" else zeros_like_conv(self.conv_in)
        if video.tokens is not None:
            self.clip_proj = nn.Linear(video.token_width, video.cross_attention_dim, bias=False)
        self.readers = [block.attn1.processor for block in self.transformer_blocks()] if video.reference else []
        if video.reference:
            self.reference = remove_output(VideoUNet(video.reference_unet()))
        if video.motion_code:
            self.pose_guider = PoseGuider(video.block_out_channels[0], video.motion_code)

    def blocks(self) -> list[nn.Module]:
        """The blocks from the input to the output: nine in Stable Diffusion 1."""
        return [*self.down_blocks, self.mid_block, *self.up_blocks]

    def transformer_blocks(self) -> list[nn.Module]:
        """Those of this network, in the order of a forward pass."""
        inside = [module for block in self.blocks() for module in block.modules()]
        return [module for module in inside if isinstance(module, VideoTransformerBlock)]

    def read_reference(self, latents: Tensor, context: Tensor) -> list[Features]:
        """b C h w clean latents and b t c tokens of characters to the features of each that self-attention attends to."""
        return reference_features(self.reference, latents, context)

    @property
    def skip_widths(self) -> list[int]:
        """Channels of each feature map from the down blocks to the up blocks: a ControlNet gives a residual for each."""
        counts = [len(block.resnets) + len(block.downsamplers or ()) for block in self.down_blocks]
        widths = self.video.block_out_channels
        return [widths[0], *(width for width, count in zip(widths, counts, strict=True) for _ in range(count))]

    def _add_pair_layers(self, pair: Pair) -> None:
        """Add what lies between video and depth: attention and a projection at the end of blocks, shared maps in them."""
        chosen = {
            None: [],
            "all": self.blocks(),
            "deep": [*self.down_blocks[1:], self.mid_block, *self.up_blocks[:-1]],  # nowhere at full size
        }[pair.cross_modal and pair.cross_modal.where]
        for block in self.blocks():
            width = block.resnets[-1].out_channels
            end = block.resnets[-1] if block is self.mid_block else pairs(block)[-1]
            if block in chosen:
                block.cross_modal = CrossModalAttention(width, pair.cross_modal.width or width, self.layout)
                end.after.append(block.cross_modal)
            if pair.same_place:
                block.same_place = SamePlace(width, self.layout)
                end.after.append(block.same_place)
        if pair.shared_maps != "none":
            for block in self.transformer_blocks():
                block.attn2.set_processor(SharedMaps(pair.shared_maps, self.layout))

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
        changes: Changes | None = None,
        reference: list[Features | None] | None = None,
        motion: Tensor | None = None,
    ) -> Tensor:
        """Predict for a batch cut as (k m f).

        background (k m f) C h w latents; control holds residuals: "down" one for each skip, "mid", and "levels" one
        for each down block (T2I-adapters). changes may change features between layers (FreeU). reference is of read_reference,
        one for each chunk or None; motion (k m f) C0 h w features of the pose guider.
        """
        state = self.begin(
            sample, timestep, context, chunks, modalities, labels, background, control, attention_kwargs, changes,
            reference, motion,
        )  # fmt: skip
        for step in self.steps():
            step(state)
        return self.finish(state)

    def begin(
        self, sample, timestep, context, chunks=1, modalities=None, labels=None, background=None, control=None,
        attention_kwargs=None, changes=None, reference=None, motion=None,
    ) -> ForwardState:  # fmt: skip
        """Cut the batch, embed and enter: everything before the first block."""
        self.layout.cut(sample.shape[0], chunks, modalities or self.video.modalities)
        set_reference(self.readers, reference, chunks)
        emb = self.embed(sample, timestep, labels, changes)
        if self.video.tokens is not None and context.shape[-1] == self.video.token_width:
            context = self.clip_proj(context)
        kwargs = {"encoder_hidden_states": context, "cross_attention_kwargs": attention_kwargs}
        x = self.enter(sample, background)
        x = x if motion is None else x + motion
        state = ForwardState(x, emb, kwargs, control or {}, [], changes, sample, timestep)
        if changes is None:
            state.skips.append(x)
        else:
            store_skip(state)
        return state

    def steps(self) -> list[Callable[[ForwardState], None]]:
        """A call for each block, in order."""
        down = [partial(self.down, block, level) for level, block in enumerate(self.down_blocks)]
        return [*down, self.middle, *(partial(self.up, block) for block in self.up_blocks)]

    def down(self, block: nn.Module, level: int, state: ForwardState) -> None:
        levels = state.control.get("levels", ())
        residual = levels[level] if level < len(levels) else None
        if state.changes is not None:
            down_by_layers(block, state, residual)
            return
        if getattr(block, "attentions", None):
            state.x, more = block(state.x, state.emb, additional_residuals=residual, **state.kwargs)
        else:
            state.x, more = block(state.x, state.emb)
            if residual is not None:
                state.x = state.x + residual
                more = (*more[:-1], state.x)  # the skip carries it too, as in blocks with attention
        state.skips += more

    def middle(self, state: ForwardState) -> None:
        if "down" in state.control:
            state.skips = [add_residual(*both) for both in zip(state.skips, state.control["down"], strict=True)]
        state.x = self.mid_block(state.x, state.emb, **state.kwargs)
        if "mid" in state.control:
            state.x = add_residual(state.x, state.control["mid"])
        if state.changes is not None:
            state.x = state.changes.after_middle(state.x, state)

    def up(self, block: nn.Module, state: ForwardState) -> None:
        if state.changes is not None:
            up_by_layers(block, state)
            return
        count = len(block.resnets)
        state.skips, here = state.skips[:-count], tuple(state.skips[-count:])
        size = state.skips[-1].shape[2:] if state.skips else None
        more = state.kwargs if getattr(block, "attentions", None) else {}
        state.x = block(state.x, res_hidden_states_tuple=here, temb=state.emb, upsample_size=size, **more)

    def finish(self, state: ForwardState) -> Tensor:
        if not torch.is_grad_enabled():  # a backward pass may run the blocks once more
            set_reference(self.readers, None, self.layout.chunks)
        norm = self.conv_norm_out
        x = norm_over_clip(norm, state.x, self.layout) if self.video.group_norm == "clip" else norm(state.x)
        return self.conv_out(self.conv_act(x))

    def reset_label(self) -> None:
        """Random labels in place of zeros, for a network that is trained from nothing: zeros would delay it."""
        if self.class_embedding is not None:
            self.class_embedding.reset_parameters()

    def reset_depth_label(self) -> None:
        """A random label for the depth, as large as the embedding of the time; the video keeps the label zero."""
        with torch.no_grad():
            time = self.time_embedding(self.time_proj(torch.tensor([STEPS // 2])))
            self.class_embedding.weight[1].normal_(std=time.std().item())

    def embed(self, sample: Tensor, timestep: Tensor, labels: Tensor | None, changes: Changes | None = None) -> Tensor:
        """Time and modality as one vector for each latent: (k m f) 4 C0."""
        emb = self.time_embedding(self.get_time_embed(sample, timestep))
        emb = emb if changes is None else changes.embedding(emb)
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
