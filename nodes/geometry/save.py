"""A clip and its depth as moving geometry in files."""

from comfy_api.latest import Types, io

from ..host.files.folders import output_file, output_name
from ..inputs.memory import check_clip_memory
from .shape import CATEGORY, clip_inputs, late_inputs, read_clip, shape_inputs

FORMATS = ("glb", "ply", "usd")
SURFACE_COLORS = ("texture", "points")
SHAPES = ("surface", "points")
ENDINGS = {"glb": "_0000.glb", "ply": "_0000.ply", "usd": ".usdc"}


def geometry_format() -> io.DynamicCombo.Input:
    option = io.DynamicCombo.Option
    glb = io.Combo.Input(
        "surface_colors", options=list(SURFACE_COLORS), default=SURFACE_COLORS[0],
        tooltip="texture: the whole frame is in the file, so that colors are sharp at any pixel_step. points: one color for "
        "each point, which makes smaller files.",
    )  # fmt: skip
    usd = [
        io.Combo.Input(
            "shape", options=list(SHAPES), default=SHAPES[0],
            tooltip="surface: triangles, cut at depth jumps. points: a cloud without triangles.",
        ),
        io.Float.Input(
            "frame_rate", default=24.0, min=1.0, max=240.0, step=0.01,
            tooltip="Frames per second of the clip. Frame 1 of the file is the first frame of the clip.",
        ),
    ]  # fmt: skip
    return io.DynamicCombo.Input(
        "geometry_format", options=[option(FORMATS[0], [glb]), option(FORMATS[1], []), option(FORMATS[2], usd)],
        tooltip="glb: one surface with its camera for each frame, which every 3-D program opens. ply: one cloud of colored "
        "points for each frame. usd: one file with the whole animation and its camera (needs the package usd-core).",
    )  # fmt: skip


def frame_inputs() -> list:
    """Which frames are written."""
    return [
        io.Int.Input(
            "first_frame", default=0, min=0, max=1000000, step=1, advanced=True,
            tooltip="The first frame to write, counted from 0.",
        ),
        io.Int.Input(
            "max_frames", default=0, min=0, max=1000000, step=1, advanced=True,
            tooltip="Largest number of frames to write. 0: all from first_frame on.",
        ),
        io.Int.Input(
            "frame_step", default=1, min=1, max=1000, step=1, advanced=True,
            tooltip="Every how many frames one is written. 2: every second frame.",
        ),
    ]  # fmt: skip


class SaveGeometry(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetSaveGeometry",
            display_name="Save Moving Geometry",
            category=CATEGORY,
            description="Writes a clip and its depth as geometry in metres with colors and camera: a GLB or PLY file for each "
            "frame, or one animated USD, for Blender, Unreal, Houdini and Nuke. Surfaces are cut where the depth jumps.",
            search_aliases=[
                "export geometry", "save mesh sequence", "animated mesh", "USD", "USDC", "GLB sequence", "glTF", "PLY",
                "point cloud", "4D", "volumetric video", "depth to 3D", "Blender", "Unreal", "Houdini", "Nuke", "Alembic",
            ],
            inputs=[
                *clip_inputs(),
                io.String.Input(
                    "filename_prefix", default="duet/geometry",
                    tooltip="Folder and name inside the output folder. A number is added, nothing is overwritten.",
                ),
                geometry_format(),
                *shape_inputs(),
                *frame_inputs(),
                *late_inputs(),
            ],
            outputs=[
                io.String.Output(display_name="geometry_path", tooltip="The file, or the first of them, in the output folder."),
                io.File3DAny.Output(
                    display_name="model_3d", tooltip="The file, or the first of them, for Preview 3D; that shows GLB and PLY."
                ),
                io.String.Output(display_name="report", tooltip="What was written: files, points, triangles, size, camera."),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo],
            is_output_node=True,
        )  # fmt: skip

    @classmethod
    def execute(
        cls, images, depth, depth_type, field_of_view, filename_prefix, geometry_format, pixel_step, jump_threshold,
        max_distance, first_frame, max_frames, frame_step, camera_motion, shape_mask=None,
    ) -> io.NodeOutput:  # fmt: skip
        from .files import GeometryFiles

        check_clip_memory("Save Moving Geometry", images, 4.0, for_one=64)
        clip = read_clip(images, depth, depth_type, field_of_view, max_distance, camera_motion, shape_mask)
        frames = chosen_frames(len(clip.images), first_frame, max_frames, frame_step)
        files = GeometryFiles(clip.chosen(frames), frames, geometry_format, pixel_step, jump_threshold)
        path = output_file(filename_prefix, ENDINGS[geometry_format["geometry_format"]])
        files.write(path, cls.hidden)
        report = files.report(path)
        return io.NodeOutput(output_name(path), Types.File3D(str(path)), report, ui={"text": (report,)})


def chosen_frames(count: int, first_frame: int, max_frames: int, frame_step: int) -> range:
    """The numbers of the frames to write."""
    if first_frame >= count:
        raise ValueError(
            f"first_frame: expected at most {count - 1} for a clip of {count} frames, got {first_frame}: lower it."
        )
    frames = range(first_frame, count, frame_step)
    return frames[:max_frames] if max_frames else frames
