"""A clip with its distances as the nodes of this topic read it, and what they put into holes.

Letters: N frames, H and W pixels.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from comfy_api.latest import io
from torch import Tensor

from ...models.choices import HOLE_FILLINGS
from ..inputs.distance import Distances, read_distances
from ..inputs.video import clip_input

CATEGORY = "Duet/camera"
BEYOND = 100.0  # times the farthest distance of its frame: where sky and pixels of unknown distance are put


def trim_input() -> io.Int.Input:
    return io.Int.Input(
        "trim_edges", default=1, min=0, max=16, step=1, advanced=True,
        tooltip="Pixels of background beside an uncovered edge that become part of the hole, since the colours of what was in "
        "front are mixed into them. 1 for rendered pictures, 2 to 3 for footage of a camera.",
    )  # fmt: skip


def edge_input() -> io.Int.Input:
    return io.Int.Input(
        "sharpen_edges", default=0, min=0, max=16, step=1, advanced=True,
        tooltip="Pixels over which the edges of the depth are blurred, to each side. Estimated depth needs 1 to 3, otherwise "
        "specks appear between near and far. 0 for exact depth.",
    )  # fmt: skip


def hole_inputs() -> list:
    """The inputs that HoleFiller takes; the optional ones come last in a schema."""
    return [
        io.Combo.Input(
            "hole_filling", options=list(HOLE_FILLINGS), default="background",
            tooltip="What holes show where neither scene nor other frames fill them. background: the background beside them, "
            "stretched. grey: 0.5, for video models that generate what is missing. black: nothing.",
        ),
        io.Boolean.Input(
            "use_other_frames", default=False,
            tooltip="On: holes show what other frames of the clip have there, the farthest of it. Only for clips whose own "
            "camera does not move.",
        ),
    ]  # fmt: skip


def scene_inputs() -> list:
    return [
        clip_input(
            "scene", optional=True,
            tooltip="The clip without the person, from Fill Scene Behind Person: holes show it. One picture for a still "
            "camera, or one for each frame.",
        ),
        clip_input(
            "scene_depth", optional=True,
            tooltip="The depth of the scene, in the same depth_type, near_depth and far_depth as depth.",
        ),
    ]  # fmt: skip


@dataclass(frozen=True)
class DepthClip:
    """Pictures with distances of the same frames; distances of another size are fitted frame by frame."""

    images: Tensor  # (N, H, W, 3)
    distances: Distances
    sharpen_edges: int = 0

    @property
    def size(self) -> tuple[int, int]:
        return tuple(self.images.shape[1:3])

    @property
    def focal(self) -> float:
        """Pixels of the pictures."""
        return self.distances.focal * self.size[1] / self.distances.depth.shape[2]

    def __len__(self) -> int:
        return len(self.images)

    def depth(self, index: int) -> Tensor:
        """(H, W) metres; sky and what has no distance is very far."""
        from ...models.view.surface import sharpened

        depth = self.distances.depth[index].to(self.images.device)
        known = torch.isfinite(depth)
        depth = depth.where(known, BEYOND * depth[known].max())
        if depth.shape != self.size:
            depth = torch.nn.functional.interpolate(depth[None, None], self.size, mode="nearest-exact")[0, 0]
        return sharpened(depth, self.sharpen_edges)

    def frames(self) -> Iterator[tuple[Tensor, Tensor]]:
        for index in range(len(self)):
            yield self.images[index], self.depth(index)

    def middle(self) -> float:
        """The median distance of the clip's first frame."""
        depth = self.distances.depth[0]
        return depth[torch.isfinite(depth)].median().item()


def read_clip(images, depth, depth_type, field_of_view, sharpen_edges=0, names=("images", "depth")) -> DepthClip:
    """Checked pictures and distances; other numbers of frames and other shapes are refused."""
    from ..inputs import checks, clips

    images = clips.pictures(images, names[0])
    distances = read_distances(depth, depth_type, field_of_view, names[1])
    checks.same_frames(**{names[0]: images, names[1]: distances.depth})
    (height, width), (tall, wide) = images.shape[1:3], distances.depth.shape[1:3]
    if abs(height * wide - width * tall) > max(height, width, tall, wide):
        raise ValueError(
            f"{names[1]}: expected the shape of {names[0]}, {width} x {height}, got {wide} x {tall}: take the depth of the "
            "same pictures, or crop both alike."
        )
    return DepthClip(images, distances, sharpen_edges)


class HoleFiller:
    """What holes of a clip show, by the inputs of the node."""

    def __init__(
        self, clip: DepthClip, hole_filling: str, scene: DepthClip | None, use_other_frames: bool, trim_edges: int
    ):
        self.hole_filling, self.scene, self.others, self.trim_edges = hole_filling, scene, None, trim_edges
        if use_other_frames:
            from ...models.view.fill import farthest_over_time
            from ..host.progress import stop_if_cancelled

            self.others = farthest_over_time(clip.frames(), stop_if_cancelled)

    def see(self, picture: Tensor, depth: Tensor, lens):
        """The View of a frame by a lens, its holes open."""
        from ...models.view.fill import uncovered

        return uncovered(picture, depth, lens, self.trim_edges)

    def fill(self, view, index: int, lens, inside: Tensor | None = None):
        """A View with its holes filled, and (H, W) bool where nothing real was found for them."""
        from ...models.view.fill import from_scene, stretched
        from ...models.view.reproject import View

        for picture, depth in self.sources(index):
            if view.holes.any():
                view = from_scene(view, self.see(picture, depth, lens))
        open_holes = view.holes if inside is None else view.holes & inside
        if self.hole_filling == "background":
            return stretched(view, inside), open_holes
        grey = 0.5 if self.hole_filling == "grey" else 0.0
        return View(torch.where(open_holes[..., None], grey, view.picture), view.depth, view.holes), open_holes

    def sources(self, index: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Pictures of what is behind, with distances, the best first."""
        if self.scene is not None:
            frame = index if len(self.scene) > 1 else 0
            yield self.scene.images[frame], self.scene.depth(frame)
        if self.others is not None:
            yield self.others


def read_filler(
    clip: DepthClip, depth_type, field_of_view, hole_filling, use_other_frames, trim_edges, scene=None, scene_depth=None
) -> HoleFiller:  # fmt: skip
    """The HoleFiller that hole_inputs() and scene_inputs() ask for."""
    from ..inputs import clips

    if (scene is None) != (scene_depth is None):
        here, missing = ("scene", "scene_depth") if scene_depth is None else ("scene_depth", "scene")
        raise ValueError(
            f"{missing}: expected it together with {here}, got none: connect both from Fill Scene Behind Person, or neither."
        )
    if scene is not None:
        scene = read_clip(scene, scene_depth, depth_type, field_of_view, clip.sharpen_edges, ("scene", "scene_depth"))
        clips.same_size("scene", scene.images, clip.size, len(clip))
    return HoleFiller(clip, hole_filling, scene, use_other_frames, trim_edges)
