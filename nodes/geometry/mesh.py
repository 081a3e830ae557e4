"""One frame of a clip as ComfyUI's mesh."""

from io import BytesIO

from comfy_api.latest import Types, io

from .shape import CATEGORY, clip_inputs, late_inputs, read_clip, shape_inputs


class DepthToMesh(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetDepthToMesh",
            display_name="Depth to Mesh (One Frame)",
            category=CATEGORY,
            description="One frame of a clip and its depth as a mesh with the frame as texture, for Save 3D Model and Preview "
            "3D. The surface is cut where the depth jumps.",
            search_aliases=["depth to 3D", "image to mesh", "relief", "triangulate", "2.5D", "depth map to mesh", "heightmap"],
            inputs=[
                *clip_inputs(),
                io.Int.Input("frame", default=0, min=0, max=1000000, step=1, tooltip="Number of the frame, counted from 0."),
                *shape_inputs(),
                *late_inputs(),
            ],
            outputs=[
                io.Mesh.Output(display_name="mesh", tooltip="The surface in metres, y up, the camera looking along -z."),
                io.File3DGLB.Output(display_name="model_3d", tooltip="The same with its camera as a GLB, for Preview 3D."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, images, depth, depth_type, field_of_view, frame, pixel_step, jump_threshold, max_distance, camera_motion,
        shape_mask=None,
    ) -> io.NodeOutput:  # fmt: skip
        from ...models.geometry.colours import as_bytes
        from ...models.geometry.glb import glb_chunks, places
        from ...models.geometry.picture import png

        clip = read_clip(images, depth, depth_type, field_of_view, max_distance, camera_motion, shape_mask)
        found = surface_of(clip, frame, pixel_step, jump_threshold)
        texture = clip.images[frame : frame + 1].float().clamp(0, 1)
        uvs = places(found.pixels, texture.shape[1:3])
        mesh = Types.MESH(found.points[None], found.triangles[None], uvs=uvs[None], texture=texture)
        content = b"".join(glb_chunks(found, clip.view(frame), texture=png(as_bytes(texture[0]))))
        return io.NodeOutput(mesh, Types.File3D(BytesIO(content), "glb"))


def surface_of(clip, frame: int, pixel_step: int, jump_threshold: float):
    """The surface of one frame; refuses one that is not there or has none."""
    if frame >= len(clip.images):
        raise ValueError(f"frame: expected at most {len(clip.images) - 1}, got {frame}: the clip is shorter, lower it.")
    found = clip.surface(frame, pixel_step, jump_threshold)
    if not len(found.triangles):
        raise ValueError(
            f"Expected a surface in frame {frame}, got none: raise jump_threshold or max_distance, lower pixel_step, or "
            "check shape_mask."
        )
    return found
