"""Layers into files of other programs."""

from comfy_api.latest import io

from ...models.handoff.names import COMPRESSIONS, EXR_FLOAT, EXR_HALF
from ..host.types import Layers


class SaveLayers(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetSaveLayers",
            display_name="Save Layers as EXR",
            category="Duet/layers and swap",
            description="Writes the scene, the person and each object in front as the parts of one EXR for each frame, with "
            "colours, alpha and depth, so that a compositor has every layer in one sequence.",
            search_aliases=[
                "export layers", "EXR", "multi-part", "multipart", "multilayer", "AOV", "render layers", "Nuke", "Fusion", "Blender",
                "mattes", "RGBA",
            ],
            inputs=[
                Layers.Input(
                    "layers",
                    tooltip="From Decompose into Layers or Edit Layers. From Fill Scene Behind Person, the scene is whole.",
                ),
                io.String.Input(
                    "filename_prefix", default="duet/layers",
                    tooltip="Folder and name inside the output folder. A number is added, nothing is overwritten.",
                ),
                io.Combo.Input(
                    "depth_format", options=[EXR_HALF, EXR_FLOAT], default=EXR_HALF,
                    tooltip="EXR half keeps 3 digits, as is usual for colours. EXR float keeps every number exactly.",
                ),
                io.Combo.Input(
                    "compression", options=list(COMPRESSIONS), default=COMPRESSIONS[0], advanced=True,
                    tooltip="ZIP, PIZ and none keep every number. DWAA is smaller, but changes the numbers.",
                ),
                io.Float.Input(
                    "frame_rate", default=24.0, min=0.01, max=1000.0, step=0.01, tooltip="Frames a second, noted in the files.",
                ),
            ],
            outputs=[
                io.Combo.Output(display_name="layers_path", tooltip="The first file."),
                io.String.Output(display_name="report", tooltip="The parts that were written, and what their depth means."),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            is_output_node=True,
        )  # fmt: skip

    @classmethod
    def execute(cls, layers, filename_prefix, depth_format, compression, frame_rate) -> io.NodeOutput:
        from ...models.handoff.exr import ExrSettings
        from ...models.handoff.layer_parts import front_numbers, layer_parts
        from ...models.handoff.saving import save_parts
        from ..host.files.folders import claimed_file, output_name
        from ..host.files.metadata import saved_workflow
        from ..host.progress import progress
        from ..inputs import clips

        layers = clips.layers(layers)
        frames, numbers = len(layers.images), front_numbers(layers)
        note, settings = note_of(layers, frame_rate), ExrSettings(depth_format == EXR_HALF, compression)
        with claimed_file(filename_prefix, ".json") as sidecar:
            parts_of = lambda index: layer_parts(layers, index, numbers)
            texts = saved_workflow(cls.hidden)
            first = save_parts(sidecar, frames, parts_of, settings, note, texts, progress(frames))
        return io.NodeOutput(output_name(first), said(first, layers, numbers), ui={"text": (f"Saved {first.name}",)})


def note_of(layers, frame_rate: float):
    """What Z of the parts means."""
    from ...models.handoff.note import DepthNote
    from ..host.files.metadata import pack_version

    kind = "distance" if layers.depth_type == "distance" else "near is white"
    height, width = layers.size
    return DepthNote(
        kind, frame_rate=frame_rate, width=width, height=height, frames=len(layers.images), unknown_depth="zero",
        depth_channel="Z", file_format="EXR", software=pack_version(),
    )  # fmt: skip


def said(first, layers, numbers: list[int]) -> str:
    """The report."""
    from ...models.handoff.layer_parts import PERSON, SCENE, object_name

    depth = "distance in metres" if layers.depth_type == "distance" else "grey, near is white"
    z = (
        f" Z of person_depth and the like is the {depth}, 0 where the layer is not visible."
        if layers.depth is not None
        else " There is no depth."
    )
    names = ", ".join((SCENE, PERSON, *map(object_name, numbers)))
    return f"{first.name}: {len(layers.images)} frames with the parts {names}; each has R, G, B, A in linear light.{z}"
