"""A clip of one scene; each group of its parts is computed on first use, then kept.

Letters: F frames, H and W pixels, L layers (the person, then each object).
"""

from functools import cached_property

from torch import Tensor

from ..view.camera import Camera
from .actors import Actors, stage_actors
from .caption import describe
from .render import (
    Report,
    character_keypoints,
    exact_flow,
    find_pose,
    render_character,
    render_geometry,
    render_pictures,
)
from .scene import Scene

GROUPS = ("pictures", "geometry", "flow", "poses", "portrait")
# Float32 numbers a pixel: of each frame once a group is computed, of each layer of the pictures, and of each frame that
# is being computed.
KEPT = {"pictures": 13, "geometry": 6, "flow": 5, "poses": 3, "portrait": 0}
LAYER = 4
WORK = {"pictures": 24, "geometry": 40, "flow": 40, "poses": 1, "portrait": 40}


class Part:
    """One value of a group; to read it computes the whole group, once."""

    def __init__(self, group: str):
        self.group = group

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, clip: "Clip | None", owner: type):
        return self if clip is None else getattr(clip, self.group)[self.name]


class Clip:
    """F frames of one scene. Pictures are (F, H, W, 3) in [0, 1], masks (F, H, W) in [0, 1]."""

    rgb: Tensor = Part("pictures")
    scene_images: Tensor = Part("pictures")  # the room without person and objects
    person_images: Tensor = Part("pictures")  # the whole person alone on grey
    layers: Tensor = Part("pictures")  # (L, F, H, W, 4) premultiplied colour and coverage of each layer's visible part
    person_mask: Tensor = Part("pictures")  # the visible part of the person
    occluder_mask: Tensor = Part("pictures")  # the visible part of objects nearer than the person
    scene_mask: Tensor = Part("pictures")  # everything else
    whole_person_mask: Tensor = Part("pictures")  # the person as if nothing stood in front
    depth: Tensor = Part("geometry")  # (F, H, W) metres along the camera's axis, at pixel centres
    scene_depth: Tensor = Part("geometry")  # (F, H, W) that of the empty room
    layer: Tensor = Part("geometry")  # (F, H, W) uint8: 0 room, 1 person, 2 and up objects
    owner: Tensor = Part("geometry")  # (F, H, W) uint8: 0 room, else the rigid part of the person or the object
    part: Tensor = Part("geometry")  # (F, H, W) uint8: 0 outside the person, else 1 + bone, objects ignored
    body: Tensor = Part("geometry")  # (F, H, W, 3) place on the standard body, 0 outside the person, objects ignored
    forward: Tensor = Part("flow")  # (F-1, H, W, 2) pixels from frame i to i+1
    forward_valid: Tensor = Part("flow")  # (F-1, H, W) bool
    backward: Tensor = Part("flow")  # (F-1, H, W, 2) pixels from frame i+1 to i
    backward_valid: Tensor = Part("flow")
    keypoints: list = Part("poses")  # POSE_KEYPOINT in SDPose's format
    pose: Tensor = Part("poses")  # the keypoints drawn in OpenPose colours
    joints: Tensor = Part("poses")  # (F, 18, 3) metres in camera space
    character: Tensor = Part("portrait")  # (1, H, W, 3) the person in A-pose on grey
    character_keypoints: list = Part("portrait")  # POSE_KEYPOINT of that picture

    def __init__(self, scene: Scene, samples: int = 2, chunk: int | None = None):
        """`samples` per pixel side smooth the edges, 1 gives hard ones; `chunk` frames are computed at a time."""
        self.scene, self.samples = scene, samples
        self.action, self.caption = scene.action, describe(scene)
        self._step = chunk or max(1, round(16 * 128 * 128 / (scene.height * scene.width)))
        self._report: Report = lambda done: None

    def compute(self, *groups: str, report: Report = lambda done: None) -> "Clip":
        """Computes those of GROUPS that are missing; `report` gets the frames that are done, F for each group."""
        try:
            for turn, group in enumerate(groups):
                self._report = lambda done, before=turn * self.scene.frames: report(before + done)
                getattr(self, group)
                self._report(self.scene.frames)
        finally:
            self._report = lambda done: None
        return self

    def bytes_needed(self, *groups: str) -> int:
        """About how much memory those of GROUPS that are missing will take, and the largest workspace of one chunk."""
        missing = [group for group in groups if group not in vars(self)]
        pixels = self.scene.height * self.scene.width
        kept = sum(KEPT[group] for group in missing) + LAYER * (1 + len(self.scene.objects)) * ("pictures" in missing)
        work = max((WORK[group] * (self.samples**2 if group != "geometry" else 1) for group in missing), default=0)
        return 4 * pixels * (kept * self.scene.frames + work * min(self._step, self.scene.frames))

    @cached_property
    def camera(self) -> Camera:
        return self.scene.view()

    @cached_property
    def actors(self) -> Actors:
        return stage_actors(self.scene)

    @cached_property
    def pictures(self) -> dict[str, Tensor]:
        return render_pictures(self.scene, self.actors, self.camera, self.samples, self._step, self._report)

    @cached_property
    def geometry(self) -> dict[str, Tensor]:
        return render_geometry(self.scene, self.actors, self.camera, self._step, self._report)

    @cached_property
    def flow(self) -> dict[str, Tensor]:
        poses = self.actors.poses(self.camera)
        return exact_flow(self.layer, self.owner, self.depth, poses, self.camera, self._step, self._report)

    @cached_property
    def poses(self) -> dict:
        return find_pose(self.scene, self.actors, self.camera, self._report)

    @cached_property
    def portrait(self) -> dict:
        picture, _ = render_character(self.scene, self.samples)
        return {"character": picture, "character_keypoints": character_keypoints(self.scene)}


def render(scene: Scene, samples: int = 2, chunk: int | None = None) -> Clip:
    """The clip of a scene."""
    return Clip(scene, samples, chunk)
