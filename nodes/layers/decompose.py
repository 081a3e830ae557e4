"""A clip taken apart: scene, person, and what stands before the person."""

from comfy_api.latest import io

from ...models.choices import DEPTH_TYPES
from ..host.types import DA3Geometry, Layers, MoGeGeometry, PoseKeypoint, SAM3TrackData

CATEGORY = "Duet/layers"
BY_DEPTH, GIVEN = "found by depth", "as given"


def outputs() -> list:
    """What both nodes that decide about layers hand out."""
    return [
        Layers.Output(display_name="layers", tooltip="The clip taken apart, for the other layer nodes."),
        io.Mask.Output(display_name="human", tooltip="What is seen of the person."),
        io.Mask.Output(display_name="occluder", tooltip="What is seen of everything that stands before the person."),
        io.Mask.Output(display_name="scene", tooltip="Everything else. The three masks add up to 1."),
        io.Image.Output(
            display_name="preview",
            tooltip="Frames with the numbers of the objects: green the person, orange before the person, blue scene.",
        ),
        io.String.Output(display_name="report", tooltip="One sentence for each object: kept or dropped, and why."),
    ]


def answer(layers) -> io.NodeOutput:
    """Layers with their masks, preview and report."""
    from ...models.layers.decompose import masks
    from ...models.layers.preview import preview
    from ..host.progress import progress

    human, occluder, scene = masks(layers, progress(len(layers.images)))
    return io.NodeOutput(layers.as_dict(), human, occluder, scene, preview(layers), "\n".join(layers.report))


def candidates(objects, frames: int):
    """Masks or a track to what the layers keep: (K, N or 1, h, w), or packed (N, K, h, w / 8), or None."""
    from ...models.layers.masks import stacked_masks, track_masks
    from ..inputs import clips

    if objects is None:
        return None
    if isinstance(objects, dict):
        return track_masks(objects, frames)
    return stacked_masks(clips.masks(objects, "objects"), frames)


def body_of(keypoints, depth, source: str, size: tuple[int, int], frames: int):
    """The posed body of keypoints, or None without them."""
    from ...models.character.posed import posed
    from ...models.layers.layers import nearness
    from ..inputs import checks

    if keypoints is None:
        return None
    checks.same_frames(images=range(frames), keypoints=keypoints)
    return posed(keypoints, lambda index: nearness(depth[index], source, size), *size)


class DecomposeLayers(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetDecomposeLayers",
            display_name="Decompose Layers",
            category=CATEGORY,
            description="Takes a clip apart into the person, what passes in front of the person, and the scene. An "
            "object is in front where it is nearer than the person and hides some of the body.",
            search_aliases=["occlusion", "layers", "MIMO", "foreground", "background", "depth order", "take apart", "roto"],
            inputs=[
                io.Image.Input("images", tooltip="The frames of the clip."),
                io.MultiType.Input(
                    "depth", types=[io.Image, DA3Geometry, MoGeGeometry],
                    tooltip="Depth pictures of the same frames, or the geometry of Depth Anything 3 or MoGe.",
                ),
                io.Combo.Input(
                    "source", options=list(DEPTH_TYPES), default=DEPTH_TYPES[0],
                    tooltip="What the numbers of a depth picture mean. near is white: like the depth of ControlNets. Geometry is always "
                    "a distance.",
                ),
                io.Mask.Input(
                    "human",
                    tooltip="White where the person is: one mask for each frame, of any size. From SAM3 or background removal.",
                ),
                io.Combo.Input(
                    "object_masks", options=[GIVEN, BY_DEPTH], default=GIVEN,
                    tooltip="as given: the objects below are judged one by one. found by depth: without a model for "
                    "objects, everything nearer than the person that reaches into the body is one object.",
                ),
                io.Float.Input(
                    "nearer", default=0.4, min=0.0, max=1.0, step=0.01,
                    tooltip="Which share of an object must be nearer than the person. Raise it if objects behind are taken "
                    "for objects in front.",
                ),
                io.Float.Input(
                    "margin", default=0.15, min=0.0, max=0.5, step=0.01,
                    tooltip="How far around that share a frame is in doubt and says what the frame before said. More is "
                    "steadier.",
                ),
                io.Float.Input(
                    "overlap", default=0.25, min=0.0, max=100.0, step=0.05,
                    tooltip="Percent of the whole body that an object must hide at least once. 0 keeps everything nearer.",
                ),
                io.MultiType.Input(
                    "objects", types=[io.Mask, SAM3TrackData], optional=True,
                    tooltip="What may stand in front: the track of SAM3 as it is, or masks. N masks are one object in N "
                    "frames; those of several objects follow each other.",
                ),
                PoseKeypoint.Input(
                    "keypoints", optional=True,
                    tooltip="The pose of the person. With it the hidden parts of the body are known; without it the "
                    "outline around what is seen counts as the body.",
                ),
            ],
            outputs=outputs(),
        )  # fmt: skip

    @classmethod
    def execute(
        cls, images, depth, source, human, object_masks, nearer, margin, overlap, objects=None, keypoints=None
    ) -> io.NodeOutput:
        from ...models.layers.decide import Rule
        from ...models.layers.decompose import decompose
        from ..host.progress import progress
        from ..inputs import clips

        images = clips.pictures(images)
        frames, size = len(images), tuple(images.shape[1:3])
        depth, source = clips.depth(depth, source, frames)
        human = clips.masks(human, "human", frames)
        objects = candidates(objects, frames)
        body = body_of(keypoints, depth, source, size, frames)
        rule = Rule(nearer, margin, overlap / 100)
        by_depth = object_masks == BY_DEPTH
        return answer(decompose(images, human, depth, source, objects, body, rule, by_depth, progress(2 * frames)))


class EditLayers(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetEditLayers",
            display_name="Edit Layers",
            category=CATEGORY,
            description="Puts objects in front of the person or into the scene by hand, by their numbers in the preview "
            "of Decompose Layers. Several of these nodes in a row make changes over time.",
            search_aliases=["override layer", "force occluder", "layer order", "fix occlusion"],
            inputs=[
                Layers.Input("layers", tooltip="From Decompose Layers or another Edit Layers."),
                io.String.Input(
                    "front", default="",
                    tooltip="Numbers of the objects that stand before the person, for example 0, 2.",
                ),
                io.String.Input("back", default="", tooltip="Numbers of the objects that belong to the scene."),
                io.Int.Input("first", default=0, min=0, max=100000, step=1, tooltip="The first frame of the change."),
                io.Int.Input(
                    "last", default=-1, min=-1, max=100000, step=1,
                    tooltip="The last frame of the change; -1 is the end of the clip.",
                ),
            ],
            outputs=outputs(),
        )  # fmt: skip

    @classmethod
    def execute(cls, layers, front, back, first, last) -> io.NodeOutput:
        from ...models.layers.decompose import edit, numbers_of
        from ..inputs import clips

        return answer(edit(clips.layers(layers), numbers_of(front), numbers_of(back), first, last))
