"""Shadows of people as layers: found, removed, kept and cast."""

from comfy_api.latest import io

from ..host.types import Layers
from ..inputs.memory import check_clip_memory
from ..inputs.video import clip_input
from .decompose import CATEGORY


class ShadowOfPerson(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetShadowMatte",
            display_name="Shadow of Person",
            category=CATEGORY,
            description="Finds the shadow of the person by comparing the clip with the empty scene. For removing person and "
            "shadow together, for keeping the shadow where the person is replaced, and for casting a shadow in the same light.",
            search_aliases=[
                "shadow", "shadow matte", "shadow removal", "remove shadow", "shadow layer", "shadow pass", "contact shadow",
                "keep shadow", "multiply pass", "clean plate", "ground shadow",
            ],
            inputs=[
                Layers.Input("layers", tooltip="From Decompose into Layers or Edit Layers."),
                clip_input(
                    "scene", optional=True,
                    tooltip="The place without person and shadow: one picture, such as the scene of Mask by Motion, or one for "
                    "each frame if the camera moves. Without it: the median of the clip, for a still camera.",
                ),
                io.Float.Input(
                    "sensitivity", default=0.5, min=0.0, max=1.0, step=0.05,
                    tooltip="How weak a shadow counts, from 0 to 1. Raise it if parts of the shadow are missing, lower it if "
                    "other places are in it.",
                ),
                io.Float.Input(
                    "max_shadow_length", default=2.0, min=0.1, max=10.0, step=0.1, advanced=True,
                    tooltip="How far from the person a shadow may reach, in heights of the person. Raise it for low sun.",
                ),
                io.Int.Input(
                    "grow_mask", default=3, min=0, max=64, step=1, advanced=True,
                    tooltip="Pixels around the shadow that are removed with it. Raise it if an edge of the shadow stays visible.",
                ),
            ],
            outputs=[
                Layers.Output(
                    display_name="layers",
                    tooltip="The layers with the shadow as part of the person, for Fill Scene Behind Person: both are removed "
                    "together.",
                ),
                io.Image.Output(
                    display_name="shadow",
                    tooltip="The shadow alone, white where there is none: the scene multiplied by it has the shadow. For Composite "
                    "Layers, to keep it.",
                ),
                io.Mask.Output(display_name="shadow_mask", tooltip="White where the shadow is visible."),
                io.Mask.Output(
                    display_name="person_and_shadow_mask", tooltip="White where the person or the shadow is visible."
                ),
                io.String.Output(display_name="report", tooltip="In how many frames there is a shadow, and how dark it is."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(cls, layers, sensitivity, max_shadow_length, grow_mask, scene=None) -> io.NodeOutput:
        from ...models.layers.shadow import ShadowSettings
        from ..host.progress import progress
        from ..inputs import clips

        layers = clips.layers(layers)
        check_clip_memory("Shadow of Person", layers.images, 6, for_one=64)
        frames = len(layers.images)
        if scene is not None:
            scene = clips.same_size("scene", clips.pictures(scene, "scene"), layers.size, frames)
        settings, report = ShadowSettings(sensitivity, max_shadow_length), progress(3 * frames)
        shadow, text = find(layers, scene, settings, report)
        return io.NodeOutput(*shadow_layers(layers, shadow, grow_mask, lambda done: report(2 * frames + done)), text)


def find(layers, scene, settings, report):
    """The shadow of the person in layers, and the report on it; `scene` is None or pictures (N or 1, H, W, 3)."""
    from ...models.flow.cuts import describe_cuts, find_cuts
    from ...models.layers.empty_scene import given_scene, median_scene
    from ...models.layers.shadow import find_shadow, margin_of
    from ...models.layers.shadow_report import shadow_report
    from ..host.notice import show_warning

    frames, margin = len(layers.images), margin_of(layers.size)
    empty = median_scene(layers, margin, report) if scene is None else given_scene(layers, scene, margin, report)
    shadow = find_shadow(empty, settings, lambda done: report(frames + done))
    present = sum(bool((layers.coverages(index)[0] > 0.5).any()) for index in range(frames))
    text, warning = shadow_report(shadow, present, scene is not None)
    if scene is None and (cuts := find_cuts(layers.images)):
        mixed = f"{describe_cuts(cuts)}, and the median mixes the shots: connect scene, one picture for each frame."
        warning, text = " ".join(filter(None, (warning, mixed))), f"{text}\n{mixed}"
    show_warning(warning, "A shadow was found.")
    return shadow, text


def shadow_layers(layers, shadow, grow_mask: int, report):
    """Layers with the shadow in the person's mask, the shadow (N, H, W, 3), its mask and that of both, (N, H, W) each."""
    from dataclasses import replace

    import torch

    from ...models.layers.shadow import shadow_mask
    from ...models.layers.shared_clip import SharedClip, constant, shared_with

    shape = layers.images.shape[:3]
    pictures, masks = SharedClip(constant(1.0, *shape, 3)), shared_with(None, *shape)
    both = shared_with(layers.person, *shape)
    for index, darkness in enumerate(shadow.darkness):
        mask = shadow_mask(darkness, grow_mask).float()
        person, objects = layers.coverages(index)
        pictures.write(index, shadow.picture(index))
        masks.write(index, mask)
        both.write(index, torch.maximum(person, mask * (1 - sum(objects.values(), torch.zeros(layers.size)))))
        report(index + 1)
    without_scene = replace(layers, person=both.clip(), scene=None, scene_depth=None)
    return without_scene.as_dict(), pictures.clip(), masks.clip(), both.clip()


class CastShadow(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="DuetCastShadow",
            display_name="Cast Shadow",
            category=CATEGORY,
            description="Makes the shadow that a person or an object casts on the ground, from its mask: by hand, or in the light "
            "of a shadow that is in the clip. Connect it to shadow of Composite Layers.",
            search_aliases=[
                "shadow", "drop shadow", "cast shadow", "contact shadow", "ground shadow", "add shadow", "fake shadow", "relight",
            ],
            inputs=[
                io.Mask.Input("mask", tooltip="White where the person or the object is that casts the shadow."),
                clip_input(
                    "original_shadow", optional=True,
                    tooltip="From shadow of Shadow of Person: direction, length, strength, fade and colour are fitted to it, "
                    "and the settings here do not count.",
                ),
                io.Mask.Input(
                    "original_person_mask", optional=True,
                    tooltip="The mask of the person who casts original_shadow, without the shadow.",
                ),
                io.Float.Input(
                    "shadow_direction", default=30.0, min=-180.0, max=180.0, step=1.0,
                    tooltip="Where the shadow falls in the picture, in degrees: 0 to the right, 90 away from the camera, 180 to "
                    "the left, -90 towards the camera.",
                ),
                io.Float.Input(
                    "shadow_length", default=0.6, min=0.0, max=5.0, step=0.05,
                    tooltip="Length of the shadow in heights of who casts it. Longer for low sun.",
                ),
                io.Float.Input(
                    "strength", default=0.5, min=0.0, max=1.0, step=0.01,
                    tooltip="How much light is missing at the feet, from 0 to 1.",
                ),
                io.Float.Input(
                    "fade", default=0.5, min=0.0, max=1.0, step=0.05,
                    tooltip="How much weaker the shadow is at the head, from 0 to 1.",
                ),
                io.Float.Input(
                    "softness", default=0.03, min=0.0, max=0.5, step=0.005,
                    tooltip="Blur at the feet in heights of who casts the shadow; at the head it is three times as much. Raise it "
                    "for a cloudy sky.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="shadow",
                    tooltip="White where there is no shadow: the scene multiplied by it has the shadow. For Composite Layers.",
                ),
                io.String.Output(
                    display_name="report", tooltip="The direction, length, strength and fade that were used."
                ),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls,
        mask,
        shadow_direction,
        shadow_length,
        strength,
        fade,
        softness,
        original_shadow=None,
        original_person_mask=None,
    ) -> io.NodeOutput:
        from ...models.layers.cast_shadow import light_from
        from ...models.layers.shadow_report import light_report
        from ..inputs import clips

        check_clip_memory("Cast Shadow", mask, 3, for_one=32)
        mask = clips.masks(mask, "mask")
        check_mask(mask)
        light = light_from(shadow_direction, shadow_length, strength=strength, fade=fade, softness=softness)
        explained = None
        if original_shadow is not None:
            light, explained = fitted_light(original_shadow, original_person_mask, softness)
        return io.NodeOutput(cast_on_white(mask, light), light_report(light, explained))


def check_mask(mask) -> None:
    """Refuses masks (N, H, W) of which none shows who casts the shadow."""
    if not any((frame > 0.5).any() for frame in mask):
        raise ValueError(
            f"mask: expected a person or an object that casts a shadow, got {len(mask)} masks without a pixel above 0.5: "
            "check what generates the mask."
        )


def fitted_light(original_shadow, original_person_mask, softness: float):
    """The light of a shadow in pictures (N, H, W, 3), and the share of the shadow that it explains."""
    from ...models.layers.cast_shadow import fit_light
    from ...models.layers.masks import mask_frame
    from ..host.progress import progress
    from ..inputs import clips

    if original_person_mask is None:
        raise ValueError(
            "original_person_mask: expected the mask of the person who casts original_shadow, got none: connect person_mask "
            "of Decompose into Layers."
        )
    pictures = clips.pictures(original_shadow, "original_shadow")
    masks = clips.masks(original_person_mask, "original_person_mask", len(pictures))
    darkness, size = 1 - pictures.clamp(0, 1).mean(-1), tuple(pictures.shape[1:3])
    colour = ((1 - pictures.clamp(0, 1)).flatten(0, 2).mean(0) / darkness.mean().clamp_min(1e-9)).tolist()
    return fit_light(darkness, lambda index: mask_frame(masks, index, size), tuple(colour), softness, progress(4))


def cast_on_white(mask, light):
    """The shadow of masks (N, H, W) in a light as pictures (N, H, W, 3)."""
    import torch

    from ...models.layers.cast_shadow import cast
    from ..inputs.depth import by_frames

    colour = torch.tensor(light.colour)
    shadow = lambda frame: (1 - cast(frame.float(), light)[..., None] * colour).clamp(0, 1)
    return by_frames(mask, lambda index: shadow(mask[index]))
