"""A pose as pictures of a body: which part is seen where, and how far away."""

from comfy_api.latest import io

from ...models.choices import DEPTH_TYPES
from ..host.types import DA3Geometry, MoGeGeometry, PoseKeypoint

CATEGORY = "Duet/pose"


class MotionCode(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetMotionCode",
            display_name="Motion Code",
            category=CATEGORY,
            description="Turns keypoints into pictures of a body in space: every point in the colour of its place on a "
            "standard body, with depth and outline. Unlike a stick figure it says which arm is in front. Models that were "
            "trained on other body pictures, such as those of SMPL, need pictures of that kind instead.",
            search_aliases=["part code", "densepose", "IUV", "SMPL", "MIMO", "3d pose", "body render", "capsule body"],
            inputs=[
                PoseKeypoint.Input(
                    "keypoints", tooltip="The pose of one person by any detector; the first person of each frame counts."
                ),
                io.Int.Input("width", default=0, min=0, max=8192, step=8, tooltip="Width of the pictures; 0 as detected."),
                io.Int.Input("height", default=0, min=0, max=8192, step=8, tooltip="Height of the pictures; 0 as detected."),
                io.Combo.Input(
                    "source", options=list(DEPTH_TYPES), default=DEPTH_TYPES[0],
                    tooltip="What the numbers of a depth picture mean. Geometry is always a distance.",
                ),
                io.MultiType.Input(
                    "depth", types=[io.Image, DA3Geometry, MoGeGeometry], optional=True,
                    tooltip="Depth of the same frames. It says whether a limb leans towards the camera or away; without it "
                    "the body is flat.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="code", tooltip="Each point of the body in the colour of its place; black around it."
                ),
                io.Image.Output(display_name="depth", tooltip="The depth of the body, near is white, black around it."),
                io.Mask.Output(display_name="silhouette", tooltip="The whole body, whatever stands before it."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, keypoints, width, height, source, depth=None) -> io.NodeOutput:
        from ...models.character.posed import posed
        from ...models.pose.formats import parse
        from ..inputs.depth import as_image

        first = parse(keypoints)[0]
        size = (height or first.height, width or first.width)
        motion = posed(keypoints, near_frames(depth, source, len(keypoints), size), *size)
        code, plane, silhouette = motion_clip(motion)
        return io.NodeOutput(code, as_image(plane), silhouette)


def near_frames(depth, source: str, frames: int, size: tuple[int, int]):
    """A function from a frame to its nearness (H, W), or None without depth."""
    from ...models.layers.layers import nearness
    from ..inputs import clips

    if depth is None:
        return None
    plane, source = clips.depth(depth, source, frames)
    return lambda index: nearness(plane[index], source, size)


def motion_clip(motion):
    """Code (N, H, W, 3), depth (N, H, W) with near white in one range, and silhouette (N, H, W) of a clip."""
    import torch

    from ...models.character.motion_code import render_motion
    from ..host.progress import progress

    frames, camera = len(motion.present), motion.camera
    shape, report = (frames, camera.height, camera.width), progress(frames)
    code, depth, silhouette = torch.zeros(*shape, 3), torch.zeros(shape), torch.zeros(shape)
    for index in range(frames):
        one = render_motion(motion, slice(index, index + 1))
        code[index], silhouette[index] = one.code[0], one.silhouette[0]
        depth[index] = torch.where(one.depth[0] > 0, 1 / one.depth[0].clamp_min(1e-6), 0.0)
        report(index + 1)
    inside = [plane[plane > 0].aminmax() for plane in depth if (plane > 0).any()]
    if inside:
        low, high = min(low for low, _ in inside), max(high for _, high in inside)
        for plane in depth:  # the far end stays above the black around the body
            plane.copy_(torch.where(plane > 0, 0.1 + 0.9 * (plane - low) / (high - low).clamp_min(1e-9), 0.0))
    return code, depth, silhouette
