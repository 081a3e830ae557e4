"""The recipe of the pair on Wan 2.2: its tasks and noise, what it begins with, what trains, and that its files open."""

import json

import pytest
import torch
from pack.models.unet.small_vae import SmallVAE
from pack.models.wan.files import open_wan_pair
from pack.models.wan.network import PairNetwork, PairShape
from pack.models.wan.sentences import SENTENCES
from pack.training.data.folder import write_clip
from pack.training.data.stage import StageClips
from pack.training.encode.tokens import write_tokens
from pack.training.loop.draws import Draws
from pack.training.loop.optimizer import make_optimizer
from pack.training.page.settings import RunSettings
from pack.training.recipes import make_recipe
from pack.training.recipes.wan_pair import draw_given
from safetensors.torch import load_file, save_file

SHAPE = {"dim": 48, "ffn_dim": 64, "num_heads": 2, "num_layers": 2, "freq_dim": 16}
CPU = torch.device("cpu")


def settings(vae, data=None, **changes):
    data = {"kind": "stage", "clips": 3, "size": 32, "frames": 4} | (data or {})
    model = {"vae": vae, "config": SHAPE} | changes.pop("model", {})
    model = {name: value for name, value in model.items() if value is not None}
    return RunSettings(recipe="wan_pair", data=data, folder="unused", model=model, **changes)


def recipe(vae, data=None, **changes):
    torch.manual_seed(1)
    made = make_recipe(settings(vae, data, **changes))
    made.prepare(CPU)
    return made


def batch_of(made, places):
    samples = [made.sample(place) for place in places]
    return {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}


def learnt(made):
    """The same recipe with weights that answer something."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for value in made.network.parameters():
            value.add_(0.1 * torch.randn(value.shape, generator=generator))
    return made


@pytest.mark.parametrize("shown", ["depth", "skeleton", "segmentation"])
def test_an_example_is_both_streams_of_a_clip_and_both_texts(vae, shown):
    made = recipe(vae, model={"second_clip": shown})
    example = made.sample(0)
    assert example["video"].shape == example["second"].shape == (4, 4, 4, 4)
    assert example["person"].shape == (4, 4, 4) and 0 < example["person"].mean() < 1
    assert not torch.equal(example["video"], example["second"])
    own, sentence = example["text"]
    assert torch.equal(sentence, made.texts.known[SENTENCES[shown]]) and not torch.equal(own, sentence)


def test_windows_of_a_clip_begin_everywhere(vae):
    made = recipe(vae, {"clips": 1}, model={"frames": 2})
    whole = made.kept[0]["video"].float()
    starts = {next(i for i in range(3) if torch.equal(made.sample(p)["video"], whole[i : i + 2])) for p in range(30)}
    assert starts == {0, 1, 2}


def test_tasks_have_their_shares():
    given = draw_given(40_000, Draws(0, 0))
    assert not given.all(1).any()
    torch.testing.assert_close(given.float().mean(0), torch.tensor([0.25, 0.25]), atol=0.01, rtol=0)


def test_noise_levels_are_logit_normal_and_shifted(vae):
    plain, shifted = (recipe(vae, model={"shift": shift}).draw_times(40_000, Draws(0, 0)) for shift in (1.0, 5.0))
    torch.testing.assert_close(torch.logit(plain).std(), torch.tensor(1.0), atol=0.02, rtol=0)
    torch.testing.assert_close(shifted, 5 * plain / (1 + 4 * plain))


def test_a_given_stream_is_clean_and_has_no_loss(vae, monkeypatch):
    made, seen = learnt(recipe(vae)), {}
    batch = batch_of(made, range(8))
    inner = made.predict
    monkeypatch.setattr(made, "predict", lambda noisy, time, text: seen.update(noisy=noisy) or inner(noisy, time, text))
    loss, terms = made(batch, Draws(0, 5))
    given = draw_given(8, Draws(0, 5))
    clean = torch.stack((batch["video"], batch["second"]), 1)
    same = (seen["noisy"] == clean).flatten(2).all(2)
    assert torch.equal(same, given) and given.any() and not given.all()
    assert set(terms) == {"video", "second", "person"} and torch.isfinite(loss)
    torch.testing.assert_close(loss, terms["video"] + terms["second"])


def test_the_exact_velocity_has_no_loss(vae, monkeypatch):
    made = recipe(vae, losses={"person": 1.0})
    batch, draws = batch_of(made, range(4)), Draws(0, 3)
    clean = torch.stack((batch["video"], batch["second"]), 1)
    monkeypatch.setattr(made, "predict", lambda *_: draws.normal("noise", clean) - clean)
    assert made(batch, draws)[0] < 1e-10


def test_some_examples_have_no_words(vae):
    made = recipe(vae)
    text = batch_of(made, [0]).pop("text").expand(4000, -1, -1, -1)
    dropped = made.drop_words(text, Draws(0, 0))
    share = (dropped[:, 0].float().sum((1, 2)) == 0).float().mean()
    assert abs(share - 0.1) < 0.02 and torch.equal(dropped[:, 1], text[:, 1])


def test_other_second_clips_and_shapes_are_refused(vae):
    with pytest.raises(ValueError, match="second_clip is one of depth, skeleton, segmentation"):
        recipe(vae, model={"second_clip": "densepose"})
    with pytest.raises(ValueError, match="no settings named heads: did you mean num_heads"):
        recipe(vae, model={"config": SHAPE | {"heads": 3}})
    with pytest.raises(ValueError, match="got 48 and 5: take a multiple of 10"):
        recipe(vae, model={"config": SHAPE | {"num_heads": 5}})


# --- what it begins with -------------------------------------------------------------------------------------------------


def plain_wan(tmp_path, prefix=""):
    """A file of Wan without a second stream; heads of released files are 128 wide."""
    torch.manual_seed(4)
    shape = PairShape(dim=128, ffn_dim=64, freq_dim=16, text_dim=WIDTH, in_dim=4, out_dim=4, num_heads=1, num_layers=2)
    state = {name: value for name, value in PairNetwork(shape).state_dict().items() if "modality" not in name}
    path = tmp_path / "wan.safetensors"
    save_file({prefix + name: torch.randn_like(value) * 0.1 for name, value in state.items()}, path)
    return path


WIDTH = 267  # of a token of the stage's words with those of the sentences


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
def test_plain_wan_becomes_a_pair_of_two_equal_streams(vae, tmp_path, prefix):
    made = recipe(vae, model={"init": str(plain_wan(tmp_path, prefix)), "config": None})
    assert made.network.shape.modalities == ("depth",) and made.network.shape.num_layers == 2
    latents = torch.randn(2, 4, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    text = torch.zeros(2, 3, WIDTH)
    with torch.no_grad():
        out = made.network(latents, torch.tensor([400.0]), text, "depth")
        swapped = made.network(latents.flip(0), torch.tensor([400.0]), text, None)
    assert torch.isfinite(out).all() and not torch.allclose(out, swapped)
    weights = dict(made.network.named_parameters())
    assert torch.equal(weights["modality.patch_embedding.weight"], weights["patch_embedding.weight"])
    assert torch.equal(weights["head.modality.head.weight"], weights["head.head.weight"])


def test_added_parts_learn_at_a_rate_of_their_own(vae, tmp_path):
    made = recipe(vae, model={"init": str(plain_wan(tmp_path)), "config": None, "added_rate": 10.0}, trains="all")
    names = {id(value): name for name, value in made.trained().items()}
    groups = make_optimizer(made, made.settings, sharded=False).param_groups
    rates = {names[id(value)]: group["times"] for group in groups for value in group["params"]}
    assert rates["network.blocks.0.ffn.0.weight"] == 1.0 and rates["network.head.head.weight"] == 1.0
    assert rates["network.modality.flow_in.weight"] == 10.0 and rates["network.head.modality.modulation"] == 10.0
    assert set(rates) == set(made.trained())


def test_another_modality_gets_an_embedding_of_its_own(vae, tmp_path):
    file = learnt(recipe(vae)).export(tmp_path)[0]
    more = recipe(vae, model={"init": str(file), "config": None, "second_clip": "skeleton"})
    assert more.network.shape.modalities == ("depth", "skeleton")
    assert not more.network.modality.embeddings["skeleton"].any() and more.network.modality.embeddings["depth"].any()


def test_a_vae_of_other_channels_is_refused(tmp_path, vae):
    file = recipe(vae).export(tmp_path)[0]
    torch.manual_seed(0)
    save_file(SmallVAE(8).state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="vae gives 8 numbers where the network of init reads 4"):
        recipe(str(tmp_path / "other.safetensors"), model={"init": str(file), "config": None})


# --- what trains, and what comes out -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("trains", ["all", "adapters", "lora"])
def test_what_trains_learns_and_the_rest_stays(vae, tmp_path, trains):
    file = learnt(recipe(vae)).export(tmp_path)[0]
    made = recipe(vae, model={"init": str(file), "config": None}, trains=trains, lora_rank=2, lr=1e-2)
    before = {name: value.detach().clone() for name, value in made.network.named_parameters()}
    optimizer = make_optimizer(made, made.settings, sharded=False)
    losses = []
    for _ in range(12):
        loss, _ = made(batch_of(made, range(3)), Draws(0, 0))
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert losses[-1] < 0.97 * losses[0]
    changed = {name for name, value in made.network.named_parameters() if not torch.equal(value, before[name])}
    own = {"all": lambda n: "blocks.0" in n, "adapters": lambda n: "modality." in n, "lora": lambda n: ".lora_" in n}
    assert any(map(own[trains], changed)) and (trains == "all" or all(map(own[trains], changed)))


def test_its_file_opens_with_its_words_and_settings(vae, tmp_path):
    made = learnt(recipe(vae))
    (file,) = made.export(tmp_path)
    opened = open_wan_pair(file)
    assert opened.shape == made.network.shape and opened.notes.words == made.texts.words
    assert opened.notes.latents == "pictures"
    again = recipe(vae, model={"init": str(file), "config": None})
    for name, value in made.network.state_dict().items():
        assert torch.equal(again.network.state_dict()[name], value.half().float()), name


def test_a_lora_names_layers_as_the_stock_loader_does(vae, tmp_path):
    file = learnt(recipe(vae)).export(tmp_path)[0]
    made = recipe(vae, model={"init": str(file), "config": None}, trains="lora", lora_rank=2)
    files = made.export(tmp_path / "out") if (tmp_path / "out").mkdir() is None else []
    names = set(load_file(files[1]))
    assert "lora_unet_blocks_0_self_attn_q.lora_down.weight" in names and "lora_unet_blocks_1_ffn_2.alpha" in names
    assert not any(".lora_" in name for name in load_file(files[0]))


def test_its_samples_are_a_picture(vae):
    made = learnt(recipe(vae))
    picture = made.pictures(CPU)
    assert picture.shape == (6 * 32, 8 * 32, 3) and picture.min() >= 0 and picture.max() <= 1


# --- Wan's own VAE and text encoder, tiny --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wan_folder(tmp_path_factory):
    """A VAE and a text encoder of Wan's classes with random weights, as diffusers stores them."""
    from diffusers import AutoencoderKLWan
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("wan")
    numbers = {"latents_mean": [0.1] * 4, "latents_std": [2.0] * 4}
    vae = AutoencoderKLWan(base_dim=8, z_dim=4, dim_mult=[1, 1, 1, 1], num_res_blocks=1, **numbers)
    vae.save_pretrained(root / "vae")
    words = {"<pad>": 0, "<unk>": 1, "a": 2, "person": 3, "dances": 4}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>")
    fast.save_pretrained(root / "tokenizer")
    config = UMT5Config(vocab_size=8, d_model=12, d_kv=4, d_ff=16, num_layers=1, num_heads=2, pad_token_id=0)
    UMT5EncoderModel(config).save_pretrained(root / "text_encoder")
    return root


def of_wan(wan_folder, data=None, **model):
    folders = {"text_encoder": str(wan_folder / "text_encoder"), **model}
    return recipe(str(wan_folder / "vae"), {"frames": 5} | (data or {}), model=folders)


def test_a_clip_is_one_video_for_wans_vae(wan_folder):
    made = of_wan(wan_folder)
    example = made.sample(0)
    assert example["video"].shape == (2, 4, 4, 4), "5 frames are 2 latent frames"
    assert example["text"].shape == (2, 512, 12) and example["text"].any()
    assert not example["text"][0, 100:].any(), "zeros after the end"
    loss, _ = made(batch_of(made, range(2)), Draws(0, 0))
    assert torch.isfinite(loss)
    assert made.encoder.pictures(example["video"]).shape == (5, 3, 32, 32)


def test_its_file_says_that_it_is_of_videos(wan_folder, tmp_path):
    (file,) = of_wan(wan_folder).export(tmp_path)
    notes = open_wan_pair(file).notes
    assert notes.latents == "video" and notes.words == ()
    assert load_file(file)["head.head.weight"].dtype == torch.bfloat16


def test_clips_off_the_grid_of_wans_vae_are_refused(wan_folder):
    with pytest.raises(ValueError, match="4 k \\+ 1 frames"):
        of_wan(wan_folder, {"frames": 4})


def test_settings_are_read_from_a_run_file(tmp_path, vae):
    run = {"recipe": "wan_pair", "folder": "r", "data": {"kind": "stage"}, "model": {"vae": "v", "text_encoder": "t"}}
    (tmp_path / "run.json").write_text(json.dumps(run), encoding="utf-8")
    assert RunSettings.from_file(tmp_path / "run.json").model["text_encoder"] == str(tmp_path / "t")


def test_a_prompt_of_the_page_is_that_of_every_clip(vae, tmp_path):
    both = torch.randn(2, 6, 12, generator=torch.Generator().manual_seed(0))
    made = recipe(vae, model={"text": str(write_tokens(tmp_path, both))})
    assert (
        all(torch.equal(made.sample(place)["text"], both) for place in range(3)) and made.network.shape.text_dim == 12
    )
    assert torch.isfinite(made(batch_of(made, range(2)), Draws(0, 0))[0])
    with pytest.raises(ValueError, match="connect Encode Prompt"):
        recipe(vae, model={"text": str(write_tokens(tmp_path, both[:1]))})


def test_clips_without_sentences_need_a_prompt(vae, tmp_path):
    clip = StageClips(clips=1, size=32, frames=4)[0]
    meta = {"fps": 8.0, "depth_lo": 0.0, "depth_hi": 1.0, "colormap": "hot"}
    write_clip(tmp_path / "clips" / "one", clip, meta)
    data = {"kind": "folder", "path": str(tmp_path / "clips"), "clips": None, "size": 32, "frames": 4}
    data = {name: value for name, value in data.items() if value is not None}
    with pytest.raises(ValueError, match="1 of these have none, such as one: .*set prompt in model"):
        make_recipe(RunSettings(recipe="wan_pair", data=data, folder="unused", model={"vae": vae, "config": SHAPE}))
    model = {"vae": vae, "config": SHAPE, "prompt": "a person dances"}
    made = make_recipe(RunSettings(recipe="wan_pair", data=data, folder="unused", model=model))
    made.prepare(CPU)
    assert made.sample(0)["text"][0].any()


def test_the_text_file_of_a_clip_is_its_sentence(vae, tmp_path):
    source = StageClips(clips=2, size=32, frames=4)
    for index, name in enumerate(("one", "two")):
        write_clip(tmp_path / name, source[index])
        (tmp_path / name / "caption.txt").write_text(source.caption(index) + "\n", encoding="utf-8")
    data = {"kind": "folder", "path": str(tmp_path), "size": 32, "frames": 4}
    made = make_recipe(RunSettings(recipe="wan_pair", data=data, folder="unused", model={"vae": vae, "config": SHAPE}))
    made.prepare(CPU)
    texts = [made.texts.tokens(source.caption(index)) for index in range(2)]
    assert not torch.equal(*texts), "two captions that differ"
    for place in range(2):
        assert torch.equal(made.sample(place)["text"], texts[made.item(place, 2)])
