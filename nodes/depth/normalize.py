"""One range of depth for a whole clip."""

from comfy_api.latest import io

from ...models.choices import DEPTH_POLARITIES, DEPTH_SCALES, DEPTH_TYPES
from ..host.types import DA3Geometry, MoGeGeometry
from ..inputs.depth import as_image, read_depth
from ..inputs.memory import check_clip_memory
from ..inputs.video import clip_input

CATEGORY = "Duet/depth"


def percent(name: str, default: float, tooltip: str) -> io.Float.Input:
    return io.Float.Input(name, default=default, min=0.0, max=100.0, step=0.1, tooltip=tooltip)


def distance(name: str, default: float, tooltip: str) -> io.Float.Input:
    return io.Float.Input(name, default=default, min=-1000000.0, max=1000000.0, step=0.01, tooltip=tooltip)


def depth_range() -> io.DynamicCombo.Input:
    option = io.DynamicCombo.Option
    cut = [
        percent("near_percent", 1.0, "Percent of the nearest pixels that become the near end. Raise it against specks."),
        percent(
            "far_percent", 99.0,
            "Percent of the pixels, counted from the nearest, beyond which everything is the far end. Lower it against "
            "far outliers.",
        ),
    ]  # fmt: skip
    ends = [
        distance("near_depth", 0.0, "Depth of the near end, in the units of the input, such as metres."),
        distance("far_depth", 1.0, "Depth of the far end, in the units of the input, such as metres."),
    ]
    return io.DynamicCombo.Input(
        "range", options=[option("min-max", []), option("percentile", cut), option("fixed", ends)],
        tooltip="Which depth becomes the near and which the far end, for all frames. min-max: the nearest and the "
        "farthest pixel of the clip. percentile: the same without outliers. fixed: two depths of your choice, so that "
        "several clips match.",
    )  # fmt: skip


class NormalizeDepth(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetNormalizeDepth",
            display_name="Normalize Depth (Whole Video)",
            category=CATEGORY,
            description="Turns the depth of a whole clip into grey depth pictures with one range for all frames, so that "
            "the depth does not flicker: a still wall keeps its grey while something else moves.",
            search_aliases=[
                "steady depth", "stable depth", "depth video", "black is near", "smooth depth", "depth map",
                "grey depth", "grey depth video", "video depth", "depth to image", "depth flicker", "flicker free depth",
                "temporal depth", "depth range", "metric depth", "inverse depth", "disparity", "Depth Anything", "MoGe",
                "After Effects depth", "z pass",
            ],
            inputs=[
                clip_input(
                    "depth", DA3Geometry, MoGeGeometry,
                    tooltip="Depth pictures of any range, or the geometry of Depth Anything 3 or MoGe. Geometry is "
                    "better, as its depth has the same units in every frame.",
                ),
                io.Combo.Input(
                    "depth_type", options=list(DEPTH_TYPES), default=DEPTH_TYPES[0],
                    tooltip="What the numbers of a depth picture mean. near is white: as for ControlNet. far is white: "
                    "as in compositing. distance: metres, where 0 means unknown. Geometry always counts as distance.",
                ),
                depth_range(),
                io.Combo.Input(
                    "depth_scale", options=list(DEPTH_SCALES), default=DEPTH_SCALES[0], advanced=True,
                    tooltip="How depth becomes grey. linear: in proportion. inverse: in proportion to 1 / depth, with more "
                    "greys for what is near. Set inverse for geometry and distances that go to a depth ControlNet.",
                ),
                io.Combo.Input(
                    "output_polarity", options=list(DEPTH_POLARITIES), default=DEPTH_POLARITIES[0],
                    tooltip="Which end is white in the output. near is white suits ControlNet and the nodes of this pack, "
                    "far is white suits After Effects and Blender.",
                ),
                io.Mask.Input(
                    "sky_mask", optional=True,
                    tooltip="White where depth does not count, such as sky: it goes to the far end and does not stretch "
                    "the range. One mask for the whole clip, or one for each frame.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="depth", tooltip="The depth in grey, from 0 to 1."),
                io.Float.Output(
                    display_name="near_depth", tooltip="The depth of the near end, in the units of the input."
                ),
                io.Float.Output(
                    display_name="far_depth", tooltip="The depth of the far end, in the units of the input."
                ),
                io.Mask.Output(display_name="valid_mask", tooltip="White where the depth is known and not sky."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, depth, depth_type, range, depth_scale, output_polarity, sky_mask=None) -> io.NodeOutput:
        from ...models.depth.range import normalize_clip, valid_pixels
        from ..host.progress import progress
        from ..inputs import checks

        check_clip_memory("Normalize Depth", depth.get("depth") if isinstance(depth, dict) else depth, 9)
        depth, valid, depth_type = read_depth(depth, depth_type)
        if sky_mask is not None:
            sky = checks.mask(sky_mask, "sky_mask", len(depth), depth.shape[1:])
            valid = valid & (sky.to(depth.device) < 0.5)
        valid = valid & valid_pixels(depth, depth_type, depth_scale)
        picture, near, far = normalize_clip(
            depth, valid, range["range"], range.get("near_depth", 0.0), range.get("far_depth", 1.0),
            range.get("near_percent", 1.0), range.get("far_percent", 99.0), depth_type, depth_scale, output_polarity,
            progress(len(depth)),
        )  # fmt: skip
        return io.NodeOutput(as_image(picture), near, far, valid.float())
