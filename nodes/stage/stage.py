"""The synthetic stage as a node: one clip with the truth about everything in it."""

import torch
from comfy_api.latest import io

from ...models.choices import ACTIONS, CAMERAS, STYLES
from ..host.types import DA3Geometry, Flow, PoseKeypoint

FROM_SEED = "from seed"


def geometry(clip, scene) -> dict:
    """DA3_GEOMETRY in metres with the stage's own camera, so that the host's 3-D nodes can use it."""
    view = scene.view()
    cx, cy = view.centre
    intrinsics = clip.depth.new_tensor([[view.focal, 0, cx], [0, view.focal, cy], [0, 0, 1]])
    shift = -view.rotation @ view.position[..., None]
    return {
        "depth": clip.depth,
        "image": clip.rgb,
        "mode": "multiview",
        "intrinsics": intrinsics.expand(1, scene.frames, 3, 3),
        "extrinsics": torch.cat((view.rotation, shift), -1)[None],
    }


def flow(clip) -> dict:
    """DUET_FLOW of a clip."""
    names = ("forward", "forward_valid", "backward", "backward_valid")
    return {name: getattr(clip, name).float() for name in names}


class RenderStageClip(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        follow = {"default": -1, "min": -1, "max": 0xFFFFFFFF, "step": 1}
        return io.Schema(
            node_id="DuetRenderStageClip",
            display_name="Render Stage Clip",
            category="Duet/stage",
            description="Renders a figure that acts in a room while objects pass, with the exact depth, pose, masks, "
            "layers and flow of every frame. Needs no model: use it to try a graph, to compare depth and pose "
            "estimators with the truth, or as training data. The same seed gives the same pixels.",
            search_aliases=["synthetic clip", "ground truth", "test video", "capsule figure", "dancing figure"],
            inputs=[
                io.Int.Input(
                    "seed", default=0, min=0, max=0xFFFFFFFF, step=1, control_after_generate=True,
                    tooltip="Draws everything that is not chosen below: person, action, room, objects and camera.",
                ),
                io.Int.Input("width", default=512, min=64, max=2048, step=8, tooltip="Width of the clip in pixels."),
                io.Int.Input("height", default=512, min=64, max=2048, step=8, tooltip="Height of the clip in pixels."),
                io.Int.Input("frames", default=24, min=1, max=1024, step=1, tooltip="How many frames to render."),
                io.Float.Input(
                    "fps", default=12.0, min=1.0, max=120.0, step=1.0,
                    tooltip="Frames a second. More frames a second make the motion between two frames smaller.",
                ),
                io.Combo.Input(
                    "action", options=[FROM_SEED, *ACTIONS], default="dance",
                    tooltip="What the figure does.",
                ),
                io.Int.Input(
                    "character", **follow,
                    tooltip="Who acts: each number is another person. -1 lets the seed choose. "
                    "Change only this to see the same motion danced by somebody else.",
                ),
                io.Int.Input(
                    "motion", **follow,
                    tooltip="Which variant of the action: speed, side and rhythm. -1 lets the seed choose.",
                ),
                io.Int.Input("room", **follow, tooltip="Which room, and which objects pass. -1 lets the seed choose."),
                io.Int.Input(
                    "objects", default=1, min=-1, max=3, step=1,
                    tooltip="How many objects cross the stage; the first passes in front of the figure, the second "
                    "behind it. -1 lets the seed choose.",
                ),
                io.Combo.Input(
                    "camera", options=list(CAMERAS), default="still",
                    tooltip="still stays put, sway turns from side to side, dolly moves in and out, orbit goes around.",
                ),
                io.Combo.Input(
                    "style", options=list(STYLES), default="natural",
                    tooltip="Look of the picture; depth, pose, masks and flow stay the same in every style.",
                ),
                io.Boolean.Input(
                    "smooth_edges", default=True,
                    tooltip="On: soft edges, masks with values between 0 and 1. Off: hard edges, masks of 0 and 1 only.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="video", tooltip="The clip."),
                io.Image.Output(
                    display_name="depth",
                    tooltip="Inverse depth, near is white, one range for the whole clip, as depth ControlNets expect.",
                ),
                io.Image.Output(display_name="pose", tooltip="OpenPose picture for pose ControlNets."),
                PoseKeypoint.Output(display_name="keypoints", tooltip="The 18 body joints of every frame."),
                io.Mask.Output(display_name="human", tooltip="What is seen of the figure."),
                io.Mask.Output(display_name="occluder", tooltip="What is seen of objects before the figure."),
                io.Mask.Output(display_name="scene", tooltip="Everything else. The three masks add up to 1."),
                io.Mask.Output(display_name="whole_human", tooltip="The figure as if nothing stood before it."),
                io.Image.Output(display_name="plate", tooltip="The empty room: the clean background."),
                io.Image.Output(display_name="figure", tooltip="The whole figure alone on grey."),
                io.Image.Output(display_name="character_picture", tooltip="The person in A-pose on grey, one picture."),
                io.Image.Output(
                    display_name="parts",
                    tooltip="Part code: each point of the body in the colour of its place on a standard body in A-pose.",
                ),
                DA3Geometry.Output(
                    display_name="geometry",
                    tooltip="Depth in metres with the camera, for Normalize Depth Clip and the 3-D nodes of ComfyUI.",
                ),
                Flow.Output(display_name="flow", tooltip="Exact motion of every pixel to the next frame and back."),
                io.String.Output(display_name="caption", tooltip="One sentence that describes the clip."),
                io.String.Output(display_name="action_name", tooltip="The action that the figure does."),
                io.Float.Output(display_name="frame_rate", tooltip="Frames a second, for Create Video."),
                PoseKeypoint.Output(
                    display_name="character_keypoints",
                    tooltip="The joints in the character picture, for Align Pose to Character.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, seed, width, height, frames, fps, action, character, motion, room, objects, camera, style, smooth_edges
    ) -> io.NodeOutput:
        from ...models.depth.range import normalize_clip
        from ...models.stage import character_keypoints, render, render_character, sample_scene
        from ..host.progress import progress

        given = lambda value: None if value in (-1, FROM_SEED) else value
        scene = sample_scene(
            seed, frames=frames, height=height, width=width, fps=fps, action=given(action), camera=camera, style=style,
            character_seed=given(character), motion_seed=given(motion), room_seed=given(room), objects=given(objects),
        )  # fmt: skip
        samples = 2 if smooth_edges else 1
        clip = render(scene, samples, progress(frames))
        depth = normalize_clip(clip.depth, depth_type="distance", depth_scale="inverse")[0]
        return io.NodeOutput(
            clip.rgb, depth[..., None].repeat(1, 1, 1, 3), clip.pose, clip.keypoints,
            clip.human, clip.occluder, clip.scene, clip.whole_human,
            clip.plate, clip.figure, render_character(scene, samples)[0], clip.surface,
            geometry(clip, scene), flow(clip), clip.caption, clip.action, fps, character_keypoints(scene),
        )  # fmt: skip
