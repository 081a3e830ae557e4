"""The flow autoencoder under the host's memory management; pictures are the host's, channels last.

Letters: N frames, H and W pixels, h and w of the flow (a quarter of them).
"""

from collections.abc import Callable

import comfy.model_management as memory
import comfy.model_patcher
import torch
from comfy.patcher_extension import CallbacksMP
from torch import Tensor

from ....models.flow.fields import Field, from_grid, to_grid
from ....models.lfdm.autoencoder import Encoded, FlowAutoencoder
from ....models.lfdm.inference import AutoencoderInference, check_picture, frames_at_once
from ..memory import CPU, bytes_of, check_memory

Report = Callable[[int], None]
ENCODING, RENDERING = 6, 6  # tensors as large as the first layer's output that a network holds at its peak, measured


class Kept:
    """The picture that was encoded last, until the host unloads the network that encoded it."""

    def __init__(self):
        self.encoded: Encoded | None = None

    def clear(self, patcher, unload: bool) -> None:
        """The host's callback when it detaches a network; before it loads one again it does so without an unload."""
        if unload:
            self.encoded = None


class HostAutoencoder:
    def __init__(self, network: FlowAutoencoder):
        self.inference = AutoencoderInference(network)
        self.patcher = comfy.model_patcher.ModelPatcher(
            network, load_device=memory.vae_device(), offload_device=memory.vae_offload_device()
        )
        self.last = Kept()
        self.patcher.add_callback(CallbacksMP.ON_DETACH, self.last.clear)

    @property
    def config(self):
        return self.inference.config

    def to_device(self, pictures: Tensor) -> Tensor:
        """(N, H, W, 3) to (N, 3, H, W) on the network's device; it is loaded whole, since its layers are torch's own."""
        size = pictures.shape[1:3]
        widest = self.config.width * size.numel() * 4
        memory.load_models_gpu([self.patcher], memory_required=6 * frames_at_once(*size) * widest, force_full_load=True)
        self.patcher.model.to(self.patcher.load_device)  # --novram does not load what it cannot stream
        return pictures.movedim(-1, 1).to(self.patcher.load_device, torch.float32).contiguous()

    def encode(self, pictures: Tensor) -> Encoded:
        """(N, H, W, 3) to features of every size; those of the last call are kept, so one picture is encoded once."""
        pictures = self.to_device(pictures)
        if self.last.encoded is None or not same(self.last.encoded.picture, pictures):
            self.last.encoded = self.inference.encode(pictures)
        return self.last.encoded

    def features(self, picture: Tensor) -> Tensor:
        """(N, H, W, 3) to the condition of a flow model, (N, C, h, w), on the device of conditionings."""
        self.check_room(picture)
        return self.encode(picture).features.to(memory.intermediate_device())

    def render(self, picture: Tensor, field: Field, report: Report) -> Tensor:
        """(1, H, W, 3) and a field (N, h, w) of the features' size to the clip (N, H, W, 3)."""
        self.check_room(picture, len(field.valid))
        source, done = self.encode(picture), 0
        out = torch.empty(len(field.valid), *picture.shape[1:], device=memory.intermediate_device())
        for piece in self.inference.render(source, *(part.to(source.picture) for part in to_grid(field))):
            out[done : done + len(piece)] = piece.movedim(1, -1)
            report(done := done + len(piece))
        return out

    def check_room(self, pictures: Tensor, frames: int = 0) -> None:
        """Refuses to encode (N, H, W, 3) pictures and render a number of frames where both need more than is free."""
        height, width = pictures.shape[1:3]
        needed = bytes_of(frames, height, width, 3)
        if self.patcher.load_device == CPU:  # elsewhere the host makes room for the network itself
            needed += bytes_of(len(pictures), height, width, self.config.width, copies=ENCODING)
            needed += bytes_of(
                min(frames, frames_at_once(height, width)), height, width, self.config.width, copies=RENDERING
            )
        what = f"Rendering {frames} frames of" if frames else f"Encoding {len(pictures)} pictures of"
        check_memory(needed, f"{what} {width} x {height}", "use a smaller still image, or fewer frames")

    def estimate(self, picture: Tensor, clip: Tensor, report: Report) -> Field:
        """(1, H, W, 3) picture and (N, H, W, 3) frames to the field by which each frame is fetched from the picture."""
        source, fields, done = self.to_device(picture), [], 0
        for frames in clip.split(frames_at_once(*clip.shape[1:3])):
            grid, occlusion = self.inference.estimate(source, self.to_device(frames))
            fields.append(from_grid(grid, occlusion))
            report(done := done + len(frames))
        return joined(fields)

    @torch.no_grad()
    def estimate_pairs(self, sources: Tensor, drivings: Tensor, report: Report) -> Field:
        """(P, H, W, 3) twice to the field by which each driving picture is fetched from its source."""
        fields, done, piece = [], 0, frames_at_once(*sources.shape[1:3])
        for pair in zip(sources.split(piece), drivings.split(piece), strict=True):
            source, driving = (self.to_device(pictures) for pictures in pair)
            check_picture(driving, self.config.step, "the clip")
            motion = self.inference.network.estimate(source, driving)
            fields.append(from_grid(motion.grid, motion.occlusion))
            report(done := done + len(source))
        return joined(fields)


def same(first: Tensor, second: Tensor) -> bool:
    return first.shape == second.shape and first.device == second.device and torch.equal(first, second)


def joined(fields: list[Field]) -> Field:
    device = memory.intermediate_device()
    return Field(*(torch.cat(parts).to(device) for parts in zip(*fields, strict=True)))


def feature_size(autoencoder: HostAutoencoder, picture: Tensor) -> tuple[int, int]:
    """(h, w) of the flow of (N, H, W, 3) pictures; sizes that do not fit the autoencoder are refused."""
    picture = picture.movedim(-1, 1)
    check_picture(picture, autoencoder.config.shrink, "the still image")
    return picture.shape[-2] // autoencoder.config.shrink, picture.shape[-1] // autoencoder.config.shrink
