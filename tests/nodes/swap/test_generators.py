"""What the nodes for generators make, against what the host's own nodes make of it, and their refusals."""

import pytest
import torch
from comfy.ldm.sam3.tracker import pack_masks
from comfy_extras.nodes_scail import SCAIL2ColoredMask, WanSCAILToVideo
from comfy_extras.nodes_wan import WanAnimateToVideo, WanVaceToVideo
from pack.models.choices import DEPTH_TYPES
from pack.nodes.layers.crop import CropToSubject
from pack.nodes.layers.decompose import DecomposeLayers
from pack.nodes.layers.scene import FillScene
from pack.nodes.stage.stage import RenderTestVideo
from pack.nodes.stage.truth import GroundTruth
from pack.nodes.swap.generators import ScailInputs, VaceInputs, WanAnimateInputs
from tiny.generators import wan_vae

FRAMES, HEIGHT, WIDTH = 9, 128, 96  # portrait
SIZE = 64, 96  # width and height of the cropped pictures
TEXT = [[torch.zeros(1, 3, 8), {}]]


def out(node, **given):
    names = [output.display_name for output in node.GET_SCHEMA().outputs]
    return dict(zip(names, node.execute(**given).result, strict=True))


@pytest.fixture(scope="module")
def stage():
    clip = out(
        RenderTestVideo, seed=7, width=WIDTH, height=HEIGHT, frames=FRAMES, frame_rate=6.0, action="walk", character_seed=-1,
        motion_seed=-1, room_seed=-1, object_count=1, camera="still", style="natural", smooth_edges=True,
    )  # fmt: skip
    return out(GroundTruth, test_video=clip["test_video"]) | {"images": clip["images"]}


@pytest.fixture(scope="module")
def given(stage):
    """The inputs that a workflow has: filled layers, a crop, keypoints and a reference."""
    layers = decomposed(stage)
    cut = CropToSubject.execute(stage["images"], stage["person_mask"], *SIZE, 0.1, 5, 0, 0).result
    reference = torch.rand(1, SIZE[1], SIZE[0], 3, generator=torch.Generator().manual_seed(3))
    mask = torch.zeros(1, SIZE[1], SIZE[0])
    mask[:, 10:90, 20:44] = 1
    return {
        "layers": layers,
        "crop": cut[2],
        "keypoints": stage["keypoints"],
        "reference_image": reference,
        "reference_mask": mask,
    }


def decomposed(stage, **changes):
    masks = {"person_mask": stage["person_mask"], "object_masks": stage["occluder_mask"]} | changes
    layers = DecomposeLayers.execute(
        changes.pop("images", stage["images"]), depth_type=DEPTH_TYPES[0], object_source="object masks", nearer_fraction=0.4,
        stability_margin=0.15, min_hidden_percent=0.25, depth=stage["depth"], **{k: v for k, v in masks.items() if k != "images"},
    ).result[0]  # fmt: skip
    return FillScene.execute(layers, True, 2, inpainted_scene=stage["scene"]).result[0]


def made(node, given, **changes):
    """The outputs of a node for the one part, without their lists."""
    names = {one.id for one in node.GET_SCHEMA().inputs}
    changes = {name: value for name, value in changes.items() if name in names}
    defaults = {one.id: one.default for one in node.GET_SCHEMA().inputs if getattr(one, "default", None) is not None}
    values = defaults | {name: value for name, value in given.items() if name in names} | changes
    result = out(node, **{name: [value] for name, value in values.items() if value is not None})
    return {name: value[0] if isinstance(value, list) else value for name, value in result.items()}


@pytest.fixture(scope="module")
def vae():
    return wan_vae()


def size_of(inputs):
    return {name: inputs[name] for name in ("width", "height", "length")}


# --- Wan-Animate -----------------------------------------------------------------------------------------------------


def animate(vae, inputs, mask="character_mask"):
    names = ("reference_image", "pose_video", "face_video", "background_video")
    taken = {name: inputs[name] for name in names} | {"character_mask": inputs[mask]}
    return WanAnimateToVideo.execute(
        TEXT, TEXT, vae, **size_of(inputs), batch_size=1, continue_motion_max_frames=5, video_frame_offset=0, **taken
    ).result


def latents_of(areas):
    """(N, h, w) of 0 and 1 as (N, h / 8, w / 8): 1 where any pixel is white."""
    return torch.nn.functional.max_pool2d(areas[:, None], 8)[:, 0]


def test_the_host_s_wan_animate_takes_everything_without_a_change_of_size(vae, given):
    inputs = made(WanAnimateInputs, given)
    assert size_of(inputs) == {"width": SIZE[0], "height": SIZE[1], "length": FRAMES}
    for name in ("pose_video", "background_video"):
        assert inputs[name].shape == (FRAMES, SIZE[1], SIZE[0], 3)
    assert inputs["face_video"].shape == (FRAMES, 512, 512, 3) and inputs["face_video"].std() > 0.02
    positive, negative, latent, trim, _, _ = animate(vae, inputs)
    options = positive[0][1]
    assert latent["samples"].shape == (1, 16, 1 + 3, SIZE[1] // 8, SIZE[0] // 8) and trim == 1
    assert torch.equal(options["face_video_pixels"], inputs["face_video"].movedim(-1, 0)[None] * 2 - 1)
    assert torch.equal(options["pose_video_latent"], vae.encode(inputs["pose_video"]))
    assert torch.equal(options["concat_latent_image"][:, :, :1], vae.encode(inputs["reference_image"]))
    assert torch.equal(options["concat_latent_image"][:, :, 1:], vae.encode(inputs["background_video"]))
    assert (negative[0][1]["face_video_pixels"] == -1).all(), "no expression is black"


def test_the_network_reads_each_mask_with_its_own_frame(vae, given):
    """Of each latent after the first: four masks for four frames; the host's last three are always white."""
    inputs = made(WanAnimateInputs, given)
    mask = animate(vae, inputs)[0][0][1]["concat_mask"]
    assert not mask[:, :, 0].any(), "the reference is given"
    slots = mask[0, :, 1:].transpose(0, 1).flatten(0, 1)  # in the order of time
    frames = latents_of(inputs["area_mask"])
    expected = torch.cat((frames[:1].expand(3, -1, -1), frames))
    assert torch.equal(slots[:FRAMES], expected[:FRAMES]) and (slots[FRAMES:] == 1).all()


def test_no_black_latent_counts_as_given(vae, given):
    """With masks in the order of frames, latents of a walking person that are black would count as the scene."""
    inputs = made(WanAnimateInputs, given, grow_mask=0, block_size=8)
    frames = latents_of(inputs["area_mask"])
    black = torch.cat((frames[:1].expand(3, -1, -1), frames))[:FRAMES].bool()

    def wrong(mask):
        slots = animate(vae, inputs, mask)[0][0][1]["concat_mask"][0, :, 1:].transpose(0, 1).flatten(0, 1)
        return (black & (slots[:FRAMES] == 0)).sum().item() / black.sum().item()

    assert wrong("character_mask") == 0 and wrong("area_mask") > 0.03


def test_what_is_in_front_stays_visible(given, stage):
    inputs = made(WanAnimateInputs, given, crop=None, grow_mask=4, block_size=8, reference_image=stage["character"])
    front = torch.nn.functional.avg_pool2d(stage["occluder_mask"][:, None], 8)[:, 0] == 1
    assert front.any(), "something is in front"
    front = front.repeat_interleave(8, 1).repeat_interleave(8, 2)
    assert (inputs["area_mask"][front] == 0).all()
    assert torch.equal(inputs["background_video"][front], stage["images"][front])


def test_without_keypoints_there_is_no_face_and_it_is_said(given, caplog):
    inputs = made(WanAnimateInputs, given, keypoints=None)
    assert not inputs["face_video"].any() and not inputs["pose_video"].any()
    assert "Without a face" in inputs["report"] and any("Without a face" in line for line in caplog.messages)
    drawn = made(WanAnimateInputs, given, keypoints=None, pose_images=torch.ones(FRAMES, HEIGHT, WIDTH, 3))
    assert drawn["pose_video"].min() > 0.999


def test_a_pose_of_the_cropped_pictures_serves_as_well(given):
    """The detector may see the clip or the crop, in which the person is larger."""
    inputs = made(WanAnimateInputs, given)
    again = made(WanAnimateInputs, given, pose_images=inputs["pose_video"])
    assert torch.equal(again["pose_video"], inputs["pose_video"])
    with pytest.raises(ValueError, match="expected 9 frames like the cropped clip, got 4"):
        made(WanAnimateInputs, given, pose_images=inputs["pose_video"][:4])


# --- VACE ------------------------------------------------------------------------------------------------------------


def test_the_host_s_vace_keeps_the_scene_and_reads_the_pose(vae, given):
    inputs = made(VaceInputs, given)
    options = WanVaceToVideo.execute(
        TEXT, TEXT, vae, **size_of(inputs), batch_size=1, strength=1.0, control_video=inputs["control_video"],
        control_masks=inputs["control_masks"], reference_image=inputs["reference_image"],
    ).result[0][0][1]  # fmt: skip
    (frames,), (mask,) = options["vace_frames"], options["vace_mask"]
    video, area = inputs["control_video"], inputs["control_masks"][..., None]
    inactive, reactive = (torch.where(where, video, torch.tensor(0.5)) for where in (area == 0, area > 0))
    expected = torch.cat([vae.encode(part) for part in (inactive, reactive)], 1)
    assert torch.allclose(frames[:, :, 1:], expected, atol=1e-5)
    assert torch.equal(frames[:, :16, :1], vae.encode(inputs["reference_image"]))
    assert not mask[:, :, 0].any() and set(mask.unique().tolist()) == {0.0, 1.0}
    middle = inputs["control_masks"][1].reshape(SIZE[1] // 8, 8, SIZE[0] // 8, 8).permute(1, 3, 0, 2).flatten(0, 1)
    assert torch.equal(mask[0, :, 1], middle), "64 masks of one pixel in each latent, of the middle frame of three"


def test_vace_gets_the_character_on_white_and_grey_without_a_pose(given):
    inputs = made(VaceInputs, given, keypoints=None)
    area = inputs["control_masks"] > 0
    assert (inputs["control_video"][area] == 0.5).all() and "does not get the motion" in inputs["report"]
    outside = given["reference_mask"][0] == 0
    assert (inputs["reference_image"][0][outside] == 1).all()
    assert torch.equal(inputs["reference_image"][0][~outside], given["reference_image"][0][~outside])
    alpha = torch.cat((given["reference_image"], given["reference_mask"][..., None]), -1)
    same = made(VaceInputs, given, keypoints=None, reference_image=alpha, reference_mask=None)
    assert torch.equal(same["reference_image"], inputs["reference_image"])


# --- SCAIL-2 ---------------------------------------------------------------------------------------------------------


def track(masks):
    """(K, N, H, W) as the host's tracker leaves them."""
    packed = torch.stack([pack_masks(masks[:, index]) for index in range(masks.shape[1])])
    return {
        "packed_masks": packed,
        "n_frames": masks.shape[1],
        "scores": [1.0] * len(masks),
        "orig_size": masks.shape[-2:],
    }


def two_people(stage):
    second = torch.zeros(FRAMES, HEIGHT, WIDTH)
    for index in range(FRAMES):
        second[index, 40:100, 2 + index : 20 + index] = 1
    return second


@pytest.mark.parametrize("people", [1, 2])
def test_the_colors_are_those_of_the_host(stage, people):
    """Whole frames, no occluder: what the host paints of a track of SAM3 is what we paint of masks, pixel by pixel."""
    layers = decomposed(stage, object_masks=None)
    layers = {**layers, "objects": None, "in_front": torch.zeros(FRAMES, 0, dtype=torch.bool)}
    second = two_people(stage)
    masks = torch.stack((stage["person_mask"], second)[:people])
    reference = torch.zeros(people, HEIGHT, WIDTH)
    for number in range(people):
        reference[number, 20:100, 10 + 40 * number : 40 + 40 * number] = 1
    theirs, theirs_reference = SCAIL2ColoredMask.execute(
        track((masks > 0.5).float()), "", "none", True, track(reference[:, None])
    ).result
    inputs = made(
        ScailInputs, {"layers": layers, "reference_image": stage["images"][:1], "reference_mask": reference},
        other_person_masks=second if people > 1 else None,
    )  # fmt: skip
    assert torch.equal(inputs["pose_video_mask"], theirs)
    assert torch.equal(inputs["reference_image_mask"], theirs_reference)
    assert torch.equal(inputs["pose_video"], stage["images"])


def test_the_host_s_scail_reads_the_people_and_the_scene(vae, given):
    inputs = made(ScailInputs, given)
    names = ("pose_video", "pose_video_mask", "reference_image", "reference_image_mask")
    options = WanSCAILToVideo.execute(
        TEXT, TEXT, vae, **size_of(inputs), batch_size=1, pose_strength=1.0, pose_start=0.0, pose_end=1.0, video_frame_offset=0,
        previous_frame_count=5, replacement_mode=True, **{name: inputs[name] for name in names},
    ).result[0][0][1]  # fmt: skip
    assert options["ref_mask_flag"] is False, "people are replaced"
    assert options["pose_video_latent"].shape == (1, 16, 3, SIZE[1] // 16, SIZE[0] // 16)
    driving = options["driving_mask_28ch"][0].reshape(3, 4, 7, SIZE[1] // 16, SIZE[0] // 16)
    white, blue = driving[:, :, 0], driving[:, :, 3]
    assert white.mean() > 0.3 and blue.mean() > 0.03
    assert torch.allclose(driving.sum(2), torch.ones(())), "each pixel is scene or person, at the edge too"
    assert options["ref_mask_28ch"][0, 0].reshape(4, 7, SIZE[1] // 8, -1)[:, 3].any()
    (latent,) = options["reference_latents"]
    on_black = given["reference_image"] * (given["reference_mask"] > 0.5)[..., None]
    assert torch.allclose(latent, vae.encode(on_black), atol=1e-5)


# --- several clips, odd and bad input --------------------------------------------------------------------------------


def test_a_crop_of_several_clips_gives_as_many_of_everything(given, stage):
    crop = CropToSubject.execute(stage["images"], stage["person_mask"], *SIZE, 0.1, 5, 5, 1).result[2]
    lengths = [len(clip["boxes"]) for clip in crop["clips"]]
    assert lengths == [5, 5]
    values = {"layers": [given["layers"]], "crop": [crop], "reference_mask": [given["reference_mask"]]}
    result = out(ScailInputs, reference_image=[given["reference_image"]] * 2, **values)
    assert [len(clip) for clip in result["pose_video"]] == result["length"] == lengths
    assert len(result["report"].splitlines()) == 2
    with pytest.raises(ValueError, match="1 for all or 2 for 2 cropped clips, got 3"):
        out(ScailInputs, reference_image=[given["reference_image"]] * 3, **values)


@pytest.mark.parametrize("node", [WanAnimateInputs, VaceInputs, ScailInputs])
def test_one_frame(node, stage, given):
    one = {name: stage[name][:1] for name in ("images", "person_mask", "occluder_mask", "depth", "scene")}
    layers = decomposed(one, person_mask=one["person_mask"], object_masks=one["occluder_mask"], images=one["images"])
    inputs = made(node, given, layers=layers, crop=None, keypoints=given["keypoints"][:1])
    assert inputs["length"] == 1 and (inputs["width"], inputs["height"]) == (WIDTH, HEIGHT)


def test_frames_are_repeated_up_to_a_number_that_the_generator_takes(given, stage):
    seven = {name: stage[name][:7] for name in ("images", "person_mask", "occluder_mask", "depth", "scene")}
    layers = decomposed(
        seven, person_mask=seven["person_mask"], object_masks=seven["occluder_mask"], images=seven["images"]
    )
    inputs = made(VaceInputs, given, layers=layers, crop=None, keypoints=given["keypoints"][:7])
    assert inputs["length"] == 9 and "repeated 2 times" in inputs["report"]
    assert torch.equal(inputs["control_video"][8], inputs["control_video"][6])
    crop = CropToSubject.execute(seven["images"], seven["person_mask"], *SIZE, 0.1, 5, 0, 0).result[2]
    with pytest.raises(ValueError, match="clips of 4 n \\+ 1 frames, such as 9, got 7: set frame_rule"):
        made(VaceInputs, given, layers=layers, crop=crop, keypoints=given["keypoints"][:7])
    rule = {"size_multiple": 16, "frame_rule": "4n+1"}
    crop = CropToSubject.execute(seven["images"], seven["person_mask"], *SIZE, 0.1, 5, 0, 0, **rule).result[2]
    inputs = made(VaceInputs, given, layers=layers, crop=crop, keypoints=given["keypoints"][:7])
    assert len(inputs["control_video"]) == 9, "the frames that Crop to Subject repeats, and no others"


def test_bad_input_is_answered_in_a_sentence(stage, given):
    narrow = CropToSubject.execute(stage["images"], stage["person_mask"], 56, 96, 0.1, 5, 0, 0).result[2]
    wide = CropToSubject.execute(stage["images"], stage["person_mask"], 80, 96, 0.1, 5, 0, 0).result[2]
    other = {**given["crop"], "size": (64, 64)}
    nobody = {**given["layers"], "person": torch.zeros(1, 8, 8)}
    for message, node, changes in (
        ("multiples of 16, got 56 x 96", WanAnimateInputs, {"crop": narrow}),
        ("multiples of 32, got 80 x 96", ScailInputs, {"crop": wide}),
        ("one of 9 frames of 64 x 64", VaceInputs, {"crop": other}),
        ("connect Crop to Subject", VaceInputs, {"crop": {}}),
        ("only empty masks: check person_mask", WanAnimateInputs, {"layers": nobody}),
        ("only empty masks: check person_mask", ScailInputs, {"layers": nobody}),
        ("connect Decompose into Layers", VaceInputs, {"layers": {"samples": 1}}),
        ("keypoints: expected 9 frames like the clip, got 4", WanAnimateInputs, {"keypoints": stage["keypoints"][:4]}),
        ("expected 1 or 9 masks for 9 frames, got 4", VaceInputs, {"area_mask": torch.ones(4, 8, 8)}),
        ("pose_images: expected pictures of 96 x 128", VaceInputs, {"pose_images": torch.zeros(9, 8, 8, 3)}),
        ("expected 1 mask for 1 person to replace, got none", ScailInputs, {"reference_mask": None}),
        ("2 masks for 2 people to replace, got 1", ScailInputs, {"other_person_masks": two_people(stage)}),
        ("9 masks for the 9 frames of each person, got 4", ScailInputs, {"other_person_masks": torch.ones(4, 8, 8)}),
        ("expected an IMAGE batch", VaceInputs, {"reference_image": torch.zeros(8, 8, 3)}),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            made(node, given, **changes)
