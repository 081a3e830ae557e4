"""Layers composited to a clip again."""

from comfy_api.latest import io

from ...models.choices import DEPTH_TYPES, OBJECT_DEPTHS
from ..host.types import DA3Geometry, Layers, MoGeGeometry
from ..inputs.memory import check_clip_memory
from ..inputs.video import clip_input
from .decompose import CATEGORY

DISTANCE = DEPTH_TYPES[2]
POSITIONS = {"by depth": None, "behind the person": 0, "in front of the person": 1, "in front of everything": 1000}


class CompositeLayers(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        kinds = [DA3Geometry, MoGeGeometry]
        same = "Use the same kind of depth, in the same range, as for Decompose into Layers."
        return io.Schema(
            node_id="DuetCompositeLayers",
            display_name="Composite Layers",
            category=CATEGORY,
            description="Composites layers to a clip again: without the person, with a character in place of the person, with "
            "another scene, or with an object at its depth. Objects in front stay in front; unchanged pixels stay exactly the "
            "same.",
            search_aliases=[
                "place picture", "place object", "insert picture", "add object", "object depth", "compositing",
                "composite depth", "depth composite", "insert object", "replace person", "replace character",
                "character swap", "remove person", "replace background", "over", "z merge",
            ],
            inputs=[
                Layers.Input(
                    "layers",
                    tooltip="The decomposed clip. To remove or replace the person, connect Fill Scene Behind Person.",
                ),
                clip_input(
                    "scene", optional=True,
                    tooltip="Another scene in place of the clip's: one picture or one for each frame.",
                ),
                clip_input(
                    "character", optional=True,
                    tooltip="A character in place of the person, behind the objects in front: one picture or one for each "
                    "frame. Alpha serves as mask.",
                ),
                io.Mask.Input("character_mask", optional=True, tooltip="White where the character is."),
                clip_input(
                    "character_depth", *kinds, optional=True,
                    tooltip=f"The depth of the character: whatever is nearer then hides it, pixel by pixel. {same}",
                ),
                clip_input(
                    "inserted_object", optional=True,
                    tooltip="An object to add: one picture or one for each frame. Alpha serves as mask.",
                ),
                io.Mask.Input("inserted_object_mask", optional=True, tooltip="White where the object is."),
                clip_input(
                    "inserted_object_depth", *kinds, optional=True,
                    tooltip=f"The depth of the object, needed for the position by depth. {same}",
                ),
                io.Boolean.Input(
                    "remove_person", default=False,
                    tooltip="Shows the scene behind the person instead of the person. Always on where a character is connected.",
                ),
                io.Boolean.Input(
                    "remove_occluders", default=False,
                    tooltip="Shows what is behind the objects in front of the person instead of the objects.",
                ),
                io.Combo.Input(
                    "insert_position", options=list(POSITIONS), default="by depth",
                    tooltip="Place of the added object among the layers. by depth: whatever is nearer hides it, pixel by "
                    "pixel.",
                ),
                io.Float.Input(
                    "feather", default=0.0, min=0.0, max=64.0, step=0.5, advanced=True,
                    tooltip="Pixels over which the edges of the layers fade. Raise it if hard masks leave sharp edges.",
                ),
                clip_input(
                    "shadow", optional=True,
                    tooltip="A shadow on the scene, behind everything that is added, from Shadow of Person or Cast Shadow: "
                    "white where there is none. One picture or one for each frame.",
                ),
                io.Combo.Input(
                    "object_depth", options=list(OBJECT_DEPTHS), default=OBJECT_DEPTHS[0], optional=True,
                    tooltip="What is compared where something is added by depth. each pixel: its depth, pixel by pixel. "
                    "lower edge: one depth for all of it, that of its feet. ground under it: the depth of the scene where "
                    "its feet are; needs no depth of the object.",
                ),
                io.Float.Input(
                    "depth_tolerance", default=0.0, min=0.0, max=0.5, step=0.005, optional=True,
                    tooltip="Share of the range of depth by which what is added may be farther than what hides it and still "
                    "be visible, fading out. Raise it if the edge flickers. 0: a sharp edge.",
                ),
                io.Boolean.Input(
                    "stands_on_ground", default=False, optional=True,
                    tooltip="The ground under what is added by depth does not hide it. On if feet vanish in the ground. "
                    "Always on for ground under it.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="images", tooltip="The composited clip."),
                io.Image.Output(display_name="depth", tooltip="The depth of the composited clip, near is white."),
                io.Mask.Output(display_name="changed_mask", tooltip="White where a pixel differs from the original clip."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, layers, remove_person, remove_occluders, insert_position, feather, **optional) -> io.NodeOutput:
        from ..inputs import clips

        layers = clips.layers(layers)
        check_clip_memory("Composite Layers", layers.images, 5, for_one=24)
        changes = read_changes(layers, remove_person, remove_occluders, insert_position, **optional)
        return io.NodeOutput(*composite(layers, changes, feather))


def read_changes(
    layers, remove_person, remove_occluders, insert_position, scene=None, character=None, character_mask=None,
    character_depth=None, inserted_object=None, inserted_object_mask=None, inserted_object_depth=None, shadow=None,
    **depth_options,
):  # fmt: skip
    """The changes that the inputs of Composite Layers ask for."""
    from ...models.layers.composite import Changes

    scene, shadow = (read_pictures(layers, clip, name) for name, clip in (("scene", scene), ("shadow", shadow)))
    no_person = remove_person or character is not None
    if (no_person or remove_occluders) and scene is None and layers.scene is None:
        raise ValueError(
            "Expected a scene for the place of what is removed, got none: put Fill Scene Behind Person in front of "
            "Composite Layers, or connect scene."
        )
    placement = read_placement(layers, **depth_options)
    added = []
    if character is not None:
        rank = 1 if character_depth is None else None
        added.append(read_addition(layers, character, character_mask, character_depth, "character", rank, placement))
    if inserted_object is not None:
        rank = POSITIONS[insert_position]
        check_object_depth(layers, rank, inserted_object_depth, placement)
        depth = None if rank is not None else inserted_object_depth
        added.append(
            read_addition(layers, inserted_object, inserted_object_mask, depth, "inserted_object", rank, placement)
        )
    return Changes(scene, None, no_person, remove_occluders, added, shadow)


def read_pictures(layers, images, name: str):
    """One picture or one for each frame of the layers, or None."""
    from ..inputs import clips

    if images is None:
        return None
    images = clips.same_size(name, clips.pictures(images, name), layers.size, len(layers.images))
    return images.clamp(0, 1) if name == "shadow" and (images.min() < 0 or images.max() > 1) else images


def read_placement(layers, object_depth=OBJECT_DEPTHS[0], depth_tolerance=0.0, stands_on_ground=False):
    """How something that is added is compared by depth."""
    from ...models.choices import check_choice
    from ...models.layers.exports import grey_range
    from ...models.layers.placement import Placement

    check_choice(object_depth, OBJECT_DEPTHS)
    used = depth_tolerance > 0 or stands_on_ground or object_depth == OBJECT_DEPTHS[2]
    low, high = grey_range(layers) if used else (0.0, 1.0)
    return Placement(object_depth, depth_tolerance, stands_on_ground, max(high - low, 1e-12))


def check_object_depth(layers, rank: int | None, depth, placement) -> None:
    """Refuses the position by depth without a depth to compare."""
    if rank is not None or depth is not None:
        return
    if placement.object_depth != OBJECT_DEPTHS[2]:
        how = (
            "connect it, or choose another insert_position"
            if layers.depth is not None
            else "choose another insert_position"
        )
        raise ValueError(
            f"inserted_object_depth: expected the depth of the object for the position by depth, got none: {how}."
        )
    if layers.depth is None:
        raise ValueError(
            "object_depth: expected layers with depth for ground under it, got layers without: connect depth to Decompose "
            "into Layers, or choose another insert_position."
        )


def read_addition(layers, images, mask, depth, name: str, rank: int | None, placement):
    """A picture with its mask or its alpha, checked against the clip, as something to add."""
    from ...models.layers.composite import Addition
    from ..inputs import clips

    frames, size = len(layers.images), layers.size
    alpha = images[..., 3] if mask is None and images.ndim == 4 and images.shape[-1] == 4 else mask
    if alpha is None:
        raise ValueError(f"{name}_mask: expected a mask, or alpha in {name}, got neither: connect {name}_mask.")
    images = clips.same_size(name, clips.pictures(images, name), size, frames)
    alpha = clips.same_size(f"{name}_mask", clips.masks(alpha, f"{name}_mask", frames), size, frames)
    near = None if depth is None else read_depth(layers, depth, f"{name}_depth")
    return Addition(images, alpha, near, rank, placement)


def read_depth(layers, depth, name: str):
    """Depth of something to add as nearness in the units of the layers; another kind of depth is refused."""
    from ...models.layers.layers import NearnessClip
    from ..inputs import clips

    if layers.depth is None:
        raise ValueError(
            f"{name}: expected layers with depth to compare it with, got layers without: connect depth to Decompose into "
            f"Layers, or {'choose another insert_position' if name.startswith('inserted') else 'leave it unconnected'}."
        )
    plane, depth_type = clips.depth(depth, layers.depth_type, len(layers.images), name)
    clips.same_size(name, plane, layers.size, len(layers.images))
    greys = depth_type == DISTANCE and not isinstance(depth, dict) and plane.max() <= 1
    if greys or (depth_type == DISTANCE) != (layers.depth_type == DISTANCE):
        raise ValueError(
            f"{name}: expected the same kind of depth as in the layers, {layers.depth_type}, got "
            f"{'greys' if greys else depth_type}: use geometry for both, or depth pictures for both."
        )
    return NearnessClip(plane, depth_type)


def composite(layers, changes, feather: float):
    """Pictures (N, H, W, 3), depth pictures (N, H, W, 3) and where they changed (N, H, W)."""
    from ...models.layers.composite import composite_frame
    from ...models.layers.exports import as_grey, grey_range
    from ...models.layers.shared_clip import Family
    from ..host.progress import progress
    from ..inputs.depth import as_image

    shape, limits = layers.images.shape[:3], grey_range(layers)
    report, family = progress(len(layers.images)), Family.of(layers.images)
    images, changed = family.dense("images", layers.images, *shape, 3), family.sparse("changed", None, *shape)
    depth = family.sparse("no_depth", None, *shape)
    if layers.depth is not None:
        depth = family.dense("depth", layers.depth, *shape, by_columns=True)
    for index in range(len(layers.images)):
        picture, near, where = composite_frame(layers, changes, index, feather)
        images.write(index, picture)
        changed.write(index, where)
        if near is not None:
            depth.write(index, as_grey(near, limits))
        report(index + 1)
    return images.clip(), as_image(depth.clip()), changed.clip()
