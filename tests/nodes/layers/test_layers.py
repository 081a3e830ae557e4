"""The layer nodes on the host's own types, and their refusals of bad input."""

import pytest
import torch
from comfy.ldm.sam3.tracker import pack_masks
from comfy_extras.nodes_sam3 import SAM3_TrackToMask
from pack.models.choices import DEPTH_TYPES
from pack.nodes.character.align import AlignPose
from pack.nodes.character.body import DrawBody
from pack.nodes.layers.composite import CompositeLayers
from pack.nodes.layers.crop import CropToSubject, PasteCrop
from pack.nodes.layers.decompose import DecomposeLayers, EditLayers
from pack.nodes.layers.motion import MaskByMotion
from pack.nodes.layers.scene import FillScene
from pack.nodes.layers.split import SplitLayers
from pack.nodes.stage.stage import RenderTestVideo
from pack.nodes.stage.truth import GroundTruth

FRAMES, SIZE = 6, 96


def out(node, **given):
    names = [output.display_name for output in node.GET_SCHEMA().outputs]
    return dict(zip(names, node.execute(**given).result, strict=True))


@pytest.fixture(scope="module")
def stage():
    clip = out(
        RenderTestVideo, seed=7, width=SIZE, height=SIZE, frames=FRAMES, frame_rate=6.0, action="walk", character_seed=-1, motion_seed=-1,
        room_seed=-1, object_count=1, camera="still", style="natural", smooth_edges=True,
    )  # fmt: skip
    return out(GroundTruth, test_video=clip["test_video"]) | {"images": clip["images"]}


def decomposed(stage, **changes):
    given = {
        "images": stage["images"], "depth": stage["depth"], "person_mask": stage["person_mask"],
        "depth_type": DEPTH_TYPES[0], "object_source": "object masks", "nearer_fraction": 0.4, "stability_margin": 0.15,
        "min_hidden_percent": 0.25, "object_masks": stage["occluder_mask"],
    }  # fmt: skip
    return out(DecomposeLayers, **(given | changes))


def composed(layers, **changes):
    given = {"remove_person": False, "remove_occluders": False, "insert_position": "by depth", "feather": 0.0}
    return out(CompositeLayers, layers=layers, **(given | changes))


def track(masks):
    """(K, N, H, W) as the host's tracker leaves them."""
    packed = torch.stack([pack_masks(masks[:, i]) for i in range(masks.shape[1])])
    return {"packed_masks": packed, "n_frames": FRAMES, "scores": [1.0] * len(masks), "orig_size": (SIZE, SIZE)}


def test_apart_and_together_is_the_clip(stage):
    layers = decomposed(stage, keypoints=stage["keypoints"])
    assert "kept" in layers["report"] and layers["preview"].shape[1:] == (SIZE, SIZE, 3)
    for name in ("person_mask", "occluder_mask", "scene_mask"):
        assert torch.allclose(layers[name], stage[name], atol=1e-6)
    assert torch.equal(composed(layers["layers"])["images"], stage["images"])
    filled = out(FillScene, layers=layers["layers"], use_other_frames=True, grow_mask=2, inpainted_scene=stage["scene"])
    assert torch.equal(composed(filled["layers"])["images"], stage["images"])
    assert torch.allclose(composed(filled["layers"])["depth"], stage["depth"], atol=1e-6)


def test_geometry_and_pictures_decide_alike(stage):
    by_picture, by_geometry = decomposed(stage), decomposed(stage, depth=stage["geometry"])
    assert torch.equal(by_picture["occluder_mask"], by_geometry["occluder_mask"])
    assert by_geometry["layers"]["depth_type"] == "distance"
    assert 0 <= composed(by_geometry["layers"])["depth"].min() and composed(by_geometry["layers"])["depth"].max() <= 1


def test_the_host_s_tracks_go_straight_in(stage):
    both = torch.stack((stage["person_mask"], stage["occluder_mask"]))
    given = track((both > 0.5).float())
    layers = decomposed(stage, object_masks=given)
    assert layers["layers"]["objects"] is given["packed_masks"], "nothing is copied"
    assert "it is the person" in layers["report"] and "Object 1: kept" in layers["report"]
    assert torch.equal(layers["occluder_mask"], SAM3_TrackToMask.execute(given, "1").result[0])
    empty = {"packed_masks": None, "n_frames": FRAMES, "scores": []}
    assert "There are no objects" in decomposed(stage, object_masks=empty)["report"]
    assert decomposed(stage, object_masks=empty)["occluder_mask"].sum() == 0


def test_without_a_model_for_objects(stage):
    layers = decomposed(stage, object_masks=None, object_source="depth")
    assert layers["layers"]["in_front"].any() and layers["occluder_mask"].sum() > 0
    assert torch.equal(composed(layers["layers"])["images"], stage["images"])


def test_edits_and_splits(stage):
    layers = decomposed(stage)["layers"]
    back = out(EditLayers, layers=layers, front_objects="", scene_objects="0", first_frame=0, last_frame=-1)
    assert back["occluder_mask"].sum() == 0 and "by hand" in back["report"]
    parts = out(SplitLayers, layers=layers, alpha_mode="premultiplied", object_number=-1)
    assert torch.allclose(parts["scene"] + parts["person"] + parts["occluder"], stage["images"], atol=1e-6)
    with pytest.raises(ValueError, match="below 1, got 4"):
        out(SplitLayers, layers=layers, alpha_mode="straight", object_number=4)


def test_a_person_removed_and_a_new_one_put_in(stage):
    layers = decomposed(stage)["layers"]
    with pytest.raises(ValueError, match="put Fill Scene Behind Person in front"):
        composed(layers, remove_person=True)
    filled = out(FillScene, layers=layers, use_other_frames=True, grow_mask=2, inpainted_scene=stage["scene"])["layers"]
    empty = composed(filled, remove_person=True, remove_occluders=True)
    assert (empty["images"] - stage["scene"]).abs().mean() < 2e-3
    alpha = torch.zeros(1, SIZE, SIZE, 1)
    alpha[:, 30:90, 30:60] = 1
    picture = torch.cat((torch.full((1, SIZE, SIZE, 3), 0.25), alpha), -1)
    new = composed(filled, character=picture)
    inside = (alpha[..., 0] == 1) & (stage["occluder_mask"] == 0)
    assert (new["images"][inside] == 0.25).all(), "a picture with alpha needs no mask"
    front = stage["occluder_mask"] == 1
    assert torch.allclose(new["images"][front], stage["images"][front], atol=1e-6)
    masked = composed(filled, character=picture[..., :3], character_mask=alpha[..., 0])
    assert torch.equal(masked["images"], new["images"])
    with pytest.raises(ValueError, match="connect character_mask"):
        composed(filled, character=picture[..., :3])


def test_an_object_between_the_layers(stage):
    layers = decomposed(stage, depth=stage["geometry"])["layers"]
    thing = {"inserted_object": torch.zeros(1, SIZE, SIZE, 3), "inserted_object_mask": torch.ones(1, SIZE, SIZE)}
    flat = {"depth": torch.full((1, SIZE, SIZE), 3.3)}
    made = composed(layers, **thing, inserted_object_depth=flat)
    near = stage["geometry"]["depth"] < 3.3
    pure = (stage["person_mask"] % 1 == 0) & (stage["occluder_mask"] % 1 == 0)
    assert torch.equal(made["images"][near & pure], stage["images"][near & pure])
    assert made["images"][~near & pure].abs().max() < 1e-6
    assert composed(layers, **thing, insert_position="in front of everything")["images"].abs().max() < 1e-6
    with pytest.raises(ValueError, match="expected the depth of the object"):
        composed(layers, **thing)
    with pytest.raises(ValueError, match="use geometry for both"):
        composed(layers, **thing, inserted_object_depth=stage["depth"])
    with pytest.raises(ValueError, match="use geometry for both"):
        composed(decomposed(stage)["layers"], **thing, inserted_object_depth=flat)


@pytest.mark.parametrize("size", [(0, 0), (64, 96)])
def test_crop_and_paste_back(stage, size):
    cut = out(
        CropToSubject, images=stage["images"], subject_mask=stage["person_mask"], width=size[0], height=size[1], padding=0.1,
        smoothing_frames=5, max_frames=4, overlap_frames=1,
    )  # fmt: skip
    assert len(cut["images"]) == 2 and [len(batch) for batch in cut["masks"]] == [len(b) for b in cut["images"]]
    back = lambda images: PasteCrop.execute(
        original_images=[stage["images"]],
        images=images,
        crop=[cut["crop"]],
        feather=[8.0],
        protect_mask=[stage["occluder_mask"]],
    ).result[0]
    assert torch.equal(back(cut["images"]), stage["images"])
    painted = back([torch.ones_like(batch) for batch in cut["images"]])
    assert not torch.equal(painted, stage["images"])
    front = stage["occluder_mask"] == 1
    assert torch.equal(painted[front], stage["images"][front])
    with pytest.raises(ValueError, match="keep the number of frames"):
        back(cut["images"][:1])


def test_bodies_and_alignment(stage):
    drawn = out(
        DrawBody, keypoints=stage["keypoints"], width=0, height=0, depth_type=DEPTH_TYPES[0], depth=stage["depth"]
    )
    body, person = drawn["body_mask"] > 0, stage["whole_person_mask"] > 0.5
    assert drawn["body"].shape == (FRAMES, SIZE, SIZE, 3) and (drawn["body"][~body] == 0).all()
    assert (body & person).sum() > 0.75 * (body | person).sum()
    assert drawn["body_depth"][body].min() > 0.09 and (drawn["body_depth"][~body] == 0).all()
    large = out(DrawBody, keypoints=stage["keypoints"], width=192, height=192, depth_type=DEPTH_TYPES[0])
    assert large["body"].shape == (FRAMES, 192, 192, 3)
    character = {"character_keypoints": stage["keypoints"][:1], "match_limbs": False, "canvas": "character"}
    aligned = out(AlignPose, keypoints=stage["keypoints"], anchor="feet", **character)
    assert len(aligned["keypoints"]) == FRAMES


BAD = {
    "expected 1 or 6 masks for 6 frames, got 4": {"person_mask": torch.zeros(4, 8, 8)},
    "expected a MASK batch": {"person_mask": torch.zeros(1, 1, 8, 8)},
    "expected 1 mask, 6 masks for 6 frames": {"object_masks": torch.zeros(7, 8, 8)},
    "the track of Run SAM3 Video Track": {"object_masks": {"masks": 1}},
    "a track of 6 frames like the clip, got 2": {"object_masks": track(torch.ones(1, 2, 8, 8))},
    "expected depth of 1 or 6 frames, got 3": {"depth": torch.rand(3, 8, 8, 1).expand(-1, -1, -1, 3)},
    "got colours": {"depth": torch.rand(6, 8, 8, 3)},
    "Expected the same number of frames": {"keypoints": [{"canvas_width": 8, "canvas_height": 8, "people": []}]},
    "NaN or infinite values, the first in frame 2": {
        "images": torch.zeros(6, 8, 8, 3).index_fill(0, torch.tensor([2]), torch.nan)
    },
    "0..255": {"images": torch.full((6, 8, 8, 3), 128.0)},
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_answered_in_a_sentence(stage, message):
    with pytest.raises(ValueError) as error:
        decomposed(stage, **BAD[message])
    assert message in str(error.value)


def test_one_mask_for_all_frames_is_reported(stage, caplog):
    """It was repeated silently, and the report read as if the person had been found in each frame."""
    report = decomposed(stage, person_mask=stage["person_mask"][:1])["report"]
    assert "One person mask was used for all 6 frames" in report and "of 6 frames." not in report.splitlines()[0]
    assert caplog.messages == [report.splitlines()[0]]
    assert "visible in 6 of 6 frames" in decomposed(stage)["report"].splitlines()[0] and len(caplog.messages) == 1


def test_sensible_answers_to_odd_input(stage):
    no_person = decomposed(stage, person_mask=torch.zeros(1, 8, 8))
    assert "No person" in no_person["report"] and (no_person["scene_mask"] == 1).all()
    flat = decomposed(stage, depth=torch.full((1, 8, 8, 3), 0.5))
    assert "constant" in flat["report"] and flat["occluder_mask"].sum() == 0
    full = decomposed(stage, object_masks=torch.ones(1, 8, 8))
    assert "fills 100 % of the picture" in full["report"] and full["occluder_mask"].sum() == 0
    some = stage["person_mask"].clone()
    some[:2] = 0
    part = decomposed(stage, person_mask=some)
    assert "visible in 4 of 6 frames" in part["report"]
    for layers in (no_person, flat, full, part):
        assert torch.equal(composed(layers["layers"])["images"], stage["images"])


def test_wrong_sockets_and_sizes(stage):
    layers = decomposed(stage)["layers"]
    for message, call in {
        "connect Decompose into Layers": lambda: composed({"samples": 1}),
        "connect Crop to Subject": lambda: PasteCrop.execute([stage["images"]], [stage["images"]], [{}], [1.0]),
        "inpainted_scene: expected pictures of 96 x 96": lambda: out(
            FillScene, layers=layers, use_other_frames=True, grow_mask=2, inpainted_scene=torch.zeros(1, 8, 8, 3)
        ),
        "scene: expected 1 or 6 frames": lambda: composed(layers, scene=torch.zeros(2, SIZE, SIZE, 3)),
        "only empty masks": lambda: CropToSubject.execute(stage["images"], torch.zeros(1, 8, 8), 0, 0, 0.1, 5, 0, 4),
        "set the other one": lambda: CropToSubject.execute(stage["images"], stage["person_mask"], 64, 0, 0.1, 5, 0, 4),
        "more than twice the overlap_frames": lambda: CropToSubject.execute(
            stage["images"], stage["person_mask"], 0, 0, 0.1, 5, 6, 4
        ),
    }.items():
        with pytest.raises(ValueError, match=message):
            call()


# --- without depth ---------------------------------------------------------------------------------------------------


def test_layers_without_depth(stage):
    """The person is separated by the mask alone; an object with a mask is in front where it is."""
    layers = decomposed(stage, depth=None)
    assert "No depth" in layers["report"] and "Object 0: no depth, so in front" in layers["report"]
    assert layers["layers"]["depth"] is None and layers["preview"].shape[1:] == (SIZE, SIZE, 3)
    assert torch.allclose(layers["occluder_mask"], stage["occluder_mask"], atol=1e-6)
    total = layers["person_mask"] + layers["occluder_mask"] + layers["scene_mask"]
    assert torch.allclose(total, torch.ones_like(total))
    assert torch.equal(composed(layers["layers"])["images"], stage["images"])
    both = torch.cat((stage["person_mask"], stage["occluder_mask"]))
    assert "Object 0: dropped, it is the person" in decomposed(stage, depth=None, object_masks=both)["report"]
    alone = decomposed(stage, depth=None, object_masks=None)
    assert alone["occluder_mask"].sum() == 0 and torch.equal(alone["person_mask"], stage["person_mask"])


def test_a_person_is_removed_without_depth(stage):
    layers = decomposed(stage, depth=None)["layers"]
    filled = out(FillScene, layers=layers, use_other_frames=True, grow_mask=2, inpainted_scene=stage["scene"])
    assert filled["scene_depth"].abs().max() == 0
    empty = composed(filled["layers"], remove_person=True, remove_occluders=True)
    assert (empty["images"] - stage["scene"]).abs().mean() < 2e-3 and empty["depth"].abs().max() == 0
    parts = out(SplitLayers, layers=filled["layers"], alpha_mode="premultiplied", object_number=-1)
    assert torch.allclose(parts["scene"] + parts["person"] + parts["occluder"], stage["images"], atol=1e-6)
    assert all(parts[f"{name}_depth"].abs().max() == 0 for name in ("scene", "person", "occluder"))
    back = out(EditLayers, layers=layers, front_objects="", scene_objects="0", first_frame=0, last_frame=-1)
    assert back["occluder_mask"].sum() == 0


def test_insertion_without_depth_takes_a_place_among_the_layers(stage):
    layers = decomposed(stage, depth=None)["layers"]
    thing = {"inserted_object": torch.zeros(1, SIZE, SIZE, 3), "inserted_object_mask": torch.ones(1, SIZE, SIZE)}
    behind = composed(layers, **thing, insert_position="behind the person")["images"]
    person = (stage["person_mask"] == 1) & (stage["occluder_mask"] == 0)
    assert torch.allclose(behind[person], stage["images"][person], atol=1e-6)
    assert behind[(stage["person_mask"] == 0) & (stage["occluder_mask"] == 0)].abs().max() < 1e-6
    between = composed(layers, **thing, insert_position="in front of the person")["images"]
    front = stage["occluder_mask"] == 1
    assert torch.allclose(between[front], stage["images"][front], atol=1e-6) and between[~front & person].max() < 1e-6


def test_what_needs_depth_is_refused_without_it(stage):
    layers = decomposed(stage, depth=None)["layers"]
    thing = {"inserted_object": torch.zeros(1, SIZE, SIZE, 3), "inserted_object_mask": torch.ones(1, SIZE, SIZE)}
    flat = torch.full((1, SIZE, SIZE, 3), 0.5)
    for message, call in {
        "depth: expected the depth of the clip": lambda: decomposed(stage, depth=None, object_source="depth"),
        "keypoints: expected depth with them": lambda: decomposed(stage, depth=None, keypoints=stage["keypoints"]),
        "got layers without: connect depth": lambda: composed(layers, **thing, inserted_object_depth=flat),
        "for the position by depth, got none: choose another": lambda: composed(layers, **thing),
        "or leave it unconnected": lambda: composed(
            layers, remove_person=False, scene=flat, character=flat, character_mask=flat[..., 0], character_depth=flat
        ),
    }.items():  # fmt: skip
        with pytest.raises(ValueError, match=message):
            call()


# --- a mask of what moves --------------------------------------------------------------------------------------------


def moving(frames=10):
    """A bright square that crosses a still picture, and its mask."""
    still = torch.rand(1, SIZE, SIZE, 3, generator=torch.Generator().manual_seed(5)) * 0.3
    images, masks = still.repeat(frames, 1, 1, 1), torch.zeros(frames, SIZE, SIZE)
    for index in range(frames):
        masks[index, 30:60, 8 * index : 8 * index + 16] = 1
    images[masks == 1] = 0.9
    return images, masks, still


def test_a_person_is_removed_with_no_model_at_all():
    images, truth, still = moving()
    given = {"sensitivity": 0.5, "min_size_percent": 0.05, "largest_only": False, "grow_mask": 2}
    made = out(MaskByMotion, images=images, **given)
    assert made["scene"].shape == (1, SIZE, SIZE, 3) and made["report"].startswith(f"{100 * made['mask'].mean():.1f} %")
    assert (made["mask"][truth == 1] == 1).all() and made["mask"].mean() < 2 * truth.mean()
    layers = decomposed({"images": images, "depth": None, "person_mask": made["mask"], "occluder_mask": None})["layers"]
    filled = out(FillScene, layers=layers, use_other_frames=True, grow_mask=2)["layers"]
    assert torch.allclose(composed(filled, remove_person=True)["images"], still.expand_as(images), atol=1e-6)
    with pytest.raises(ValueError, match="at least 2 frames, got 1"):
        out(MaskByMotion, images=images[:1], **given)
    with pytest.raises(ValueError, match="NaN or infinite values, the first in frame 2"):
        out(MaskByMotion, images=images.index_fill(0, torch.tensor([2]), torch.nan), **given)
