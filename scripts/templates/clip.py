"""A clip as an artist would bring it: a still camera, a figure that walks through the picture; nobody's footage."""

from fractions import Fraction
from pathlib import Path

import av
import torch

FRAMES, SIDE, RATE = 24, 320, 12
REACH = 0.75  # of the picture's width: how far the figure starts and ends from the middle


def walk_through(pack) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pictures (N, H, W, 3), the person's mask (N, H, W) and the empty scene (H, W, 3) of the clip."""
    scene = pack.sample_scene(104, frames=FRAMES, height=SIDE, width=SIDE, frame_rate=RATE, action="walk", objects=0)
    clip = pack.render(scene)
    empty = clip.scene_images[0]
    pictures, masks = [], []
    for index in range(FRAMES):
        move = round(SIDE * REACH * (2 * index / (FRAMES - 1) - 1))
        mask = shifted(clip.person_mask[index].float(), move)
        person = shifted(clip.rgb[index], move)
        pictures.append(torch.where(mask[..., None] > 0, person, empty))
        masks.append(mask)
    return torch.stack(pictures), torch.stack(masks), empty


def shifted(picture: torch.Tensor, columns: int) -> torch.Tensor:
    """A picture (H, W, ...) moved to the right, black where nothing comes."""
    result = torch.zeros_like(picture)
    if columns >= 0:
        result[:, columns:] = picture[:, : picture.shape[1] - columns]
    else:
        result[:, :columns] = picture[:, -columns:]
    return result


def enlarged(pictures: torch.Tensor, side: int = 640, frames: int = 72) -> torch.Tensor:
    """The clip (N, H, W, 3) as large and as long as templates take it from a longer one."""
    chosen = pictures[[i * len(pictures) // frames for i in range(frames)]].movedim(-1, 1)
    return torch.nn.functional.interpolate(chosen, (side, side), mode="bicubic").clamp(0, 1).movedim(1, -1)


def write_clip(path: Path, pictures: torch.Tensor, rate: int = RATE) -> None:
    """Writes pictures (N, H, W, 3) as H.264."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(rate))
        stream.height, stream.width = pictures.shape[1:3]
        stream.pix_fmt, stream.options = "yuv420p", {"crf": "16"}
        for picture in (pictures * 255).round().byte().numpy():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
