"""One scale and one shift of depth for each frame of a clip, so that what stands still keeps its depth."""

from comfy_api.latest import io
from torch import Tensor

from ...models.choices import DEPTH_TYPES
from ..host.types import DA3Geometry, Flow, MoGeGeometry
from ..inputs.depth import as_image, read_depth
from ..inputs.memory import check_clip_memory
from ..inputs.video import clip_input
from .normalize import CATEGORY


class SteadyDepth(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        depth = io.MatchType.Template("depth", [io.Image, DA3Geometry, MoGeGeometry])
        return io.Schema(
            node_id="DuetSteadyDepth",
            display_name="Steady Depth",
            category=CATEGORY,
            description="Takes the flicker out of estimated depth. Estimators give every frame another scale and shift; this "
            "node solves both for all frames of the clip together, along the motion of the pictures. Needs no model.",
            search_aliases=[
                "depth flicker", "deflicker depth", "stable depth", "temporal depth", "consistent depth", "video depth",
                "depth alignment", "align depth frames", "depth stabilization", "smooth depth over time",
                "flicker free depth", "breathing depth", "Depth Anything", "MoGe",
            ],
            inputs=[
                clip_input(
                    "images",
                    tooltip="The clip that the depth belongs to: as many frames, of the same shape. Its motion shows which "
                    "points are the same.",
                ),
                io.MatchType.Input(
                    "depth", depth,
                    tooltip="Depth pictures of any range, or the geometry of Depth Anything 3 or MoGe. Take it as the "
                    "estimator gives it and put Normalize Depth behind this node.",
                ),
                io.Combo.Input(
                    "depth_type", options=list(DEPTH_TYPES), default=DEPTH_TYPES[0],
                    tooltip="What the numbers of a depth picture mean. near is white: as for ControlNet. far is white: "
                    "as in compositing. distance: metres, where 0 means unknown. Geometry always counts as distance.",
                ),
                io.Float.Input(
                    "strength", default=1.0, min=0.0, max=1.0, step=0.01,
                    tooltip="How much of the found change of scale and shift is applied: 0 leaves them, 1 removes the "
                    "flicker of whole frames.",
                ),
                io.Int.Input(
                    "smooth_frames", default=2, min=0, max=8, step=1,
                    tooltip="Frames on each side over which the remaining noise is averaged along the motion. Edges and "
                    "depth that really changes stay. 0 turns it off and is faster.",
                ),
                Flow.Input(
                    "flow", optional=True,
                    tooltip="Motion between neighbouring frames, from Estimate Flow or Test Video Ground Truth. Without it "
                    "the motion is estimated from the images.",
                ),
                io.Float.Input(
                    "field_of_view", default=0.0, min=0.0, max=170.0, step=0.1, optional=True, advanced=True,
                    tooltip="Horizontal field of view of the camera in degrees: about 65 for a phone, 40 for a portrait "
                    "lens. It matters little, and only where the camera moves. 0: that of the geometry, or 50.",
                ),
                io.Mask.Input(
                    "moving_mask", optional=True,
                    tooltip="White where things move on their own, such as a person: those points are never used to find "
                    "scale and shift. It helps where they fill more than half of the picture. One mask for the whole clip, "
                    "or one for each frame.",
                ),
            ],
            outputs=[
                io.MatchType.Output(
                    depth, display_name="depth",
                    tooltip="The depth in the units and the type it came in: pictures as pictures, geometry as geometry with "
                    "its points moved along.",
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="Flicker before and after, cuts, frames without a solution, and the change of every frame.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, images, depth, depth_type, strength=1.0, smooth_frames=2, flow=None, field_of_view=0.0, moving_mask=None
    ) -> io.NodeOutput:
        from ...models.depth.steady.apply import Steadied
        from ...models.depth.steady.clip import plan
        from ...models.depth.steady.units import units_of
        from ..host.progress import progress
        from ..inputs.distance import focal_length

        check_clip_memory("Steady Depth", depth.get("depth") if isinstance(depth, dict) else depth, 6, for_one=60)
        motion, given, valid, kind = read_clip(images, depth, depth_type, flow, moving_mask)
        units, report = units_of(given, kind), progress(2 * len(given))
        focal = focal_length(depth, field_of_view, motion.size[1])
        counted = lambda index: units.inverse(given[index]).where(valid[index], float("nan"))
        found = plan(counted, len(given), motion, focal, report)
        whole = lambda index: units.inverse(given[index])
        steadied = Steadied(whole, found, motion, strength, smooth_frames, lambda: report(len(given)))
        return io.NodeOutput(*steady_output(depth, given, units, steadied, report))


def read_clip(images: Tensor, depth: Tensor | dict, depth_type: str, flow: dict | None, moving_mask: Tensor | None):
    """The motion of the clip, its depth (N, H, W), where that counts, and its type; refuses what does not belong together."""
    from ...models.depth.range import valid_pixels
    from ...models.flow.between import ClipMotion
    from ..inputs import checks, clips

    images = clips.pictures(images)
    plane, valid, kind = read_depth(depth, depth_type)
    plane, valid = plane.cpu(), valid.cpu() & valid_pixels(plane.cpu(), kind)
    checks.same_frames(images=images, depth=plane)
    same_shape("depth", plane.shape[1:], images.shape[1:3])
    if not valid.any():
        raise ValueError(
            f"depth: expected depth in at least one pixel of {len(plane)} frames, got none: every pixel is sky, zero, "
            "negative or not a number; check depth_type and what the depth comes from."
        )
    if moving_mask is not None:
        valid &= still_pixels(moving_mask, valid)
    return ClipMotion(images, *neighbours(flow, images)), plane, valid, kind


def still_pixels(moving_mask: Tensor, valid: Tensor) -> Tensor:
    """Where a mask of what moves is black, bool like `valid` (N, H, W); refuses one that leaves no depth that counts."""
    from ..inputs import checks

    still = checks.mask(moving_mask, "moving_mask", len(valid), valid.shape[1:]).cpu() < 0.5
    if not (still & valid).any():
        raise ValueError(
            "moving_mask: expected black pixels, where the scene stands still and its depth is known, got none: invert the "
            "mask if it is black where things move."
        )
    return still


def same_shape(name: str, size: tuple[int, int], like: tuple[int, int]) -> None:
    """Refuses a size (height, width) of another shape than that of the images."""
    from ...models.flow.fields import proportional

    if not proportional(tuple(size), tuple(like)):
        raise ValueError(
            f"{name}: expected the shape of the images, which are {like[1]} x {like[0]}, got {size[1]} x {size[0]}: "
            "crop one of them to the other's shape, or take the one that belongs to it."
        )


def neighbours(flow: dict | None, images: Tensor) -> list:
    """The fields of a flow to the next and to the previous frame, None where they are missing."""
    from ..inputs.flows import PARTS, field_of, parts_of

    directions = ("to next frame", "to previous frame")
    if flow is None:
        return [None, None]
    fields = [field_of(flow, way) if PARTS[way] in parts_of(flow) else None for way in directions]
    given = [field for field in fields if field is not None]
    if not given:
        raise ValueError(
            "flow: expected motion between neighbouring frames, got motion to a still image: connect Estimate Flow without "
            "still_image, or leave flow empty."
        )
    for field in given:
        same_shape("flow", field.size, images.shape[1:3])
        if len(field.valid) != len(images) - 1:
            raise ValueError(
                f"flow: expected motion between {len(images)} frames, which are {len(images) - 1} pairs, got "
                f"{len(field.valid)}: estimate it from the same clip."
            )
    return fields


def steady_output(depth: Tensor | dict, given: Tensor, units, steadied, report) -> tuple[Tensor | dict, str]:
    """Steady depth as it came, of depth (N, H, W), and the report in words."""
    from ...models.depth.steady.report import written
    from ...models.depth.steady.units import into_grey

    within = lambda frame: ((frame >= 0) & (frame <= 1) | frame.isnan()).all()
    grey = units.depth_type != "distance" and all(map(within, given))
    out = given.new_empty(given.shape, dtype=given.float().dtype)
    put = lambda index, inverse: out[index].copy_(units.back(inverse, given[index]))
    flicker = steadied.write(put, lambda done: report(len(given) + done))
    squeezed = into_grey(out) if grey else (1.0, 0.0)
    text = written(steadied, flicker, squeezed)
    return moved_geometry(depth, given, out) if isinstance(depth, dict) else as_image(out), text


def moved_geometry(geometry: dict, given: Tensor, steady: Tensor) -> dict:
    """A geometry with steady depth (N, H, W), its points moved along their rays."""
    out = {**geometry, "depth": steady}
    if isinstance(geometry.get("points"), Tensor):
        points = geometry["points"].cpu()
        ratio = (steady / given).where((given > 0) & given.isfinite() & steady.isfinite(), 1.0)
        out["points"] = points * ratio[..., None].to(points)
    return out
