"""A clip decomposed into the person, what is in front of the person, and the scene."""

from comfy_api.latest import io

from ...models.choices import DEPTH_TYPES
from ..host.types import DA3Geometry, Layers, MoGeGeometry, PoseKeypoint, SAM3TrackData
from ..inputs.memory import check_clip_memory
from ..inputs.video import clip_input

CATEGORY = "Duet/layers and swap"
OBJECT_SOURCES = MASKS, BY_DEPTH = ("object masks", "depth")


def outputs() -> list:
    """The outputs of both nodes that decide about layers."""
    return [
        Layers.Output(display_name="layers", tooltip="The decomposed clip, for the other layer nodes."),
        io.Mask.Output(display_name="person_mask", tooltip="The visible part of the person."),
        io.Mask.Output(display_name="occluder_mask", tooltip="The visible part of everything in front of the person."),
        io.Mask.Output(display_name="scene_mask", tooltip="Everything else. The three masks add up to 1."),
        io.Image.Output(
            display_name="preview",
            tooltip="Frames with the numbers of the objects: the person green, objects in front of the person orange, "
            "objects of the scene blue.",
        ),
        io.String.Output(
            display_name="report", tooltip="One sentence for each object: whether it is in front, and why."
        ),
    ]


def results(layers) -> io.NodeOutput:
    """Layers with their masks, preview and report."""
    from ...models.layers.decompose import layer_masks
    from ...models.layers.preview import preview
    from ..host.progress import progress

    masks = layer_masks(layers, progress(len(layers.images)))
    return io.NodeOutput(layers.as_dict(), *masks, preview(layers), "\n".join(layers.report))


def read_objects(object_masks, frames: int):
    """Masks or a track as layers keep them: (K, N or 1, h, w), or packed (N, K, h, w / 8), or None."""
    from ...models.layers.masks import objects_from_masks, objects_from_track
    from ..inputs import clips

    if object_masks is None:
        return None
    if isinstance(object_masks, dict):
        return objects_from_track(object_masks, frames)
    return objects_from_masks(clips.masks(object_masks, "object_masks"), frames)


def read_depth(depth, depth_type: str, frames: int, object_source: str, keypoints):
    """Depth (N, h, w) with its type, None where none is connected; what cannot be decided without it is refused."""
    from ..inputs import clips

    if depth is not None:
        return clips.depth(depth, depth_type, frames)
    if object_source == BY_DEPTH:
        raise ValueError(
            "depth: expected the depth of the clip for object_source depth, got none: connect it, or set object_source to "
            "object masks."
        )
    if keypoints is not None:
        raise ValueError(
            "keypoints: expected depth with them, got none: connect depth, or leave keypoints unconnected, because without "
            "depth the body decides nothing."
        )
    return None, depth_type


def read_body(keypoints, depth, depth_type: str, size: tuple[int, int], frames: int):
    """The posed body of keypoints, or None without them."""
    from ...models.character.from_keypoints import body_from_keypoints
    from ...models.layers.layers import nearness
    from ..inputs import checks

    if keypoints is None:
        return None
    checks.same_frames(images=range(frames), keypoints=keypoints)
    return body_from_keypoints(keypoints, lambda index: nearness(depth[index], depth_type, size), *size)


class DecomposeLayers(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetDecomposeLayers",
            display_name="Decompose into Layers",
            category=CATEGORY,
            description="Decomposes a clip into the person, what is in front of the person, and the scene, by masks and depth. "
            "For removing or replacing the person, putting objects at their depth, and masks of what hides the person.",
            search_aliases=[
                "layers", "separate layers", "split layers", "occlusion", "occluder mask", "remove person", "replace person",
                "character swap", "swap character", "rotoscope", "roto", "matte", "foreground", "background", "depth order",
                "parallax", "MIMO",
            ],
            inputs=[
                clip_input("images", tooltip="The frames of the clip."),
                clip_input(
                    "depth", DA3Geometry, MoGeGeometry, optional=True,
                    tooltip="Depth pictures of the same frames, or the geometry of Depth Anything 3 or MoGe. Without it all "
                    "objects in object_masks are in front of the person, and nothing can be placed by depth.",
                ),
                io.Mask.Input(
                    "person_mask",
                    tooltip="White where the person is, from Mask by Motion, SAM3 or Remove Background. One mask for each frame, of any size; "
                    "a single mask is used for all frames.",
                ),
                io.MultiType.Input(
                    "object_masks", types=[io.Mask, SAM3TrackData], optional=True,
                    tooltip="Objects that may be in front of the person: the track of SAM3, or masks. N masks are one object "
                    "in N frames; masks of several objects follow one after the other.",
                ),
                PoseKeypoint.Input(
                    "keypoints", optional=True,
                    tooltip="The pose of the person, which gives the hidden parts of the body. Without it the outline around "
                    "the visible parts counts as the body. Needs depth.",
                ),
                io.Combo.Input(
                    "depth_type", options=list(DEPTH_TYPES), default=DEPTH_TYPES[0],
                    tooltip="What the numbers of a depth picture mean. Change it if the report finds 0 % of an object nearer "
                    "that clearly is in front. Geometry is always a distance.",
                ),
                io.Combo.Input(
                    "object_source", options=list(OBJECT_SOURCES), default=MASKS,
                    tooltip="object masks: each object in object_masks is checked. depth: everything nearer than the person "
                    "that reaches over the body is one object; choose it if there are no masks of objects. Needs depth.",
                ),
                io.Float.Input(
                    "nearer_fraction", default=0.4, min=0.0, max=1.0, step=0.01, advanced=True,
                    tooltip="Fraction of an object, from 0 to 1, that must be nearer than the person. Raise it if objects "
                    "behind the person are taken for objects in front.",
                ),
                io.Float.Input(
                    "stability_margin", default=0.15, min=0.0, max=0.5, step=0.01, advanced=True,
                    tooltip="Distance from nearer_fraction within which a frame keeps the decision of the frame before. "
                    "Raise it if an object flickers between front and scene.",
                ),
                io.Float.Input(
                    "min_hidden_percent", default=0.25, min=0.0, max=100.0, step=0.05, advanced=True,
                    tooltip="Percent of the body that an object must hide in at least one frame. Set it to 0 to keep "
                    "everything nearer than the person.",
                ),
            ],
            outputs=outputs(),
        )  # fmt: skip

    @classmethod
    def execute(
        cls, images, person_mask, depth_type, object_source, nearer_fraction, stability_margin, min_hidden_percent,
        depth=None, object_masks=None, keypoints=None,
    ) -> io.NodeOutput:  # fmt: skip
        from ...models.layers.decide import Rule
        from ...models.layers.decompose import decompose, is_repeated
        from ..host.notice import show_warning
        from ..host.progress import progress
        from ..inputs import clips

        check_clip_memory("Decompose into Layers", images, 3)
        images = clips.pictures(images)
        frames, size = len(images), tuple(images.shape[1:3])
        depth, depth_type = read_depth(depth, depth_type, frames, object_source, keypoints)
        person, objects = clips.masks(person_mask, "person_mask", frames), read_objects(object_masks, frames)
        body = read_body(keypoints, depth, depth_type, size, frames)
        rule = Rule(nearer_fraction, stability_margin, min_hidden_percent / 100)
        how = {"rule": rule, "by_depth": object_source == BY_DEPTH, "report": progress(2 * frames)}
        layers = decompose(images, person, depth, depth_type, objects, body, **how)
        repeated = layers.report[0] if is_repeated(person, frames) else None
        lines = [repeated, clips.mask_warning("person_mask", person, size)]
        show_warning(" ".join(filter(None, lines)) or None, "Each frame has a person mask of its own.")
        return results(layers)


class EditLayers(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetEditLayers",
            display_name="Edit Layers",
            category=CATEGORY,
            description="Corrects which objects are in front of the person and which belong to the scene, by their numbers "
            "in the preview of Decompose into Layers. Several of these nodes in a row make changes over time.",
            search_aliases=["layer order", "override layer", "force occluder", "fix occlusion", "reorder layers"],
            inputs=[
                Layers.Input("layers", tooltip="From Decompose into Layers or another Edit Layers."),
                io.String.Input(
                    "front_objects", default="", placeholder="0, 2",
                    tooltip="Numbers of the objects to put in front of the person, for example 0, 2.",
                ),
                io.String.Input(
                    "scene_objects", default="", placeholder="1", tooltip="Numbers of the objects to put into the scene, for example 1."
                ),
                io.Int.Input(
                    "first_frame", default=0, min=0, max=100000, step=1, tooltip="The first frame of the change, from 0."
                ),
                io.Int.Input(
                    "last_frame", default=-1, min=-1, max=100000, step=1,
                    tooltip="The last frame of the change; -1 is the end of the clip.",
                ),
            ],
            outputs=outputs(),
        )  # fmt: skip

    @classmethod
    def execute(cls, layers, front_objects, scene_objects, first_frame, last_frame) -> io.NodeOutput:
        from ...models.layers.decompose import edit_layers, parse_numbers
        from ..inputs import clips

        layers, front, scene = clips.layers(layers), parse_numbers(front_objects), parse_numbers(scene_objects)
        check_clip_memory("Edit Layers", layers.images, 3)
        return results(edit_layers(layers, front, scene, first_frame, last_frame))
