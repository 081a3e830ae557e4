"""One-shot tuning: what trains, on which clip and sentence, and that its files open as what was trained."""

from dataclasses import replace

import pytest
import torch
from pack.models.files import open_model, save_model
from pack.models.files.tuned import is_tuned
from pack.models.oneshot.files import add_tuning, fingerprint, read_tuning
from pack.models.unet.config import IDOL, ONE_SHOT, ONE_SHOT_SD1, SD1, SD2_DEPTH, TINY
from pack.models.unet.network import VideoUNet
from pack.models.unet.schedule import NoiseSchedule
from pack.models.unet.small_vae import SmallVAE
from pack.models.unet.switches import with_switches
from pack.models.unet.words import token_width, word_tokens
from pack.training.encode.tokens import read_tokens, write_tokens
from pack.training.loop.draws import Draws
from pack.training.page.settings import RunSettings
from pack.training.recipes import make_recipe
from pack.training.recipes.one_shot import choose_tuned, evenly_spaced
from safetensors.torch import load_file, save_file

WORDS = ("a", "ball", "person", "red")
SMALL = {**TINY, "block_out_channels": (32, 64), "cross_attention_dim": 32}
DEPTH = with_switches(SD2_DEPTH, **SMALL)
KINDS = {
    "depth": DEPTH,
    "velocity": replace(DEPTH, prediction="v"),
    "words": with_switches(DEPTH, prediction="v", words=WORDS, foreground_width=token_width(WORDS)),
    "sd1": with_switches(SD1, **SMALL),
}
DATA = {"kind": "stage", "clips": 1, "size": 32, "frames": 5, "first_seed": 1003}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A VAE, the tokens of a sentence, and a base of every kind."""
    folder = tmp_path_factory.mktemp("bases")
    torch.manual_seed(0)
    save_file(SmallVAE().state_dict(), folder / "vae.safetensors")
    tokens = torch.randn(1, 7, 32, generator=torch.Generator().manual_seed(1))
    found = {"vae": str(folder / "vae.safetensors"), "text": str(write_tokens(folder, tokens))}
    for name, config in KINDS.items():
        found[name] = str(save_model(folder / f"{name}.safetensors", VideoUNet(config).state_dict(), config))
    return found


def recipe(files, kind="depth", data=None, prepared=True, **changes):
    torch.manual_seed(1)
    model = {"vae": files["vae"], "init": files[kind], "frames": 3}
    model |= {"prompt": "a red ball"} if kind == "words" else {"text": files["text"]}
    model |= changes.pop("model", {})
    settings = {"lr": 3e-5, "steps": 500, **changes}
    data = DATA | (data or {})
    made = make_recipe(RunSettings(recipe="one_shot", data=data, folder="unused", model=model, **settings))
    if prepared:
        made.prepare(torch.device("cpu"))
    return made


def batch_of(made, count=2):
    samples = [made.sample(place) for place in range(count)]
    return {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}


def stir(made, scale=0.1):
    """Attention over time is silent at birth; give it something to say."""
    g = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for value in made.trained().values():
            if not value.any():
                value.copy_(torch.randn(value.shape, generator=g) * scale)


@pytest.mark.parametrize("config, size", [(ONE_SHOT, 1024), (ONE_SHOT_SD1, 768)])
def test_of_stable_diffusion_112_tensors_train(config, size):
    with torch.device("meta"):
        unet = VideoUNet(config)
    assert config.cross_attention_dim == size
    trained = lambda: [value.numel() for value in unet.parameters() if value.requires_grad]
    choose_tuned(unet)
    assert (len(trained()), sum(trained())) == (112, 74_354_880)
    choose_tuned(unet, norms=True)
    assert (len(trained()), sum(trained())) == (112 + 32, 74_354_880 + 24_960)
    choose_tuned(unet, "adapters")
    assert (len(trained()), sum(trained())) == (80, 49_574_080)
    with torch.device("meta"):
        choose_tuned(unet, "lora", 16)
    ranks = sum(16 * (value.shape[0] + value.shape[1]) for name, value in unet.named_parameters()
                if name.endswith((".attn1.to_q.weight", ".attn2.to_q.weight")))  # fmt: skip
    assert (len(trained()), sum(trained())) == (80 + 64, 49_574_080 + ranks)


@pytest.mark.parametrize("norms", [False, True])
def test_these_and_nothing_else_move(files, norms):
    made = recipe(files, model={"train_norms": norms})
    stir(made)
    before = {name: value.clone() for name, value in made.named_parameters()}
    loss, terms = made(batch_of(made), Draws(0, 0))
    assert set(terms) == {"video", "consistency"}
    assert loss.item() == pytest.approx(terms["video"].item() + 0.1 * terms["consistency"].item(), rel=1e-5)
    loss.backward()
    torch.optim.SGD(made.trained().values(), lr=1.0).step()
    changed = {name for name, value in made.named_parameters() if not torch.equal(value, before[name])}
    assert changed == {f"unet.{name}" for name in made.unet.state_dict() if is_tuned(name, norms)}


def test_at_its_start_the_network_is_the_base_frame_by_frame(files):
    """But for what frames see of each other, so a clip of one picture again and again is asked for."""
    made = recipe(files)
    flat = VideoUNet(DEPTH)
    flat.load_state_dict(load_file(files["depth"]))
    draws = torch.Generator().manual_seed(0)
    latent, context = torch.randn(1, 5, 4, 4, generator=draws), torch.randn(1, 6, 32, generator=draws)
    one = (latent, torch.full((1,), 400.0), context)
    three = [value.repeat(3, *[1] * (value.ndim - 1)) for value in one]
    with torch.no_grad():
        want = flat(*one)
        difference = (made.unet(*three) - want).abs().max()
    assert difference < 1e-5 * want.abs().max(), "float32 on another CPU has room, another network has not"


@pytest.mark.parametrize("kind", KINDS)
def test_every_base_is_tuned_on_what_it_reads(files, kind):
    """The right answer costs nothing but what consistency asks; channels are those of the base."""
    made, seen = recipe(files, kind, losses={"consistency": 1.0}), []
    made.unet.conv_in.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    batch = batch_of(made)
    made(batch, Draws(0, 0))
    assert seen[0].shape == (6, made.unet.video.in_channels, 4, 4)
    if made.unet.video.in_channels == 5:
        assert torch.equal(seen[0][:, 4:], batch["depth"].flatten(0, 1)) and batch["depth"].amin() == -1
        assert batch["depth"].amax() == 1, "one range for the clip"
    schedule, draws = NoiseSchedule(), Draws(3, 4)
    time, noise = draws.integers("time", 1000, 2), draws.normal("noise", batch["video"])
    right = schedule.target(made.unet.video.prediction, batch["video"], noise, time)
    made.predict = lambda *_: right
    _, terms = made(batch, draws)
    assert terms["video"].item() == 0 and terms["consistency"].item() < 1e-6


def test_the_literal_loss_asks_for_still_pictures(files):
    made = recipe(files, losses={"consistency": 0.5, "reading": "zero"})
    batch = batch_of(made)
    schedule, draws = NoiseSchedule(), Draws(3, 4)
    time, noise = draws.integers("time", 1000, 2), draws.normal("noise", batch["video"])
    made.predict = lambda *_: noise
    loss, terms = made(batch, draws)
    signal = schedule.signal[time]
    moved = batch["video"].diff(dim=1).square().mean((1, 2, 3, 4))
    assert terms["consistency"].item() == pytest.approx((signal**2 * moved).mean().item(), rel=1e-3) != 0
    assert loss.item() == pytest.approx(0.5 * terms["consistency"].item(), rel=1e-5)
    assert set(recipe(files, losses={"consistency": 0})(batch, draws)[1]) == {"video"}


def test_features_computed_twice_give_the_same_gradients(files):
    gradients = []
    for twice in (False, True):
        made = recipe(files, gradient_checkpointing=twice)
        stir(made)
        made(batch_of(made, 1), Draws(0, 0))[0].backward()
        gradients.append({name: value.grad for name, value in made.trained().items()})
    plain, again = gradients
    for name, value in plain.items():
        assert value.any() and torch.allclose(again[name], value, rtol=1e-5, atol=1e-8), name


def learn(made, steps=3, lr=0.02):
    optimizer = torch.optim.AdamW(made.trained().values(), lr=lr)
    for step in range(steps):
        made(batch_of(made, 1), Draws(0, step))[0].backward()
        optimizer.step()
        optimizer.zero_grad()


def answer(net, made):
    g = torch.Generator().manual_seed(5)
    x, c = torch.randn(3, 5, 4, 4, generator=g), torch.randn(3, 7, 32, generator=g)
    with torch.no_grad():
        return net(x, torch.full((3,), 500.0), c)


@pytest.mark.parametrize(
    "changes", [{}, {"model": {"train_norms": True, "group_norm": "clip"}}], ids=["plain", "norms"]
)
def test_the_file_on_its_base_is_what_was_trained(files, tmp_path, changes):
    made = recipe(files, **changes)
    learn(made)
    [file] = made.export(tmp_path)
    config, state, _ = open_model(files["depth"])
    silent = answer(made.unet, made)
    config, state, report = add_tuning(config, state, file)
    assert "Tuned on 3 frames in 500 steps at a learning rate of 3e-05" in report.text
    assert "depth_range per clip" in report.text and "another base" not in report.text
    assert config == made.unet.video
    net = VideoUNet(config)
    net.load_state_dict({name: value.float() for name, value in state.items()})
    assert (answer(net, made) - silent).abs().max() < 5e-3 * silent.abs().max(), "half precision apart"
    weights, _ = read_tuning(file)
    assert any(".norm_temp." in name for name in weights.shapes) == bool(changes)
    again = recipe(files, model={"init": str(save_model(tmp_path / "whole.safetensors", state, config))})
    assert torch.equal(again.unet.state_dict()["conv_in.weight"], made.unet.state_dict()["conv_in.weight"])
    assert (answer(again.unet, made) - silent).abs().max() < 5e-3 * silent.abs().max(), "it goes on from there"


def test_a_lora_of_the_queries_opens_in_the_stock_way_on_top_of_the_tuning(files, tmp_path):
    sd = pytest.importorskip("comfy.sd")
    from pack.nodes.host.unet.model import native_model

    made = recipe(files, trains="lora", lora_rank=4)
    base = {name: value.clone() for name, value in made.unet.state_dict().items() if name.endswith(".to_q.weight")}
    learn(made)
    found = {file.stem: file for file in made.export(tmp_path)}
    assert set(found) == {"tuning", "lora"}
    lora = load_file(found["lora"])
    assert len(lora) == 3 * 2 * len(made.unet.transformer_blocks()) and all("_to_q." in name for name in lora)
    now = made.unet.state_dict()
    assert all(torch.equal(now[name], value) for name, value in base.items() if ".tem_" not in name)
    config, state, _ = add_tuning(*open_model(files["depth"])[:2], found["tuning"])
    model = native_model(config, state)
    silent = answer(model.model.diffusion_model, made)
    model, _ = sd.load_lora_for_models(model, None, lora, 1.0, 0.0)
    model.patch_model()
    both = answer(model.model.diffusion_model, made)
    model.unpatch_model()
    trained = answer(made.unet, made)
    assert (trained - silent).abs().max() > 20 * (trained - both).abs().max(), "the LoRA says the rest"
    assert (trained - both).abs().max() < 5e-3 * trained.abs().max()


def test_frozen_matrices_are_stored_as_they_are_computed_with(files, tmp_path):
    made = recipe(files, precision="bf16")
    kinds = {(value.requires_grad, value.ndim > 1): value.dtype for value in made.unet.parameters()}
    assert kinds == {(True, True): torch.float32, (True, False): torch.float32, (False, False): torch.float32,
                     (False, True): torch.bfloat16}  # fmt: skip
    with torch.autocast("cpu", torch.bfloat16):
        loss, _ = made(batch_of(made), Draws(0, 0))
    loss.backward()
    exact = recipe(files)(batch_of(made), Draws(0, 0))[0]
    assert loss.item() == pytest.approx(exact.item(), rel=0.02)
    [file] = made.export(tmp_path)
    assert read_tuning(file)[1].base == fingerprint(open_model(files["depth"])[1])
    picture = made.pictures(torch.device("cpu"))
    assert picture.shape == (2 * 32, 3 * 32, 3) and torch.isfinite(picture).all()


def test_frames_are_spread_over_the_clip(files):
    assert (
        evenly_spaced(5, 3) == [0, 2, 4]
        and evenly_spaced(24, 8)[0::7] == [0, 23]
        and evenly_spaced(4, 9) == [0, 1, 2, 3]
    )
    assert max(b - a for a, b in zip(evenly_spaced(100, 12), evenly_spaced(100, 12)[1:], strict=False)) == 9
    few, whole = recipe(files), recipe(files, model={"frames": 8})
    assert len(whole.kept["video"]) == 5
    assert torch.equal(few.kept["video"], whole.kept["video"][[0, 2, 4]])
    assert few.kept is few.sample(0) is few.sample(7), "the same clip in every step"


def test_words_are_the_prompt_the_caption_or_a_file(files, tmp_path):
    given = recipe(files, "words", prepared=False)
    assert torch.equal(given.tokens, word_tokens("a red ball", WORDS))
    path = write_tokens(tmp_path, torch.randn(1, 5, token_width(WORDS)))
    assert write_tokens(tmp_path, read_tokens(path, [token_width(WORDS)])) == path, "named after what it holds"
    read = recipe(files, "words", prepared=False, model={"text": str(path)})
    assert torch.equal(read.tokens, load_file(path)["tokens"])
    with pytest.raises(ValueError, match="expected words that this model was trained with"):
        recipe(files, "words", prepared=False, model={"prompt": given.clips.caption(0)})


WRONG = {
    "one frame": ({"data": {"frames": 1}}, "needs 2 frames or more, but the clip has 1"),
    "many clips": ({"data": {"clips": 3}}, "one clip, but the data holds 3"),
    "a clip that is not there": ({"data": {"clips": 3}, "model": {"clip_number": 3}}, "number 3"),
    "no base": ({"model": {"init": ""}}, "tunes a model that exists"),
    "no words": ({"model": {"text": ""}}, "connect CLIP Text Encode to positive of Training Settings"),
    "empty prompt": ({"kind": "words", "model": {"prompt": " "}}, "prompt is empty"),
    "a loss of others": ({"losses": {"motion": 0.1}}, "one_shot has no settings named motion"),
    "an unknown reading": ({"losses": {"reading": "both"}}, "source, zero: not 'both'"),
    "an unknown range": ({"model": {"depth_range": "video"}}, "depth_range is one of per clip, per frame, unchanged"),
    "an unknown norm": ({"model": {"group_norm": "batch"}}, "group_norm is one of frame, clip"),
}


@pytest.mark.parametrize("changes, words", WRONG.values(), ids=WRONG)
def test_what_cannot_be_tuned_is_refused_in_a_sentence(files, changes, words):
    with pytest.raises(ValueError, match=words):
        recipe(files, **{"kind": "depth", **changes})


def test_other_models_and_other_tokens_are_refused(files, tmp_path):
    pair = with_switches(IDOL, **SMALL)
    path = save_model(tmp_path / "pair.safetensors", VideoUNet(pair).state_dict(), pair)
    with pytest.raises(ValueError, match="already has attention over time"):
        recipe(files, model={"init": str(path)})
    wide = write_tokens(tmp_path, torch.randn(1, 77, 768))
    with pytest.raises(ValueError, match="768 numbers a token, but this model reads 32"):
        recipe(files, model={"text": str(wide)})
    with pytest.raises(ValueError, match="holds no tokens of a prompt"):
        recipe(files, model={"text": files["vae"]})
    with pytest.raises(ValueError, match="cannot be read"):
        recipe(files, model={"text": str(tmp_path / "nothing.safetensors")})


def test_one_clip_of_several_is_chosen_by_its_number(files):
    several = recipe(files, data={"clips": 2}, model={"clip_number": 1})
    alone = recipe(files, data={"first_seed": 1004})
    # Actions go round with the number, so only what does not follow from it is alike.
    assert several.number == 1 and several.clips.scene(1).character == alone.clips.scene(0).character
    assert not torch.equal(several.kept["video"], recipe(files).kept["video"])
