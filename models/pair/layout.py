"""The pair: one 4-D batch that holds F video frames and then F depth frames, and how a network cuts it.

Letters: k chunks (conditional, unconditional), m modalities, f or F frames, C channels, h and w latent pixels.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class ClipLayout:
    """How a batch is cut, (k m f): set once before a forward pass and read by every adapter in the network."""

    chunks: int = 1
    modalities: int = 1
    frames: int = 1
    still: bool = False  # training on single pictures: layers over time are skipped

    @property
    def clips(self) -> int:
        """Runs of frames that belong together in time: (k m)."""
        return self.chunks * self.modalities

    def cut(self, batch: int, chunks: int, modalities: int) -> None:
        """Cut a batch; what does not divide is refused with the numbers."""
        if batch == 0 or batch % (chunks * modalities):
            frames = "video frames and as many depth frames" if modalities == 2 else "frames"
            mend = "a pair from Empty Latent for Model" if modalities == 2 else "as many frames in every chunk"
            raise ValueError(
                f"The model got {batch} latents in {chunks} conditioning chunks, which cannot be cut into {frames}: "
                f"the count must divide by {chunks * modalities}. Give it {mend}."
            )
        self.chunks, self.modalities, self.frames = chunks, modalities, batch // (chunks * modalities)

    def labels(self, device=None) -> torch.Tensor:
        """(k m f) modality of each latent: 0 video, 1 depth."""
        return torch.arange(self.modalities, device=device).repeat_interleave(self.frames).repeat(self.chunks)

    @property
    def batch(self) -> int:
        """How many latents were cut: (k m f)."""
        return self.clips * self.frames

    def parts(self, x: Tensor) -> list[Tensor]:
        """(k m f) ... to (k f) ... of each modality."""
        cut = x.reshape(self.chunks, self.modalities, self.frames, *x.shape[1:])
        return [part.flatten(0, 1) for part in cut.unbind(1)]

    def whole(self, parts: list[Tensor]) -> Tensor:
        """(k f) ... of each modality back to (k m f) ..."""
        return torch.stack([part.unflatten(0, (self.chunks, self.frames)) for part in parts], 1).flatten(0, 2)


def join(video: Tensor, depth: Tensor) -> Tensor:
    """(F, C, h, w) video and depth to one batch (2F, C, h, w)."""
    if video.ndim != 4 or depth.ndim != 4:
        raise ValueError(
            "Video and depth are joined as batches of picture latents with 4 dimensions; "
            f"got {video.ndim} and {depth.ndim}. Encode both with a VAE for pictures."
        )
    if video.shape != depth.shape:
        raise ValueError(
            f"Video and depth must have the same frames, channels and size, but the video latent is {_size(video)} "
            f"and the depth latent is {_size(depth)}. Trim or resize one of them before joining."
        )
    if not video.shape[0]:
        raise ValueError("Video and depth have no frames: give at least one frame of each.")
    return torch.cat((video, depth.to(video)))


def split(pair: Tensor) -> tuple[Tensor, Tensor]:
    """One batch (2F, ...) to its video half and its depth half, (F, ...) each."""
    frames = pair_frames(pair)
    return pair[:frames], pair[frames:]


def pair_frames(pair: Tensor) -> int:
    """F of a batch of video frames followed by as many depth frames."""
    count = pair.shape[0]
    if count == 0 or count % 2:
        raise ValueError(
            f"A video-depth pair holds as many depth frames as video frames, so its count is even; got {count}. "
            "Join the two with Join Video and Depth."
        )
    return count // 2


def _size(latent: Tensor) -> str:
    frames, channels, height, width = latent.shape
    return f"{frames} frames of {channels} x {height} x {width}"
