"""The networks of the ablations as MODELs of the real host: sampled, controlled, streamed, saved and opened again."""

import comfy.model_management as memory
import comfy.sd
import pytest
import torch
from pack.nodes.host.choices import CONTEXT_SCHEDULES
from pack.nodes.host.unet.model import native_model, weights_of
from pack.nodes.pair.modality import SelectModality
from pack.nodes.pair.windows import SetPairWindows
from pack.nodes.unet.loaders import open_video_model
from tiny.model import (
    FRAMES,
    conditioning,
    controlled,
    controlnet,
    gap,
    hints,
    ksampler,
    latent,
    noise,
    t2i_adapter,
    tiny_config,
)

SWITCHES = {
    "separate": {"streams": "separate", "label": False, "cross_modal": "none"},
    "maps_avg": {"shared_maps": "avg"},
    "maps_video": {"shared_maps": "video"},
}  # fmt: skip
VIDEO, DEPTH = slice(0, FRAMES), slice(FRAMES, 2 * FRAMES)


def config_of(name: str, **changes):
    return tiny_config(**SWITCHES.get(name, {}), **changes)


def weights(config, seed: int = 0) -> dict[str, torch.Tensor]:
    """As tiny/model.py has them: random, also where a network is silent at birth, with a gentle answer."""
    from pack.models.baselines.separate import build_network

    generator = torch.Generator().manual_seed(seed)
    state = build_network(config).state_dict()
    for name, value in state.items():
        fan = value[0].numel() if value.ndim > 1 else 100
        state[name] = torch.randn(value.shape, generator=generator) * 0.5 / fan**0.5
        if "norm" in name and name.endswith("weight"):
            state[name] += 1
        if name.endswith("conv_out.weight"):
            state[name] *= 0.2
    return state


def model(name: str, dtype=None, **changes):
    config = config_of(name, **changes)
    return native_model(config, weights(config), dtype=dtype)


@pytest.fixture(scope="module")
def models():
    """Each MODEL and the clip that it samples."""
    made = {name: model(name) for name in SWITCHES}
    return {name: (patcher, ksampler(patcher)) for name, patcher in made.items()}


@pytest.mark.parametrize("name", SWITCHES)
def test_the_host_answers_what_the_pure_network_answers(models, name):
    from pack.models.baselines.separate import build_network

    config = config_of(name)
    pure = build_network(config).eval()
    pure.load_state_dict(weights(config))
    x, t, context = noise((4 * FRAMES, 4, 8, 8)), torch.full((4 * FRAMES,), 500.0), noise((4 * FRAMES, 5, 768), 1)
    background = noise((4 * FRAMES, 4, 8, 8), 2)
    options = {"cond_or_uncond": [1, 0]}
    theirs = models[name][0].model.diffusion_model(x, t, context, None, options, duet_background=background)
    with torch.no_grad():
        ours = pure(x, t, context, chunks=2, background=background)
    assert gap(theirs, ours) < 1e-5


@pytest.mark.parametrize("name", SWITCHES)
def test_ksampler(models, name):
    patcher, clip = models[name]
    assert torch.isfinite(clip).all() and clip.std() > 0.1
    assert torch.equal(ksampler(patcher), clip)
    assert gap(ksampler(patcher, seed=8), clip) > 0.1


@pytest.mark.parametrize("name, crosses", [("separate", False), ("maps_avg", True)])
def test_what_the_depth_hears_of_the_video(models, name, crosses):
    """The video is frozen as it is given, twice with other pictures."""
    mask = torch.cat((torch.zeros(FRAMES, 8, 8), torch.ones(FRAMES, 8, 8)))
    given = [torch.cat((noise((FRAMES, 4, 8, 8), seed), noise((FRAMES, 4, 8, 8), 9))) for seed in (1, 2)]
    outs = [ksampler(models[name][0], pair={"samples": pair, "noise_mask": mask}) for pair in given]
    assert not torch.equal(outs[0][VIDEO], outs[1][VIDEO])
    assert torch.equal(outs[0][DEPTH], outs[1][DEPTH]) != crosses


@pytest.mark.parametrize("net", [lambda: controlnet(), lambda: t2i_adapter()], ids=["controlnet", "t2i"])
def test_residuals_reach_their_half(models, net):
    patcher, clip = models["separate"]
    pictures = hints(2 * FRAMES)
    once = ksampler(patcher, *controlled(net(), pictures))
    assert torch.isfinite(once).all() and gap(once, clip) > 1e-3
    other = pictures.clone()
    other[VIDEO] = 1 - other[VIDEO]
    changed = ksampler(patcher, *controlled(net(), other))
    assert gap(changed[VIDEO], once[VIDEO]) > 1e-4
    assert torch.equal(changed[DEPTH], once[DEPTH])


def test_one_modality_alone_is_its_own_network(models):
    patcher, clip = models["separate"]
    answers = {}
    for which in ("video", "depth"):
        alone = SelectModality.execute(patcher, f"{which} only").result[0]
        answers[which] = ksampler(alone, pair=latent(FRAMES))
    assert gap(answers["video"], answers["depth"]) > 1e-3
    assert gap(answers["video"], clip[VIDEO]) < 1e-5
    assert torch.equal(ksampler(SelectModality.execute(alone, "video and depth").result[0]), clip)


def test_each_network_projects_the_foreground_by_itself():
    patcher = model("separate", foreground_width=32)
    state = patcher.model.diffusion_model.state_dict()
    tokens = {"positive": conditioning(1, width=32), "negative": conditioning(2, width=32)}
    clip = ksampler(patcher, **tokens)
    for index, which in enumerate(("video", "depth")):
        projected = {
            sign: [[values[0][0] @ state[f"streams.{which}.clip_proj.weight"].T, {}]] for sign, values in tokens.items()
        }
        half = slice(index * FRAMES, (index + 1) * FRAMES)
        assert gap(ksampler(patcher, **projected)[half], clip[half]) < 1e-5
        alone = SelectModality.execute(patcher, f"{which} only").result[0]
        own = ksampler(alone, pair=latent(FRAMES), **tokens)
        assert gap(own, ksampler(alone, pair=latent(FRAMES), **projected)) < 1e-5
    out = ksampler(patcher, *controlled(controlnet(), hints(FRAMES), **tokens))
    assert gap(out, clip) > 1e-3, "a stock ControlNet reads the projected tokens"


def test_paired_windows_of_two_networks():
    """Without layers over time windows change nothing, and each takes the tokens of its own latents."""
    patcher = model("separate", temporal="none", foreground_width=32)
    tokens = conditioning(1, width=32), conditioning(2, width=32)
    windowed = SetPairWindows.execute(patcher, 2, 1, CONTEXT_SCHEDULES[0], "pyramid", 1, False, False).result[0]
    assert gap(ksampler(windowed, *tokens), ksampler(patcher, *tokens)) < 1e-5


@pytest.mark.parametrize("name", SWITCHES)
def test_half_precision_weights(models, name):
    out = ksampler(model(name, torch.float16))
    assert torch.isfinite(out).all() and 0 < gap(out, models[name][1]) < 2e-3


@pytest.mark.parametrize("name", SWITCHES)
@pytest.mark.parametrize("part", [0.0, 0.4])
def test_a_model_that_is_partly_loaded(models, name, part):
    """meta stands for the GPU: nothing may stay behind that no layer would bring there."""
    patcher = model(name)
    size = sum(p.numel() * p.element_size() for p in patcher.model.parameters())
    patcher.load(torch.device("meta"), lowvram_model_memory=int(size * part))
    stranded = [
        f"{path}.{key}"
        for path, module in patcher.model.diffusion_model.named_modules()
        for key, tensor in module.named_parameters(recurse=False)
        if tensor.device.type != "meta" and not getattr(module, "comfy_cast_weights", False)
    ]
    assert not stranded
    patcher = model(name)
    patcher.load(torch.device("cpu"), lowvram_model_memory=int(size * 0.3))
    assert gap(ksampler(patcher), models[name][1]) < 1e-6


@pytest.mark.parametrize("name", SWITCHES)
def test_save_and_open_again(models, name, tmp_path):
    from pack.models.files import save_model

    patcher, clip = models[name]
    config, state = weights_of(patcher)
    path = save_model(tmp_path / "nets.safetensors", state, config)
    again, _ = open_video_model(str(path))
    assert torch.equal(ksampler(again), clip)
    assert torch.equal(ksampler(again.clone(force_deepcopy=True)), clip)


def test_a_lora_reaches_the_network_that_it_names(models):
    patcher, clip = models["separate"]
    target = "streams_depth_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    lora = {
        f"lora_unet_{target}.lora_down.weight": noise((4, 64), 1),
        f"lora_unet_{target}.lora_up.weight": noise((64, 4), 2),
    }
    out = ksampler(comfy.sd.load_lora_for_models(patcher, None, lora, 1.0, 0.0)[0])
    assert torch.equal(out[VIDEO], clip[VIDEO]) and gap(out[DEPTH], clip[DEPTH]) > 1e-4
    memory.unload_all_models()
    assert torch.equal(ksampler(patcher), clip)


@pytest.mark.parametrize("name", SWITCHES)
def test_attention_patches_still_apply(models, name):
    patcher, clip = models[name]
    streams = 2 if "streams" in SWITCHES[name] else 1
    called = []

    def note(q, k, v, extra):
        assert extra["original_shape"][0] * streams == len(extra["cond_or_uncond"]) * 2 * FRAMES == len(q) * streams
        called.append((*extra["block"], extra["block_index"], extra["transformer_index"]))
        return q, k, v

    clone = patcher.clone()
    clone.set_model_attn2_patch(note)
    assert torch.equal(ksampler(clone, steps=1), ksampler(patcher, steps=1))
    places = [("input", 1, 0, 0), ("middle", 0, 0, 1), ("output", 2, 0, 2), ("output", 3, 0, 3)]
    assert len(called) == len(places) * streams and set(called) == set(places)
    for change in (
        lambda m: m.set_model_attn2_output_patch(lambda out, extra: out * 0.5),
        lambda m: m.set_model_attn2_replace(lambda q, k, v, extra: q * 0, "input", 1),
    ):
        clone = patcher.clone()
        change(clone)
        assert gap(ksampler(clone), clip) > 1e-3


def test_maps_are_shared_before_the_values_on_the_host_too():
    """A replacement that shows the maps, as values that are one-hot, is asked for them and mixed as the config says."""
    asked = []

    def note(q, k, v, extra):
        asked.append((q, k))
        return v.mean(1, keepdim=True).expand(-1, q.shape[1], -1)

    for name, calls in (("maps_avg", 2), ("maps_video", 1)):
        asked.clear()
        clone = model(name)
        clone.set_model_attn2_replace(note, "middle", 0)
        ksampler(clone, steps=1)
        assert len(asked) == calls
        halves = [[x.unflatten(0, (-1, 2, FRAMES)).unbind(1) for x in call] for call in asked]
        for part in range(2):  # queries, keys
            if name == "maps_video":
                assert torch.equal(*halves[0][part])
            else:
                assert all(torch.equal(a, b) for a, b in zip(halves[0][part], halves[1][part][::-1], strict=True))
