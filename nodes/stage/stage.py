"""The synthetic stage: a clip that needs no model."""

from comfy_api.latest import io

from ...models.choices import ACTIONS, CAMERAS, STYLES
from ..host.types import Stage

AUTO = "auto"


class RenderTestVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        from_seed = {"default": -1, "min": -1, "max": 0xFFFFFFFF, "step": 1}
        return io.Schema(
            node_id="DuetRenderTestVideo",
            display_name="Render Test Video",
            category="Duet/test videos",
            description="Renders a test clip of a person who acts in a room while objects pass, without any model. Its exact "
            "depth, pose, masks, layers and flow come from Test Video Ground Truth. The same seed gives the same pixels.",
            search_aliases=[
                "test clip", "test video", "synthetic clip", "synthetic video", "example video", "sample clip",
                "dancing person", "stage", "ground truth", "dummy video", "demo clip", "stage clip",
            ],
            inputs=[
                io.Int.Input(
                    "seed", default=0, min=0, max=0xFFFFFFFF, step=1, control_after_generate=True,
                    tooltip="Seed of everything below that is auto or -1, and of the path of the camera.",
                ),
                io.Int.Input("width", default=512, min=64, max=2048, step=8, tooltip="Width of the clip in pixels."),
                io.Int.Input("height", default=512, min=64, max=2048, step=8, tooltip="Height of the clip in pixels."),
                io.Int.Input("frames", default=24, min=1, max=1024, step=1, tooltip="Number of frames of the clip."),
                io.Float.Input(
                    "frame_rate", default=12.0, min=1.0, max=120.0, step=1.0,
                    tooltip="Frames per second. Raise it for smaller motion between two frames.",
                ),
                io.Combo.Input(
                    "action", options=[AUTO, *ACTIONS], default="dance",
                    tooltip="Action of the person. auto: from the seed.",
                ),
                io.Int.Input(
                    "character_seed", **from_seed,
                    tooltip="Seed of the person: looks, clothes and build. -1: from the seed. Change only this seed "
                    "for the same motion of another person.",
                ),
                io.Int.Input(
                    "motion_seed", **from_seed, advanced=True,
                    tooltip="Seed of the variant of the action: speed, side and rhythm. -1: from the seed.",
                ),
                io.Int.Input(
                    "room_seed", **from_seed, advanced=True,
                    tooltip="Seed of the room and its passing objects. -1: from the seed.",
                ),
                io.Int.Input(
                    "object_count", default=1, min=-1, max=3, step=1, advanced=True,
                    tooltip="Number of objects that cross the scene: the first and the third in front of the person, the "
                    "second behind. -1: from the seed.",
                ),
                io.Combo.Input(
                    "camera", options=list(CAMERAS), default="still", advanced=True,
                    tooltip="Motion of the camera. still: none; sway: turns from side to side; dolly: moves in and out; "
                    "orbit: moves around the person.",
                ),
                io.Combo.Input(
                    "style", options=list(STYLES), default="natural", advanced=True,
                    tooltip="Light and colours of the pictures. Depth, pose, masks and flow are the same in every style.",
                ),
                io.Boolean.Input(
                    "smooth_edges", default=True, advanced=True,
                    tooltip="Soft edges, and masks with values between 0 and 1. Turn it off for hard edges and masks of "
                    "0 and 1 only.",
                ),
                *nuisance_inputs(),
            ],
            outputs=[
                io.Image.Output(display_name="images", tooltip="The clip."),
                Stage.Output(display_name="test_video", tooltip="The rendered scene, for Test Video Ground Truth."),
                io.String.Output(
                    display_name="caption",
                    tooltip="One sentence that describes the clip, in the words that the small demo models are trained on.",
                ),
                io.String.Output(display_name="action", tooltip="Name of the action."),
                io.Float.Output(display_name="frame_rate", tooltip="Frames per second, for Create Video."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, seed, width, height, frames, frame_rate, action, character_seed, motion_seed, room_seed, object_count,
        camera, style, smooth_edges, sensor_noise=0.0, exposure_change=0.0, camera_shake=0.0, shadow_strength=0.0,
    ) -> io.NodeOutput:  # fmt: skip
        from ...models.stage import render, sample_scene
        from ...models.stage.nuisance import Nuisances

        chosen = lambda value: None if value in (-1, AUTO) else value
        scene = sample_scene(
            seed, frames=frames, height=height, width=width, frame_rate=frame_rate, action=chosen(action), camera=camera,
            style=style, character_seed=chosen(character_seed), motion_seed=chosen(motion_seed), room_seed=chosen(room_seed),
            objects=chosen(object_count),
        )  # fmt: skip
        nuisances = Nuisances(sensor_noise, exposure_change, shake=camera_shake, shadow=shadow_strength)
        clip = render(scene, 2 if smooth_edges else 1)
        return io.NodeOutput(filmed(clip, nuisances, seed), clip, clip.caption, clip.action, frame_rate)


def nuisance_inputs() -> list[io.Input]:
    """What real footage adds to the pictures; the ground truth stays that of the clean clip."""
    how = {"default": 0.0, "min": 0.0, "advanced": True, "optional": True}
    return [
        io.Float.Input(
            "sensor_noise", max=0.2, step=0.005, **how,
            tooltip="Noise of a camera's sensor: its standard deviation on white, from 0 to 1. It grows with the square root "
            "of brightness. 0.01 is a good camera in daylight, 0.05 one in the dark.",
        ),
        io.Float.Input(
            "exposure_change", max=0.9, step=0.05, **how,
            tooltip="Fraction of the brightness that is lost from one frame on, as when the sun goes behind a cloud.",
        ),
        io.Float.Input(
            "camera_shake", max=10.0, step=0.1, **how,
            tooltip="Pixels that no frame drifts farther from the first one, as on a tripod that is not quite still: a slow "
            "wander and a small tremble. Depth, masks and flow do not move with it.",
        ),
        io.Float.Input(
            "shadow_strength", max=1.0, step=0.05, **how,
            tooltip="Fraction of the light that the floor loses at the person's feet: a soft shadow, which no mask contains.",
        ),
    ]  # fmt: skip


def filmed(clip, nuisances, seed: int):
    """The pictures of a clip (N, H, W, 3), computed, with what real footage adds to them."""
    from ...models.stage.nuisance import add_nuisances
    from ..host.memory import bytes_of, check_memory
    from ..host.progress import progress

    scene = clip.scene
    size = (scene.frames, scene.height, scene.width)
    what = f"A test video of {scene.width} x {scene.height} with {scene.frames} frames"
    added = 0 if nuisances.none() else bytes_of(*size, copies=3)
    check_memory(clip.bytes_needed("pictures") + added, what, "lower width, height or frames")
    report = progress(scene.frames if nuisances.none() else 2 * scene.frames)
    clip.compute("pictures", report=report)
    masks = (clip.whole_person_mask, clip.scene_mask)
    return add_nuisances(clip.rgb, nuisances, seed, *masks, lambda done: report(scene.frames + done))
