"""The scene behind everybody."""

from comfy_api.latest import io

from ..host.types import Layers
from .decompose import CATEGORY


class CompleteScene(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetCompleteScene",
            display_name="Complete Scene",
            category=CATEGORY,
            description="Fills in the scene where the person and what stands before hide it: from other frames, where the "
            "same place is seen, then from a plate of yours or from around. The depth is filled in as well.",
            search_aliases=["clean plate", "remove person", "video inpaint", "background", "object removal", "ProPainter"],
            inputs=[
                Layers.Input("layers", tooltip="From Decompose Layers or Edit Layers."),
                io.Boolean.Input(
                    "other_frames", default=True,
                    tooltip="Take what other frames show, following the camera. Off: only the plate or a guess.",
                ),
                io.Int.Input(
                    "grow", default=4, min=0, max=64, step=1,
                    tooltip="Pixels around the masks that are filled too. Raise it if a rim of the person stays.",
                ),
                io.Image.Input(
                    "plate", optional=True,
                    tooltip="For places that no frame shows: the empty scene by any inpainting model, one picture or one "
                    "for each frame. Without it they are drawn in from around.",
                ),
            ],
            outputs=[
                Layers.Output(display_name="layers", tooltip="The layers with a completed scene."),
                io.Image.Output(display_name="scene", tooltip="The clip without the person and what stands before."),
                io.Image.Output(display_name="scene_depth", tooltip="The depth of that, near is white."),
                io.Mask.Output(
                    display_name="confidence",
                    tooltip="White: seen in the frame itself. Grey: from other frames, the more the brighter. Black: from "
                    "the plate or a guess.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, layers, other_frames, grow, plate=None) -> io.NodeOutput:
        from ...models.layers.complete import Fill, complete_scene
        from ..host.progress import progress
        from ..inputs import clips

        layers = clips.layers(layers)
        frames = len(layers.images)
        if plate is not None:
            plate = clips.same_size("plate", clips.pictures(plate, "plate"), layers.size, frames)
        layers, sure = complete_scene(layers, Fill(other_frames, plate, grow), progress(frames))
        return io.NodeOutput(layers.as_dict(), layers.scene, scene_depth(layers), sure)


def scene_depth(layers):
    """The completed depth as grey pictures (N, H, W, 3)."""
    import torch

    from ...models.layers.exports import as_grey, grey_range
    from ..inputs.depth import as_image

    if layers.scene_depth is None:
        return torch.zeros_like(layers.images)
    limits = grey_range(layers)
    return as_image(torch.stack([as_grey(near, limits) for near in layers.scene_depth]))
