"""The text encoder of a model with a vocabulary of its own, in the host's stock nodes."""

import comfy.sd
import folder_paths
import pytest
import torch
from pack.models.files import save_model
from pack.models.stage.caption import VOCABULARY
from pack.models.unet.words import TOKENS, token_width, word_tokens
from pack.nodes.host.files.folders import SHIPPED
from pack.nodes.unet.loaders import LoadVideoModel
from safetensors.torch import save_file
from tiny.model import PICTURES, gap, ksampler, latent, tiny_config, tiny_weights

import nodes as host

WORDS = ("a", "ball", "blue", "red")
KIND = {**PICTURES, "words": WORDS, "foreground_width": token_width(WORDS)}


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """model, clip and report of Load Video Model for a model of words."""
    folder, config = tmp_path_factory.mktemp("models"), tiny_config(**KIND)
    save_model(folder / "words.safetensors", tiny_weights(config), config)
    with pytest.MonkeyPatch.context() as patch:
        folders = folder_paths.folder_names_and_paths | {"diffusion_models": ([str(folder)], {".safetensors"})}
        patch.setattr(folder_paths, "folder_names_and_paths", folders)
        patch.setattr(folder_paths, "filename_list_cache", {})
        return LoadVideoModel.execute("words.safetensors", "none").result


@pytest.fixture(scope="module")
def clip(opened):
    return opened[1]


def encode(clip, text):
    return host.CLIPTextEncode().encode(clip, text)[0]


@pytest.mark.parametrize("text", ["a red ball", "A Red, blue ball!", "ball", "", " "])
def test_clip_text_encode_gives_the_tokens_of_the_words(clip, text):
    assert isinstance(clip, comfy.sd.CLIP)
    [[tokens, rest]] = encode(clip, text)
    assert tokens.shape == (1, TOKENS, 3 * len(WORDS)) and tokens.dtype == torch.float32
    assert torch.equal(tokens, word_tokens(text, WORDS)[None]) and rest.get("pooled_output") is None
    assert tokens.any() == bool(text.strip())


@pytest.mark.parametrize("text, words", [
    ("a robot and the (red:1.2) moon", r"expected words that this model was trained with, got robot, and, the, 1, 2, moon"),
    ("red " * 41, "expected at most 40 words, got 41"),
])  # fmt: skip
def test_unknown_words_are_refused_with_the_vocabulary(clip, text, words):
    with pytest.raises(ValueError, match=words):
        encode(clip, text)
    assert encode(clip, "red")[0][0].any(), "the next prompt still works"


def test_the_model_samples_what_the_prompt_says(opened):
    model, clip, _ = opened
    red, blue, empty = (encode(clip, text) for text in ("red ball", "blue ball", ""))
    zeroed = host.ConditioningZeroOut().zero_out(red)[0]
    assert torch.equal(zeroed[0][0], empty[0][0])
    sample = lambda positive, negative: ksampler(model, positive, negative, latent(2), steps=1)
    assert torch.equal(sample(red, zeroed), sample(red, empty))
    assert gap(sample(red, empty), sample(blue, empty)) > 1e-4
    plain = [[word_tokens("red ball", WORDS)[None], {}]]
    assert torch.equal(sample(plain, [[word_tokens("", WORDS)[None], {}]]), sample(red, empty))


def test_stock_nodes_that_change_a_clip_leave_it_working(opened, tmp_path, monkeypatch):
    model, clip, _ = opened
    last = host.CLIPSetLastLayer().set_last_layer(clip, -2)[0]
    key = "diffusion_model.mid_block.resnets.0.conv1"
    shape = model.model.state_dict()[f"{key}.weight"].shape
    lora = {
        f"{key}.lora_up.weight": torch.randn(shape[0], 4, 1, 1),
        f"{key}.lora_down.weight": torch.randn(4, shape[1], 3, 3),
    }
    save_file(lora, tmp_path / "style.safetensors")
    folders = folder_paths.folder_names_and_paths | {"loras": ([str(tmp_path)], {".safetensors"})}
    monkeypatch.setattr(folder_paths, "folder_names_and_paths", folders)
    monkeypatch.setattr(folder_paths, "filename_list_cache", {})
    patched, same = host.LoraLoader().load_lora(model, clip, "style.safetensors", 1.0, 1.0)
    assert patched.patches and not model.patches
    for other in (last, same, clip.clone()):
        assert torch.equal(encode(other, "red ball")[0][0], encode(clip, "red ball")[0][0])


@pytest.fixture
def shipped(monkeypatch):
    """The pack's own weights in the host's lists."""
    folders = folder_paths.folder_names_and_paths | {
        "diffusion_models": ([str(SHIPPED / "diffusion_models")], {".safetensors"})
    }
    monkeypatch.setattr(folder_paths, "folder_names_and_paths", folders)
    monkeypatch.setattr(folder_paths, "filename_list_cache", {})


def test_the_shipped_model_brings_its_words(shipped):
    model, clip, report = LoadVideoModel.execute("duet_words_128.safetensors", "none").result
    assert model.model.video.words == VOCABULARY and "CLIP Text Encode with the clip of Load Video Model" in report
    text = "a tall person in a red shirt and blue trousers dances in a green room"
    assert torch.equal(encode(clip, text)[0][0], word_tokens(text, VOCABULARY)[None])


def test_other_models_have_none_and_the_host_says_so(shipped):
    model, clip, _ = LoadVideoModel.execute("duet_dance_128.safetensors", "none").result
    assert model is not None and clip is None
    with pytest.raises(RuntimeError, match="clip input is invalid: None"):
        encode(clip, "a red ball")
