"""Every node that takes pictures or masks: NaN never passes as a result, and no size, length or form ends in a raw exception."""

import re
from fractions import Fraction

import pytest
import torch
from comfy_api.latest import Input, InputImpl, Types
from tiny.every_node import (
    FRAMES,
    GENERATORS,
    NODES,
    SIDE,
    keypoints,
    output_in,
    rand,
    refused,
    run,
    small_models,
    takes,
    values_of,
    widgets,
)
from write_locale import inputs_of

NAN = torch.nan
COUNTER = re.compile(r"_\d{5}_")  # of a file that was saved
# CLIP reads pictures and gives no other check of them than the one of every node; it is not among the small models.
LEFT_OUT = {"DuetMeasureConsistency", "DuetMeasureTextAlignment"}
# NaN in depth means that there is no depth at that pixel.
NAN_IS_UNKNOWN = {
    ("DuetNormalizeDepth", "depth"), ("DuetSteadyDepth", "depth"), ("DuetDrawBody", "depth"), ("DuetDecomposeLayers", "depth"),
    ("DuetCompositeLayers", "character_depth"), ("DuetCompositeLayers", "inserted_object_depth"),
}  # fmt: skip
STAYS_UNKNOWN = {("DuetSteadyDepth", "depth")}  # NaN in the result too
ANY_RANGE = {("DuetEncodeDepth", "depth")}  # it finds black and white itself
# Pictures that no VIDEO makes sense for; all other pictures are clips and come as a VIDEO too.
SINGLE_PICTURES = {
    ("DuetEstimateFlow", "still_image"), ("DuetEncodeStill", "still_image"), ("DuetAnimateStill", "still_image"),
    ("DuetEncodePairCharacter", "character"), ("DuetEncodeSwap", "character"),
    *((name, "reference_image") for name in GENERATORS),
}  # fmt: skip
# What these give is of the type that they get, and a picture or a latent at that.
NO_VIDEO = SINGLE_PICTURES | {("DuetWarpByFlow", "images"), ("DuetWarpByFlow", "fill"), ("DuetSteadyDepth", "depth")}

INPUTS = [
    (name, one.id)
    for name, node in NODES.items()
    for one in node.GET_SCHEMA().inputs
    if (takes(one, "IMAGE") or takes(one, "MASK")) and name not in LEFT_OUT
]
TAKERS = list(dict.fromkeys(name for name, _ in INPUTS))
CLIPS = [
    (name, key)
    for name, node in NODES.items()
    for key, one in inputs_of(node.GET_SCHEMA().inputs)
    if takes(one, "IMAGE") and (name, key) not in NO_VIDEO
]


@pytest.fixture(scope="module", autouse=True)
def output(tmp_path_factory):
    """Where nodes that save do so."""
    with output_in(tmp_path_factory.mktemp("output")):
        yield


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return small_models(tmp_path_factory.mktemp("models"))


# --- NaN -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TAKERS)
def test_every_node_runs_with_all_its_pictures_and_masks(name, models):
    assert refused(run, name, models) is None


@pytest.mark.parametrize(("name", "key"), INPUTS)
def test_nan_never_passes_as_a_result(name, key, models):
    clip = values_of(name, models)[key].clone()
    frame = len(clip) - 1
    clip[frame, 2, 3] = NAN
    if (name, key) in STAYS_UNKNOWN:
        found = run(name, models, **{key: clip})[0]
        assert torch.equal(torch.isnan(found), torch.isnan(clip))
    elif (name, key) in NAN_IS_UNKNOWN:
        assert refused(run, name, models, **{key: clip}) is None
    if (name, key) in NAN_IS_UNKNOWN:
        assert refused(run, name, models, **{key: torch.full_like(clip, NAN)}).startswith(
            ("depth: ", f"{key}: ", "Expected depth")
        )
        return
    sentence = refused(run, name, models, **{key: clip})
    assert sentence and f"frame {frame}" in sentence and sentence.startswith(f"{key}: expected finite numbers, got ")


# --- sizes, lengths and forms ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.parametrize("size", [(1, 1), (7, 7), (8, 8), (63, 65)], ids=str)
@pytest.mark.parametrize("name", TAKERS)
def test_any_size_and_length_is_a_result_or_a_sentence(name, size, frames, models):
    refused(run, name, models, frames, size)


@pytest.mark.parametrize(("name", "key"), INPUTS)
def test_no_frames_are_refused(name, key, models):
    none = values_of(name, models)[key][:0]
    assert refused(run, name, models, **{key: none}).startswith(f"{key}: expected")


@pytest.mark.parametrize(("name", "key"), INPUTS)
def test_any_form_is_a_result_or_a_sentence(name, key, models):
    value = values_of(name, models)[key]
    if value.ndim == 3:
        forms = {"one": value[0], "bool": value > 0.5, "half": value.half(), "small": value[:, ::2, ::2]}
    else:
        alpha = torch.ones_like(value[..., :1])
        forms = {"alpha": torch.cat((value, alpha), -1), "one": value[..., :1], "half": value.half()}
    for form, changed in forms.items():
        sentence = refused(run, name, models, **{key: changed})
        if name != "DuetWarpByFlow":  # there images and fill must have alpha both or neither
            assert form not in ("alpha", "half", "bool") or sentence is None, f"{form}: {sentence}"


@pytest.mark.parametrize(("name", "key"), [pair for pair in INPUTS if pair not in NAN_IS_UNKNOWN | ANY_RANGE])
def test_bytes_are_refused(name, key, models):
    changed = (255 * values_of(name, models)[key]).round().byte()
    assert refused(run, name, models, **{key: changed}).startswith(f"{key}: expected")


@pytest.mark.parametrize("side", [1, 7, 8, 63])
@pytest.mark.parametrize("name", ["DuetDrawPose", "DuetDrawBody"])
def test_a_pose_is_drawn_at_any_size(name, side):
    node = NODES[name]
    sizes = {"width": side, "height": side, "keypoints": keypoints(1, 64, 64)}
    outputs = node.EXECUTE_NORMALIZED(**widgets(node) | sizes).result
    assert outputs[0].shape == (1, side, side, 3) and torch.isfinite(outputs[0]).all()
    small = node.EXECUTE_NORMALIZED(**widgets(node) | {"keypoints": shrunk(sizes["keypoints"], side)}).result
    assert small[0].shape == (1, side, side, 3)


def shrunk(keypoints, side):
    """The same pose as a detector would find it in a picture of another size."""
    scale = [side / 64, side / 64, 1] * 18
    body = [
        [x * s for x, s in zip(person["pose_keypoints_2d"], scale, strict=True)] for person in keypoints[0]["people"]
    ]
    return [{"canvas_width": side, "canvas_height": side, "people": [{"pose_keypoints_2d": one} for one in body]}]


def test_layers_keep_the_lights_of_hdr(models):
    images = rand(FRAMES, SIDE, SIDE, 3)
    images[:, 4:8, 4:8] = 20.0  # a lamp on the scene
    images[:, 30:33, 30:33] = 30.0  # and a light on the person
    layers = run("DuetDecomposeLayers", models, images=images)[0]
    removed = NODES["DuetCompositeLayers"].execute(
        **widgets(NODES["DuetCompositeLayers"]) | {"remove_person": True},
        layers=NODES["DuetFillScene"].execute(layers, False, 4)[0],
    )[0]
    assert torch.equal(removed[:, 4:8, 4:8], images[:, 4:8, 4:8]) and removed[:, 30:33, 30:33].max() <= 1
    mask = torch.zeros(FRAMES, SIDE, SIDE)
    mask[:, :16, :16] = 1
    for side in (0, 48):
        cut = run("DuetCropToSubject", models, images=images, subject_mask=mask, width=side, height=side)[0][0]
        assert cut.max() > 19


# --- VIDEO -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "key"), CLIPS)
def test_a_clip_may_come_as_a_video(name, key):
    found = dict(inputs_of(NODES[name].GET_SCHEMA().inputs))[key]
    assert "VIDEO" in found.get_io_type().split(","), (
        f"{name} takes {key} as IMAGE, but not as VIDEO: write clip_input of nodes/inputs/video.py in place of "
        "io.Image.Input or io.MultiType.Input, or name it in SINGLE_PICTURES of this test if it is no clip."
    )


@pytest.mark.parametrize(("name", "key"), [(name, key) for name, key in CLIPS if "." not in key])
def test_a_video_gives_what_its_frames_give(name, key, models):
    values = values_of(name, models)
    frames = values[key]
    video = InputImpl.VideoFromComponents(Types.VideoComponents(images=frames, frame_rate=Fraction(24000, 1001)))
    found, expected = (outcome(name, values | {key: clip}) for clip in (video, frames))
    assert same(found, expected), f"{name} gives something else for {key} as VIDEO than as IMAGE."


def outcome(name, values):
    """The outputs of a node, or the sentence by which it refuses."""
    node = NODES[name]
    torch.manual_seed(0)
    if node.GET_SCHEMA().is_input_list:
        values = {key: [value] for key, value in values.items()}
    try:
        with torch.inference_mode():
            return node.EXECUTE_NORMALIZED(**values).result
    except ValueError as error:
        return str(error)


def same(one, other):
    """Whether two values are equal, bit by bit."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(torch.nan_to_num(one), torch.nan_to_num(other))
    if isinstance(one, Input.Video):
        return same(vars(one.get_components()), vars(other.get_components()))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, Types.File3D):
        return one.format == other.format and one.get_data().getvalue() == other.get_data().getvalue()
    if isinstance(one, Types.MESH):
        return same(vars(one), vars(other))
    if isinstance(one, str):
        return COUNTER.sub("", one) == COUNTER.sub("", other)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other
