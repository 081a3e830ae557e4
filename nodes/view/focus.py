"""Depth of field for a clip, by its depth."""

import torch
from comfy_api.latest import io
from torch import Tensor

from ..inputs.distance import distance_inputs
from ..inputs.memory import check_clip_memory
from ..inputs.video import clip_input
from .clip import CATEGORY, DepthClip, edge_input, read_clip

DISTANCE, POINT, MASK = "distance", "point", "mask"
RADIUS, NUMBER = "blur radius", "f-number"


def focus_input() -> io.DynamicCombo.Input:
    option = io.DynamicCombo.Option
    metres = io.Float.Input(
        "focus_distance", default=2.0, min=0.001, max=1000000.0, step=0.01,
        tooltip="Distance in metres of what is sharp.",
    )  # fmt: skip
    part = lambda name, way: io.Float.Input(
        name, default=0.5, min=0.0, max=1.0, step=0.001, tooltip=f"Place of the point in parts of the {way}."
    )
    point = [part("point_x", "width, from the left"), part("point_y", "height, from the top")]
    return io.DynamicCombo.Input(
        "focus", options=[option(DISTANCE, [metres]), option(POINT, point), option(MASK, [])],
        tooltip="What is sharp. distance: what is at focus_distance. point: what is at a place in the picture. mask: the median of "
        "what focus_mask shows, in each frame: the focus follows a person.",
    )  # fmt: skip


def aperture_input() -> io.DynamicCombo.Input:
    option = io.DynamicCombo.Option
    radius = io.Float.Input(
        "blur_radius", default=12.0, min=0.0, max=256.0, step=0.5,
        tooltip="Blur in pixels of what is very far away. What is at half the focus distance gets the same.",
    )  # fmt: skip
    number = io.Float.Input(
        "f_number",
        default=2.0,
        min=0.1,
        max=64.0,
        step=0.1,
        tooltip="The f-number of a lens with the field of view of the clip on film of 36 mm: 1.4 blurs much, 16 little.",
    )
    return io.DynamicCombo.Input(
        "aperture", options=[option(RADIUS, [radius]), option(NUMBER, [number])],
        tooltip="How strong the blur is. blur radius: in pixels. f-number: as a lens would, by the metres of the depth.",
    )  # fmt: skip


class DepthOfField(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetDepthOfField",
            display_name="Depth of Field",
            category=CATEGORY,
            description="Blurs a clip by its depth as a lens does: sharp at one distance, in linear light, without colours of a "
            "sharp object around it.",
            search_aliases=[
                "depth of field", "DOF", "bokeh", "lens blur", "camera blur", "defocus", "focus pull", "rack focus", "ZDefocus",
                "blur background", "portrait mode",
            ],
            inputs=[
                clip_input("images", tooltip="The clip."),
                *distance_inputs(),
                focus_input(),
                aperture_input(),
                edge_input(),
                io.Mask.Input(
                    "focus_mask", optional=True,
                    tooltip="White where the picture should be sharp, for the focus mask: one mask, or one for each frame.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="images", tooltip="The blurred clip."),
                io.Mask.Output(
                    display_name="blur_mask", tooltip="How strongly each pixel is blurred: black is sharp, white the most."
                ),
                io.String.Output(display_name="report", tooltip="The distance in focus and the strongest blur."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, images, depth, depth_type, field_of_view, focus, aperture, sharpen_edges, focus_mask=None
    ) -> io.NodeOutput:  # fmt: skip
        from ..inputs import checks

        check_clip_memory("Depth of Field", images, 5, for_one=60)
        clip = read_clip(images, depth, depth_type, field_of_view, sharpen_edges)
        if focus_mask is not None:
            focus_mask = checks.mask(focus_mask, "focus_mask", len(clip), clip.size)
        return io.NodeOutput(*blurred(clip, focus_distances(clip, focus, focus_mask), aperture))


def focus_distances(clip: DepthClip, focus: dict, focus_mask: Tensor | None) -> list[float]:
    """The distance in focus in each frame."""
    kind = focus["focus"]
    if kind == DISTANCE:
        return [focus["focus_distance"]] * len(clip)
    if kind == POINT:
        height, width = clip.size
        x, y = round(focus["point_x"] * (width - 1)), round(focus["point_y"] * (height - 1))
        around = slice(max(y - 2, 0), y + 3), slice(max(x - 2, 0), x + 3)
        return [clip.depth(index)[around].median().item() for index in range(len(clip))]
    if focus_mask is None:
        raise ValueError(
            "focus_mask: expected a mask for the focus mask, got none: connect one, or choose another focus."
        )
    masks = focus_mask > 0.5
    if not masks.any():
        raise ValueError("focus_mask: expected something white, got masks without it: check what generates the mask.")
    found = [clip.depth(index)[mask].median().item() if mask.any() else None for index, mask in enumerate(masks)]
    last = next(distance for distance in found if distance)  # a frame with an empty mask keeps the focus
    return [last := distance or last for distance in found]


def blurred(clip: DepthClip, focus: list[float], aperture: dict) -> tuple[Tensor, Tensor, str]:
    """The blurred clip (N, H, W, 3), how strongly (N, H, W), and the report."""
    from ...models.view.defocus import blur_radius, defocused, largest_radius
    from ..host.progress import progress

    images, mask, report = torch.empty_like(clip.images), torch.empty(clip.images.shape[:3]), progress(len(clip))
    largest = 0.0
    for index, (picture, depth) in enumerate(clip.frames()):
        if aperture["aperture"] == NUMBER:
            most = largest_radius(aperture["f_number"], clip.focal, clip.size[1], focus[index])
        else:
            most = aperture["blur_radius"]
        radius = blur_radius(depth, focus[index], most).clamp(-min(clip.size) / 4, min(clip.size) / 4)
        images[index], mask[index] = defocused(picture, radius, min(clip.size) / 4), radius.abs()
        largest = max(largest, mask[index].max().item())
        report(index + 1)
    near, far = min(focus), max(focus)
    at = f"{near:.3g} m" if near == far else f"{near:.3g} to {far:.3g} m"
    return images, mask.div_(max(largest, 1e-6)), f"Focus: {at}. Strongest blur: {largest:.1f} pixels."
