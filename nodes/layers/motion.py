"""A mask without a model: what moves in front of a still camera."""

from comfy_api.latest import io

from ..inputs.memory import check_clip_memory
from ..inputs.video import clip_input
from .decompose import CATEGORY


class MaskByMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetMaskByMotion",
            display_name="Mask by Motion (Still Camera)",
            category=CATEGORY,
            description="Makes a mask of what moves in a clip from a still camera, without any model file, and a picture of "
            "the empty scene. Noise and changes of exposure are measured in the clip. Shadows that move are part of the mask.",
            search_aliases=[
                "motion mask", "moving object", "moving person", "background subtraction", "difference matte", "clean plate",
                "empty scene", "static camera", "tripod", "locked camera", "remove person", "person mask", "rotoscope", "matte",
                "foreground mask",
            ],
            inputs=[
                clip_input(
                    "images", tooltip="The frames of a clip from a still camera, 8 or more. What should be masked must leave its place."
                ),
                io.Float.Input(
                    "sensitivity", default=0.5, min=0.0, max=1.0, step=0.05,
                    tooltip="How small a difference from the scene counts, from 0 to 1. Raise it if parts are missing in the "
                    "mask, lower it if places that do not move are in it.",
                ),
                io.Float.Input(
                    "min_size_percent", default=0.05, min=0.0, max=100.0, step=0.01,
                    tooltip="Percent of the picture that a piece of the mask has at least; smaller ones are removed. Raise it "
                    "if the mask has specks.",
                ),
                io.Boolean.Input(
                    "largest_only", default=False,
                    tooltip="On: only the subject that covers most of the picture in the course of the clip. Off: everything "
                    "that moves.",
                ),
                io.Int.Input(
                    "grow_mask", default=2, min=-64, max=64, step=1,
                    tooltip="Pixels by which the mask grows; a negative number makes it smaller. Raise it if a rim of the "
                    "subject stays visible after removal.",
                ),
            ],
            outputs=[
                io.Mask.Output(display_name="mask", tooltip="White where something moves, one mask for each frame."),
                io.Image.Output(
                    display_name="scene", tooltip="The scene without what moves, one picture: the median of the frames."
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="How much moves, and a warning if the camera moves, if the subject hardly leaves its place, or if "
                    "there are few frames.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, images, sensitivity, min_size_percent, largest_only, grow_mask) -> io.NodeOutput:
        from ...models.layers.motion_mask import MotionSettings, motion_masks
        from ...models.layers.motion_report import motion_report
        from ...models.layers.still_scene import still_scene
        from ..host.progress import progress
        from ..inputs import checks, clips

        check_clip_memory("Mask by Motion", images, 1.5, for_one=48)
        images = clips.pictures(images)
        checks.several_frames(images, "Mask by Motion")
        frames = len(images)
        report = progress(3 * frames)
        scene = still_scene(images, report)
        settings = MotionSettings(sensitivity, min_size_percent / 100, grow_mask, largest_only)
        masks = motion_masks(images, scene, settings, lambda done: report(2 * frames + done))
        return io.NodeOutput(masks, scene.picture[None], "\n".join(motion_report(images, scene, masks)))
