"""The flow auto-encoder in the hands of the host's memory management; pictures are the host's, channels last.

Letters: N frames, H and W pixels, h and w of the flow (a quarter of them).
"""

from collections.abc import Callable

import comfy.model_management as memory
import comfy.model_patcher
import torch
from torch import Tensor

from ....models.flow.fields import Field, from_grid, to_grid
from ....models.lfdm.autoencoder import Encoded, FlowAutoencoder
from ....models.lfdm.codec import FlowCodec, check_picture, frames_at_once

Report = Callable[[int], None]


class HostCodec:
    def __init__(self, network: FlowAutoencoder):
        self.codec = FlowCodec(network)
        self.patcher = comfy.model_patcher.ModelPatcher(
            network, load_device=memory.vae_device(), offload_device=memory.vae_offload_device()
        )
        self.last: Encoded | None = None

    @property
    def config(self):
        return self.codec.config

    def ready(self, pictures: Tensor) -> Tensor:
        """(N, H, W, 3) to (N, 3, H, W) where the network is, which is loaded whole: its layers are torch's own."""
        size = pictures.shape[1:3]
        widest = self.config.width * size.numel() * 4
        memory.load_models_gpu([self.patcher], memory_required=6 * frames_at_once(*size) * widest, force_full_load=True)
        self.patcher.model.to(self.patcher.load_device)  # --novram leaves behind what it cannot stream
        return pictures.movedim(-1, 1).to(self.patcher.load_device, torch.float32).contiguous()

    def encode(self, pictures: Tensor) -> Encoded:
        """(N, H, W, 3) to features of every size; those of the last call are kept, so one picture is encoded once."""
        pictures = self.ready(pictures)
        if self.last is None or not same(self.last.picture, pictures):
            self.last = self.codec.encode(pictures)
        return self.last

    def features(self, picture: Tensor) -> Tensor:
        """(1, H, W, 3) to what a flow model is told of it, (1, C, h, w), where conditions wait."""
        return self.encode(picture).features.to(memory.intermediate_device())

    def render(self, picture: Tensor, field: Field, report: Report) -> Tensor:
        """(1, H, W, 3) and a field (N, h, w) of the features' size to the painted clip (N, H, W, 3)."""
        source, pieces, done = self.encode(picture), [], 0
        for piece in self.codec.render(source, *(part.to(source.picture) for part in to_grid(field))):
            pieces.append(piece.movedim(1, -1).to(memory.intermediate_device()))
            report(done := done + len(piece))
        return torch.cat(pieces)

    def estimate(self, picture: Tensor, clip: Tensor, report: Report) -> Field:
        """(1, H, W, 3) picture and (N, H, W, 3) frames to the field by which each frame is fetched from the picture."""
        source, fields, done = self.ready(picture), [], 0
        for frames in clip.split(frames_at_once(*clip.shape[1:3])):
            grid, occlusion = self.codec.estimate(source, self.ready(frames))
            fields.append(from_grid(grid, occlusion))
            report(done := done + len(frames))
        return joined(fields)

    @torch.no_grad()
    def estimate_pairs(self, sources: Tensor, drivings: Tensor, report: Report) -> Field:
        """(P, H, W, 3) twice to the field by which each driving picture is fetched from its source."""
        fields, done, piece = [], 0, frames_at_once(*sources.shape[1:3])
        for pair in zip(sources.split(piece), drivings.split(piece), strict=True):
            source, driving = (self.ready(pictures) for pictures in pair)
            check_picture(driving, self.config.step, "the clip")
            motion = self.codec.network.estimate(source, driving)
            fields.append(from_grid(motion.grid, motion.occlusion))
            report(done := done + len(source))
        return joined(fields)


def same(first: Tensor, second: Tensor) -> bool:
    return first.shape == second.shape and first.device == second.device and torch.equal(first, second)


def joined(fields: list[Field]) -> Field:
    device = memory.intermediate_device()
    return Field(*(torch.cat(parts).to(device) for parts in zip(*fields, strict=True)))


def feature_size(codec: HostCodec, picture: Tensor) -> tuple[int, int]:
    """(h, w) of the flow of (N, H, W, 3) pictures; sizes that the codec cannot take are refused."""
    picture = picture.movedim(-1, 1)
    check_picture(picture, codec.config.shrink, "the picture")
    return picture.shape[-2] // codec.config.shrink, picture.shape[-1] // codec.config.shrink
