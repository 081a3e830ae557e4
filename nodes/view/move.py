"""A camera that moves through a clip or a picture, by its depth."""

from dataclasses import dataclass

import torch
from comfy_api.latest import io
from torch import Tensor

from ...models.choices import EASES
from ..depth.remap import curve_heights
from ..inputs.depth import as_image
from ..inputs.distance import distance_inputs
from ..inputs.memory import check_frames_memory
from ..inputs.video import clip_input
from .clip import (
    CATEGORY,
    DepthClip,
    HoleFiller,
    edge_input,
    hole_inputs,
    read_clip,
    read_filler,
    scene_inputs,
    trim_input,
)

INFO = "camera info"


def path_input() -> io.DynamicCombo.Input:
    option = io.DynamicCombo.Option
    metres = io.Float.Input(
        "path_distance", default=0.3, min=-1000000.0, max=1000000.0, step=0.01,
        tooltip="How far the camera goes, in metres of the depth. dolly: ahead. truck: to the right. pedestal: up. sway: to "
        "each side. Below 0 the other way.",
    )  # fmt: skip
    degrees = io.Float.Input(
        "path_angle", default=10.0, min=-180.0, max=180.0, step=0.1,
        tooltip="How far the camera turns, in degrees. orbit: around the pivot, to the right. pan: to the right. tilt: up. "
        "Below 0 the other way.",
    )  # fmt: skip
    pivot = io.Float.Input(
        "pivot_distance",
        default=0.0,
        min=0.0,
        max=1000000.0,
        step=0.01,
        tooltip="Distance in metres of the point that the camera keeps looking at. 0: the median of the first frame.",
    )
    zoom = io.Float.Input(
        "zoom_factor",
        default=1.5,
        min=0.05,
        max=20.0,
        step=0.01,
        tooltip="How much larger everything becomes. Below 1 smaller, with an empty border.",
    )
    options = {
        "dolly": [metres], "truck": [metres], "pedestal": [metres], "orbit": [degrees, pivot], "sway": [metres, pivot],
        "pan": [degrees], "tilt": [degrees], "zoom": [zoom], INFO: [],
    }  # fmt: skip
    return io.DynamicCombo.Input(
        "camera_path", options=[option(name, inputs) for name, inputs in options.items()],
        tooltip="How the camera moves from where the clip was shot. dolly, truck, pedestal: ahead, sideways, up. orbit: around a "
        "point. sway: from side to side, looking at a point. pan, tilt, zoom: from where it stands, so that nothing behind "
        "comes into view. camera info: to the camera of a 3-D node.",
    )  # fmt: skip


class MoveCamera(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetMoveCamera",
            display_name="Move Camera by Depth",
            category=CATEGORY,
            description="Moves the camera through a clip, or through one picture, by its depth. Gives the frames, a mask of what "
            "no frame shows, and the moved depth: a finished move, or the input of a video model that fills the rest.",
            search_aliases=[
                "camera move", "camera control", "parallax", "2.5D", "dolly", "orbit", "pan", "tilt", "zoom", "ken burns", "sway",
                "3D photo", "depthflow", "reproject", "novel view", "Uni3C", "VACE", "camera path", "camera trajectory",
            ],
            inputs=[
                clip_input("images", tooltip="The clip, or one picture that becomes a clip of path_frames."),
                *distance_inputs(),
                path_input(),
                io.Combo.Input(
                    "ease", options=list(EASES), default="smooth",
                    tooltip="smooth: the camera starts and stops gently. linear: it has one speed.",
                ),
                io.Boolean.Input(
                    "loop", default=False, tooltip="On: there and back, so that the last frame leads to the first again."
                ),
                io.Int.Input(
                    "path_frames", default=24, min=1, max=4096, step=1,
                    tooltip="Number of frames made of one picture. A clip keeps its own.",
                ),
                *hole_inputs(),
                edge_input(),
                trim_input(),
                io.Custom("CURVE").Input(
                    "motion_curve", optional=True, extra_dict={"forceInput": True},
                    tooltip="Motion over the clip, from a Curve Editor: left is the first frame, right the last, a height of 0 is "
                    "the clip's own camera and of 1 the end of the path. It replaces ease and loop.",
                ),
                io.Load3DCamera.Input(
                    "camera_info", optional=True,
                    tooltip="The end of the path for camera info: from Preview 3D or Create Camera Info, where the clip's own "
                    "camera is at 0, 0, 0, looks along -z, and 1 is a metre.",
                ),
                *scene_inputs(),
            ],
            outputs=[
                io.Image.Output(display_name="images", tooltip="What the moved camera sees."),
                io.Mask.Output(
                    display_name="hole_mask", tooltip="White where the frame itself does not show what the camera sees."
                ),
                io.Mask.Output(
                    display_name="unfilled_mask",
                    tooltip="White where scene and other frames do not show it either: what a video model should generate, as "
                    "control_masks of WanVaceToVideo with hole_filling grey.",
                ),
                io.Image.Output(display_name="depth", tooltip="The moved depth, near is white, inverse."),
                io.Float.Output(display_name="near_depth", tooltip="Distance of its white in metres."),
                io.Float.Output(display_name="far_depth", tooltip="Distance of its black in metres."),
                io.String.Output(display_name="report", tooltip="How much of the frames are holes, and which have the most."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, images, depth, depth_type, field_of_view, camera_path, ease, loop, path_frames, hole_filling, use_other_frames,
        sharpen_edges, trim_edges, motion_curve=None, camera_info=None, scene=None, scene_depth=None,
    ) -> io.NodeOutput:  # fmt: skip
        from ...models.depth.range import normalize_clip

        clip = read_clip(images, depth, depth_type, field_of_view, sharpen_edges)
        frames = len(clip) if len(clip) > 1 else path_frames
        check_frames_memory("Move Camera by Depth", frames, clip.size, 10, for_one=60)
        filler = read_filler(
            clip, depth_type, field_of_view, hole_filling, use_other_frames, trim_edges, scene, scene_depth
        )
        lenses = lenses_along(clip, camera_path, camera_info, parts_of_path(frames, ease, loop, motion_curve))
        out = render(clip, filler, lenses)
        grey, near, far = normalize_clip(out.depth, depth_type="distance", depth_scale="inverse")
        return io.NodeOutput(out.images, out.holes, out.unfilled, as_image(grey), near, far, hole_report(out))


@dataclass(frozen=True)
class MovedClip:
    """What the moved camera sees: (N, H, W, 3), then (N, H, W) each."""

    images: Tensor
    depth: Tensor  # metres, NaN in holes
    holes: Tensor
    unfilled: Tensor


def parts_of_path(frames: int, ease: str, loop: bool, motion_curve) -> list[float]:
    from ...models.view.path import progress_along

    if motion_curve is not None:
        return curve_heights(motion_curve, frames).tolist()
    return progress_along(frames, ease, loop).tolist()


def lenses_along(clip: DepthClip, camera_path: dict, camera_info: dict | None, parts: list[float]) -> list:
    """The lens of each frame."""
    from ...models.view.path import pose_along, pose_between, pose_of_viewer

    kind = camera_path["camera_path"]
    if kind == INFO:
        if camera_info is None:
            raise ValueError(
                "camera_info: expected a camera for the path camera info, got none: connect Create Camera Info or Preview 3D, "
                "or choose another camera_path."
            )
        end = pose_of_viewer(camera_info, clip.focal, clip.size[0])
        poses = [pose_between(end, part) for part in parts]
    else:
        amount = next(
            camera_path[name] for name in ("path_distance", "path_angle", "zoom_factor") if name in camera_path
        )
        pivot = camera_path.get("pivot_distance", 0.0) or clip.middle()
        poses = [pose_along(kind, amount, part, pivot) for part in parts]
    return [pose.lens(clip.focal, clip.size) for pose in poses]


def render(clip: DepthClip, filler: HoleFiller, lenses: list) -> MovedClip:
    """A clip through one lens a frame; a single picture serves all of them."""
    from ..host.progress import progress

    shape = (len(lenses), *clip.size)
    out = MovedClip(torch.empty(*shape, 3), torch.empty(shape), torch.empty(shape), torch.empty(shape))
    report, single = progress(len(lenses)), (clip.images[0], clip.depth(0)) if len(clip) == 1 else None
    for index, lens in enumerate(lenses):
        view = filler.see(*(single or (clip.images[index], clip.depth(index))), lens)
        if view.holes.all():
            raise ValueError(
                f"camera_path: expected some of the clip in view, got nothing in frame {index}: the camera is behind everything "
                f"or looks past it; most of the clip is {clip.middle():.3g} m away, so lower the amount of the path."
            )
        out.holes[index] = view.holes
        filled, out.unfilled[index] = filler.fill(view, index if single is None else 0, lens)
        out.images[index], out.depth[index] = filled.picture, filled.depth
        report(index + 1)
    return out


def hole_report(moved: MovedClip) -> str:
    """How much of the frames are holes."""
    shares = 100 * moved.holes.mean((1, 2))
    worst = int(shares.argmax())
    lines = [f"Holes: {shares.mean():.1f} % of the clip, at most {shares[worst]:.1f} % in frame {worst}."]
    left = 100 * moved.unfilled.mean((1, 2))
    if left.sum() < shares.sum():
        lines.append(f"Filled from scene or other frames down to {left.mean():.1f} %.")
    if left[worst] > 20:
        lines.append("A large part is not shown: lower the amount of the path, or let a video model generate it.")
    return "\n".join(lines)
