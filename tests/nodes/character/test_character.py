"""Character models on the host: what depends on what, what is computed once, windows, memory, files, and the nodes."""

import folder_paths
import pytest
import torch
from comfy_extras.nodes_context_windows import ContextWindowsManualNode
from comfy_extras.nodes_pag import PerturbedAttentionGuidance
from comfy_extras.nodes_sag import SelfAttentionGuidance
from diffusers import DDIMScheduler
from pack.models.character.portrait import portrait
from pack.models.files import save_model
from pack.models.pair.foreground import GREY, latent_tokens, person_alone
from pack.models.unet.network import VideoUNet
from pack.nodes.character.loaders import LoadCharacterModel
from pack.nodes.character.swap import EncodeSwap
from pack.nodes.host.character.conditioning import BODY, LAYERS, REFERENCE
from pack.nodes.host.unet.model import native_model, weights_of
from pack.nodes.pair.windows import SetPairWindows
from pack.nodes.unet.loaders import LoadVideoModel
from tiny.model import (
    PICTURES,
    conditioning,
    controlled,
    controlnet,
    gap,
    hints,
    ksampler,
    latent,
    noise,
    on,
    random_weights,
    spied,
    tiny_config,
    tiny_model,
    tiny_weights,
)  # fmt: skip

import nodes as host

FRAMES = 5
CHARACTER = {**PICTURES, "in_channels": 8, "prediction": "v", "zero_snr": True, "reference": True}
CHARACTER |= {"temporal": "motion_modules", "motion_mid_block": True, "motion_code": (8, 8, 16, 24)}
STILL = CHARACTER | {"temporal": "none", "motion_mid_block": False}  # frames do not see each other


@pytest.fixture(scope="module")
def model():
    return tiny_model(**CHARACTER)


@pytest.fixture(scope="module")
def still():
    return tiny_model(**STILL)


def pictures(count=FRAMES, side=64, seed=0):
    return torch.rand((count, side, side, 3), generator=torch.Generator().manual_seed(seed))


def conds(who=1, frames=range(FRAMES), layers=1, scene=None, motion=None):
    """What the nodes give: a character, a scene and a motion, of which `frames` are taken."""
    scene = noise((FRAMES, 4 * layers, 8, 8), 20)[list(frames)] if scene is None else scene
    motion = pictures()[list(frames)].movedim(-1, 1) if motion is None else motion
    both = {LAYERS: scene, BODY: (motion,)}
    positive = conditioning(3, tokens=1, **both, **{REFERENCE: noise((1, 4, 8, 8), who)})
    return positive, [[torch.zeros(1, 1, 768), both]]


def sampled(model, given=None, count=FRAMES, **rest):
    """Two of three steps: the first leaves noise of 4518 times a picture's size, which float32 rounds to 3 decimals."""
    batch = latent(count, batch_index=rest.pop("index", list(range(count))))
    return ksampler(model, *(given or conds()), batch, **{"steps": 3, "start_step": 1, "cfg": 3.5, **rest})


@pytest.fixture(scope="module")
def clip(model):
    return sampled(model)


def counted(module, calls):
    return module.register_forward_hook(lambda *_: calls.append(1))


def test_both_halves_in_one_batch_and_the_reference_and_the_motion_once_for_all_steps(model, clip):
    seen, read, motion = [], [], []
    unet = model.model.diffusion_model
    hooks = counted(unet.reference.conv_in, read), counted(unet.pose_guider.conv_in, motion)
    out = sampled(spied(model, seen), steps=4)
    for hook in hooks:
        hook.remove()
    assert seen == [(2 * FRAMES, [1, 0])] * 3
    assert len(read) == 1 and len(motion) == 2, "once a run; the motion for positive and negative"
    assert torch.isfinite(clip).all() and clip.std() > 0.1 and torch.equal(sampled(model), clip)
    assert gap(out, clip) > 1e-3
    assert all(features is None for rule in unet.readers for features in rule.features), "nothing of it stays in memory"


def test_a_full_memory_splits_the_halves(model, clip, monkeypatch):
    monkeypatch.setattr("comfy.model_patcher.ModelPatcher.get_free_memory", lambda *_: 0)
    seen = []
    out = sampled(spied(model, seen))
    assert sorted(seen) == sorted([(FRAMES, [0]), (FRAMES, [1])] * 2)
    assert gap(out, clip) < 1e-5


def test_the_half_without_the_character_is_not_touched_by_it(model):
    """With a guidance of 0 the host answers with the negative alone, from the same forward passes."""
    one, other = (sampled(model, conds(who), cfg=0.0) for who in (1, 2))
    assert torch.equal(one, other)
    one, other = (sampled(model, conds(who), cfg=1.0) for who in (1, 2))
    assert ((one - other).abs().amax((1, 2, 3)) > 1e-3).all(), "every frame of the other half is"


def test_each_frame_has_its_own_scene_and_motion(still):
    batch = sampled(still)
    for i in (0, 3):
        assert gap(sampled(still, conds(frames=[i]), 1, index=[i]), batch[i : i + 1]) < 1e-5
    moved = conds()[0][0][1][BODY][0].clone()
    moved[3] = 1 - moved[3]
    change = (sampled(still, conds(motion=moved)) - batch).abs().amax((1, 2, 3)) > 1e-5
    assert change.tolist() == [False, False, False, True, False]


def test_frames_are_one_clip(model, clip):
    assert gap(sampled(model, conds(frames=[3]), 1, index=[3]), clip[3:4]) > 1e-3, "layers over time"


@pytest.mark.parametrize("given", [{}, {"scene": noise((1, 4, 8, 8), 20), "motion": pictures(1).movedim(-1, 1)}],
                         ids=["one a frame", "one for all"])  # fmt: skip
def test_scene_and_motion_follow_the_windows_and_the_reference_stays(still, given):
    full = sampled(still, conds(**given))
    ours = SetPairWindows.execute(still, 3, 1, "standard_static", "pyramid", 1, False, False).result[0]
    stock = ContextWindowsManualNode.execute(still, 3, 1, "standard_static", 1, False, "pyramid", 0, False).result[0]
    for windowed, most in ((ours, 3), (stock, 4)):  # the host's own windows repeat the first frame
        seen = []
        assert gap(sampled(spied(windowed, seen), conds(**given)), full) < 1e-5
        assert max(count for count, _ in seen) == 2 * most
    alone = {"positive": conds(2, **given)[0], "negative": conds(**given)[1]}
    assert gap(ksampler(ours, *alone.values(), latent(FRAMES), steps=2), full) > 1e-3


def test_sampling_is_that_of_diffusers_ddim_on_noise_alone_to_the_end(model):
    """v-prediction, zero terminal SNR, trailing steps: the parameterisation of the released weights."""
    config, steps, cfg = tiny_config(**CHARACTER), 5, 3.5
    net = VideoUNet(config).eval()
    net.load_state_dict(tiny_weights(config))
    betas = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    scheduler = DDIMScheduler(**betas, clip_sample=False, steps_offset=1,
                              prediction_type="v_prediction", rescale_betas_zero_snr=True, timestep_spacing="trailing")  # fmt: skip
    scheduler.set_timesteps(steps)
    (token, given), (zero, _) = (part[0] for part in conds())
    x = torch.cat([noise((1, 4, 8, 8), 7)] * FRAMES)
    start, process = x.clone(), model.model.process_latent_in
    scene = process(given[LAYERS])
    with torch.no_grad():
        motion = net.pose_guider(given[BODY][0])
        who = net.read_reference(process(given[REFERENCE]), token)
        for t in scheduler.timesteps:
            both = torch.cat([torch.cat((x, scene), 1)] * 2)
            tokens = torch.cat((zero, token)).repeat_interleave(FRAMES, 0)
            v = net(both, t[None].float(), tokens, chunks=2, reference=[None, *who], motion=torch.cat((motion, motion)))
            plain, full = v.chunk(2)
            x = scheduler.step(plain + cfg * (full - plain), t, x, eta=0.0).prev_sample
    out = ksampled_from(model, start, steps, cfg)
    assert gap(process(out), x) < 5e-4


def ksampled_from(model, start, steps, cfg):
    """The stock KSampler with given noise and the scheduler simple."""
    import comfy.sample

    positive, negative = conds()
    return comfy.sample.sample(model, start, steps, cfg, "euler", "simple", positive, negative, torch.zeros_like(start),
                               seed=0)  # fmt: skip


@pytest.mark.parametrize("change, words", [
    (lambda p, n: (strip(p, REFERENCE), n), "a character, but the positive conditioning has none.*Encode Character Swap"),
    (lambda p, n: (p, strip(n, LAYERS)), "a scene, but .*conditioning has none.*Encode Character Swap"),
    (lambda p, n: (p, strip(n, BODY)), "pictures of a body, but .*conditioning has none.*Encode Character Swap"),
    (lambda p, n: conds(frames=[0, 1]), "has 2 frames, which do not fit a batch of 5"),
    (lambda p, n: conds(motion=torch.rand(5, 3, 64, 96)), "body is 96 x 64 pixels.* pictures of 64 x 64"),
    (lambda p, n: conds(layers=2), "Expected a scene alone"),
    (lambda p, n: (conditioning(3, width=512), n), "positive.*768.*512"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_before_sampling(model, change, words):
    seen = []
    with pytest.raises(ValueError, match=words):
        sampled(spied(model, seen), change(*conds()))
    assert not seen


def strip(conditioning, key):
    return [[tokens, {name: value for name, value in given.items() if name != key}] for tokens, given in conditioning]


def test_other_models_refuse_what_only_character_models_read():
    plain = tiny_model(**PICTURES)
    for key, name in ((REFERENCE, "a character"), (LAYERS, "a scene"), (BODY, "pictures of a body")):
        positive = conditioning(1, **{key: conds()[0][0][1][key]})
        with pytest.raises(ValueError, match=f"model that reads {name}, got one that does not.*Encode Character Swap"):
            ksampler(plain, positive, pair=latent(FRAMES))


def test_pictures_of_the_motion_are_fitted_to_the_clip(model, clip):
    twice = conds(motion=pictures().movedim(-1, 1).repeat_interleave(2, -1).repeat_interleave(2, -2))
    assert gap(sampled(model, twice), clip) < 1e-4


def test_stock_controlnets_and_guidance_of_attention(model, clip):
    net = controlled(controlnet(), hints(FRAMES), *conds())
    assert gap(sampled(model, net), clip) > 1e-3
    size = {"scene": noise((FRAMES, 4, 16, 16), 20), "motion": pictures(side=128).movedim(-1, 1)}
    large = lambda model: ksampler(model, *conds(**size), latent(FRAMES, 16), steps=1)
    plain = large(model)
    for node, options in ((PerturbedAttentionGuidance, (3.0,)), (SelfAttentionGuidance, (0.5, 2.0))):
        out = large(node.execute(model, *options).result[0])
        assert torch.isfinite(out).all() and gap(out, plain) > 1e-4, node.__name__


def test_attention_patches_see_the_clip_and_not_the_reference(model, clip):
    called = []

    def note(q, k, v, extra):
        called.append((extra["block"], q.shape[0]))
        return q, k, v

    patched = model.clone()
    patched.set_model_attn1_patch(note)
    assert torch.equal(sampled(patched), clip)
    assert len(called) == 2 * 4 and {count for _, count in called} == {2 * FRAMES}


@pytest.mark.parametrize("part", [0.0, 0.3, 1.0])
def test_no_weight_is_left_behind_when_a_part_of_the_model_is_on_the_gpu(part):
    patcher = tiny_model(**CHARACTER)
    assert not on("meta", patcher, part)  # meta stands for the GPU: tensors there hold nothing


def test_a_model_that_is_partly_loaded_answers_the_same(clip):
    patcher = tiny_model(**CHARACTER)
    assert not on("cpu", patcher, 0.3)
    assert gap(sampled(patcher), clip) < 1e-5


@pytest.mark.parametrize("dtype, limit", [(torch.float16, 0.01), (torch.bfloat16, 0.05)])
def test_half_precision_weights(clip, dtype, limit):
    out = sampled(tiny_model(dtype=dtype, **CHARACTER))
    assert torch.isfinite(out).all() and 0 < gap(out, clip) < limit


def test_a_pair_of_video_and_depth_has_one_character():
    pair = tiny_model(reference=True, motion_code=(8, 8, 16, 24), in_channels=8)
    given = conds()
    one, other = (sampled(pair, conds(who), 2 * FRAMES) for who in (1, 2))
    assert torch.isfinite(one).all()
    assert ((one - other).abs().amax((1, 2, 3)) > 1e-4).all(), "video and depth alike"
    tiled = conds(scene=torch.cat([given[0][0][1][LAYERS]] * 2), motion=torch.cat([given[0][0][1][BODY][0]] * 2))
    assert gap(sampled(pair, tiled, 2 * FRAMES), one) < 1e-5, "scene and motion of F frames serve both halves"


def test_two_layers_and_nothing_in_front_is_a_code_of_zeros():
    two = tiny_model(**CHARACTER | {"in_channels": 12})
    seen = []
    scene = noise((FRAMES, 4, 8, 8), 20)
    given = lambda layers: conds(scene=torch.cat((scene, *layers), 1))
    empty = sampled(spied(two, [], seen.append), given([]))
    assert seen[0].shape == (2 * FRAMES, 12, 8, 8) and not seen[0][:, 8:].any()
    expected = two.model.process_latent_in(scene)
    assert torch.allclose(seen[0][:, 4:8], torch.cat((expected, expected)), atol=1e-6), "scaled as what is sampled"
    assert gap(sampled(two, given([noise((FRAMES, 4, 8, 8), 21)])), empty) > 1e-3


@pytest.fixture(scope="module")
def vae():
    import comfy.sd
    from tiny.files import vae_state

    return comfy.sd.VAE(sd=vae_state())


@pytest.fixture(scope="module")
def vision():
    """The host's own CLIP Vision model, small, with random weights."""
    import comfy.clip_vision

    made = comfy.clip_vision.ClipVisionModel({
        "num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 2, "intermediate_size": 64, "num_channels": 3,
        "image_size": 56, "patch_size": 14, "hidden_act": "quick_gelu", "projection_dim": 768,
        "model_type": "clip_vision_model",
    })  # fmt: skip
    random_weights(made.model)
    return made


def in_three_steps(vae, image, body, scene, mask=None, occluder=None, occluder_mask=None, clip_vision=None):
    """What Encode Reference, Encode Layers and Encode Motion Code gave in a row, from the models' own functions."""
    height, width = body.shape[1:3]
    reference = vae.encode(portrait(image[:1], mask, width, height))
    square = portrait(image[:1], mask, max(width, height), max(width, height))
    tokens = latent_tokens(reference)
    if clip_vision is not None:
        tokens = clip_vision.encode_image(square, crop=False)["image_embeds"][:, None]
    layers = [vae.encode(scene)]
    if occluder is not None:
        layers.append(vae.encode(person_alone(occluder, occluder_mask, (GREY, GREY, GREY))))
    count = max(map(len, layers))
    both = {LAYERS: torch.cat([one.expand(count, -1, -1, -1) for one in layers], 1), BODY: (body.movedim(-1, 1),)}
    return [[tokens, both | {REFERENCE: reference}]], [[torch.zeros_like(tokens), both]]


def same_conditioning(ours, theirs):
    """Bit-equal tokens and values, under the same keys."""
    [[tokens, given]], [[expected, wanted]] = ours, theirs
    assert torch.equal(tokens, expected) and given.keys() == wanted.keys()
    flat = lambda value: value[0] if isinstance(value, tuple) else value
    return all(torch.equal(flat(given[key]), flat(wanted[key])) for key in wanted)


@pytest.mark.parametrize("given", ["scene", "frames", "occluder", "clip"])
def test_one_encoder_gives_what_three_in_a_row_gave(vae, vision, given):
    """Bit for bit, in a clip that is wider than high, so that a swapped height and width would show."""
    wide = lambda count, seed: pictures(count, 64, seed)[:, :48]
    image, body, scene = pictures(2, 48, 1)[:, :, :32], wide(FRAMES, 3), wide(FRAMES if given == "frames" else 1, 2)
    mask = torch.zeros(1, 48, 32)
    mask[:, 8:40, 8:24] = 1
    more = {}
    if given == "occluder":
        more = {"occluder": wide(FRAMES, 4), "occluder_mask": (wide(FRAMES, 5)[..., 0] > 0.5).float()}
    more |= {"clip_vision": vision} if given == "clip" else {}
    positive, negative, latent_ = EncodeSwap.execute(vae, image, body, scene, character_mask=mask, **more).result
    expected = in_three_steps(vae, image, body, scene, mask, **more)
    assert same_conditioning(positive, expected[0]) and same_conditioning(negative, expected[1])
    assert latent_["samples"].shape == (FRAMES, 4, 6, 8) and not latent_["samples"].any()


def test_without_a_scene_it_is_white(vae):
    ours = EncodeSwap.execute(vae, pictures(1, 48), pictures()).result
    white = EncodeSwap.execute(vae, pictures(1, 48), pictures(), torch.ones(1, 64, 64, 3)).result
    assert same_conditioning(ours[0], white[0]) and same_conditioning(ours[1], white[1])
    assert torch.equal(ours[0][0][1][LAYERS], vae.encode(torch.ones(1, 64, 64, 3)))


@pytest.mark.parametrize("given, words", [
    ({"scene": pictures(1, 32)}, "scene: expected pictures of 64 x 64 like body, got 32 x 32"),
    ({"scene": pictures(2)}, "scene: expected 1 or 5 frames like body, got 2"),
    ({"occluder": pictures(1, 128)}, "occluder: expected pictures of 64 x 64 like body, got 128 x 128"),
    ({"occluder": pictures(6)}, "occluder: expected 1 or 5 frames like body, got 6"),
    ({"body": pictures()[:, :60, :50]}, "multiples of 8, got 50 x 60: .* to 48 x 64"),
    ({"body": pictures() * 255}, "body: .*divide them first"),
])  # fmt: skip
def test_what_does_not_fit_the_body_is_refused_with_both_numbers(vae, given, words):
    with pytest.raises(ValueError, match=words):
        EncodeSwap.execute(vae, **{"character": pictures(1, 48), "body": pictures()} | given)


def test_the_node_from_pictures_to_a_clip(vae):
    """Small models read latent tokens; the mask or the alpha of the picture selects the character."""
    from pack.models.pair.foreground import latent_width

    tiny = tiny_model(**CHARACTER, foreground_width=latent_width())
    image, mask = pictures(2, 48, 1), torch.zeros(48, 48)
    mask[8:40, 8:40] = 1
    encode = lambda who, **more: EncodeSwap.execute(vae, who, pictures(seed=3), pictures(1, seed=2), **more).result
    positive, negative, empty = encode(image, character_mask=mask)
    rgba = torch.cat((image, mask.expand(2, -1, -1)[..., None]), -1)
    assert same_conditioning(encode(rgba)[0], positive)
    assert positive[0][1][REFERENCE].shape == (1, 4, 8, 8)
    assert not negative[0][0].any() and REFERENCE not in negative[0][1]
    assert len(empty["samples"]) == FRAMES
    out = ksampler(tiny, positive, negative, latent(FRAMES))
    assert torch.isfinite(out).all() and out.std() > 0.01
    other = encode(pictures(1, 48, 9))[0]
    assert gap(ksampler(tiny, other, negative, latent(FRAMES)), out) > 1e-4


def test_layers_of_the_scene_and_of_the_occluder(vae):
    scene, occluder, mask = pictures(1, seed=2), pictures(seed=4), torch.zeros(FRAMES, 64, 64)
    mask[2] = 1
    given = {"occluder": occluder, "occluder_mask": mask}
    positive, *_ = EncodeSwap.execute(vae, pictures(1, 48), pictures(), scene, **given).result
    layers = positive[0][1][LAYERS]
    assert layers.shape == (FRAMES, 8, 8, 8)
    assert torch.equal(layers[0, :4], layers[2, :4]), "one scene for all frames"
    grey = vae.encode(torch.full((1, 64, 64, 3), 0.5))
    assert gap(layers[:1, 4:], grey) < 1e-5 and gap(layers[2:3, 4:], grey) > 1e-2


@pytest.mark.parametrize("image, mask, words", [
    (pictures(1), torch.zeros(1, 64, 64), "character_mask: .* got an empty mask"),
    (pictures(1) * 255, None, "character: .*divide them first"),
    (torch.rand(64, 64, 3), None, "character: .*IMAGE batch"),
])  # fmt: skip
def test_pictures_without_a_character_are_refused(vae, image, mask, words):
    with pytest.raises(ValueError, match=words):
        EncodeSwap.execute(vae, image, pictures(), character_mask=mask)


def test_clip_reads_the_whole_picture_in_a_square(vae, vision):
    """A tall picture is read to its ends, with white beside it."""
    tall, body = pictures(1, 64)[:, :, :32], torch.zeros(FRAMES, 128, 64, 3)
    encode = lambda who: EncodeSwap.execute(vae, who, body, clip_vision=vision).result
    positive, negative, _ = encode(tall)
    square = portrait(tall, None, 128, 128)
    expected = vision.encode_image(square, crop=False)["image_embeds"]
    assert square[0, :, :30].min() == 1 and square[0, :, 34:94].std() > 0.1
    assert torch.equal(positive[0][0], expected[:, None]) and positive[0][0].shape == (1, 1, 768)
    changed = tall.clone()
    changed[:, :4] = 0
    other, *_ = encode(changed)
    assert not torch.equal(other[0][0], positive[0][0]), "the head counts"
    assert positive[0][1][REFERENCE].shape == (1, 4, 16, 8)
    assert negative[0][0].shape == (1, 1, 768) and not negative[0][0].any()


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder that the host lists as models/diffusion_models."""
    endings = folder_paths.supported_pt_extensions
    folders = folder_paths.folder_names_and_paths | {"diffusion_models": ([str(tmp_path)], endings)}
    folders |= {"animatediff_models": ([], endings)}  # which the pack adds when it starts
    monkeypatch.setattr(folder_paths, "folder_names_and_paths", folders)
    monkeypatch.setattr(folder_paths, "filename_list_cache", {})
    return tmp_path


def test_load_character_model_in_released_files_and_as_one(shelf):
    config = tiny_config(**CHARACTER)
    state = tiny_weights(config)
    parts = {"reference.": {}, "pose_guider.": {}, "": {}}
    for name, value in state.items():
        prefix = next(p for p in parts if name.startswith(p))
        parts[prefix][name.removeprefix(prefix)] = value
    for prefix, name in (("", "denoising_unet"), ("reference.", "reference_unet"), ("pose_guider.", "pose_guider")):
        torch.save(parts[prefix], shelf / f"{name}.pth")
    files = "denoising_unet.pth", "reference_unet.pth", "pose_guider.pth", "auto"
    options = [i.options for i in LoadCharacterModel.GET_SCHEMA().inputs]
    assert all(name in found for name, found in zip(files, options, strict=True))
    model, report = LoadCharacterModel.execute(*files).result
    assert report.startswith(f"MIMO: {len(state)} weights found, 0 missing.")
    assert model.model.video.attention_head_dim == 8 and model.model.video.motion_code == config.motion_code
    assert model.model.video.prediction == "v_zero_snr" and model.model.video.zero_snr
    assert model.model.model_sampling.sigma_max > 4000, "noise alone"
    made = sampled(model)
    assert torch.equal(sampled(model.clone(force_deepcopy=True)), made)

    found, weights = weights_of(model)
    assert found.block_out_channels == config.block_out_channels and weights.keys() == state.keys()
    save_model(shelf / "mimo.safetensors", weights, found)
    whole, _ = LoadCharacterModel.execute("mimo.safetensors", *["auto"] * 3).result
    other, _, _ = LoadVideoModel.execute("mimo.safetensors", "none").result
    for again in (whole, other):  # weights in a mapped file lie elsewhere, and kernels round by that
        assert gap(sampled(again), made) < 1e-5
    first = LoadCharacterModel.fingerprint_inputs(*files)
    torch.save({}, shelf / "pose_guider.pth")
    assert LoadCharacterModel.fingerprint_inputs(*files) != first


def test_the_shipped_character_model_is_the_default(shelf):
    for name in ("a_model.safetensors", "duet_character_128.safetensors"):
        (shelf / name).touch()
    model, *parts = LoadCharacterModel.GET_SCHEMA().inputs
    assert model.options[0] == "a_model.safetensors" and model.default == "duet_character_128.safetensors"
    assert all(part.advanced and part.default == part.options[0] == "auto" for part in parts)


def test_a_weight_that_is_missing_is_refused():
    config = tiny_config(**CHARACTER)
    state = tiny_weights(config)
    del state["reference.conv_in.weight"]
    with pytest.raises(ValueError, match="1 are missing.*reference.conv_in.weight"):
        native_model(config, state)


def test_stock_loras_reach_the_clip_and_leave_the_reference_alone(model, clip):
    import comfy.sd

    name = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    lora = {f"{name}.lora_down.weight": noise((4, 64), 1), f"{name}.lora_up.weight": noise((64, 4), 2)}
    patched, _ = comfy.sd.load_lora_for_models(model, None, lora, 1.0, 0.0)
    assert len(patched.patches) == 1 and gap(sampled(patched), clip) > 1e-3


def test_areas_leave_the_reference_whole(model):
    left = host.ConditioningSetArea().append(conds()[0], 64, 64, 0, 0, 1.0)[0]
    size = {"scene": noise((FRAMES, 4, 16, 16), 20), "motion": pictures(side=128).movedim(-1, 1)}
    for _, given in left:
        given |= {LAYERS: size["scene"], BODY: (size["motion"],)}
    whole = conds(2, **size)
    out = ksampler(model, left + whole[0], whole[1], latent(FRAMES, 16), steps=1)
    plain = ksampler(model, *whole, latent(FRAMES, 16), steps=1)
    assert torch.isfinite(out).all() and gap(out[..., :8, :8], plain[..., :8, :8]) > 1e-4
