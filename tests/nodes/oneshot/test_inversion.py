"""Inversion on the host's real samplers, guiders, ControlNets and masks, beside diffusers on the same network."""

import comfy.model_management as memory
import comfy.samplers
import pytest
import torch
from comfy_api.latest import io
from comfy_api.latest._io import build_nested_inputs
from comfy_extras.nodes_custom_sampler import (
    BasicGuider,
    BasicScheduler,
    CFGGuider,
    DualCFGGuider,
    DualModelGuider,
    Noise_EmptyNoise,
    Noise_RandomNoise,
    SamplerCustomAdvanced,
)
from comfy_extras.nodes_model_advanced import ModelSamplingDiscrete
from comfy_extras.nodes_perpneg import PerpNegGuider
from diffusers import DDIMInverseScheduler
from execution import get_input_data
from pack.nodes.oneshot.inversion import EXACT, FAST, DDIMInversionSampler, InvertVideo
from pack.nodes.pair.modality import SelectModality
from pack.nodes.pair.windows import SetPairWindows
from tiny.host_model import host_model
from tiny.model import (
    FRAMES,
    PICTURES,
    conditioning,
    controlled,
    controlnet,
    gap,
    hints,
    latent,
    noise,
    spied,
    tiny_config,
    tiny_model,
    tiny_weights,
)

import nodes as host

pytestmark = pytest.mark.long(seconds=25)

STEPS = 10  # few, so each step is long and the fixed point is hard to find


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def plain():
    """A model of pictures: no pair, no time."""
    return {kind: tiny_model(**PICTURES, prediction=kind) for kind in ("eps", "v")}


def clip(count: int = 2 * FRAMES, size: int = 8, **extra) -> dict:
    """A LATENT in the scale of the VAE, about five times that of the network."""
    return {"samples": noise((count, 4, size, size), 11) / 0.18215, **extra}


def custom(model, sampler, sigmas, start, guider=None, seed=None) -> dict:
    """The stock SamplerCustomAdvanced with Disable Noise."""
    guider = guider or BasicGuider.execute(model, conditioning(1)).result[0]
    source = Noise_EmptyNoise() if seed is None else Noise_RandomNoise(seed)
    return SamplerCustomAdvanced.execute(source, guider, sampler, sigmas, start).result[0]


def scheduled(model, steps=STEPS) -> torch.Tensor:
    return BasicScheduler.execute(model, "ddim_uniform", steps, 1.0).result[0]


def choice(inversion, iterations):
    """The value of the dynamic list, as the host passes it on."""
    return {"inversion": inversion} | ({"iterations": iterations} if inversion == EXACT else {})


def inverter(inversion=FAST, iterations=5):
    return DDIMInversionSampler.execute(choice(inversion, iterations)).result[0]


def inverted(model, start, positive=None, *, steps=STEPS, inversion=EXACT, iterations=8, scheduler="ddim_uniform"):
    positive = conditioning(1) if positive is None else positive
    return InvertVideo.execute(model, positive, start, steps, choice(inversion, iterations), scheduler).result[:5]


@pytest.mark.parametrize("kind", ["eps", "v"])
def test_fast_inversion_is_diffusers_inverse_scheduler(plain, kind):
    """The same network in both; diffusers takes the clip as a latent at step 0, so it goes in at that sigma."""
    model, steps = plain[kind], STEPS
    table = model.get_model_object("model_sampling").sigmas
    theirs = DDIMInverseScheduler(
        1000, 0.00085, 0.012, "scaled_linear", clip_sample=False, set_alpha_to_one=False, steps_offset=1,
        prediction_type="epsilon" if kind == "eps" else "v_prediction",
    )  # fmt: skip
    theirs.set_timesteps(steps)
    start = noise((FRAMES, 4, 8, 8), 11)
    unet, context = model.model.diffusion_model, conditioning(1)[0][0].expand(FRAMES, -1, -1)
    memory.load_models_gpu([model])
    z = start
    with torch.no_grad():
        for t in theirs.timesteps:
            answer = unet(z, t[None].float(), context, transformer_options={"cond_or_uncond": [0]})
            z = theirs.step(answer, t, z).prev_sample
    sigmas = torch.cat((table[:1], table[theirs.timesteps]))
    entry = {"samples": start * (1 + sigmas[0] ** 2) ** 0.5 / 0.18215}
    x = custom(model, inverter(), sigmas, entry)["samples"] * 0.18215
    assert gap(x / (1 + sigmas[-1] ** 2) ** 0.5, z) < 1e-5


@pytest.mark.parametrize("kind", ["eps", "v"])
def test_exact_inversion_comes_back_through_the_stock_sampler_and_flipped_sigmas_do_not(plain, kind):
    from comfy_extras.nodes_custom_sampler import FlipSigmas

    model, euler, start = plain[kind], comfy.samplers.sampler_object("euler"), clip(FRAMES)
    sigmas = scheduled(model)
    back = lambda found: gap(custom(model, euler, sigmas, found)["samples"], start["samples"])
    errors = {n: back(custom(model, inverter(EXACT, n), sigmas, start)) for n in (3, 8)}
    errors[FAST] = back(custom(model, inverter(), sigmas, start))
    errors["flip"] = back(custom(model, euler, FlipSigmas.execute(sigmas).result[0], start))
    print(kind, {name: f"{value:.1e}" for name, value in errors.items()})
    assert errors[8] < 1e-4 < errors[FAST] and errors[8] < errors[3] < errors[FAST]
    assert errors["flip"] > 10 * errors[8]


def test_sigmas_may_rise_or_fall_and_two_parts_are_one(plain):
    model, start = plain["eps"], clip(FRAMES)
    down = scheduled(model)
    whole = custom(model, inverter(), down, start)["samples"]
    assert torch.equal(custom(model, inverter(), down.flip(0), start)["samples"], whole)
    half = custom(model, inverter(), down.flip(0)[:5], start)
    assert gap(custom(model, inverter(), down.flip(0)[4:], half)["samples"], whole) < 1e-5


@pytest.mark.parametrize("frames", [1, 4])
def test_a_pair_of_any_length_comes_back_through_ksampler_advanced(model, frames):
    """One wire: the LATENT into KSampler (Advanced) with add_noise disabled, the same steps and scheduler."""
    start = clip(2 * frames, duet={"frames": frames})
    found, sigmas, error, picture, text = inverted(model, start)
    out = host.KSamplerAdvanced().sample(
        model, "disable", 0, STEPS, 1.0, "euler", "ddim_uniform", conditioning(1), conditioning(2), found, 0, 10000,
        "disable",
    )[0]["samples"]  # fmt: skip
    assert gap(out, start["samples"]) < 1e-4 and error < 1e-4
    assert found["duet"] == {"frames": frames} and sigmas[-1] == 0 and len(sigmas) == STEPS + 1
    assert picture.shape == (2 * frames, 64, 64, 3) and picture.max() < 0.9
    assert f"{error:.2e}" in text and f"{2 * frames} frames" in text and "not reproduced" not in text


def test_one_picture_is_a_clip_of_one_frame(plain):
    *_, error, _, text = inverted(plain["eps"], clip(1))
    assert error < 1e-4 and "1 frame," in text


def test_controlnet_lora_area_and_windows_take_part(model):
    """Each changes the noise that is found, and with each the clip comes back."""
    start, few = clip(), {"steps": 3, "iterations": 9}
    bare = inverted(model, start, **few)[0]["samples"]
    key = "diffusion_model.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    lora = {f"{key}.lora_A.weight": noise((4, 64), 1), f"{key}.lora_B.weight": noise((64, 4), 2)}
    patched = host.comfy.sd.load_lora_for_models(model, None, lora, 1.0, 0.0)[0]
    windows = SetPairWindows.execute(model, 2, 1, "standard_uniform", "pyramid", 1, False, False).result[0]
    models = {
        "controlnet": (model, controlled(controlnet(), hints(FRAMES))[0]),
        "lora": (patched, None),
        "area": (model, host.ConditioningSetArea().append(conditioning(3), 32, 32, 0, 0, 1.0)[0] + conditioning(1)),
        "windows": (windows, None),
    }
    for name, (changed, positive) in models.items():
        found, _, error, *_ = inverted(changed, start, positive, **few)
        assert error < 1e-3 and gap(found["samples"], bare) > 1e-4, name


def test_the_depth_channel_takes_part():
    config = tiny_config(**PICTURES, in_channels=5)
    from pack.nodes.host.unet.model import native_model

    model = native_model(config, tiny_weights(config))
    near, far = (conditioning(1, depth_map=torch.full((FRAMES, 1, 8, 8), value)) for value in (1.0, -1.0))
    first, second = (inverted(model, clip(FRAMES), depth) for depth in (near, far))
    assert first[2] < 1e-4 and second[2] < 1e-4 and gap(first[0]["samples"], second[0]["samples"]) > 1e-3


def test_inputs_are_not_written_to(model):
    start = clip()
    before = start["samples"].clone()
    inverted(model, start, steps=2)
    assert torch.equal(start["samples"], before) and set(start) == {"samples"}


def test_progress_and_previews_follow_every_step(model, monkeypatch):
    """What Preview Method shows comes from the host's callback: one for each step of both runs."""
    import latent_preview

    steps, real = [], latent_preview.prepare_callback

    def counted(*args):
        inner = real(*args)

        def callback(step, x0, x, total):
            steps.append((step, total, x0.shape))
            inner(step, x0, x, total)

        return callback

    monkeypatch.setattr(latent_preview, "prepare_callback", counted)
    inverted(model, clip(), steps=4, inversion=EXACT, iterations=3)
    assert steps == [(i, 4, (2 * FRAMES, 4, 8, 8)) for i in range(4)] * 2


def test_cancel_stops_within_a_step(model):
    seen = []
    cancel = lambda x: memory.interrupt_current_processing(len(seen) == 3)
    try:
        with pytest.raises(memory.InterruptProcessingException):
            inverted(spied(model, seen, cancel), clip())
    finally:
        memory.interrupt_current_processing(False)
    assert len(seen) == 3


def test_a_step_costs_its_evaluations_and_no_more(model):
    seen = []
    sampler = inverter()
    custom(spied(model, seen), sampler, scheduled(model), clip())
    assert seen == [(2 * FRAMES, [0])] * STEPS
    seen.clear()
    custom(spied(model, seen), inverter(EXACT, 4), scheduled(model), clip())
    assert len(seen) == 4 * STEPS


@pytest.mark.parametrize("declared, says", [("eps", "predict v"), ("v_prediction", "predict eps")])
def test_a_model_of_the_other_prediction_is_named(declared, says):
    """Ideal networks of latents without structure; each is then declared as what it is not."""
    kind = "v" if declared == "eps" else "eps"
    right = ideal(kind)
    wrong = ModelSamplingDiscrete().patch(right, declared, False)[0]
    *_, error, _, text = inverted(right, clip(FRAMES), inversion=FAST)
    assert "Warning" not in text, text
    assert says in inverted(wrong, clip(FRAMES), inversion=FAST)[-1]


def answering(answer, kind: str = "eps"):
    """A MODEL whose network is replaced by a function of what it sees and of sigma."""
    from comfy.patcher_extension import WrappersMP

    model = tiny_model(**PICTURES, prediction=kind)
    table = model.get_model_object("model_sampling")
    network = lambda executor, x, t, *args, **kwargs: answer(x, table.sigma(t).reshape(-1, 1, 1, 1))
    model.add_wrapper_with_key(WrappersMP.DIFFUSION_MODEL, "answer", network)
    return model


def ideal(kind: str):
    """The ideal network of latents of unit size without any structure."""
    return answering(lambda x, sigma: x * sigma / (1 + sigma**2) ** 0.5 if kind == "eps" else 0 * x, kind)


@pytest.mark.parametrize("change, words", [
    ({"start": latent()}, "got an empty latent"),
    ({"start": {"samples": torch.full((2, 4, 8, 8), torch.nan)}}, "finite numbers.*512 NaN"),
    ({"start": {"samples": noise((2, 16, 8, 8))}}, r"\(frames, 4, height, width\).*\(2, 16, 8, 8\)"),
    ({"start": {"samples": noise((1, 4, 2, 8, 8))}}, r"\(1, 4, 2, 8, 8\)"),
    ({"start": clip(5)}, "even number of latents.* got 5"),
    ({"start": clip(5, duet={"frames": 3})}, r"expected 6 latents \(3 of video and 3 of depth\), got 5"),
    ({"start": clip(duet={"modalities": ["video"]})}, "got video alone"),
    ({"start": {"samples": noise((2, 4, 8, 8)) * 1e30}}, r"mostly from -50 to 50, got up to .*e\+30"),
    ({"start": clip(noise_mask=torch.ones(6, 8, 8))}, "noise mask"),
    ({"steps": 0}, "steps: expected 1 or more, got 0"),
])  # fmt: skip
def test_what_cannot_be_inverted_is_refused_in_a_sentence(model, change, words):
    change = {"start": clip(), "steps": 2, **change}
    with pytest.raises(ValueError, match=words):
        inverted(model, change.pop("start"), **change)


def test_the_sampler_refuses_guidance_noise_masks_and_other_sigmas(model):
    sigmas, strong = scheduled(model, 4), CFGGuider.execute(model, conditioning(1), conditioning(2), 8.0).result[0]
    weak = CFGGuider.execute(model, conditioning(1), conditioning(2), 1.0).result[0]
    run = lambda sigmas=sigmas, start=None, **rest: custom(model, inverter(), sigmas, start or clip(), **rest)
    assert torch.equal(run(guider=weak)["samples"], run()["samples"])
    for wrong, words in (
        (lambda: run(guider=strong), "cfg is 8"),
        (lambda: run(seed=3), "turn add_noise off"),
        (lambda: run(start=clip(noise_mask=torch.ones(6, 8, 8))), "remove Set Latent Noise Mask"),
        (lambda: run(torch.tensor([1.0, 3.0, 2.0])), "only rise or only fall"),
        (lambda: run(torch.tensor([1.0])), "got 1"),
    ):
        with pytest.raises(ValueError, match=words):
            wrong()


def called_twice(model, *conds):
    """A guider as custom nodes write it: it mixes what the host's guider answers."""

    class Guider_Mixed(comfy.samplers.CFGGuider):
        def __call__(self, *args, **kwargs):
            return 2 * super().__call__(*args, **kwargs)

    guider = Guider_Mixed(model)
    guider.set_conds(*conds)
    return guider


@pytest.mark.parametrize("guider", ["dual", "dual nested", "perpendicular", "two models", "of a pack", "weaker"])
def test_every_guider_that_mixes_answers_is_refused(model, guider):
    one, two, three = (conditioning(seed) for seed in (1, 2, 3))
    made = {
        "dual": lambda: DualCFGGuider.execute(model, one, two, three, 4.0, 1.0, "regular"),
        "dual nested": lambda: DualCFGGuider.execute(model, one, two, three, 1.0, 2.0, "nested"),
        "perpendicular": lambda: PerpNegGuider.execute(model, one, two, three, 1.0, 1.0),
        "two models": lambda: DualModelGuider.execute(model, one, 4.0, tiny_model(1), two),
        "of a pack": lambda: io.NodeOutput(called_twice(model, one, two)),
        "weaker": lambda: CFGGuider.execute(model, one, two, 0.5),
    }[guider]().result[0]
    with pytest.raises(ValueError, match="Inversion works without guidance, but (the guider is a Guider_|cfg is 0.5)"):
        custom(model, inverter(), scheduled(model, 4), clip(), guider=made)


def test_a_model_of_one_modality_does_not_invert_a_pair(model):
    alone, pair = (
        SelectModality.execute(model, "video only").result[0],
        clip(duet={"frames": FRAMES, "modalities": ["video", "depth"]}),
    )
    with pytest.raises(ValueError, match=f"got {2 * FRAMES} latents of video and depth: connect Split Video and Depth"):
        inverted(alone, pair)
    assert len(inverted(host_model(), pair, steps=1)[0]["samples"]) == 2 * FRAMES, "each is a picture to it"


def test_models_of_another_kind_are_refused(model):
    from comfy_extras.nodes_model_advanced import ModelSamplingContinuousEDM

    edm = ModelSamplingContinuousEDM().patch(model, "edm", 120.0, 0.002)[0]
    with pytest.raises(ValueError, match="one of another kind"):
        inverted(edm, clip(), scheduler="normal")


def test_a_clip_that_is_not_reproduced_is_reported():
    """A network whose answer is different every time."""
    *_, error, picture, text = inverted(answering(lambda x, sigma: torch.randn_like(x)), clip(FRAMES))
    assert error > 0.5 and "not reproduced" in text and picture.mean() > 0.3


def test_the_host_passes_the_choice_of_inversion_on():
    """The page's inputs inversion and inversion.iterations reach execute as one dictionary; iterations only with exact."""
    for values, expected in (
        ({"inversion": FAST}, {"inversion": FAST}),
        ({"inversion": EXACT, "inversion.iterations": 7}, {"inversion": EXACT, "iterations": 7}),
        ({"inversion": FAST, "inversion.iterations": 7}, {"inversion": FAST}),
    ):
        inputs, _, dynamic = get_input_data(values, DDIMInversionSampler, "1")
        given = build_nested_inputs({name: value[0] for name, value in inputs.items()}, dynamic)
        assert given == {"inversion": expected}
        sampler = DDIMInversionSampler.execute(**given).result[0]
        assert sampler.extra_options["evaluations"] == expected.get("iterations", 1)


def test_numbers_that_leave_the_range_of_floats_are_refused():
    with pytest.raises(
        ValueError, match="The sampler returned 256 NaN or infinite values of 256, the first in frame 0: "
    ):
        inverted(answering(lambda x, sigma: x * 1e38), clip(1))
