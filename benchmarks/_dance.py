"""Metrics of the demo's model of video and depth on held-out clips of the stage."""

import statistics
from collections.abc import Callable

import _pack  # noqa: F401
from pack.models.depth.colormap import decode
from pack.models.depth.colormap import encode as heat
from pack.models.depth.range import normalize_clip
from pack.models.evaluate.metrics import depth_errors, edge_distance, psnr, silhouette
from pack.models.stage import render, render_character, sample_scene
from pack.models.stage.caption import describe
from torch import Tensor

SIZE, FRAMES, FPS = 128, 8, 8.0
AWAY = 0.12  # how far a pixel must be from the empty room, of 1, to belong to the silhouette
Roundtrip = Callable[[Tensor], Tensor]  # encodes and decodes (F, H, W, 3) pictures


def truth_of(seed: int, size: int = SIZE, frames: int = FRAMES, fps: float = FPS, **drawn) -> dict:
    """A clip below the seeds of training: pictures, depth, the person, the room and the pose; `drawn` fixes what it shows."""
    scene = sample_scene(seed, frames=frames, height=size, width=size, frame_rate=fps, objects=0, **drawn)
    clip = render(scene)
    inverse = normalize_clip(clip.depth, depth_type="distance", depth_scale="inverse")[0]
    # The empty room in the range of the clip.
    low, high = (1 / clip.depth).amin(), (1 / clip.depth).amax()
    empty = ((1 / clip.scene_depth - low) / (high - low)).clamp(0, 1)
    return {"video": clip.rgb, "depth": inverse, "empty": empty, "person": render_character(scene)[0], "room": clip.scene_images[:1],
            "pose": clip.pose, "mask": clip.person_mask, "caption": describe(scene)}  # fmt: skip


def score(video: Tensor, depth: Tensor, truth: dict, roundtrip: Roundtrip) -> dict[str, float]:
    """Video (F, H, W, 3) and depth (F, H, W) against the ground truth and a still picture.

    Silhouettes are what differs from the empty room after the auto-encoder, whose blur would count otherwise.
    """
    room, person = truth["room"], truth["mask"][:1, ..., None]
    empty = decode(roundtrip(heat(truth["empty"], "hot")), "hot")
    outlines = (silhouette(video, roundtrip(room), AWAY), silhouette(depth, empty, AWAY))
    still = room.lerp(truth["video"][:1], person)
    return {
        **depth_errors(depth, truth["depth"], truth["mask"]),
        "video_psnr": psnr(video, truth["video"]),
        "still_psnr": psnr(still, truth["video"]),
        "still_through_vae_psnr": psnr(roundtrip(still), truth["video"]),
        "video_to_depth_px": edge_distance(*outlines),
    }


def means(rows: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each figure over the clips that have one."""
    finite = {name: [row[name] for row in rows if row[name] == row[name]] for name in rows[0]}
    return {name: statistics.fmean(values) if values else float("nan") for name, values in finite.items()}
