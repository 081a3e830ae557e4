"""Layers put together again."""

from comfy_api.latest import io

from ..host.types import DA3Geometry, Layers, MoGeGeometry
from .decompose import CATEGORY

KEEP, REMOVE = "keep", "remove"
PLACES = {"by depth": None, "behind the person": 0, "before the person": 1, "before everything": 1000}


def addition(layers, images, mask, depth, name: str, rank: int | None):
    """A picture with its mask or its alpha, checked against the clip, as something to be put in."""
    from ...models.layers.composite import Addition
    from ...models.layers.layers import NearnessClip
    from ..inputs import clips

    frames, size = len(layers.images), layers.size
    alpha = images[..., 3] if mask is None and images.ndim == 4 and images.shape[-1] == 4 else mask
    if alpha is None:
        raise ValueError(f"{name}: expected a mask or a picture with alpha, got neither: connect {name}_mask.")
    images = clips.same_size(name, clips.pictures(images, name), size, frames)
    alpha = clips.same_size(f"{name}_mask", clips.masks(alpha, f"{name}_mask", frames), size, frames)
    if depth is not None:
        plane, source = clips.depth(depth, layers.depth_source, frames, f"{name}_depth")
        clips.same_size(f"{name}_depth", plane, size, frames)
        greys = source == "distance" and not isinstance(depth, dict) and plane.max() <= 1
        if greys or (source == "distance") != (layers.depth_source == "distance"):
            raise ValueError(
                f"{name}_depth: expected the kind of depth that the layers were made with, got {'greys' if greys else source} "
                f"beside {layers.depth_source}: give both as geometry, or both as depth pictures."
            )
        depth = NearnessClip(plane, source)
    return Addition(images, alpha, depth, rank)


class CompositeLayers(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        kinds = [io.Image, DA3Geometry, MoGeGeometry]
        same = "The same kind of depth, in the same range, as Decompose Layers had."
        return io.Schema(
            node_id="DuetCompositeLayers",
            display_name="Composite Layers",
            category=CATEGORY,
            description="Puts the layers together again: with another scene, without the person, with another person, or "
            "with an object between them. What stood in front stays in front. What you do not change stays exactly as it "
            "was.",
            search_aliases=["compositing", "insert object", "replace person", "remove person", "over", "z merge"],
            inputs=[
                Layers.Input("layers", tooltip="The clip taken apart. To remove somebody, put Complete Scene before it."),
                io.Combo.Input("person", options=[KEEP, REMOVE], default=KEEP, tooltip="Keep the person or take it out."),
                io.Combo.Input(
                    "in_front", options=[KEEP, REMOVE], default=KEEP,
                    tooltip="Keep what stands before the person or take it out.",
                ),
                io.Float.Input(
                    "soften", default=0.0, min=0.0, max=64.0, step=0.5,
                    tooltip="Over how many pixels the edges of hard masks fade. 0 keeps the edges of the masks.",
                ),
                io.Combo.Input(
                    "object_place", options=list(PLACES), default="by depth",
                    tooltip="Where the object below goes. by depth: whatever is nearer hides it, pixel by pixel.",
                ),
                io.Image.Input(
                    "scene", optional=True, tooltip="Another scene in place of the clip's: one picture or one for each frame."
                ),
                io.Image.Input(
                    "new_person", optional=True,
                    tooltip="Another person in place of the clip's, behind what stood in front. Alpha serves as mask.",
                ),
                io.Mask.Input("new_person_mask", optional=True, tooltip="White where the new person is."),
                io.MultiType.Input(
                    "new_person_depth", types=kinds, optional=True,
                    tooltip=f"The depth of the new person: then depth decides who hides whom. {same}",
                ),
                io.Image.Input(
                    "object", optional=True,
                    tooltip="Something to put in: one picture or one for each frame. Alpha serves as mask.",
                ),
                io.Mask.Input("object_mask", optional=True, tooltip="White where the object is."),
                io.MultiType.Input(
                    "object_depth", types=kinds, optional=True, tooltip=f"The depth of the object. {same}",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="images", tooltip="The clip put together."),
                io.Image.Output(display_name="depth", tooltip="Its depth, near is white."),
                io.Mask.Output(display_name="changed", tooltip="White where a pixel is no longer the clip's own."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, layers, person, in_front, soften, object_place, **more) -> io.NodeOutput:
        from ..inputs import clips

        layers = clips.layers(layers)
        return io.NodeOutput(*put_together(layers, changes(layers, person, in_front, object_place, **more), soften))


def changes(
    layers, person, in_front, object_place, scene=None, new_person=None, new_person_mask=None, new_person_depth=None,
    object=None, object_mask=None, object_depth=None,
):  # fmt: skip
    """What the inputs of Composite Layers ask for."""
    from ...models.layers.composite import Changes
    from ..inputs import clips

    if scene is not None:
        scene = clips.same_size("scene", clips.pictures(scene, "scene"), layers.size, len(layers.images))
    gone = person == REMOVE or new_person is not None
    if (gone or in_front == REMOVE) and scene is None and layers.scene is None:
        raise ValueError(
            "Composite Layers needs to know what is behind: put Complete Scene before it, or connect a scene."
        )
    added = []
    if new_person is not None:
        rank = 1 if new_person_depth is None else None
        added.append(addition(layers, new_person, new_person_mask, new_person_depth, "new_person", rank))
    if object is not None:
        rank = PLACES[object_place]
        if rank is None and object_depth is None:
            raise ValueError("object_depth: expected the depth of the object to place it by, got none: connect it.")
        added.append(addition(layers, object, object_mask, None if rank is not None else object_depth, "object", rank))
    return Changes(scene, None, gone, in_front == REMOVE, added)


def put_together(layers, changes, soften: float):
    """Pictures (N, H, W, 3), depth pictures (N, H, W, 3) and where they changed (N, H, W)."""
    import torch

    from ...models.layers.composite import composite_frame
    from ...models.layers.exports import as_grey, grey_range
    from ..host.progress import progress
    from ..inputs.depth import as_image

    frames, limits = len(layers.images), grey_range(layers)
    report, images = progress(frames), torch.empty_like(layers.images)
    depth, changed = (torch.zeros(images.shape[:3]) for _ in range(2))
    for index in range(frames):
        images[index], near, changed[index] = composite_frame(layers, changes, index, soften)
        if near is not None:
            depth[index] = as_grey(near, limits)
        report(index + 1)
    return images, as_image(depth), changed
