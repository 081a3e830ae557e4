"""One range of depth for a whole clip."""

from comfy_api.latest import io

from ...models.choices import DEPTH_POLARITIES, DEPTH_RANGES, DEPTH_SOURCES, DEPTH_SPACES
from ..host.types import DA3Geometry, MoGeGeometry
from ..inputs.depth import as_image, read_depth

CATEGORY = "Duet/depth"


class NormalizeDepthClip(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetNormalizeDepthClip",
            display_name="Normalize Depth Clip",
            category=CATEGORY,
            description="Turns the depth of a whole clip into grey pictures with one range for all frames. A wall that "
            "stands still keeps its grey while something else moves, so the depth does not flicker.",
            search_aliases=["depth flicker", "temporal depth", "depth range", "metric depth", "inverse depth", "disparity"],
            inputs=[
                io.MultiType.Input(
                    "depth", types=[io.Image, DA3Geometry, MoGeGeometry],
                    tooltip="Depth pictures of any range, or the geometry of Depth Anything 3 or MoGe. "
                    "Geometry is better: its depth is still the same in every frame.",
                ),
                io.Combo.Input(
                    "source", options=list(DEPTH_SOURCES), default=DEPTH_SOURCES[0],
                    tooltip="What the numbers of a depth picture mean. near is large: near is white, as for ControlNet. "
                    "far is large: far is white, as in compositing. distance: metres, where 0 means unknown. "
                    "Geometry is always a distance.",
                ),
                io.Combo.Input(
                    "space", options=list(DEPTH_SPACES), default=DEPTH_SPACES[0],
                    tooltip="inverse works with 1 / depth: more greys for what is near, and what depth ControlNets "
                    "expect of distances. as given keeps the numbers in proportion.",
                ),
                io.Combo.Input(
                    "range_mode", options=list(DEPTH_RANGES), default=DEPTH_RANGES[0],
                    tooltip="min-max: from the nearest to the farthest pixel of the clip. percentile: the same without "
                    "the outliers named by low and high. fixed: near and far as set below, equal for many clips.",
                ),
                io.Float.Input(
                    "low", default=1.0, min=0.0, max=100.0, step=0.1,
                    tooltip="For percentile: this many percent of the nearest pixels are cut off.",
                ),
                io.Float.Input(
                    "high", default=99.0, min=0.0, max=100.0, step=0.1,
                    tooltip="For percentile: everything beyond this many percent, counted from the nearest, is far.",
                ),
                io.Float.Input(
                    "near", default=0.0, min=-1000000.0, max=1000000.0, step=0.01,
                    tooltip="For fixed: the depth of the near end, in the units of the input.",
                ),
                io.Float.Input(
                    "far", default=1.0, min=-1000000.0, max=1000000.0, step=0.01,
                    tooltip="For fixed: the depth of the far end, in the units of the input.",
                ),
                io.Combo.Input(
                    "polarity", options=list(DEPTH_POLARITIES), default=DEPTH_POLARITIES[0],
                    tooltip="near is white suits ControlNet, near is black suits After Effects and Blender.",
                ),
                io.Mask.Input(
                    "sky", optional=True,
                    tooltip="White where the depth does not count: sky or anything else that shall be the far end.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="depth", tooltip="The depth in grey, from 0 to 1."),
                io.Float.Output(display_name="near", tooltip="The depth of the near end, in the units of the input."),
                io.Float.Output(display_name="far", tooltip="The depth of the far end, in the units of the input."),
                io.Mask.Output(display_name="valid", tooltip="White where the depth is known and no sky."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, depth, source, space, range_mode, low, high, near, far, polarity, sky=None) -> io.NodeOutput:
        from ...models.depth import range as clips
        from ..inputs import checks

        depth, valid, source = read_depth(depth, source)
        if sky is not None:
            valid = valid & (checks.mask(sky, "sky", len(depth), depth.shape[1:]).to(depth.device) < 0.5)
        valid = valid & clips.known(depth, source, space)
        picture, near, far = clips.normalize_clip(
            depth, valid, range_mode, near, far, low, high, source, space, polarity
        )
        return io.NodeOutput(as_image(picture), near, far, valid.float())
