"""The pose ControlNet as a native CONTROL_NET, and the sampler that keeps one modality."""

import pytest
import torch
from pack.models.choices import MODALITIES
from pack.models.pair.layout import split
from pack.models.unet.controlnet import PoseControlNet
from pack.nodes.host.character.conditioning import BODY, LAYERS, REFERENCE
from pack.nodes.host.pair.boundary import MODALITY
from pack.nodes.host.unet.controlnet import native_controlnet
from pack.nodes.pair.sampler import ALL, DEPTH_FROM_VIDEO, VIDEO_FROM_DEPTH, SampleLatent
from tiny.model import (
    FRAMES,
    PICTURES,
    conditioning,
    controlled,
    gap,
    ksampler,
    latent,
    noise,
    t2i_adapter,
    tiny_config,
    tiny_model,
)  # fmt: skip

import nodes as host


@pytest.fixture(scope="module")
def model():
    return tiny_model()


def weights(seed=5, zero=False, **changes):
    config = tiny_config(**changes)
    g = torch.Generator().manual_seed(seed)
    state = PoseControlNet(config).state_dict()
    for name, value in state.items():
        if value.ndim > 1 and not (zero and name.startswith("controlnet_down_blocks")):
            gain = 3.0 if name.startswith("controlnet_") else 0.5  # loud enough that the poses can be told apart
            state[name] = torch.randn(value.shape, generator=g) * gain / value[0].numel() ** 0.5
    if zero:
        for name in state:
            if name.startswith(("controlnet_down_blocks", "controlnet_mid_block")):
                state[name] = torch.zeros_like(state[name])
    return config, state


def poses(count, seed=3):
    return torch.rand(count, 64, 64, 3, generator=torch.Generator().manual_seed(seed))


def applied(control, images, strength=1.0):
    apply = host.ControlNetApplyAdvanced().apply_controlnet
    return apply(conditioning(1), conditioning(2), control, images, strength, 0.0, 1.0)


def test_a_silent_controlnet_changes_nothing_and_a_trained_one_does(model):
    plain = ksampler(model)
    silent = ksampler(model, *applied(native_controlnet(*weights(zero=True)), poses(FRAMES)))
    loud = ksampler(model, *applied(native_controlnet(*weights()), poses(FRAMES)))
    assert gap(silent, plain) < 1e-5 and gap(loud, plain) > 1e-2


def test_hints_of_f_frames_serve_video_and_depth_alike(model):
    control = native_controlnet(*weights())
    images = poses(FRAMES)
    short = ksampler(model, *applied(control, images))
    full = ksampler(model, *applied(control, torch.cat((images, images))))
    one = ksampler(model, *applied(control, images[:1]))
    same = ksampler(model, *applied(control, images[:1].repeat(FRAMES, 1, 1, 1)))
    assert gap(short, full) < 1e-5 and gap(one, same) < 1e-5 and gap(short, one) > 1e-3


@pytest.mark.parametrize("alone", [None, *MODALITIES])
@pytest.mark.parametrize("label", [False, True])
def test_the_residuals_are_those_of_the_network_itself(model, label, alone):
    """Through the host: scaled input, tiled hints, two chunks. By hand: the same network on the same numbers."""
    config, state = weights(label_in_controlnet=label)
    net = PoseControlNet(config).eval()
    net.load_state_dict(state)
    control = native_controlnet(config, state)
    control.set_cond_hint(poses(FRAMES).movedim(-1, 1), 1.0, (0.0, 1.0))
    sampling = model.get_model_object("model_sampling")
    control.pre_run(model.model, sampling.percent_to_sigma)
    x, tokens = noise((4 * FRAMES, 4, 8, 8)), noise((4 * FRAMES, 5, 768), 9)
    sigma = torch.full((4 * FRAMES,), 3.0)
    options = {"cond_or_uncond": [1, 0]} | ({MODALITY: alone} if alone else {})
    given = control.get_control(x, sigma, {"c_crossattn": tokens}, 2, options)
    hints = poses(FRAMES).movedim(-1, 1).repeat(4, 1, 1, 1)
    scaled = sampling.calculate_input(sigma, x)
    with torch.no_grad():
        which = {"modalities": 1, "labels": torch.full((4 * FRAMES,), MODALITIES.index(alone))} if alone else {}
        down, middle = net(scaled, sampling.timestep(sigma), tokens, hints, chunks=2, **which)
    assert gap(given["middle"][0], middle) < 1e-4
    assert all(gap(a, b) < 1e-4 for a, b in zip(given["output"], down, strict=True))


def test_chained_with_itself_it_adds_up_and_strength_scales(model):
    control = native_controlnet(*weights())
    first = applied(control, poses(FRAMES), 0.5)
    apply = host.ControlNetApplyAdvanced().apply_controlnet
    both = apply(*first, control, poses(FRAMES), 0.5, 0.0, 1.0)
    assert gap(ksampler(model, *both), ksampler(model, *applied(control, poses(FRAMES), 1.0))) < 1e-5
    assert gap(ksampler(model, *first), ksampler(model, *both)) > 1e-4


def test_a_wrong_count_of_poses_is_refused(model):
    with pytest.raises(ValueError, match=r"hint has 2 pictures, but the clip has 3 frames.*give it 1 or 3 or 6"):
        ksampler(model, *applied(native_controlnet(*weights()), poses(2)))


def test_weights_that_do_not_fit_are_refused():
    config, state = weights()
    state.pop("conv_in.weight")
    with pytest.raises(ValueError, match="1 are missing and 0 are left over, such as conv_in.weight"):
        native_controlnet(config, state)


def sampled(model, pair, task, **more):
    args = (model, conditioning(1), conditioning(2), pair, 7, task, 3, 2.0, "euler", "normal", 1.0)
    return SampleLatent.execute(*args, **more)[0]["samples"]


def test_joint_is_what_the_stock_sampler_answers(model):
    assert torch.equal(sampled(model, latent(), ALL), ksampler(model, steps=3, cfg=2.0))


@pytest.mark.parametrize(("task", "given"), [(DEPTH_FROM_VIDEO, 0), (VIDEO_FROM_DEPTH, 1)])
def test_the_given_half_stays_and_steers_the_other(model, task, given):
    pair = latent()
    pair["samples"] = noise(pair["samples"].shape, 11)
    out = sampled(model, pair, task)
    assert gap(split(out)[given], split(pair["samples"])[given]) < 1e-5
    assert gap(split(out)[1 - given], split(pair["samples"])[1 - given]) > 0.1
    other = pair["samples"].clone()
    split(other)[given].mul_(-1)
    changed = sampled(model, {"samples": other}, task)
    assert gap(split(changed)[1 - given], split(out)[1 - given]) > 2e-5, "what is given steers what is made"


def test_a_mask_narrows_what_is_made(model):
    pair = latent()
    pair["samples"] = noise(pair["samples"].shape, 12)
    mask = torch.zeros(1, 64, 64)
    mask[:, :, 32:] = 1
    out = sampled(model, pair, DEPTH_FROM_VIDEO, change_mask=mask)
    video, depth = split(out)
    before = split(pair["samples"])
    assert gap(video, before[0]) < 1e-5 and gap(depth[..., :4], before[1][..., :4]) < 1e-5
    assert gap(depth[..., 4:], before[1][..., 4:]) > 0.1


def test_masks_and_pairs_that_do_not_fit_are_refused(model):
    with pytest.raises(ValueError, match="expected 1 or 3 masks for 3 frames, got 2"):
        sampled(model, latent(), DEPTH_FROM_VIDEO, change_mask=torch.ones(2, 64, 64))
    with pytest.raises(ValueError, match="even number of latents.* got 5"):
        sampled(model, latent(5), DEPTH_FROM_VIDEO)


CHARACTER = PICTURES | {
    "in_channels": 8,
    "reference": True,
    "temporal": "motion_modules",
    "motion_code": (8, 8, 16, 24),
}


def on_character(model, control):
    body = {LAYERS: noise((FRAMES, 4, 8, 8), 20), BODY: (poses(FRAMES).movedim(-1, 1),)}
    positive = conditioning(3, **body, **{REFERENCE: noise((1, 4, 8, 8), 1)})
    return ksampler(model, *controlled(control, poses(FRAMES), positive, conditioning(4, **body)), latent(FRAMES))


def test_a_pose_controlnet_on_a_character_model_acts_where_it_fits():
    model = tiny_model(**CHARACTER)
    loud, silent = (on_character(model, native_controlnet(*weights(zero=zero, **PICTURES))) for zero in (False, True))
    assert torch.isfinite(loud).all() and gap(loud, silent) > 1e-3


@pytest.mark.parametrize("changes, words", [
    ({"block_out_channels": (32, 64)}, "ControlNet gives 4 feature maps of 32, 64 channels but this model has 4 feature "
     "maps of 64, 128 channels: use a ControlNet"),
    ({"layers_per_block": 2}, "gives 6 feature maps of 64, 128 channels but this model has 4"),
    ({"cross_attention_dim": 512}, "Load Pose ControlNet reads 512 numbers a token, but this model gives it 768"),
    ({"in_channels": 8}, "Load Pose ControlNet reads 8 latent channels, but this model gives it 4"),
])  # fmt: skip
def test_one_that_does_not_fit_a_character_model_is_refused_in_words(changes, words):
    model = tiny_model(**CHARACTER)
    with pytest.raises(ValueError, match=words):
        on_character(model, native_controlnet(*weights(**PICTURES, **changes)))


def test_a_t2i_adapter_of_another_width_is_refused_in_words():
    narrow = tiny_model(**PICTURES | {"block_out_channels": (32, 64)})
    with pytest.raises(ValueError, match="T2I-adapter gives 2 feature maps of 64, 128 channels but this model has 2"):
        ksampler(narrow, *controlled(t2i_adapter(), poses(FRAMES)), latent(FRAMES))
