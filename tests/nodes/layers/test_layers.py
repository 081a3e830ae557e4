"""The layer nodes on the host's own types, and what they answer to bad input."""

import pytest
import torch
from comfy.ldm.sam3.tracker import pack_masks
from comfy_extras.nodes_sam3 import SAM3_TrackToMask
from pack.nodes.character.align import AlignPose
from pack.nodes.character.motion_code import MotionCode
from pack.nodes.layers.composite import CompositeLayers
from pack.nodes.layers.crop import CropToSubject, PasteBack
from pack.nodes.layers.decompose import DecomposeLayers, EditLayers
from pack.nodes.layers.scene import CompleteScene
from pack.nodes.layers.split import SplitLayers
from pack.nodes.stage.stage import RenderStage
from pack.nodes.stage.truth import StageTruth

FRAMES, SIZE = 6, 96


def out(node, **given):
    names = [output.display_name for output in node.GET_SCHEMA().outputs]
    return dict(zip(names, node.execute(**given).result, strict=True))


@pytest.fixture(scope="module")
def stage():
    clip = out(
        RenderStage, seed=7, width=SIZE, height=SIZE, frames=FRAMES, frame_rate=6.0, action="walk", character=-1, motion=-1,
        room=-1, objects=1, camera="still", style="natural", smooth_edges=True,
    )  # fmt: skip
    truth = out(StageTruth, stage=clip["stage"])
    masks = {name: truth[f"{name}_mask"] for name in ("occluder", "scene", "whole_person")}
    masks |= {"human": truth["person_mask"], "whole_human": masks["whole_person"]}
    return truth | masks | {"video": clip["images"], "plate": truth["scene"], "figure": truth["person"]}


def decomposed(stage, **changes):
    given = {
        "images": stage["video"], "depth": stage["depth"], "source": "near is white", "human": stage["human"],
        "object_masks": "as given", "nearer": 0.4, "margin": 0.15, "overlap": 0.25, "objects": stage["occluder"],
    }  # fmt: skip
    return out(DecomposeLayers, **(given | changes))


def composed(layers, **changes):
    given = {"person": "keep", "in_front": "keep", "soften": 0.0, "object_place": "by depth"}
    return out(CompositeLayers, layers=layers, **(given | changes))


def track(masks):
    """(K, N, H, W) as the host's tracker leaves them."""
    packed = torch.stack([pack_masks(masks[:, i]) for i in range(masks.shape[1])])
    return {"packed_masks": packed, "n_frames": FRAMES, "scores": [1.0] * len(masks), "orig_size": (SIZE, SIZE)}


def test_apart_and_together_is_the_clip(stage):
    layers = decomposed(stage, keypoints=stage["keypoints"])
    assert "kept" in layers["report"] and layers["preview"].shape[1:] == (SIZE, SIZE, 3)
    for name in ("human", "occluder", "scene"):
        assert torch.allclose(layers[name], stage[name], atol=1e-6)
    assert torch.equal(composed(layers["layers"])["images"], stage["video"])
    filled = out(CompleteScene, layers=layers["layers"], other_frames=True, grow=2, plate=stage["plate"])
    assert torch.equal(composed(filled["layers"])["images"], stage["video"])
    assert torch.allclose(composed(filled["layers"])["depth"], stage["depth"], atol=1e-6)


def test_geometry_and_pictures_decide_alike(stage):
    by_picture, by_geometry = decomposed(stage), decomposed(stage, depth=stage["geometry"])
    assert torch.equal(by_picture["occluder"], by_geometry["occluder"])
    assert by_geometry["layers"]["depth_source"] == "distance"
    assert 0 <= composed(by_geometry["layers"])["depth"].min() and composed(by_geometry["layers"])["depth"].max() <= 1


def test_the_host_s_tracks_go_straight_in(stage):
    both = torch.stack((stage["human"], stage["occluder"]))
    given = track((both > 0.5).float())
    layers = decomposed(stage, objects=given)
    assert layers["layers"]["objects"] is given["packed_masks"], "nothing is copied"
    assert "it is the person" in layers["report"] and "Object 1: kept" in layers["report"]
    assert torch.equal(layers["occluder"], SAM3_TrackToMask.execute(given, "1").result[0])
    empty = {"packed_masks": None, "n_frames": FRAMES, "scores": []}
    assert "No objects" in decomposed(stage, objects=empty)["report"]
    assert decomposed(stage, objects=empty)["occluder"].sum() == 0


def test_without_a_model_for_objects(stage):
    layers = decomposed(stage, objects=None, object_masks="found by depth")
    assert layers["layers"]["in_front"].any() and layers["occluder"].sum() > 0
    assert torch.equal(composed(layers["layers"])["images"], stage["video"])


def test_edits_and_splits(stage):
    layers = decomposed(stage)["layers"]
    back = out(EditLayers, layers=layers, front="", back="0", first=0, last=-1)
    assert back["occluder"].sum() == 0 and "by hand" in back["report"]
    parts = out(SplitLayers, layers=layers, colour="premultiplied", object=-1)
    assert torch.allclose(parts["scene"] + parts["human"] + parts["occluder"], stage["video"], atol=1e-6)
    with pytest.raises(ValueError, match="below 1, got 4"):
        out(SplitLayers, layers=layers, colour="straight", object=4)


def test_a_person_removed_and_a_new_one_put_in(stage):
    layers = decomposed(stage)["layers"]
    with pytest.raises(ValueError, match="put Complete Scene before it"):
        composed(layers, person="remove")
    filled = out(CompleteScene, layers=layers, other_frames=True, grow=2, plate=stage["plate"])["layers"]
    empty = composed(filled, person="remove", in_front="remove")
    assert (empty["images"] - stage["plate"]).abs().mean() < 2e-3
    alpha = torch.zeros(1, SIZE, SIZE, 1)
    alpha[:, 30:90, 30:60] = 1
    picture = torch.cat((torch.full((1, SIZE, SIZE, 3), 0.25), alpha), -1)
    new = composed(filled, new_person=picture)
    inside = (alpha[..., 0] == 1) & (stage["occluder"] == 0)
    assert (new["images"][inside] == 0.25).all(), "a reference with alpha needs no mask"
    front = stage["occluder"] == 1
    assert torch.allclose(new["images"][front], stage["video"][front], atol=1e-6)
    masked = composed(filled, new_person=picture[..., :3], new_person_mask=alpha[..., 0])
    assert torch.equal(masked["images"], new["images"])
    with pytest.raises(ValueError, match="connect new_person_mask"):
        composed(filled, new_person=picture[..., :3])


def test_an_object_between_the_layers(stage):
    layers = decomposed(stage, depth=stage["geometry"])["layers"]
    thing = {"object": torch.zeros(1, SIZE, SIZE, 3), "object_mask": torch.ones(1, SIZE, SIZE)}
    flat = {"depth": torch.full((1, SIZE, SIZE), 3.3)}
    made = composed(layers, **thing, object_depth=flat)
    near = stage["geometry"]["depth"] < 3.3
    pure = (stage["human"] % 1 == 0) & (stage["occluder"] % 1 == 0)
    assert torch.equal(made["images"][near & pure], stage["video"][near & pure])
    assert made["images"][~near & pure].abs().max() < 1e-6
    assert composed(layers, **thing, object_place="before everything")["images"].abs().max() < 1e-6
    with pytest.raises(ValueError, match="expected the depth of the object"):
        composed(layers, **thing)
    with pytest.raises(ValueError, match="give both as geometry"):
        composed(layers, **thing, object_depth=stage["depth"])
    with pytest.raises(ValueError, match="give both as geometry"):
        composed(decomposed(stage)["layers"], **thing, object_depth=flat)


@pytest.mark.parametrize("size", [(0, 0), (64, 96)])
def test_crop_and_paste_back(stage, size):
    cut = out(
        CropToSubject, images=stage["video"], mask=stage["human"], width=size[0], height=size[1], padding=0.1, smooth=5,
        longest=4, overlap=1,
    )  # fmt: skip
    assert len(cut["images"]) == 2 and [len(batch) for batch in cut["masks"]] == [len(b) for b in cut["images"]]
    back = lambda images: PasteBack.execute(
        source=[stage["video"]], images=images, crop=[cut["crop"]], feather=[8.0], keep=[stage["occluder"]]
    ).result[0]
    assert torch.equal(back(cut["images"]), stage["video"])
    painted = back([torch.ones_like(batch) for batch in cut["images"]])
    assert not torch.equal(painted, stage["video"])
    front = stage["occluder"] == 1
    assert torch.equal(painted[front], stage["video"][front])
    with pytest.raises(ValueError, match="keep the number of frames"):
        back(cut["images"][:1])


def test_motion_code_and_alignment(stage):
    made = out(
        MotionCode, keypoints=stage["keypoints"], width=0, height=0, source="near is white", depth=stage["depth"]
    )
    body = made["silhouette"] > 0
    assert made["code"].shape == (FRAMES, SIZE, SIZE, 3) and (made["code"][~body] == 0).all()
    assert (body & (stage["whole_human"] > 0.5)).sum() > 0.75 * (body | (stage["whole_human"] > 0.5)).sum()
    assert made["depth"][body].min() > 0.09 and (made["depth"][~body] == 0).all()
    large = out(MotionCode, keypoints=stage["keypoints"], width=192, height=192, source="near is white")
    assert large["code"].shape == (FRAMES, 192, 192, 3)
    aligned = out(AlignPose, keypoints=stage["keypoints"], reference=stage["keypoints"][:1], anchor="feet", limbs=False)
    assert len(aligned["keypoints"]) == FRAMES


BAD = {
    "expected 1 or 6 masks for 6 frames, got 4": {"human": torch.zeros(4, 8, 8)},
    "expected a MASK batch": {"human": torch.zeros(1, 1, 8, 8)},
    "expected 1 mask, 6 masks for 6 frames": {"objects": torch.zeros(7, 8, 8)},
    "the track of Run SAM3 Video Track": {"objects": {"masks": 1}},
    "a track of 6 frames like the clip, got 2": {"objects": track(torch.ones(1, 2, 8, 8))},
    "expected depth of 1 or 6 frames, got 3": {"depth": torch.rand(3, 8, 8, 1).expand(-1, -1, -1, 3)},
    "got colours": {"depth": torch.rand(6, 8, 8, 3)},
    "Expected the same number of frames": {"keypoints": [{"canvas_width": 8, "canvas_height": 8, "people": []}]},
    "NaN or infinite values in frame 2": {
        "images": torch.zeros(6, 8, 8, 3).index_fill(0, torch.tensor([2]), torch.nan)
    },
    "0..255": {"images": torch.full((6, 8, 8, 3), 128.0)},
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_answered_in_a_sentence(stage, message):
    with pytest.raises(ValueError) as error:
        decomposed(stage, **BAD[message])
    assert message in str(error.value)


def test_sensible_answers_to_odd_input(stage):
    nobody = decomposed(stage, human=torch.zeros(1, 8, 8))
    assert "No person" in nobody["report"] and (nobody["scene"] == 1).all()
    flat = decomposed(stage, depth=torch.full((1, 8, 8, 3), 0.5))
    assert "constant" in flat["report"] and flat["occluder"].sum() == 0
    full = decomposed(stage, objects=torch.ones(1, 8, 8))
    assert "fills 100 % of the picture" in full["report"] and full["occluder"].sum() == 0
    some = stage["human"].clone()
    some[:2] = 0
    part = decomposed(stage, human=some)
    assert "4 of 6 frames" in part["report"]
    for layers in (nobody, flat, full, part):
        assert torch.equal(composed(layers["layers"])["images"], stage["video"])


def test_wrong_sockets_and_sizes(stage):
    layers = decomposed(stage)["layers"]
    for message, call in {
        "connect Decompose Layers": lambda: composed({"samples": 1}),
        "connect Crop to Subject": lambda: PasteBack.execute([stage["video"]], [stage["video"]], [{}], [1.0]),
        "plate: expected pictures of 96 x 96": lambda: out(
            CompleteScene, layers=layers, other_frames=True, grow=2, plate=torch.zeros(1, 8, 8, 3)
        ),
        "scene: expected 1 or 6 frames": lambda: composed(layers, scene=torch.zeros(2, SIZE, SIZE, 3)),
        "only empty masks": lambda: CropToSubject.execute(stage["video"], torch.zeros(1, 8, 8), 0, 0, 0.1, 5, 0, 4),
        "set the other one": lambda: CropToSubject.execute(stage["video"], stage["human"], 64, 0, 0.1, 5, 0, 4),
        "more than twice the overlap": lambda: CropToSubject.execute(
            stage["video"], stage["human"], 0, 0, 0.1, 5, 6, 4
        ),
    }.items():
        with pytest.raises(ValueError, match=message):
            call()
