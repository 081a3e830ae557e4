"""The scene behind the person."""

from comfy_api.latest import io

from ..host.types import Layers
from ..inputs.memory import check_clip_memory
from ..inputs.video import clip_input
from .decompose import CATEGORY


class FillScene(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetFillScene",
            display_name="Fill Scene Behind Person",
            category=CATEGORY,
            description="Fills the scene where the person and objects in front hide it: from other frames that show the same "
            "place, then from an inpainted picture or from around the hole. Also fills its depth. For clean plates, removing "
            "a person, and parallax.",
            search_aliases=[
                "clean plate", "clean background", "remove person", "remove object", "object removal", "inpaint background",
                "inpaint video", "video inpaint", "complete scene", "empty scene", "parallax", "ProPainter",
            ],
            inputs=[
                Layers.Input("layers", tooltip="From Decompose into Layers or Edit Layers."),
                clip_input(
                    "inpainted_scene", optional=True,
                    tooltip="The empty scene from an inpainting model, for places that no frame shows: one picture or one "
                    "for each frame. Without it these places are filled from around.",
                ),
                io.Boolean.Input(
                    "use_other_frames", default=True,
                    tooltip="On: hidden places come from frames that show them, also if the camera moves. Off: only from "
                    "inpainted_scene or from around.",
                ),
                io.Int.Input(
                    "grow_mask", default=4, min=0, max=64, step=1,
                    tooltip="Pixels around the masks that are filled too. Raise it if a rim of the person stays visible.",
                ),
            ],
            outputs=[
                Layers.Output(
                    display_name="layers", tooltip="The layers with the filled scene, for Composite Layers."
                ),
                io.Image.Output(display_name="scene", tooltip="The clip without the person and the objects in front."),
                io.Image.Output(display_name="scene_depth", tooltip="The depth of the filled scene, near is white."),
                io.Mask.Output(
                    display_name="confidence_mask",
                    tooltip="White: visible in the frame itself. Grey: from other frames, brighter with more of them. Black: "
                    "from inpainted_scene or from around.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, layers, use_other_frames, grow_mask, inpainted_scene=None) -> io.NodeOutput:
        from ...models.flow.cuts import describe_cuts, find_cuts
        from ...models.layers.fill import FillSettings, fill_scene
        from ..host.notice import show_warning
        from ..host.progress import progress
        from ..inputs import clips

        layers = clips.layers(layers)
        check_clip_memory("Fill Scene Behind Person", layers.images, 7)
        frames = len(layers.images)
        if inpainted_scene is not None:
            inpainted_scene = clips.same_size(
                "inpainted_scene", clips.pictures(inpainted_scene, "inpainted_scene"), layers.size, frames
            )
        cuts = find_cuts(layers.images) if use_other_frames else []
        settings = FillSettings(use_other_frames, inpainted_scene, grow_mask, tuple(cuts))
        layers, confidence = fill_scene(layers, settings, progress(frames))
        text = f"{describe_cuts(cuts)}: the scene is filled for each shot from its own frames."
        show_warning(text if cuts else None, "The clip is one shot.")
        return io.NodeOutput(layers.as_dict(), layers.scene, scene_depth(layers), confidence)


def scene_depth(layers):
    """The filled depth as grey pictures (N, H, W, 3)."""
    from ...models.layers.exports import as_grey, grey_range
    from ...models.layers.shared_clip import Family
    from ..host.progress import progress
    from ..inputs.depth import as_image

    shape, family = layers.images.shape[:3], Family.of(layers.images)
    grey = family.sparse("no_depth", None, *shape)
    if layers.scene_depth is not None:
        grey = family.dense("depth", layers.scene_depth, *shape, by_columns=True)
        limits, report = grey_range(layers), progress(len(layers.scene_depth))
        for index, near in enumerate(layers.scene_depth):
            grey.write(index, as_grey(near, limits))
            report(index + 1)
    return as_image(grey.clip())
