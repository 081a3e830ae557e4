"""A second eye for a clip, by its depth."""

import math
from dataclasses import dataclass

import torch
from comfy_api.latest import io
from torch import Tensor

from ...models.choices import EYES, STEREO_LAYOUTS
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

SIDE_BY_SIDE, OVER_UNDER, ANAGLYPH, FISHEYE = STEREO_LAYOUTS


def layout_input() -> io.DynamicCombo.Input:
    option = io.DynamicCombo.Option
    half = io.Boolean.Input(
        "half_size", default=False,
        tooltip="On: both pictures together are as large as one, each squeezed to half. Off: each keeps its size.",
    )  # fmt: skip
    side = io.Int.Input(
        "fisheye_size", default=0, min=0, max=8192, step=8,
        tooltip="Width and height of each eye's picture in pixels, for 180 degrees. 0: so that the middle of the clip keeps "
        "its size.",
    )  # fmt: skip
    return io.DynamicCombo.Input(
        "stereo_layout",
        options=[option(SIDE_BY_SIDE, [half]), option(OVER_UNDER, [half]), option(ANAGLYPH, []), option(FISHEYE, [side])],
        tooltip="How both pictures become one. side by side: left, right. over under: left above. anaglyph: for red-cyan "
        "glasses, in Dubois' colours. VR180 fisheye: two half spheres side by side, for headsets; the clip fills its own field "
        "of view.",
    )  # fmt: skip


class StereoFromDepth(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetStereoFromDepth",
            display_name="Stereo from Depth",
            category=CATEGORY,
            description="Makes a stereo pair of a clip with depth: side by side, over under, anaglyph or VR180, with masks of "
            "what the clip does not show, and a report on comfort. Runs without a model and without OpenGL.",
            search_aliases=[
                "stereo", "3D video", "SBS", "side by side", "over under", "anaglyph", "red cyan", "VR180", "VR video", "2D to 3D",
                "stereoscopic", "depth to stereo", "parallax", "divergence", "convergence", "interaxial",
            ],
            inputs=[
                clip_input("images", tooltip="The clip."),
                *distance_inputs(),
                io.Float.Input(
                    "eye_distance", default=63.0, min=0.0, max=100000.0, step=0.5,
                    tooltip="Distance between the eyes in millimetres, in the units of the depth. More gives more depth; 63 is "
                    "a person's.",
                ),
                io.Float.Input(
                    "convergence_distance", default=0.0, min=0.0, max=1000000.0, step=0.01,
                    tooltip="Distance in metres that lies on the screen: what is nearer is in front of it. 0: the median of the "
                    "first frame. VR180 fisheye looks straight ahead and does not use it.",
                ),
                layout_input(),
                io.Combo.Input(
                    "clip_eye", options=list(EYES), default="left",
                    tooltip="Which eye the clip is. left, right: that eye's picture stays as it was shot. middle: both are "
                    "made, with holes half as wide, in twice the time.",
                ),
                io.Boolean.Input(
                    "swap_eyes", default=False,
                    tooltip="Swaps both pictures in stereo_images: for cross-eyed viewing, or where a player has them the other "
                    "way round.",
                ),
                *hole_inputs(),
                edge_input(),
                trim_input(),
                io.Float.Input(
                    "screen_width", default=1.2, min=0.01, max=100.0, step=0.01, advanced=True,
                    tooltip="Width of the screen in metres, for the report: 0.6 for a monitor, 1.2 for a television, 12 for a "
                    "cinema.",
                ),
                io.Float.Input(
                    "viewing_distance", default=2.5, min=0.01, max=100.0, step=0.01, advanced=True,
                    tooltip="Distance from the viewer to the screen in metres, for the report.",
                ),
                *scene_inputs(),
            ],
            outputs=[
                io.Image.Output(display_name="stereo_images", tooltip="Both pictures in one, by stereo_layout."),
                io.Image.Output(display_name="left_images", tooltip="The left eye's clip."),
                io.Image.Output(display_name="right_images", tooltip="The right eye's clip."),
                io.Mask.Output(
                    display_name="left_hole_mask", tooltip="White where the clip does not show what the left eye sees.",
                ),
                io.Mask.Output(
                    display_name="right_hole_mask", tooltip="White where the clip does not show what the right eye sees.",
                ),
                io.String.Output(
                    display_name="report",
                    tooltip="The largest parallax in percent of the width and in degrees, what is cut off by a side, and what "
                    "to lower.",
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, images, depth, depth_type, field_of_view, eye_distance, convergence_distance, stereo_layout, clip_eye,
        swap_eyes, hole_filling, use_other_frames, sharpen_edges, trim_edges, screen_width, viewing_distance, scene=None, scene_depth=None,
    ) -> io.NodeOutput:  # fmt: skip
        clip = read_clip(images, depth, depth_type, field_of_view, sharpen_edges)
        filler = read_filler(
            clip, depth_type, field_of_view, hole_filling, use_other_frames, trim_edges, scene, scene_depth
        )
        layout = stereo_layout["stereo_layout"]
        eyes = EyePair(
            clip, filler, eye_distance / 1000, convergence_distance or clip.middle(), clip_eye,
            fisheye_side(clip, stereo_layout.get("fisheye_size", 0)) if layout == FISHEYE else 0,
        )  # fmt: skip
        check_frames_memory("Stereo from Depth", len(clip), eyes.size, 14, for_one=60)
        comfort = eyes.comfort(screen_width, viewing_distance)
        left, right, *masks = eyes.render(comfort)
        pair = joined(*((right, left) if swap_eyes else (left, right)), layout, stereo_layout.get("half_size", False))
        return io.NodeOutput(pair, left, right, *masks, comfort.headset_report() if eyes.fisheye else comfort.report())


def fisheye_side(clip: DepthClip, size: int) -> int:
    from ...models.view.stereo import side_of_fisheye

    return size or side_of_fisheye(clip.focal)


@dataclass(frozen=True)
class EyePair:
    """A clip and where the eyes are; the pictures of both."""

    clip: DepthClip
    filler: HoleFiller
    eye_distance: float  # metres
    convergence: float  # metres
    clip_eye: str
    fisheye: int  # pixels a side, 0 for flat pictures

    @property
    def size(self) -> tuple[int, int]:
        return (self.fisheye, self.fisheye) if self.fisheye else self.clip.size

    def lenses(self) -> list:
        """The lens of each eye; None for the eye that the clip is."""
        from ...models.view.stereo import EYE_PLACES, eye_lens, fisheye_lens

        lenses = []
        for part in EYE_PLACES[self.clip_eye]:
            place = part * self.eye_distance
            if self.fisheye:
                lenses.append(fisheye_lens(place, self.clip.focal, self.clip.size, self.fisheye))
            else:
                # The clip's own eye keeps its picture, so the other one takes the whole shift.
                lenses.append(eye_lens(place, self.clip.focal, self.clip.size, self.convergence) if part else None)
        return lenses

    def render(self, comfort) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The left and the right clip (N, h, w, 3) and their holes (N, h, w); `comfort` counts the distances."""
        from ...models.view.stereo import field_of_fisheye
        from ..host.progress import progress

        images = [torch.empty(len(self.clip), *self.size, 3) for _ in range(2)]
        masks = [torch.zeros(len(self.clip), *self.size) for _ in range(2)]
        field = field_of_fisheye(self.fisheye, self.clip.focal, self.clip.size) if self.fisheye else None
        report, lenses = progress(len(self.clip)), self.lenses()
        for index, (picture, depth) in enumerate(self.clip.frames()):
            comfort.add(depth, index)
            for eye, lens in enumerate(lenses):
                if lens is None:
                    images[eye][index] = picture
                    continue
                view = self.filler.see(picture, depth, lens)
                masks[eye][index] = view.holes if field is None else view.holes & field
                images[eye][index] = self.filler.fill(view, index, lens, field)[0].picture
            report(index + 1)
        return *images, *masks

    def comfort(self, screen_width: float, viewing_distance: float):
        from ...models.view.comfort import Comfort

        convergence = math.inf if self.fisheye else self.convergence
        focal, width = self.clip.focal, self.clip.size[1]
        return Comfort(focal, width, self.eye_distance, convergence, screen_width, viewing_distance)


def joined(first: Tensor, second: Tensor, layout: str, half_size: bool) -> Tensor:
    """Two clips (N, H, W, 3) as one."""
    from ...models.view.stereo import anaglyph, half
    from ..inputs.depth import by_frames

    if layout == ANAGLYPH:
        return by_frames(first[..., 0], lambda index: anaglyph(first[index], second[index]))
    axis = 1 if layout == OVER_UNDER else 2
    if half_size:
        first, second = (torch.stack([half(frame, axis - 1) for frame in clip]) for clip in (first, second))
    return torch.cat((first, second), axis)
