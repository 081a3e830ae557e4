"""Pictures as they come back from a lossy file."""

import io

import av
import numpy as np
import torch
from PIL import Image
from torch import Tensor


def jpeg(images: Tensor, quality: int) -> Tensor:
    """(N, H, W, 3), each from a JPEG of its own."""
    return torch.stack([one_jpeg(frame, quality) for frame in images])


def one_jpeg(frame: Tensor, quality: int) -> Tensor:
    file = io.BytesIO()
    Image.fromarray(bytes_of(frame)).save(file, "JPEG", quality=quality)
    return torch.from_numpy(np.array(Image.open(file))).float() / 255


def h264(images: Tensor, crf: int) -> Tensor:
    """(N, H, W, 3) from one H.264 video of 4:2:0."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as video:
        stream = video.add_stream("libx264", rate=8, options={"crf": str(crf)})
        stream.height, stream.width, stream.pix_fmt = *images.shape[1:3], "yuv420p"
        stream.codec_context.thread_count = 1
        for frame in images:
            video.mux(stream.encode(av.VideoFrame.from_ndarray(bytes_of(frame), format="rgb24")))
        video.mux(stream.encode())
    file.seek(0)
    with av.open(file) as video:
        frames = [torch.from_numpy(frame.to_ndarray(format="rgb24")) for frame in video.decode(video=0)]
    return torch.stack(frames).float() / 255


def bytes_of(frame: Tensor) -> np.ndarray:
    return (frame.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
