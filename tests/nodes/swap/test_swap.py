"""The nodes around a generator on a test video, and their refusals of bad input."""

import pytest
import torch
from pack.nodes.stage.stage import RenderTestVideo
from pack.nodes.stage.truth import GroundTruth
from pack.nodes.swap.chunks import JoinChunks
from pack.nodes.swap.colours import MatchColors
from pack.nodes.swap.reference import FitReference

FRAMES, HIGH, WIDE = 9, 96, 80


def stage_clip(character=-1):
    images, test_video = RenderTestVideo.execute(
        seed=7, width=WIDE, height=HIGH, frames=FRAMES, frame_rate=6.0, action="walk", character_seed=character, motion_seed=-1,
        room_seed=-1, object_count=1, camera="still", style="natural", smooth_edges=True,
    ).result[:2]  # fmt: skip
    names = [output.display_name for output in GroundTruth.GET_SCHEMA().outputs]
    return dict(zip(names, GroundTruth.execute(test_video).result, strict=True)) | {"images": images}


@pytest.fixture(scope="module")
def stage():
    return stage_clip()


@pytest.fixture(scope="module")
def other():
    """A character on grey, with its mask."""
    picture = stage_clip(41)["character"]
    return picture, ((picture - picture[:, :1, :1]).abs().amax(-1) > 0.02).float()


def fitted(stage, other, **changes):
    given = {
        "character": other[0], "images": stage["images"], "person_mask": stage["person_mask"], "background": "grey",
        "person_frame": -1, "character_mask": other[1], "hidden_mask": stage["occluder_mask"],
    }  # fmt: skip
    return FitReference.execute(**(given | changes)).result


def tall(mask):
    rows = (mask > 0.5).any(1).nonzero()[:, 0]
    return int(rows[-1] + 1 - rows[0]), int(rows[-1] + 1)


def test_the_character_is_as_tall_as_the_person_and_stands_where_they_stand(stage, other):
    frame = 4
    image, mask, report = fitted(
        stage, other, person_frame=frame, person_mask=stage["whole_person_mask"], hidden_mask=None
    )
    height, feet = tall(stage["whole_person_mask"][frame])
    new_height, new_feet = tall(mask[0])
    assert image.shape == (1, HIGH, WIDE, 3) and mask.shape == (1, HIGH, WIDE)
    assert abs(new_height - height) <= max(1, 0.02 * height) and abs(new_feet - feet) <= 1
    assert f"Frame {frame} of {FRAMES}" in report and "wholly visible" in report


def test_backgrounds(stage, other):
    free = fitted(stage, other)[1][0] == 0
    for name, value in (("grey", 0.5), ("white", 1.0), ("black", 0.0)):
        assert (fitted(stage, other, background=name)[0][0][free] == value).all()
    picture, mask, _ = fitted(stage, other, background="scene", scene=stage["scene"], person_frame=2)
    assert torch.equal(picture[mask == 0], stage["scene"][2:3][mask == 0])
    own = fitted(stage, other, background="own background")[0][0]
    assert torch.allclose(own[0, 0], other[0][0, 0, 0], atol=0.02)


def test_alpha_is_the_mask(stage, other):
    picture = torch.cat((other[0], other[1][..., None]), -1)
    assert torch.equal(fitted(stage, other, character=picture, character_mask=None)[1], fitted(stage, other)[1])


def test_one_portrait_frame(stage, other):
    one = {name: stage[name][:1] for name in ("images", "person_mask", "occluder_mask")}
    assert fitted(one, other)[0].shape == (1, HIGH, WIDE, 3)


@pytest.mark.parametrize("changes, message", [
    ({"character_mask": None}, "or a picture with alpha, got neither"),
    ({"character_mask": torch.ones(1, 8, 8)}, "Invert Mask"),
    ({"character_mask": torch.zeros(1, 8, 8)}, "empty mask"),
    ({"person_mask": torch.zeros(1, 8, 8)}, "only empty masks"),
    ({"person_mask": torch.ones(4, 8, 8)}, "person_mask: expected 1 or 9 masks"),
    ({"person_frame": 9}, "from 0 to 8 for 9 frames, got 9"),
    ({"background": "scene"}, "expected the scene without the person"),
    ({"background": "scene", "scene": torch.zeros(1, 8, 8, 3)}, "scene: expected pictures of 80 x 96"),
    ({"background": "blue"}, "blue"),
])  # fmt: skip
def test_refusals_of_a_reference(stage, other, changes, message):
    with pytest.raises(ValueError, match=message):
        fitted(stage, other, **changes)


def chunks_of(video, bounds=((0, 5), (3, 9)), gains=(1.0, 0.9)):
    return [(gain * video[start:stop]).clamp(0, 1) for (start, stop), gain in zip(bounds, gains, strict=True)]


def test_chunks_are_joined_to_the_exact_count_and_in_one_colour(stage):
    joined, frames, report = JoinChunks.execute(chunks_of(stage["images"]), [2], [1.0], [0]).result
    assert len(joined) == frames == FRAMES and "9 frames of 2 chunks, which begin at 0, 3" in report
    plain = JoinChunks.execute(chunks_of(stage["images"]), [2], [0.0], [0]).result[0]
    away = lambda images: (images - stage["images"]).abs().mean()
    assert away(joined) < 0.1 * away(plain)
    assert len(JoinChunks.execute(chunks_of(stage["images"]), [2], [1.0], [7]).result[0]) == 7
    one = JoinChunks.execute([stage["images"]], [5], [1.0], [0]).result
    assert torch.equal(one[0], stage["images"]) and one[1] == FRAMES


@pytest.mark.parametrize("given, message", [
    (([torch.zeros(5, 8, 8, 3), torch.zeros(5, 8, 9, 3)], [2], [1.0], [0]), "8 x 8 in chunk 0 and 9 x 8 in chunk 1"),
    (([torch.zeros(5, 8, 8, 3), torch.zeros(2, 8, 8, 3)], [2], [1.0], [0]), "at least 3 frames in chunk 1.*got 2"),
    (([torch.zeros(5, 8, 8, 3)], [2], [1.0], [6]), "at most the 5 frames of the joined chunks, got 6"),
])  # fmt: skip
def test_refusals_of_chunks(given, message):
    with pytest.raises(ValueError, match=message):
        JoinChunks.execute(*given)


def test_colours_follow_the_original_outside_the_person(stage):
    video, person = stage["images"], stage["person_mask"]
    drifted = chunks_of(video, gains=(0.95, 0.85))
    out, report = MatchColors.execute(drifted, [2], [1.0], [9], [video], [person]).result
    assert [len(chunk) for chunk in out] == [5, 6]
    away = lambda chunks: torch.cat(
        [(chunk - video[start:][: len(chunk)]).abs().flatten() for chunk, start in zip(chunks, (0, 3), strict=True)]
    ).mean()
    assert away(out) < 0.1 * away(drifted)
    assert "Chunk 0 against the original" in report and "Chunk 1 against chunk 0" in report
    still = MatchColors.execute(drifted, [2], [0.0], [9], [video]).result[0]
    assert torch.equal(still[1], drifted[1])
    one = MatchColors.execute([drifted[0][:1]], [5], [1.0], [9], [video[:1]]).result[0]
    assert one[0].shape == (1, HIGH, WIDE, 3)


@pytest.mark.parametrize("original, mask, message", [
    (torch.zeros(4, HIGH, WIDE, 3), None, "reference_images: expected 1 or 9 frames.*got 4"),
    (torch.zeros(1, 8, 8, 3), None, "reference_images: expected pictures of 80 x 96 like images, got 8 x 8"),
    (None, torch.zeros(4, 8, 8), "subject_mask: expected 1 or 9 frames"),
])  # fmt: skip
def test_refusals_of_colours(stage, original, mask, message):
    lists = [None if one is None else [one] for one in (original, mask)]
    with pytest.raises(ValueError, match=message):
        MatchColors.execute(chunks_of(stage["images"]), [2], [1.0], [9], *lists)


def test_a_mask_that_leaves_no_scene_changes_nothing_and_says_so(stage):
    out, report = MatchColors.execute(
        [stage["images"]], [0], [1.0], [9], [0.8 * stage["images"]], [torch.ones(1, 8, 8)]
    ).result
    assert torch.equal(out[0], stage["images"]) and "unchanged" in report
