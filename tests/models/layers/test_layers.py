"""A clip decomposed and composited again, against the stage's exact ground truth."""

from dataclasses import replace

import pytest
import torch
from pack.models.character.from_keypoints import body_from_keypoints
from pack.models.choices import DEPTH_TYPES
from pack.models.layers.composite import Addition, Changes, composite_frame, merge_layers, split_layers
from pack.models.layers.decide import Rule, stabilize
from pack.models.layers.decompose import decompose, edit_layers, layer_masks, parse_numbers
from pack.models.layers.exports import export
from pack.models.layers.layers import NearnessClip, nearness
from pack.models.layers.masks import object_frame, objects_from_masks, objects_from_track, pack
from pack.models.layers.preview import preview
from pack.models.stage import render, sample_scene
from pack.models.stage.actors import stage_actors

FRAMES, SIZE = 10, 96


def scene(seed=7, objects=2, camera="still", action="walk", frames=FRAMES):
    size = {"frames": frames, "height": SIZE, "width": SIZE, "frame_rate": 8}
    return sample_scene(seed, objects=objects, camera=camera, action=action, **size)


@pytest.fixture(scope="module")
def clip():
    return render(scene())


def estimated(clip, seed=0, amount=0.05):
    """Depth as an estimator gives it: blurred, noisy, and with another scale and shift in every frame."""
    noise = lambda *shape: torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    near = 1 / clip.depth
    near = (near - near.min()) / (near.max() - near.min())
    near = torch.nn.functional.avg_pool2d(near[:, None], 3, 1, 1)[:, 0] + amount * noise(*near.shape)
    return near * (1 + amount * noise(len(near), 1, 1)) + amount * noise(len(near), 1, 1)


def decomposed(clip, depth=None, **given):
    depth = 1 / clip.depth if depth is None else depth
    objects = given.pop("objects", clip.layers[1:, ..., 3])
    return decompose(clip.rgb, given.pop("person", clip.person_mask), depth, DEPTH_TYPES[0], objects, **given)


def composited(layers, changes=None, feather=0.0):
    frames = [composite_frame(layers, changes or Changes(), i, feather) for i in range(len(layers.images))]
    return [torch.stack(part) for part in zip(*frames, strict=True)]


def iou(one, other):
    one, other = one > 0.5, other > 0.5
    return ((one & other).sum() / (one | other).sum().clamp_min(1)).item()


def test_layers_and_decisions_are_right_under_noisy_depth():
    right = shown = 0
    found = {"person": [], "occluder": [], "scene": []}
    for seed in range(8000, 8005):
        what = scene(seed, objects=2 + seed % 2, camera=("still", "sway", "orbit")[seed % 3], action=None)
        one = render(what)
        layers = decomposed(one, estimated(one, seed))
        truth = stage_actors(what).in_front(what.view(), slice(0, FRAMES)).T
        seen = (one.layers[1:, ..., 3] > 0.5).sum((2, 3)).T > 20
        right, shown = right + int(((layers.in_front == truth) & seen).sum()), shown + int(seen.sum())
        for name, mask in zip(found, layer_masks(layers), strict=True):
            found[name].append((mask > 0.5, getattr(one, f"{name}_mask") > 0.5))
    assert shown > 50 and right / shown >= 0.95
    limits = {"person": 0.97, "occluder": 0.90, "scene": 0.97}
    for name, pairs in found.items():
        assert iou(*(torch.cat(side).float() for side in zip(*pairs, strict=True))) >= limits[name], name


def test_masks_add_up_to_one_even_when_they_overlap(clip):
    layers = decomposed(clip, person=clip.whole_person_mask)
    human, occluder, rest = layer_masks(layers)
    assert torch.allclose(human + occluder + rest, torch.ones_like(human))
    assert iou(human, clip.person_mask) > 0.97, (
        "what is in front of the person is taken out of a mask of the whole person"
    )


def test_nothing_changed_is_the_original_bit_for_bit(clip):
    layers = decomposed(clip)
    assert torch.equal(composited(layers)[0], clip.rgb)
    assert composited(layers)[2].sum() == 0
    with_plate = replace(layers, scene=clip.scene_images, scene_depth=1 / clip.scene_depth)
    assert torch.equal(composited(with_plate, Changes(scene=clip.scene_images))[0], clip.rgb)
    assert torch.equal(composited(with_plate, Changes(scene=clip.scene_images), feather=3.0)[0], clip.rgb)


@pytest.mark.parametrize("feather", [0.0, 4.0])
def test_the_layers_alone_add_up_to_the_original(clip, feather):
    layers = replace(decomposed(clip), scene=clip.scene_images)
    for index in range(FRAMES):
        parts = split_layers(layers, index, feather)
        assert torch.allclose(merge_layers(parts)[0], clip.rgb[index], atol=1e-6)
        assert torch.allclose(sum(part.coverage for part in parts), torch.ones(SIZE, SIZE), atol=1e-6)


def test_a_removed_person_leaves_the_scene_and_what_was_in_front(clip):
    layers = replace(decomposed(clip), scene=clip.scene_images, scene_depth=1 / clip.scene_depth)
    picture, near, changed = composited(layers, Changes(remove_person=True))
    objects = clip.layers[1:]
    truth = objects.sum(0)[..., :3] + (1 - objects.sum(0)[..., 3:]) * clip.scene_images
    # The second object passes behind; where person and object share a pixel its colour is one for both.
    behind = (clip.layers[2, ..., 3] > 0) | ((clip.person_mask > 0) & (clip.occluder_mask > 0))
    assert (picture - truth).abs().amax(-1)[~behind].max() < 1e-5
    alone = (changed > 0) & (clip.occluder_mask == 0)
    assert torch.allclose(near[alone & ~behind], (1 / clip.scene_depth)[alone & ~behind])
    both, _, _ = composited(layers, Changes(remove_person=True, remove_occluders=True))
    assert (both - clip.scene_images).abs().amax(-1)[clip.layers[2, ..., 3] == 0].max() < 1e-5


def test_a_new_person_stays_behind_the_occluder_and_replaces_the_old(clip):
    layers = replace(decomposed(clip), scene=clip.scene_images)
    red = torch.tensor([1.0, 0.0, 0.0]).expand(1, SIZE, SIZE, 3)
    new = Addition(red, torch.ones(1, SIZE, SIZE), rank=1)
    picture, _, _ = composited(layers, Changes(remove_person=True, additions=[new]))
    front = clip.occluder_mask == 1
    assert front.any() and torch.allclose(picture[front], clip.rgb[front], atol=1e-6)
    clear = clip.occluder_mask == 0
    assert torch.equal(picture[clear], red[0, 0, 0].expand_as(picture[clear]))


def test_an_object_goes_between_by_depth():
    """A wall of glass colour at 3 metres: nearer things hide it, farther things are hidden, as the truth says."""
    one = render(scene(objects=2))
    layers = decomposed(one)
    depth = NearnessClip(torch.full((1, SIZE, SIZE), 3.55), "distance")
    blue = torch.tensor([0.0, 0.0, 1.0]).expand(1, SIZE, SIZE, 3)
    picture, near, _ = composited(layers, Changes(additions=[Addition(blue, torch.ones(1, SIZE, SIZE), depth)]))
    nearer, pure = one.depth < 3.55, (one.person_mask.remainder(1) == 0) & (one.occluder_mask.remainder(1) == 0)
    assert 0.02 < nearer.float().mean() < 0.9
    assert torch.equal(picture[nearer & pure], one.rgb[nearer & pure])
    assert torch.allclose(picture[~nearer & pure], blue[0, 0, 0], atol=1e-6)
    assert torch.allclose(near[pure], (1 / one.depth).clamp_min(1 / 3.55)[pure])


def test_two_objects_give_one_picture_in_either_order(clip):
    layers = decomposed(clip)
    mask = torch.zeros(1, SIZE, SIZE)
    mask[:, 20:70, 20:70] = 1
    at = lambda metres: NearnessClip(torch.full((1, SIZE, SIZE), metres), "distance")
    colour = lambda *rgb: torch.tensor(rgb).expand(1, SIZE, SIZE, 3)
    near = Addition(colour(1.0, 0.0, 0.0), mask, at(1.0))
    far = Addition(colour(0.0, 1.0, 0.0), mask.roll(10, 2), at(2.0))
    one, other = (composited(layers, Changes(additions=order))[0] for order in ([near, far], [far, near]))
    assert torch.allclose(one, other, atol=1e-6)
    assert torch.equal(one[:, 40, 40], torch.tensor([1.0, 0.0, 0.0]).expand(FRAMES, 3))


def test_exported_layers_add_up_to_the_original(clip):
    layers = replace(decomposed(clip), scene=clip.scene_images, scene_depth=1 / clip.scene_depth)
    parts = export(layers, "premultiplied")
    assert torch.allclose(sum(colour for colour, _, _ in parts), clip.rgb, atol=1e-6)
    assert torch.allclose(sum(alpha for _, alpha, _ in parts), torch.ones(FRAMES, SIZE, SIZE), atol=1e-6)
    colour, alpha, depth = export(layers, "straight")[1]
    core = clip.person_mask == 1
    assert torch.allclose(colour[core], clip.rgb[core]) and torch.equal(alpha, clip.person_mask)
    assert torch.allclose(depth[core], (1 / clip.depth)[core].clamp(0, 1))


def test_the_sign_of_depth_is_turned_once(clip):
    depths = dict(zip(DEPTH_TYPES, (1 / clip.depth, clip.depth / 10, clip.depth), strict=True))
    chosen = [
        decompose(clip.rgb, clip.person_mask, depth, depth_type, clip.layers[1:, ..., 3]).in_front
        for depth_type, depth in depths.items()
    ]
    assert chosen[0].any() and all(torch.equal(chosen[0], other) for other in chosen[1:])
    unknown = torch.tensor([[1.0, 0.0, torch.nan, 4.0]])
    assert torch.equal(nearness(unknown, "distance"), torch.tensor([[1.0, 0.25, 0.25, 0.25]]))


def test_an_uncertain_frame_keeps_the_last_certain_decision():
    rule, ones = Rule(nearer_fraction=0.4, stability_margin=0.15), torch.ones(12)
    share = torch.tensor([0.45, 0.9, 0.9, 0.5, 0.35, 0.45, 0.4, 0.1, 0.0, 0.3, 0.5, 0.45])
    assert stabilize(share, ones, rule).tolist() == [True] * 7 + [False] * 5
    assert not stabilize(torch.full((5,), 0.3), ones[:5], rule).any()
    share[3:7] = torch.nan
    assert stabilize(share, ones, rule)[:7].all(), "frames where it is not visible keep the decision"


def test_every_object_has_its_reason(clip):
    human, objects = clip.person_mask, clip.layers[1:, ..., 3]
    nothing, far = torch.zeros(1, FRAMES, SIZE, SIZE), torch.zeros(1, FRAMES, SIZE, SIZE)
    far[..., -8:, :] = (1 - human[:, -8:]) * (clip.occluder_mask[:, -8:] == 0)  # the floor before the feet
    every = torch.cat((objects, human[None], nothing, torch.ones(1, FRAMES, SIZE, SIZE), far))
    layers = decomposed(clip, objects=every)
    words = [line for line in layers.report if line.startswith("Object")]
    reasons = ("kept", "stays in the scene", "it is the person", "empty in every frame", "fills", "dropped")
    assert len(words) == 6 and all(reason in line for reason, line in zip(reasons, words, strict=True)), words
    assert layers.in_front.any(0).tolist() == [True] + [False] * 5


def test_a_person_in_some_frames_only(clip):
    human = clip.person_mask.clone()
    human[:3] = 0
    human[-2:] = 0
    layers = decomposed(clip, person=human)
    assert f"{FRAMES - 5} of {FRAMES} frames" in layers.report[0]
    assert torch.equal(layers.in_front, decomposed(clip).in_front)
    assert torch.equal(composited(layers)[0], clip.rgb)


def test_no_person_no_object_and_flat_depth(clip):
    no_person = decomposed(clip, person=torch.zeros(1, SIZE, SIZE))
    assert "No person" in no_person.report[0] and not no_person.in_front.any()
    assert torch.equal(layer_masks(no_person)[2], torch.ones(FRAMES, SIZE, SIZE))
    nothing = decomposed(clip, objects=None)
    assert "nothing is in front" in nothing.report[1] and nothing.in_front.shape == (FRAMES, 0)
    flat = decomposed(clip, torch.full_like(clip.depth, 0.5))
    assert "constant" in flat.report[1] and not flat.in_front.any()
    assert all(torch.equal(composited(layers)[0], clip.rgb) for layers in (no_person, nothing, flat))
    assert preview(nothing).shape == (1, SIZE, SIZE, 3)


def test_one_mask_for_all_frames_is_reported(clip):
    """The person walks on; one mask for all frames must not read as a person found in each of them."""
    one = decomposed(clip, person=clip.person_mask[:1])
    assert f"One person mask was used for all {FRAMES} frames" in one.report[0]
    assert not any("visible in" in line or "One object mask" in line for line in one.report)
    many = decomposed(clip)
    assert f"visible in {FRAMES} of {FRAMES} frames" in many.report[0] and "One person mask" not in many.report[0]
    objects = decomposed(clip, objects=clip.layers[1:, :1, ..., 3])
    assert f"One object mask was used for all {FRAMES} frames" in objects.report[1]
    still = decompose(clip.rgb[:1], clip.person_mask[:1], clip.depth[:1], DEPTH_TYPES[2], clip.layers[1:, :1, ..., 3])
    assert "visible in 1 of 1 frames" in still.report[0] and not any("One" in line for line in still.report)


def test_an_object_as_large_as_the_picture_while_it_hides_the_person(clip):
    """Something passes so near that for two frames nothing else is visible."""
    human, thing, depth = clip.person_mask.clone(), torch.zeros(1, FRAMES, SIZE, SIZE), clip.depth.clone()
    thing[:, 4:6] = 1
    thing[:, 3, :, 30:] = thing[:, 6, :, :66] = 1
    human = human * (1 - thing[0])
    depth = depth.where(thing[0] == 0, 0.5)
    layers = decomposed(clip, 1 / depth, person=human, objects=thing)
    assert layers.in_front[3:7, 0].all() and "kept" in layers.report[-1]
    assert torch.equal(layer_masks(layers)[1][4], torch.ones(SIZE, SIZE))


def test_objects_by_depth_alone(clip):
    layers = decomposed(clip, objects=None, by_depth=True)
    found, there = layer_masks(layers)[1] > 0.5, clip.occluder_mask > 0.5
    hiding = ((clip.whole_person_mask - clip.person_mask) > 0.5).flatten(1).any(1)
    assert hiding.sum() >= 2 and (found & ~there).sum() < 0.05 * there[hiding].sum()
    assert iou(found[hiding].float(), there[hiding].float()) > 0.75


def test_tracks_of_sam3_are_read_as_they_are(clip):
    masks_ = torch.nn.functional.interpolate(clip.layers[1:, ..., 3], size=(144, 144), mode="bilinear") > 0.5
    packed = torch.stack([torch.stack([pack(masks_[k, i]) for k in range(2)]) for i in range(FRAMES)])
    track = {"packed_masks": packed, "n_frames": FRAMES, "scores": [0.9, 0.9], "orig_size": (SIZE, SIZE)}
    layers = decomposed(clip, objects=objects_from_track(track, FRAMES))
    assert layers.count == 2 and torch.equal(layers.in_front, decomposed(clip).in_front)
    assert iou(layer_masks(layers)[1], clip.occluder_mask) > 0.9
    assert objects_from_track({"packed_masks": None, "n_frames": FRAMES, "scores": []}, FRAMES) is None
    assert objects_from_track({"packed_masks": packed[:, :0], "n_frames": FRAMES}, FRAMES) is None
    with pytest.raises(ValueError, match="10 frames like the clip, got 9"):
        objects_from_track({"packed_masks": packed[:9], "n_frames": 9}, FRAMES)


def test_masks_of_other_sizes_and_counts(clip):
    small = torch.nn.functional.interpolate(clip.layers[1:, ..., 3], size=(48, 48), mode="area")
    layers = decomposed(
        clip, objects=objects_from_masks(small.flatten(0, 1), FRAMES), person=clip.person_mask[:, ::2, ::2]
    )
    assert torch.equal(layers.in_front, decomposed(clip).in_front)
    assert object_frame(layers.objects, 1, 3, (SIZE, SIZE)).shape == (SIZE, SIZE)
    assert objects_from_masks(small[0, :1], FRAMES).shape == (1, 1, 48, 48)
    with pytest.raises(ValueError, match="expected 1 mask, 10 masks.*got 13"):
        objects_from_masks(torch.zeros(13, 48, 48), FRAMES)


def test_a_pose_gives_the_hidden_parts_of_the_body(clip):
    """An object that hides most of the person leaves only a head to draw a hull around."""
    depth, thing = clip.depth.clone(), torch.zeros(1, FRAMES, SIZE, SIZE)
    rows = (clip.person_mask > 0.5).any(2).float().argmax(1)
    for index, top in enumerate(rows.tolist()):
        thing[:, index, top + 12 :] = 1
    human, depth = clip.person_mask * (1 - thing[0]), depth.where(thing[0] == 0, 1.0)
    body = body_from_keypoints(clip.keypoints, None, SIZE, SIZE)
    given = {"person": human, "objects": thing, "rule": Rule(min_hidden=0.02)}
    with_pose, without = (decomposed(clip, 1 / depth, body=posed, **given) for posed in (body, None))
    assert with_pose.in_front.all() and not without.in_front.any()


def test_edits_by_hand(clip):
    layers = decomposed(clip)
    swapped = edit_layers(layers, parse_numbers("1"), parse_numbers(" 0"), 2, 5)
    assert swapped.in_front[2:6].tolist() == [[False, True]] * 4
    assert torch.equal(swapped.in_front[6:], layers.in_front[6:]) and torch.equal(
        swapped.in_front[:2], layers.in_front[:2]
    )
    assert "by hand in frames 2 to 5" in swapped.report[-1]
    assert edit_layers(layers, [1], [], 0, -1).in_front[:, 1].all()
    for message, call in {
        "objects 0 to 1": lambda: edit_layers(layers, [2], [], 0, -1),
        "remove its number from one": lambda: edit_layers(layers, [1], [1], 0, -1),
        "swap them": lambda: edit_layers(layers, [1], [], 5, 2),
        "got 'one'": lambda: parse_numbers("one"),
    }.items():
        with pytest.raises(ValueError, match=message):
            call()
