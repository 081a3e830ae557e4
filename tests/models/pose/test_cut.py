"""Keypoints of a clip with a cut: no motion is made up between two shots, and who is gone in the second one is said."""

import numpy as np
from pack.models.pose.filter import Settings, filter_clip

SHOT, SIZE = 12, 512
BODY = np.array([
    (0, -90), (0, -70), (-18, -70), (-22, -40), (-24, -12), (18, -70), (22, -40), (24, -12), (-11, -10), (-12, 35), (-12, 78),
    (11, -10), (12, 35), (12, 78), (-5, -95), (5, -95), (-9, -92), (9, -92),
], float)  # fmt: skip


def frame(*people):
    found = [{"pose_keypoints_2d": np.c_[BODY * size + place, np.ones(18)].ravel().tolist()} for place, size in people]
    return {"people": found, "canvas_width": SIZE, "canvas_height": SIZE}


def places(filtered, person):
    """(N, 18, 3) of one person."""
    return np.stack([
        np.array(one["people"][person]["pose_keypoints_2d"]).reshape(-1, 3)[:18] for one in filtered.keypoints
    ])  # fmt: skip


def cut_clip(first=(120, 250), second=(400, 300), size=1.0):
    walk = lambda start, i: (start[0] + 3 * i, start[1])
    shots = [[frame((walk(first, i), 1.0)) for i in range(SHOT)], [frame((walk(second, i), size)) for i in range(SHOT)]]
    return shots[0] + shots[1]


def test_nothing_moves_from_one_shot_to_the_next():
    clip = cut_clip()
    filtered = filter_clip(clip, Settings(strength=1.0))
    assert len(filtered.people) == 2
    given = np.stack([np.array(one["people"][0]["pose_keypoints_2d"]).reshape(18, 3) for one in clip])
    for person, part in ((0, slice(0, SHOT)), (1, slice(SHOT, None))):
        mine = next(places(filtered, number) for number in range(2) if filtered.people[number].frames[0] == part.start)
        assert np.abs(mine[part] - given[part]).max() < 0.6, "each walks on as in the shot alone"
        outside = slice(SHOT, None) if person == 0 else slice(0, SHOT)
        assert not mine[outside].any()


def test_a_person_who_is_kept_and_ends_at_a_cut_is_said():
    filtered = filter_clip(cut_clip(), Settings(), person=1)
    assert "Person 1 is in 12 of 24 frames" in filtered.advice and "keep_person 0" in filtered.advice
    assert filter_clip(cut_clip(), Settings()).advice is None
    assert filter_clip(cut_clip()[:SHOT], Settings(), person=1).advice is None


def test_no_people_at_all():
    filtered = filter_clip([frame() for _ in range(5)], Settings(), person=1)
    assert len(filtered.keypoints) == 5 and "No person was found" in filtered.advice
