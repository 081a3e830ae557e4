"""Shadow of Person and Cast Shadow, and what Composite Layers makes of a shadow."""

import pytest
import torch
from pack.models.choices import DEPTH_TYPES
from pack.models.stage.nuisance import Nuisances, add_nuisances, cast_shadow
from pack.nodes.layers.composite import CompositeLayers
from pack.nodes.layers.decompose import DecomposeLayers
from pack.nodes.layers.scene import FillScene
from pack.nodes.layers.shadow import CastShadow, ShadowOfPerson
from pack.nodes.layers.split import SplitLayers

FRAMES, HEIGHT, WIDTH = 16, 120, 180


def out(node, **given):
    names = [output.display_name for output in node.GET_SCHEMA().outputs]
    return dict(zip(names, node.execute(**given).result, strict=True))


@pytest.fixture(scope="module")
def clip():
    """A dark person crosses a pattern; the shadow leans to the right, there is sensor noise."""
    generator = torch.Generator().manual_seed(3)
    scene = 0.4 + 0.3 * torch.rand(20, 30, 3, generator=generator).repeat_interleave(6, 0).repeat_interleave(6, 1)
    person = torch.zeros(FRAMES, HEIGHT, WIDTH)
    for index in range(FRAMES):
        person[index, 40:100, 10 * index : 10 * index + 10] = 1
    clean = torch.where(person[..., None] > 0, 0.1, scene.expand(FRAMES, -1, -1, -1))
    images = add_nuisances(clean, Nuisances(shadow=0.5, noise=0.01), 2, person)
    return {"images": images, "person": person, "scene": scene[None], "truth": cast_shadow(person, 0.5)}


def decomposed(clip, **changes):
    given = {
        "images": clip["images"], "person_mask": clip["person"], "depth_type": DEPTH_TYPES[0],
        "object_source": "object masks", "nearer_fraction": 0.4, "stability_margin": 0.15, "min_hidden_percent": 0.25,
    }  # fmt: skip
    return out(DecomposeLayers, **(given | changes))["layers"]


def found(layers, **changes):
    return out(
        ShadowOfPerson, **({"layers": layers, "sensitivity": 0.5, "max_shadow_length": 2.0, "grow_mask": 3} | changes)
    )


def composed(layers, **changes):
    given = {"remove_person": False, "remove_occluders": False, "insert_position": "by depth", "feather": 0.0}
    return out(CompositeLayers, layers=layers, **(given | changes))


def decibels(one, other, where):
    return -10 * ((one - other)[where] ** 2).mean().log10().item()


@pytest.mark.parametrize("own_scene", [True, False])
def test_person_and_shadow_are_removed_together(clip, own_scene):
    layers = decomposed(clip)
    shadow = found(layers, **({"scene": clip["scene"]} if own_scene else {}))
    assert f"A shadow in {FRAMES} of {FRAMES} frames" in shadow["report"]
    removed = {}
    for name, some in {"person": layers, "both": shadow["layers"]}.items():
        filled = out(FillScene, layers=some, use_other_frames=True, grow_mask=4)["layers"]
        removed[name] = composed(filled, remove_person=True)["images"]
    hole = (clip["person"] > 0) | (clip["truth"] > 0.02)
    scene = clip["scene"].expand(FRAMES, -1, -1, -1)
    before, after = (decibels(removed[name], scene, hole) for name in ("person", "both"))
    assert after > 30 and after > before + 6, (before, after)


def test_the_shadow_is_kept_where_the_person_is_replaced(clip):
    shadow = found(decomposed(clip), scene=clip["scene"])
    filled = out(FillScene, layers=shadow["layers"], use_other_frames=True, grow_mask=4)["layers"]
    character = {"character": torch.full_like(clip["images"], 0.9), "character_mask": clip["person"]}
    kept = composed(filled, **character, shadow=shadow["shadow"])["images"]
    bare = composed(filled, **character)["images"]
    area = (clip["person"] == 0) & (clip["truth"] > 0.1)
    assert decibels(kept, clip["images"], area) > 28 and decibels(bare, clip["images"], area) < 20
    assert torch.allclose(kept[clip["person"] == 1], torch.tensor(0.9))


def test_the_mask_holds_the_shadow_and_the_person(clip):
    shadow = found(decomposed(clip), scene=clip["scene"])
    assert torch.equal(torch.maximum(clip["person"], shadow["shadow_mask"]), shadow["person_and_shadow_mask"])
    assert torch.equal(shadow["layers"]["person"], shadow["person_and_shadow_mask"])
    assert shadow["layers"]["scene"] is None, "a scene filled before still has the shadow"
    seen = (clip["truth"] > 0.05) & (clip["person"] == 0)
    assert shadow["shadow_mask"][seen].mean() > 0.9
    assert (shadow["shadow"][shadow["shadow_mask"] == 0] > 0.97).all()


def test_an_object_in_front_stays_out_of_the_mask(clip):
    front = torch.zeros(FRAMES, HEIGHT, WIDTH)
    front[:, :, 120:124] = 1
    layers = decomposed(clip, object_masks=front)
    shadow = found(layers, scene=clip["scene"])
    assert shadow["person_and_shadow_mask"][front == 1].max() == 0


def test_a_shadow_is_cast_in_the_light_of_the_clip(clip):
    shadow = found(decomposed(clip), scene=clip["scene"])
    how = {"shadow_direction": 0.0, "shadow_length": 1.0, "strength": 0.9, "fade": 0.0, "softness": 0.03}
    light = {"original_shadow": shadow["shadow"], "original_person_mask": clip["person"]}
    cast = out(CastShadow, mask=clip["person"], **how, **light)
    area = (clip["person"] == 0) & (clip["truth"] > 0.1)
    assert (1 - cast["shadow"].mean(-1) - clip["truth"])[area].abs().mean() < 0.1
    assert "It explains" in cast["report"]
    by_hand = out(CastShadow, mask=clip["person"], **how | {"shadow_direction": 40.0})
    assert by_hand["report"] == "Direction 40 degrees, length 1.00, strength 0.90, fade 0.00."
    assert by_hand["shadow"].shape == (FRAMES, HEIGHT, WIDTH, 3) and by_hand["shadow"].min() < 0.6


def test_a_white_shadow_changes_nothing(clip):
    layers = decomposed(clip)
    made = composed(layers, shadow=torch.ones(1, HEIGHT, WIDTH, 3))
    assert torch.equal(made["images"], clip["images"]) and made["changed_mask"].max() == 0
    grey = torch.ones(1, HEIGHT, WIDTH, 3)
    grey[:, 100:, :20] = 0.5
    made = composed(layers, shadow=grey)
    free = clip["person"] == 0
    assert torch.allclose(made["images"][free], (clip["images"] * grey)[free], atol=1e-6)
    assert torch.equal(made["images"][:, :100], clip["images"][:, :100])


def test_bad_input_is_answered_in_a_sentence(clip, caplog):
    layers = decomposed(clip)
    no_person = found(decomposed(clip, person_mask=torch.zeros_like(clip["person"])))
    assert no_person["report"].startswith("No person in the clip") and no_person["shadow"].min() == 1
    assert "No person in the clip" in caplog.messages[-1]
    itself = found(layers, scene=clip["images"])
    assert itself["report"].startswith("No shadow found. Check that scene shows the place without the shadow")
    noise = torch.rand(FRAMES, HEIGHT, WIDTH, 3, generator=torch.Generator().manual_seed(0))
    assert "Frames differ from the scene everywhere" in found(layers, scene=noise)["report"]
    cast = {"shadow_direction": 0.0, "shadow_length": 1.0, "strength": 0.9, "fade": 0.0, "softness": 0.03}
    for message, call in {
        "scene: expected 1 or 16 frames": lambda: found(layers, scene=clip["images"][:3]),
        "scene: expected pictures of 180 x 120": lambda: found(layers, scene=clip["images"][:, ::2]),
        "connect Decompose into Layers": lambda: found({"samples": 1}),
        "mask: expected a person or an object": lambda: out(CastShadow, mask=torch.zeros(2, 9, 9), **cast),
        "original_person_mask: expected the mask of the person": lambda: out(
            CastShadow, mask=clip["person"], original_shadow=clip["images"], **cast
        ),
        "original_shadow: expected the shadow": lambda: out(
            CastShadow, mask=clip["person"], original_shadow=torch.ones(2, 9, 9, 3),
            original_person_mask=torch.ones(1, 9, 9), **cast,
        ),
        "original_person_mask: expected 1 or 2 masks": lambda: out(
            CastShadow, mask=clip["person"], original_shadow=torch.ones(2, 9, 9, 3),
            original_person_mask=torch.ones(3, 9, 9), **cast,
        ),
        "shadow: expected 1 or 16 frames": lambda: composed(layers, shadow=clip["images"][:3]),
        "ground under it, got layers without": lambda: composed(
            layers, inserted_object=clip["images"], inserted_object_mask=clip["person"], object_depth="ground under it"
        ),
    }.items():  # fmt: skip
        with pytest.raises(ValueError, match=message):
            call()


# --- memory ----------------------------------------------------------------------------------------------------------


def memory(*tensors):
    """Bytes of all that is not shared between them."""
    return sum({one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() for one in tensors}.values())


def test_outputs_take_no_more_memory_than_their_content(clip):
    plane = 4 * FRAMES * HEIGHT * WIDTH
    depth = torch.rand(FRAMES, HEIGHT, WIDTH, 1, generator=torch.Generator().manual_seed(1)).repeat(1, 1, 1, 3)
    layers = decomposed(clip, depth=depth, object_masks=None)
    parts = out(SplitLayers, layers=layers, alpha_mode="straight", object_number=-1)
    assert parts["person_alpha"] is clip["person"] and memory(parts["occluder"], parts["occluder_depth"]) < 100
    assert memory(*parts.values()) < 10.1 * plane
    same = composed(layers)
    assert same["images"].data_ptr() == clip["images"].data_ptr() and same["depth"].data_ptr() == depth.data_ptr()
    changed = composed(layers, scene=clip["scene"])
    assert memory(changed["images"], changed["changed_mask"]) <= 4 * plane
    assert changed["depth"].shape == (FRAMES, HEIGHT, WIDTH, 3)
