"""What the nodes of moving geometry share: how a clip becomes a surface.

Letters: N frames, H and W pixels.
"""

from comfy_api.latest import io
from torch import Tensor

from ..inputs.distance import distance_inputs, read_distances
from ..inputs.video import clip_input

CATEGORY = "Duet/geometry"
CAMERA_MOTIONS = ("auto", "still")


def clip_inputs() -> list:
    """The clip and its distances."""
    return [clip_input("images", tooltip="The clip, which gives the colors."), *distance_inputs()]


def shape_inputs() -> list:
    """How a frame becomes a surface."""
    return [
        io.Int.Input(
            "pixel_step", default=2, min=1, max=64, step=1,
            tooltip="Distance between two points in pixels. 1: a point for each pixel. 2: a quarter of the points and of the "
            "file.",
        ),
        io.Float.Input(
            "jump_threshold", default=0.05, min=0.0, max=10.0, step=0.005,
            tooltip="Neighboring pixels whose distances differ by more than this part are not connected: 0.05 is 5 %. Lower "
            "it where a surface stretches between a person and the wall behind, raise it where floors have holes.",
        ),
        io.Float.Input(
            "max_distance", default=0.0, min=0.0, max=1000000.0, step=0.1,
            tooltip="What is farther than this, in metres, is left out. 0: everything is kept.",
        ),
    ]  # fmt: skip


def late_inputs() -> list:
    """Further inputs, at the end of a node's list."""
    return [
        io.Combo.Input(
            "camera_motion", options=list(CAMERA_MOTIONS), default=CAMERA_MOTIONS[0], advanced=True,
            tooltip="How the camera moves. auto: as the geometry of Depth Anything 3 has it in its multi-view mode, else it "
            "stands still. still: the camera stays at the origin, and everything moves in front of it.",
        ),
        io.Mask.Input(
            "shape_mask", optional=True,
            tooltip="White where geometry is wanted, such as the person. One mask for the whole clip, or one for each frame.",
        ),
    ]  # fmt: skip


def read_clip(images: Tensor, depth, depth_type: dict, field_of_view: float, max_distance, camera_motion, shape_mask):
    """The inputs as a models.geometry.clip.ClipInSpace."""
    from ...models.geometry.clip import ClipInSpace
    from ..inputs import checks, clips

    images = clips.pictures(images)
    mask = None if shape_mask is None else clips.masks(shape_mask, "shape_mask", len(images))
    distances = read_distances(depth, depth_type, field_of_view)
    checks.same_frames(images=images, depth=distances.depth)
    checks.same_size(images=images, depth=distances.depth)
    camera = camera_of(depth, distances, camera_motion)
    return ClipInSpace(images.cpu(), distances.depth.cpu(), camera, max_distance, mask)


def camera_of(depth, distances, camera_motion: str):
    """The camera of every frame: posed where the geometry has poses, else still."""
    from ...models.geometry.view import posed_camera, still_camera

    frames, height, width = distances.depth.shape
    poses = depth.get("extrinsics") if isinstance(depth, dict) and camera_motion == CAMERA_MOTIONS[0] else None
    if not isinstance(poses, Tensor):
        return still_camera(frames, distances.focal, height, width)
    poses = poses.reshape(-1, *poses.shape[-2:]).cpu()
    if len(poses) != frames or not poses.isfinite().all():
        raise ValueError(
            f"depth: expected finite camera poses of {frames} frames, got {len(poses)} of which "
            f"{int((~poses.isfinite()).flatten(1).any(1).sum())} are not finite: set camera_motion to still."
        )
    return posed_camera(poses, distances.focal, height, width)
