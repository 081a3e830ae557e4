"""The host's way of calling our networks: wrappers, residuals of its ControlNets, patches.

Letters: B latents of the batch, (k m f) = B as in models/pair/layout.py, F frames, N tokens, C channels.
"""

from functools import cache

import comfy.utils
import torch
from comfy.patcher_extension import WrapperExecutor, WrappersMP, get_all_wrappers
from torch import Tensor

from ....models.choices import MODALITIES
from ..character.conditioning import BODY, REFERENCE
from ..pair.boundary import MODALITY
from ..pair.given import HALF, LATENTS, with_given
from .patches import BlockPatches, block_patches


class HostCall:
    """The host's way of calling one of our networks; it precedes the network's class among the bases."""

    host_dtype = torch.float32

    @property
    def dtype(self) -> torch.dtype:
        return self.host_dtype  # not that of the first parameter, which may be streamed or patched

    def forward(self, x, timesteps, context=None, control=None, transformer_options=None, **kwargs) -> Tensor:
        options = transformer_options or {}
        wrappers = get_all_wrappers(WrappersMP.DIFFUSION_MODEL, options)
        executor = WrapperExecutor.new_class_executor(self.predict, self, wrappers)
        return executor.execute(x, timesteps, context, control, options, **kwargs)

    def predict(self, x, timesteps, context, control, transformer_options, duet_background=None, **conds) -> Tensor:
        alone = transformer_options.get(MODALITY)
        labels = None if alone is None else x.new_full(x.shape[:1], MODALITIES.index(alone), dtype=torch.long)
        chunks = len(transformer_options.get("cond_or_uncond", (0,)))
        if alone is None and LATENTS in conds:
            x, timesteps = with_given(x, timesteps, conds[LATENTS], conds[HALF], chunks)
        options = {**transformer_options, "original_shape": list(x.shape), "transformer_index": 0}
        with self.call_options.set(options):
            return super().forward(
                x,
                timesteps,
                context,
                chunks=chunks,
                modalities=None if alone is None else 1,
                labels=labels,
                background=duet_background,
                control=None if control is None else self.residuals(control, x.dtype),
                attention_kwargs={"transformer_options": options},
                **self.more(options, conds),
            )

    def more(self, options: dict, conds: dict) -> dict:
        """Arguments that only some networks take."""
        features = conds.get(REFERENCE)
        character = {"reference": None if features is None else features.chunks, "motion": conds.get(BODY)}
        return {"changes": block_patches(options, self.video), **character}

    def projected(self, tokens: Tensor, batch: int, alone: str | None) -> Tensor:
        """CLIP tokens (n, N, C) of the foreground as context."""
        return self.clip_proj(tokens)

    def residuals(self, control: dict, dtype: torch.dtype) -> dict:
        """The host's lists of a ControlNet (output, middle) and of a T2I-adapter (input, last level first)."""
        cast = lambda values: [0 if value is None else value.to(dtype) for value in values]
        out = {"levels": [c.to(dtype) for c in reversed(control.get("input") or []) if c is not None]}
        check_widths(out["levels"], self.video.block_out_channels, "T2I-adapter")
        if control.get("output"):
            out["down"] = cast(control["output"])
            check_widths(out["down"], self.skip_widths, "ControlNet")
        middle = cast(c for c in control.get("middle") or [] if c is not None)
        return out | ({"mid": middle[0]} if middle else {})


def check_widths(maps: list, widths: list[int] | tuple[int, ...], name: str) -> None:
    """Feature maps must be as many and as wide as those of the model; 0 stands for one that is left out."""
    came = [value.shape[1] if isinstance(value, Tensor) else width for value, width in zip(maps, widths, strict=False)]
    if maps and (len(maps) != len(widths) or came != list(widths)):
        kinds = lambda found: f"{len(found)} feature maps of {', '.join(map(str, dict.fromkeys(found)))} channels"
        given = [value.shape[1] for value in maps if isinstance(value, Tensor)]
        raise ValueError(
            f"The {name} gives {kinds(given)} but this model has {kinds(widths)}: use a {name} that was made for the same "
            "base model."
        )


class HostCallOfTwo(HostCall):
    """The same for two networks, each with half of the batch."""

    def more(self, options: dict, conds: dict) -> dict:
        return {}

    def changes(self, kwargs: dict) -> BlockPatches | None:
        """Each network runs the patches on its half."""
        return block_patches(kwargs["transformer_options"], self.video)

    def projected(self, tokens: Tensor, batch: int, alone: str | None) -> Tensor:
        """Each network has a projection of its own, so a pair gets tokens for each of its latents, (2F, N, C)."""
        if alone is not None:
            return self.streams[alone].clip_proj(tokens)
        halves = comfy.utils.repeat_to_batch_size(tokens, batch).chunk(2)
        return torch.cat([net.clip_proj(half) for net, half in zip(self.streams.values(), halves, strict=True)])

    def attention_kwargs(self, given: dict) -> list[dict]:
        """Patches read the shape of the network's input: (k f) C h w."""
        options = given["transformer_options"]
        latents, *rest = options["original_shape"]
        shape = [latents // len(MODALITIES), *rest]
        return [
            {"transformer_options": {**options, "original_shape": shape, MODALITY: modality}} for modality in MODALITIES
        ]


@cache
def host_unet_class(separate: bool = False) -> type:
    """VideoUNet, or two of them; built on first use, because diffusers takes half a second to import."""
    from ....models.baselines.separate import SeparateUNets
    from ....models.unet.network import VideoUNet

    if separate:
        return type("HostSeparateUNets", (HostCallOfTwo, SeparateUNets), {})
    return type("HostVideoUNet", (HostCall, VideoUNet), {})
