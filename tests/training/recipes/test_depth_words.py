"""The demo's model of words: what it reads, what it learns, and that its file samples on the host."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pack.models.files import open_model
from pack.models.stage.caption import VOCABULARY
from pack.models.unet.config import SD1
from pack.models.unet.network import VideoUNet
from pack.models.unet.switches import with_switches
from pack.models.unet.words import token_width, word_tokens
from pack.training.loop.draws import Draws
from pack.training.page.settings import RunSettings
from pack.training.recipes import depth_words, make_recipe

RUN = Path(__file__).resolve().parents[3] / "training" / "runs" / "demo_words.json"
SHAPE = {"block_out_channels": [32, 64], "attention_levels": [True, True], "cross_attention_dim": 32}
MIB = 2**20


def recipe(vae, data=None, **changes):
    torch.manual_seed(1)
    data = {"kind": "stage", "clips": 4, "size": 32, "frames": 2, "actions": ["wave", "walk"]} | (data or {})
    model = {"vae": vae, "config": SHAPE} | changes.pop("model", {})
    made = make_recipe(RunSettings(recipe="depth_words", data=data, folder="unused", model=model, **changes))
    made.prepare(torch.device("cpu"))
    return made


def batch_of(made, places):
    samples = [made.sample(place) for place in places]
    return {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}


def test_the_demo_is_at_most_8_mib():
    settings = RunSettings.from_file(RUN)
    assert not json.loads(RUN.read_text(encoding="utf-8"))["model"].get("config"), "the recipe's own shape"
    words = {"words": VOCABULARY, "foreground_width": token_width(VOCABULARY)}
    with torch.device("meta"):
        unet = VideoUNet(with_switches(SD1, **depth_words.SHAPE, **words))
    size = sum(2 * value.numel() for value in unet.state_dict().values())
    assert 6 * MIB < size < 7.5 * MIB and settings.recipe == "depth_words"
    assert Path(settings.model["vae"]).name == "duet_vae_128.safetensors" and Path(settings.model["vae"]).is_file()


def test_an_example_is_a_frame_with_its_depth_and_caption(vae):
    made = recipe(vae, {"styles": ["natural", "night"], "clips": 8})
    whole = [made.clips.caption(index) for index in range(8)]
    assert ["at night" in text for text in whole] == [False] * 4 + [True] * 4
    assert ["passes" in text for text in whole] == [False, False, True, True] * 2
    seen = set()
    for place in range(24):
        example = made.sample(place)
        index = next(i for i, clip in enumerate(made.kept) if clip["tokens"] is example["tokens"])
        frame = next(i for i in range(2) if torch.equal(made.kept[index]["video"][i], example["video"][0]))
        assert torch.equal(made.kept[index]["depth"][frame], example["depth"][0])
        assert torch.equal(example["tokens"].float(), word_tokens(whole[index], VOCABULARY))
        seen.add((index, frame))
    assert len({index for index, _ in seen}) == 8 and len(seen) > 10, "every clip, and both of its frames"


def test_now_and_then_nothing_is_said_and_the_depth_is_flat(vae):
    made = recipe(vae)
    batch = batch_of(made, range(40))
    kept = [made.drop_conditions(batch, Draws(0, position)) for position in range(5)]
    silent = torch.cat([~conditions["tokens"].flatten(1).any(1) for conditions in kept]).float().mean()
    flat = torch.cat([~conditions["depth"].flatten(1).any(1) for conditions in kept]).float().mean()
    assert 0.04 < silent < 0.18 and 0.04 < flat < 0.18


def test_all_of_it_trains_and_learns(vae):
    made = recipe(vae, {"clips": 2, "objects": [0]})
    assert all(value.requires_grad for value in made.unet.parameters())
    assert not any(name.startswith("encoders") for name in made.trained())
    batch, optimizer = batch_of(made, [0, 1] * 4), torch.optim.AdamW(made.trained().values(), lr=4e-3)

    def judged():
        with torch.no_grad():
            return sum(made(batch, Draws(1, position))[0].item() for position in range(4)) / 4

    before = judged()
    for step in range(30):
        loss, terms = made(batch, Draws(0, step))
        loss.backward()
        silent = [name for name, value in made.trained().items() if value.grad is None]
        assert not silent and terms["video"] is loss
        optimizer.step()
        optimizer.zero_grad()
    assert judged() < 0.6 * before


def test_its_file_samples_on_the_host_and_is_tuned_there(vae, tmp_path):
    """Load, words as conditioning, depth, the stock KSampler; then one-shot tuning of the same file."""
    comfy_nodes = pytest.importorskip("nodes")
    from pack.nodes.oneshot.depth_channel import EncodeDepth
    from pack.nodes.oneshot.tuning import with_tuning
    from pack.nodes.unet.loaders import open_video_model

    made = recipe(vae)
    [file] = made.export(tmp_path)
    config, state, report = open_model(file)
    assert config == made.unet.video and config.words == VOCABULARY and set(state) == set(made.unet.state_dict())
    model, _ = open_video_model(str(file))
    encode = lambda text: [[word_tokens(text, config.words)[None], {}]]
    depth = torch.rand(3, 32, 32, 1).expand(-1, -1, -1, 3)

    def sample(model, text):
        conds = EncodeDepth.execute(encode(text), encode(""), depth, "per clip").result
        latent = {"samples": torch.zeros(3, 4, 4, 4)}
        return comfy_nodes.common_ksampler(model, 1, 3, 4.0, "euler", "normal", *conds, latent)[0]["samples"]

    red, blue = sample(model, "a red ball"), sample(model, "a blue ball")
    assert torch.isfinite(red).all() and (red - blue).abs().max() > 1e-3, "words count"

    data = {"kind": "stage", "clips": 1, "size": 32, "frames": 3}
    settings = {"recipe": "one_shot", "data": data, "folder": "unused", "model": {"vae": vae, "init": str(file)}}
    tune = make_recipe(RunSettings(**settings))
    assert torch.equal(tune.tokens, word_tokens(tune.clips.caption(0), VOCABULARY)), "the clip's own caption"
    tune.prepare(torch.device("cpu"))
    optimizer = torch.optim.AdamW(tune.trained().values(), lr=0.01)
    for step in range(3):
        tune({name: value[None] for name, value in tune.sample(0).items()}, Draws(0, step))[0].backward()
        optimizer.step()
        optimizer.zero_grad()
    tuned, report = with_tuning(model, tune.export(tmp_path)[0])
    assert "another base" not in report.text and tuned.model.video.words == VOCABULARY
    moved = sample(tuned, "a red ball")
    assert torch.isfinite(moved).all() and (moved - red).abs().max() > 1e-3


def test_what_it_cannot_learn_is_refused(vae, tmp_path):
    with pytest.raises(ValueError, match="set trains to all, not lora"):
        recipe(vae, trains="lora")
    with pytest.raises(ValueError, match="config has no settings named depth"):
        recipe(vae, model={"config": {"depth": 3}})
    from pack.models.files import save_model

    config = replace(
        SD1, block_out_channels=(32,), attention_levels=(True,), layers_per_block=1, cross_attention_dim=32
    )
    path = save_model(tmp_path / "plain.safetensors", VideoUNet(config).state_dict(), config)
    with pytest.raises(ValueError, match="plain.safetensors has no words of its own"):
        recipe(vae, model={"init": str(path)})
