"""A pose as pictures of a body in space."""

from comfy_api.latest import io

from ...models.choices import DEPTH_TYPES, KEYPOINT_SOURCES
from ..host.types import DA3Geometry, MoGeGeometry, PoseKeypoint
from ..inputs.memory import check_frames_memory
from ..inputs.video import clip_input

CATEGORY = "Duet/pose"
WORKSPACE = 30  # float32 numbers a pixel that the body of one frame is found with


class DrawBody(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetDrawBody",
            display_name="Draw Body for Character Swap",
            category=CATEGORY,
            description="Draws keypoints as pictures of a body in space, each point in the colour of its place on a standard "
            "body, with depth and outline. Unlike a stick figure they show which arm is in front. For Encode Character Swap.",
            search_aliases=[
                "motion code", "body render", "body pose", "3d pose", "densepose", "capsule body", "part code", "IUV", "SMPL",
                "character swap", "MIMO",
            ],
            inputs=[
                PoseKeypoint.Input(
                    "keypoints", tooltip="The pose of one person by any detector; the first person of each frame is drawn."
                ),
                clip_input(
                    "depth", DA3Geometry, MoGeGeometry, optional=True,
                    tooltip="Depth of the same frames, which gives whether a limb leans towards the camera or away from it. "
                    "Without it the body is flat.",
                ),
                io.Int.Input(
                    "width", default=0, min=0, max=8192, step=8, tooltip="Width of the pictures in pixels; 0 is that of the pose."
                ),
                io.Int.Input(
                    "height", default=0, min=0, max=8192, step=8,
                    tooltip="Height of the pictures in pixels; 0 is that of the pose.",
                ),
                io.Combo.Input(
                    "depth_type", options=list(DEPTH_TYPES), default=DEPTH_TYPES[0],
                    tooltip="What the numbers of a depth picture mean. Change it if limbs lean the wrong way. Geometry is "
                    "always a distance.",
                ),
                io.Combo.Input(
                    "keypoint_source", options=list(KEYPOINT_SOURCES), default=KEYPOINT_SOURCES[0], optional=True,
                    tooltip="Where the keypoints come from. detector: the body is as thick as its height asks for, the head is at the "
                    "detected face, and hidden limbs follow their neighbours in time. exact: joints without errors, as of test "
                    "videos; the body is as thick as its shoulders are wide.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="body",
                    tooltip="The body, each point in the colour of its place on a standard body; black around it.",
                ),
                io.Image.Output(display_name="body_depth", tooltip="The depth of the body, near is white; black around it."),
                io.Mask.Output(
                    display_name="body_mask", tooltip="The outline of the whole body, also where an object hides it."
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, keypoints, width, height, depth_type, depth=None, keypoint_source=KEYPOINT_SOURCES[0]
    ) -> io.NodeOutput:
        from ...models.pose.formats import as_clip, parse
        from ..inputs.depth import as_image

        first = parse(keypoints)[0]
        size = (height or first.height, width or first.width)
        check_frames_memory("Draw Body for Character Swap", len(as_clip(keypoints)), size, 6, for_one=WORKSPACE)
        near = frame_nearness(depth, depth_type, len(as_clip(keypoints)), size)
        body, plane, mask = render_clip(posed_body(keypoints, near, size, keypoint_source))
        return io.NodeOutput(body, as_image(plane), mask)


def posed_body(keypoints, near, size: tuple[int, int], keypoint_source: str):
    """The body of the first person, posed in a camera of (H, W)."""
    from ...models.character.from_detector import body_from_detector
    from ...models.character.from_keypoints import body_from_keypoints
    from ...models.choices import check_choice

    check_choice(keypoint_source, KEYPOINT_SOURCES)
    fit = body_from_detector if keypoint_source == KEYPOINT_SOURCES[0] else body_from_keypoints
    return fit(keypoints, near, *size)


def frame_nearness(depth, depth_type: str, frames: int, size: tuple[int, int]):
    """A function from a frame to its nearness (H, W), or None without depth."""
    from ...models.layers.layers import nearness
    from ..inputs import clips

    if depth is None:
        return None
    plane, depth_type = clips.depth(depth, depth_type, frames)
    return lambda index: nearness(plane[index], depth_type, size)


def render_clip(posed):
    """Body (N, H, W, 3), depth (N, H, W) with near white in one range, and mask (N, H, W) of a clip."""
    import torch

    from ...models.character.posed_body import render_body
    from ..host.progress import progress

    frames, camera = len(posed.present), posed.camera
    shape, report = (frames, camera.height, camera.width), progress(frames)
    body, depth, mask = torch.zeros(*shape, 3), torch.zeros(shape), torch.zeros(shape)
    for index in range(frames):
        one = render_body(posed, slice(index, index + 1))
        body[index], mask[index] = one.body[0], one.mask[0]
        depth[index] = torch.where(one.depth[0] > 0, 1 / one.depth[0].clamp_min(1e-6), 0.0)
        report(index + 1)
    inside = [plane[plane > 0].aminmax() for plane in depth if (plane > 0).any()]
    if inside:
        low, high = min(low for low, _ in inside), max(high for _, high in inside)
        for plane in depth:  # the far end stays above the black around the body
            plane.copy_(torch.where(plane > 0, 0.1 + 0.9 * (plane - low) / (high - low).clamp_min(1e-9), 0.0))
    return body, depth, mask
