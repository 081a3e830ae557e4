"""The exact depth, pose, masks, layers and flow of a stage clip."""

import torch
from comfy_api.latest import io

from ..host.types import DA3Geometry, Flow, PoseKeypoint, Stage

OUTPUTS = (
    7  # float32 numbers a pixel of the outputs that are made of a test video's own: grey depth and where flow is valid
)


def depth_images(clip) -> torch.Tensor:
    """(F, H, W, 3) inverse depth, near is white, in one range for the clip."""
    from ...models.depth.range import normalize_clip
    from ..host.progress import stop_if_cancelled

    how = {"depth_type": "distance", "depth_scale": "inverse", "report": lambda done: stop_if_cancelled()}
    depth = normalize_clip(clip.depth, **how)[0]
    return depth[..., None].repeat(1, 1, 1, 3)


def geometry(clip) -> dict:
    """DA3_GEOMETRY in metres with the stage's own camera, as the host's 3-D nodes read it: its world has y down."""
    view = clip.camera
    cx, cy = view.centre
    intrinsics = clip.depth.new_tensor([[view.focal, 0, cx], [0, view.focal, cy], [0, 0, 1]])
    shift = -view.rotation @ view.position[..., None]
    return {
        "depth": clip.depth,
        "image": clip.rgb,
        "mode": "multiview",
        "intrinsics": intrinsics.expand(1, clip.scene.frames, 3, 3),
        "extrinsics": torch.cat((view.rotation * view.rotation.new_tensor([1, -1, -1]), shift), -1)[None],
    }


def flow(clip) -> dict:
    """DUET_FLOW of a clip."""
    names = ("forward", "forward_valid", "backward", "backward_valid")
    return {name: getattr(clip, name).float() for name in names}


class GroundTruth(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetTestVideoTruth",
            display_name="Test Video Ground Truth",
            category="Duet/test videos",
            description="Gives the exact depth, pose, masks, layers, body and flow of a clip from Render Test Video. Compare "
            "depth, pose, mask and flow estimates with them, or use them as perfect inputs of a workflow.",
            search_aliases=[
                "ground truth", "exact depth", "true depth", "perfect mask", "person mask", "test clip", "synthetic clip",
                "exact flow", "true pose", "reference depth", "stage truth",
            ],
            inputs=[Stage.Input("test_video", tooltip="The rendered scene, from Render Test Video.")],
            outputs=[
                io.Image.Output(
                    display_name="depth",
                    tooltip="Inverse depth, near is white, in one range for the whole clip, as depth ControlNets expect.",
                ),
                DA3Geometry.Output(
                    display_name="geometry",
                    tooltip="Depth in metres with the camera, for Normalize Depth and the 3-D nodes of ComfyUI.",
                ),
                io.Image.Output(display_name="pose", tooltip="OpenPose pictures, for pose ControlNets."),
                PoseKeypoint.Output(display_name="keypoints", tooltip="The 18 body joints of every frame."),
                io.Mask.Output(display_name="person_mask", tooltip="The visible part of the person."),
                io.Mask.Output(
                    display_name="occluder_mask", tooltip="The visible part of the objects in front of the person.",
                ),
                io.Mask.Output(
                    display_name="scene_mask",
                    tooltip="Everything else. The person, occluder and scene masks add up to 1.",
                ),
                io.Mask.Output(
                    display_name="whole_person_mask", tooltip="The whole person, also behind the objects in front.",
                ),
                io.Image.Output(display_name="scene", tooltip="The empty room: the clip without person and objects."),
                io.Image.Output(display_name="person", tooltip="The whole person alone on grey."),
                io.Image.Output(
                    display_name="character", tooltip="One picture of the person in A-pose on grey, without a mask.",
                ),
                PoseKeypoint.Output(
                    display_name="character_keypoints",
                    tooltip="The joints in the character picture, for Align Pose to Character.",
                ),
                io.Image.Output(
                    display_name="body",
                    tooltip="Every point of the body in the colour of its place on a standard body, as Draw Body for "
                    "Character Swap draws it.",
                ),
                Flow.Output(display_name="flow", tooltip="Exact motion of every pixel to the next frame and back."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, test_video) -> io.NodeOutput:
        from ...models.stage.clip import GROUPS
        from ..host.memory import bytes_of, check_memory
        from ..host.progress import progress

        scene = test_video.scene
        outputs = bytes_of(scene.frames, scene.height, scene.width, copies=OUTPUTS)
        what = f"The ground truth of {scene.frames} frames of {scene.width} x {scene.height}"
        check_memory(test_video.bytes_needed(*GROUPS) + outputs, what, "render a smaller or shorter test video")
        clip = test_video.compute(*GROUPS, report=progress(len(GROUPS) * scene.frames))
        return io.NodeOutput(
            depth_images(clip), geometry(clip), clip.pose, clip.keypoints, clip.person_mask, clip.occluder_mask,
            clip.scene_mask, clip.whole_person_mask, clip.scene_images, clip.person_images, clip.character,
            clip.character_keypoints, clip.body, flow(clip),
        )  # fmt: skip
