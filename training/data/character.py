"""A clip of the stage as an example for a character model: the scene without the person, the occluder, the body's motion,
and reference pictures of the same character (MIMO section 3).

Letters: F frames, R references, H and W pixels, M hits.
"""

from dataclasses import replace
from random import Random

import torch
from torch import Tensor

from ...models.character.from_keypoints import body_from_keypoints
from ...models.character.portrait import portrait
from ...models.character.posed_body import PosedBody, pose_body, render_body
from ...models.choices import ACTIONS
from ...models.layers.layers import nearness
from ...models.pair.foreground import GREY, person_alone
from ...models.stage import Clip, Scene, composite, render, render_character
from ...models.stage.actors import stage_actors
from ...models.stage.body.capsules import Hits, z_buffer
from ...models.stage.render import accumulate, visible
from ...models.stage.shading import STYLES, paint
from ...models.stage.texture import keyed
from .stage import pixels

REFERENCES = 4  # the first in A-pose, the others from another motion
ELSEWHERE = 1 << 30  # added to the seed of a motion, so that references have one that no clip has
SECONDS = 1.3  # between two of the other references
# Motion codes below are of joints in space, then of flat ones with depth; above they show the actor's own body.
SPACE, LIFTED = 0.4, 0.8


def layered_clip(clips, index: int) -> dict[str, Tensor]:
    """A clip of the stage with its layers."""
    return character_clip(clips.scene(index))


def character_clip(scene: Scene) -> dict[str, Tensor]:
    """Whole numbers as in the sources of clips.

    video, clear (without occluder) and plain (the character on white) (F, 3, H, W); scene and occluder
    (F or 1, 3, H, W); code and skeleton (F, 3, H, W) of the motion; references (R, 3, H, W); seen (F, H, W) of the person
    in video, whole (F, H, W) in the other two.
    """
    clip = render(scene)
    empty, outside = empty_scene(scene, clip), (1 - clip.whole_person_mask)[..., None]
    front = bool((clip.occluder_mask > 0).any())
    occluder = person_alone(clip.rgb, clip.occluder_mask, (GREY,) * 3)  # as Encode Character Swap paints it
    over = lambda around: (clip.person_images + outside * (around - GREY)).clamp(0, 1)
    return {
        "video": pixels(clip.rgb),
        "clear": pixels(over(empty) if front else clip.rgb),
        "plain": pixels(over(1.0)),
        "scene": pixels(empty),
        "occluder": pixels(occluder if front else occluder[:1]),
        "code": pixels(motion_code(scene, clip, keyed(scene.motion_seed, "motion code"))),
        "skeleton": pixels(clip.pose),
        "references": pixels(references(scene)),
        "seen": (clip.person_mask * 255).round().to(torch.uint8),
        "whole": (clip.whole_person_mask * 255).round().to(torch.uint8),
    }


def references(scene: Scene) -> Tensor:
    """(R, H, W, 3) pictures of the character on white, as Encode Character Swap fits them: none is a frame of the clip."""
    r = keyed(scene.motion_seed, "reference")
    action, seed = r.choice([name for name in ACTIONS if name != scene.action]), scene.motion_seed + ELSEWHERE
    elsewhere = {
        "action": action,
        "motion_seed": seed,
        "frames": REFERENCES - 1,
        "frame_rate": 1 / SECONDS,
        "objects": (),
    }
    moving, (picture, mask) = render(replace(scene, **elsewhere)), render_character(scene)
    pictures, masks = torch.cat((picture, moving.person_images)), torch.cat((mask, moving.whole_person_mask))
    return portrait(pictures, masks, scene.width, scene.height)


def motion_code(scene: Scene, clip: Clip, r: Random) -> Tensor:
    """(F, H, W, 3) place on the standard body, of a body from exact joints, from flat joints with depth, or from the actor's own surface."""
    draw = r.random()
    if draw < SPACE:
        return draw_body(body_in_space(scene, clip))
    if draw < LIFTED:
        nearness_of = lambda index: nearness(clip.depth[index], "distance")
        return draw_body(body_from_keypoints(clip.keypoints, nearness_of, scene.height, scene.width))
    return clip.body


def body_in_space(scene: Scene, clip: Clip) -> PosedBody:
    """The standard body on the true joints of a clip."""
    return pose_body(clip.joints, scene.view().focal, scene.height, scene.width)


def draw_body(posed: PosedBody) -> Tensor:
    """Renders a body as the node Draw Body does, (F, H, W, 3)."""
    return render_body(posed, slice(0, len(posed.present))).body


def empty_scene(scene: Scene, clip: Clip, samples: int = 2) -> Tensor:
    """(F or 1, H, W, 3) the scene and the objects behind the person, also where the person hides them."""
    actors, camera, frames = stage_actors(scene), scene.view(), slice(0, scene.frames)
    behind = torch.cat((torch.zeros(1, scene.frames, dtype=torch.bool), ~actors.in_front(camera, frames)))
    if not behind.any():
        return clip.scene_images[:1] if camera.is_still() else clip.scene_images
    fine = camera.refined(samples)
    hits = z_buffer(actors.capsules(fine, frames), fine, actors.layers)
    hits = select_hits(hits, behind[hits.layer, hits.frame])
    colours = paint(hits, actors, scene, camera, frames, STYLES[scene.style])
    no_limit = colours.new_full((scene.frames * fine.height * fine.width,), torch.inf)
    is_visible, _ = visible(hits, no_limit)
    return composite(accumulate(hits, colours, is_visible.to(colours), samples), clip.scene_images)


def select_hits(hits: Hits, kept: Tensor) -> Hits:
    """Selects hits by a mask (M,)."""
    parts = (hits.cell, hits.frame, hits.capsule, hits.depth, hits.along, hits.normal)
    return Hits(*(part[kept] for part in parts), hits.shape)
