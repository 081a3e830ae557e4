"""The nodes of latent flow on the host's own types: loaded, encoded, sampled, decoded and rendered, on small random weights."""

import gc
import json
import os
import shutil
import weakref
from dataclasses import replace
from inspect import signature
from types import SimpleNamespace

import comfy.model_management as memory
import folder_paths
import pytest
import torch
from comfy.patcher_extension import WrappersMP
from pack.models.choices import ACTIONS
from pack.models.lfdm import checkpoint
from pack.models.lfdm.config import TINY_AUTOENCODER, TINY_UNET
from pack.models.lfdm.labels import Labels, mean_of_tokens, open_flow_model
from pack.models.lfdm.unet import FlowUNet
from pack.nodes.flow.compose import ComposeFlows
from pack.nodes.flow.drawing import DrawFlow
from pack.nodes.flow.estimate import EstimateFlow
from pack.nodes.flow.files import LoadFlow, SaveFlow
from pack.nodes.flow.tensors import FlowToTensor, TensorToFlow
from pack.nodes.flow.warp import WarpByFlow
from pack.nodes.host.files import folders
from pack.nodes.host.lfdm.boundary import STILL
from pack.nodes.host.lfdm.model import text_conditioning
from pack.nodes.host.lfdm.sampling import THRESHOLD, apply_threshold
from pack.nodes.lfdm.conditioning import EncodeStill
from pack.nodes.lfdm.latent import DecodeFlow
from pack.nodes.lfdm.loaders import LoadFlowAutoencoder, LoadFlowModel
from pack.nodes.lfdm.render import AnimateStill
from pack.nodes.pair.latent import EmptyLatent
from tiny.files import random_state
from tiny.flow_files import released_name, write_flow_models, write_labels
from tiny.model import gap, noise, spied

import nodes as host

NODES = [
    LoadFlowModel, LoadFlowAutoencoder, EncodeStill, DecodeFlow, EstimateFlow, AnimateStill, DrawFlow, WarpByFlow,
    ComposeFlows, SaveFlow, LoadFlow, FlowToTensor, TensorToFlow,
]  # fmt: skip
MODEL, AUTOENCODER = "duet_flow_64.safetensors", "duet_flow_codec_64.safetensors"
SIZE, FRAMES = 64, 5


def rand(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The folder of flow models, with small random ones."""
    root = tmp_path_factory.mktemp("models")
    write_flow_models(root)
    before = dict(folder_paths.folder_names_and_paths)
    folders.add_folder("flow_models")
    folder_paths.folder_names_and_paths["flow_models"] = (
        [str(root / "flow_models")],
        folder_paths.supported_pt_extensions,
    )
    yield root / "flow_models"
    folder_paths.folder_names_and_paths.clear()
    folder_paths.folder_names_and_paths.update(before)


@pytest.fixture(scope="module")
def loaded(models):
    return opened(MODEL, AUTOENCODER)


def opened(model, autoencoder, padding="auto", label_name="auto", **more):
    """What Load Flow Model gives."""
    outputs = LoadFlowModel.execute(model, autoencoder, padding, label_name, **more).result
    return SimpleNamespace(**dict(zip(("model", "clip", "autoencoder", "report"), outputs, strict=True)))


@pytest.fixture(scope="module")
def network(models):
    """The same autoencoder without the host."""
    return checkpoint.load(*checkpoint.open_autoencoder(models / AUTOENCODER)[:2])


@pytest.fixture(scope="module")
def flow_latent(loaded):
    return sampled(loaded)


def prompt(loaded, text="wave"):
    """What the stock CLIP Text Encode gives."""
    return host.CLIPTextEncode().encode(loaded.clip, text)[0]


def empty(width=SIZE, height=SIZE, frames=FRAMES, batch=1):
    """An empty latent of a flow model."""
    return {"samples": torch.zeros(batch, 3, frames, height // 4, width // 4), "downscale_ratio_spacial": 4}


def sampled(loaded, text="wave", model=None, steps=4, batch=1, cfg=1.0):
    """What a graph of stock KSampler gives."""
    both = EncodeStill.execute(loaded.autoencoder, picture(), prompt(loaded, text), prompt(loaded, "")).result
    latent = empty(batch=batch)
    return host.KSampler().sample(model or loaded.model, 3, steps, cfg, "euler", "simple", *both, latent)[0]


def picture(height=SIZE, width=SIZE, seed=4):
    return rand(1, height, width, 3, seed=seed)


@pytest.mark.parametrize("node", NODES)
def test_every_input_of_the_schema_is_one_of_execute(node, models):
    schema = node.GET_SCHEMA()
    assert [i.id for i in schema.inputs] == list(signature(node.execute).parameters)
    optional = [p.name for p in signature(node.execute).parameters.values() if p.default is None]
    assert {name for name in optional} <= {i.id for i in schema.inputs if i.optional}


def test_both_files_open_and_say_what_they_are(loaded, models):
    assert "Its 8 labels: wave, walk" in loaded.report and "flow autoencoder" in loaded.report
    assert (
        loaded.model.model.flow == replace(TINY_UNET, feature_width=32)
        and loaded.autoencoder.config == TINY_AUTOENCODER
    )
    assert loaded.model.get_wrappers(WrappersMP.PREDICT_NOISE, THRESHOLD) == [apply_threshold], (
        "the threshold is always there"
    )
    alone, text = LoadFlowAutoencoder.execute(AUTOENCODER, "0 (MHAD, NATOPS)").result
    assert alone.config.heat_map_padding == 0 and "padded by 0" in text
    assert set(folders.list_files("flow_models", endings=(".safetensors",))) == {MODEL, AUTOENCODER}


def test_a_released_file_opens_by_its_numbers_alone(models, loaded):
    """The authors' own names in a pickle, with what an optimiser left beside them."""
    config, state, _ = checkpoint.open_flow_unet(models / MODEL)
    released = {released_name(name, value.shape): value for name, value in state.items()}
    torch.save({"diffusion": released, "optimizer_diff": {"state": {}}, "example": 3}, models / "DM_TEST.pth")
    autoencoder = checkpoint.open_autoencoder(models / AUTOENCODER)[1]
    parts = {part: {n.removeprefix(f"{part}."): v for n, v in autoencoder.items() if n.startswith(part)}
             for part in checkpoint.PARTS}  # fmt: skip
    torch.save({**parts, "example": 3}, models / "LFAE_TEST.pth")
    try:
        released = opened("DM_TEST.pth", "LFAE_TEST.pth", "3 (MUG)")
        assert released.model.model.labels is None and "labels" not in released.report
        assert gap(sampled(loaded, model=released.model)["samples"], sampled(loaded)["samples"]) < 1e-5
        for text in ("", "none"):
            assert not prompt(released, text)[0][1]["pooled_output"].any(), "an empty prompt needs no labels"
        with pytest.raises(ValueError, match="no labels of its own.*Load Flow Model.*bert_folder.*label_name"):
            prompt(released, "wave")
    finally:
        (models / "DM_TEST.pth").unlink()
        (models / "LFAE_TEST.pth").unlink()


def test_the_lists_start_with_the_files_of_the_pack(models):
    """Both stand in one list, so that the first of it would be the wrong one for one of the inputs."""
    defaults = {i.id: i.default for i in LoadFlowModel.GET_SCHEMA().inputs}
    assert (defaults["model_name"], defaults["autoencoder_name"]) == (MODEL, AUTOENCODER)


def test_files_that_do_not_belong_together_are_refused(models, loaded):
    wider = replace(TINY_UNET, feature_width=16)
    checkpoint.save(models / "other.safetensors", wider, random_state(FlowUNet(wider), 1))
    try:
        with pytest.raises(ValueError, match="32 channels.*takes 16"):
            opened("other.safetensors", AUTOENCODER)
        with pytest.raises(ValueError, match="holds an LFDM flow autoencoder, but an LFDM flow model was expected"):
            opened(AUTOENCODER, AUTOENCODER)
    finally:
        (models / "other.safetensors").unlink()


def test_a_copy_of_the_host_knows_the_same_labels(loaded):
    function, arguments = loaded.model.cached_patcher_init[:2]
    assert function(*arguments)[0].model.labels.names == tuple(ACTIONS)


def test_a_label_is_its_vector_and_no_text_is_nothing(loaded):
    vectors = loaded.model.model.labels.vectors
    for text in ("wave", " WAVE "):
        assert torch.equal(prompt(loaded, text)[0][1]["pooled_output"], vectors[:1])
    for text in ("", "  ", "None"):
        assert not prompt(loaded, text)[0][1]["pooled_output"].any()
    with pytest.raises(
        ValueError,
        match='"fly" is not a label of this model: use one of wave, walk, squat, jump, turn, dance, kick, bow',
    ):
        prompt(loaded, "fly")


def test_the_clip_gives_what_the_model_was_sampled_with_before(loaded):
    """The stock node's conditioning is, bit for bit, the vector as token and as pooled output."""
    for text, vector in (("dance", loaded.model.model.labels.vector("dance")), ("", torch.zeros(1, 768))):
        (given, more), (token, pooled) = prompt(loaded, text)[0], text_conditioning(vector)[0]
        assert torch.equal(given, token) and torch.equal(more["pooled_output"], pooled["pooled_output"])
        assert given.dtype == token.dtype == torch.float32


def test_a_copy_of_the_clip_and_stock_nodes_on_it_encode_the_same(loaded):
    """Such as CLIP Set Last Layer: there are no layers to leave out."""
    copy = host.CLIPSetLastLayer().set_last_layer(loaded.clip, -2)[0]
    again = host.CLIPTextEncode().encode(copy, "kick")[0]
    assert torch.equal(again[0][1]["pooled_output"], prompt(loaded, "kick")[0][1]["pooled_output"])


def test_stored_vectors_of_labels_open_from_a_file(loaded, models):
    stored = Labels(("anger", "Look left"), noise((2, 768)))
    write_labels(models / "mug.safetensors", stored)
    write_labels(models / "narrow.safetensors", Labels(("a",), noise((1, 8))))
    try:
        mug = opened(MODEL, AUTOENCODER, label_name="mug.safetensors")
        here = prompt(mug, "look  left")
        assert torch.equal(here[0][1]["pooled_output"], stored.vectors[1:])
        with pytest.raises(ValueError, match="use one of anger, Look left"):
            prompt(mug, "wave")
        with pytest.raises(ValueError, match="has no label vectors"):
            opened(MODEL, AUTOENCODER, label_name=AUTOENCODER)
        with pytest.raises(
            ValueError, match="label_name: narrow.safetensors gives text vectors of 8 numbers.*takes 768 numbers"
        ):
            opened(MODEL, AUTOENCODER, label_name="narrow.safetensors")
    finally:
        (models / "mug.safetensors").unlink()
        (models / "narrow.safetensors").unlink()


def test_names_that_do_not_fit_their_vectors_are_refused(tmp_path):
    from pack.models.files.writing import write_safely
    from pack.models.lfdm.labels import open_labels

    for names in ('["a"]', "{}", "[1, 2]", "nothing"):
        path = write_safely(tmp_path / "x.safetensors", {"labels.weight": noise((2, 768))}, {"duet_labels": names})
        with pytest.raises(ValueError, match="names do not fit"):
            open_labels(path)


def test_words_are_pooled_as_the_authors_do():
    """All tokens but the first, the end included, padding left out."""
    states, mask = noise((2, 6, 4)), torch.tensor([[1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0]])
    pooled = mean_of_tokens(states, mask)
    assert torch.allclose(pooled[0], states[0, 1:4].mean(0), atol=1e-6)
    assert torch.allclose(pooled[1], states[1, 1], atol=1e-6)


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A tiny BERT as transformers saves it."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    root = tmp_path_factory.mktemp("bert") / "text_encoders"
    folder = root / "tiny-bert"
    folder.mkdir(parents=True)
    folder_paths.add_model_folder_path("text_encoders", str(root))
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "left", "Hand", "waves"]
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    size = {"hidden_size": 768, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    torch.manual_seed(0)
    model = BertModel(BertConfig(vocab_size=len(words), **size), add_pooling_layer=False)
    model.save_pretrained(folder)
    BertTokenizerFast(str(folder / "vocab.txt"), do_lower_case=False).save_pretrained(folder)
    return folder, model.eval()


def test_bert_encodes_from_a_local_folder(models, bert):
    folder, model = bert
    local = opened(MODEL, AUTOENCODER, bert_folder=f" {folder.name} ")
    here = prompt(local, "the left Hand waves")[0][1]["pooled_output"]
    with torch.no_grad():
        states = model(torch.tensor([[2, 5, 6, 7, 8, 3]])).last_hidden_state
    assert torch.allclose(here, states[:, 1:].mean(1), atol=1e-5)


def test_bert_is_read_once_for_all_prompts_and_again_when_its_files_change(models, bert, monkeypatch):
    from transformers import BertModel

    reads, read = [], BertModel.from_pretrained
    monkeypatch.setattr(BertModel, "from_pretrained", lambda *args, **more: reads.append(1) or read(*args, **more))
    local = opened(MODEL, AUTOENCODER, bert_folder=bert[0].name)
    assert not reads, "an empty prompt needs none"
    for text in ("the", "left", "the"):
        prompt(local, text)
    assert len(reads) == 1
    stamp = lambda: LoadFlowModel.fingerprint_inputs(MODEL, AUTOENCODER, "auto", "auto", bert[0].name)
    before = stamp()
    assert before == stamp() != LoadFlowModel.fingerprint_inputs(MODEL, AUTOENCODER, "auto", "auto", "")
    os.utime(bert[0] / "model.safetensors", ns=(1, 1))
    assert stamp() != before
    assert LoadFlowModel.fingerprint_inputs(MODEL, AUTOENCODER, "auto", "auto", "nowhere")


@pytest.mark.parametrize("form", ["{away}", "../{name}", "x/../../{name}", "~/{name}", "..\\{name}", ".", "nowhere"])
def test_a_bert_folder_outside_of_the_model_folders_is_refused(models, bert, tmp_path, monkeypatch, form):
    away = bert[0].parent.parent / "away"
    shutil.copytree(bert[0], away, dirs_exist_ok=True)
    monkeypatch.setenv("HOME", str(away.parent))
    with pytest.raises(ValueError, match="^bert_folder: .*text_encoders"):
        opened(MODEL, AUTOENCODER, bert_folder=form.format(away=away, name="away"))


def test_a_damaged_bert_is_refused(models, bert):
    folder = bert[0]
    local = opened(MODEL, AUTOENCODER, bert_folder=folder.name)
    (folder / "model.safetensors").rename(folder / "away")
    try:
        with pytest.raises(ValueError, match="does not open as BERT"):
            prompt(local, "the")
    finally:
        (folder / "away").rename(folder / "model.safetensors")


def test_the_still_is_encoded_once_for_all_nodes(loaded, network):
    runs = []
    hook = loaded.autoencoder.inference.network.generator.first.register_forward_hook(lambda *_: runs.append(1))
    try:
        positive, negative = EncodeStill.execute(
            loaded.autoencoder, picture(seed=9), prompt(loaded), prompt(loaded, "")
        ).result
        flow = {"to_picture": torch.zeros(3, 16, 16, 2), "to_picture_valid": torch.ones(3, 16, 16)}
        AnimateStill.execute(loaded.autoencoder, picture(seed=9), flow)
        assert len(runs) == 1
        EncodeStill.execute(loaded.autoencoder, picture(seed=10), prompt(loaded), prompt(loaded, ""))
        assert len(runs) == 2
    finally:
        hook.remove()
    theirs = network.generator.encode(picture(seed=9).movedim(-1, 1)).features
    for conditioning in (positive, negative):
        assert torch.allclose(conditioning[0][1][STILL], theirs, atol=1e-5)
    assert positive[0][1]["pooled_output"].any() and not negative[0][1]["pooled_output"].any()


def test_what_was_encoded_goes_when_the_host_unloads_the_autoencoder(loaded):
    made, network = [], loaded.autoencoder.inference.network
    keep = lambda module, args, out: made.append(weakref.ref(out))
    hooks = [layer.register_forward_hook(keep) for layer in (network.generator.first, *network.generator.down_blocks)]
    try:
        first = loaded.autoencoder.features(picture(seed=31)).clone()
        assert [one for one in made if one() is not None], "kept for the next node"
        memory.unload_all_models()
        gc.collect()
        assert not [one for one in made if one() is not None]
        assert torch.equal(loaded.autoencoder.features(picture(seed=31)), first), "and encoded again when it is needed"
    finally:
        for hook in hooks:
            hook.remove()


@pytest.mark.parametrize("size, near", [((62, 66), "64 x 64"), ((30, 101), "100 x 32")])
def test_sizes_that_the_autoencoder_cannot_take_are_refused_with_the_nearest(loaded, size, near):
    with pytest.raises(ValueError, match=f"multiples of 4 pixels.*scale it to {near}"):
        EncodeStill.execute(loaded.autoencoder, picture(*size), prompt(loaded), prompt(loaded))
    with pytest.raises(ValueError, match="multiples of 16 pixels, but it is 66 x 62: scale it to 64 x 64"):
        EmptyLatent.execute(loaded.model, 66, 62, 4, 1)
    with pytest.raises(ValueError, match="multiples of 32 pixels.*scale it to 64 x 64"):
        EstimateFlow.execute(rand(2, 72, 60, 3), None, loaded.autoencoder)
    with pytest.raises(ValueError, match="multiples of 32 pixels.*scale it to 64 x 64"):
        EstimateFlow.execute(rand(2, 72, 60, 3), rand(1, 72, 60, 3), loaded.autoencoder)


def test_sampling_through_the_nodes_is_finite_and_follows_its_text(loaded, flow_latent):
    flow = flow_latent["samples"]
    assert flow.shape == (1, 3, FRAMES, 16, 16) and torch.isfinite(flow).all() and flow.abs().max() <= 1
    assert torch.equal(sampled(loaded)["samples"], flow)
    assert gap(sampled(loaded, "bow")["samples"], flow) > 1e-4
    assert sampled(loaded, batch=2, cfg=2.0, steps=2)["samples"].shape[0] == 2


def test_decode_and_render_paint_what_the_network_paints(loaded, flow_latent, network):
    """The numbers of a state go through pixels and back to the network's own grid without a loss."""
    flow = DecodeFlow.execute(flow_latent, 0)[0]
    assert flow["to_picture"].shape == (FRAMES, 16, 16, 2) and flow["to_picture_valid"].shape == (FRAMES, 16, 16)
    video = AnimateStill.execute(loaded.autoencoder, picture(), flow)[0]
    from pack.models.lfdm.warp import Motion

    state = flow_latent["samples"][0]
    motion = Motion(state[:2].movedim(0, -1), (state[2:].transpose(0, 1) + 1) / 2)
    with torch.no_grad():
        theirs = network.generator.decode(network.generator.encode(picture().movedim(-1, 1)), motion).movedim(1, -1)
    assert video.shape == (FRAMES, SIZE, SIZE, 3) and torch.allclose(video, theirs, atol=1e-4)
    second = DecodeFlow.execute(
        {"samples": flow_latent["samples"].repeat(2, 1, 1, 1, 1) * torch.tensor([1, 0.5]).view(2, 1, 1, 1, 1)}, 1
    )[0]
    assert gap(second["to_picture"], flow["to_picture"]) > 0.01


@pytest.mark.parametrize("latent, batch_index, words", [
    (torch.zeros(1, 4, 8, 8), 0, "flow latent \\(clips, 3, frames"),
    (torch.zeros(1, 4, 5, 8, 8), 0, "flow latent \\(clips, 3, frames"),
    (torch.zeros(2, 3, 5, 8, 8), 2, "below 2"),
    (torch.full((1, 3, 5, 8, 8), torch.nan), 0, "NaN.*frame 0"),
])  # fmt: skip
def test_a_latent_that_is_no_flow_is_refused(latent, batch_index, words):
    with pytest.raises(ValueError, match=words):
        DecodeFlow.execute({"samples": latent}, batch_index)


@pytest.mark.parametrize("change, words", [
    ({"to_picture": torch.full((3, 16, 16, 2), torch.nan)}, "flow: expected finite numbers.*frame 0"),
    ({"to_picture": torch.zeros(3, 16, 24, 2), "to_picture_valid": torch.ones(3, 16, 24)}, "24 x 16 and still_image 64 x 64"),
    ({"to_picture": torch.zeros(0, 16, 16, 2), "to_picture_valid": torch.ones(0, 16, 16)}, "at least one frame"),
    ({"to_picture": torch.zeros(3, 16, 16)}, "frames, height, width, 2"),
    ({"to_picture_valid": torch.full((3, 16, 16), torch.inf)}, "validity of the flow"),
])  # fmt: skip
def test_a_flow_that_is_unsound_or_of_another_size_is_refused(loaded, change, words):
    flow = {"to_picture": torch.zeros(3, 16, 16, 2), "to_picture_valid": torch.ones(3, 16, 16)} | change
    with pytest.raises(ValueError, match=words):
        AnimateStill.execute(loaded.autoencoder, picture(), flow)


def test_what_is_no_flow_or_leads_elsewhere_is_refused(loaded):
    forward = {"forward": torch.zeros(3, 16, 16, 2), "forward_valid": torch.ones(3, 16, 16)}
    with pytest.raises(ValueError, match="leads from every frame to the next, not from every frame to the previous"):
        AnimateStill.execute(loaded.autoencoder, picture(), forward)
    with pytest.raises(ValueError, match="connect Decode Flow Latent"):
        AnimateStill.execute(loaded.autoencoder, picture(), {})
    with pytest.raises(ValueError, match="expected one picture, got 2"):
        AnimateStill.execute(loaded.autoencoder, rand(2, 64, 64, 3), forward)


def test_the_autoencoder_estimates_what_its_network_does(loaded, network):
    clip, still = rand(11, SIZE, SIZE, 3, seed=1), picture(seed=2)
    flow = EstimateFlow.execute(clip, still, loaded.autoencoder)[0]
    with torch.no_grad():
        motion = network.estimate(still.movedim(-1, 1).expand(11, -1, -1, -1), clip.movedim(-1, 1))
    from pack.models.flow.fields import Field, to_grid

    grid, occlusion = to_grid(Field(flow["to_picture"], flow["to_picture_valid"]))
    assert torch.allclose(grid, motion.grid, atol=1e-4) and torch.allclose(occlusion, motion.occlusion, atol=1e-4)
    rendered = AnimateStill.execute(loaded.autoencoder, still, flow)[0]
    with torch.no_grad():
        theirs = network.generator.decode(network.generator.encode(still.movedim(-1, 1)), motion)
    assert torch.allclose(rendered, theirs.movedim(1, -1), atol=1e-3)
    along = EstimateFlow.execute(clip[:3], None, loaded.autoencoder)[0]
    one = EstimateFlow.execute(clip[1:2], clip[:1], loaded.autoencoder)[0]  # frame 1 fetched from frame 0
    assert along["backward"].shape == along["forward"].shape == (2, 16, 16, 2)
    assert torch.allclose(along["backward"][0], one["to_picture"][0], atol=1e-3)
    back = EstimateFlow.execute(clip[:1], clip[1:2], loaded.autoencoder)[0]
    assert torch.allclose(along["forward"][0], back["to_picture"][0], atol=1e-3)


def test_a_mask_on_the_prompt_works_and_an_area_is_refused(loaded):
    """Stock Conditioning (Set Mask) gives each half its own prompt; an area would cut positions out of the flow."""
    halves = []
    for left, word in ((1.0, "wave"), (0.0, "bow")):
        mask = torch.full((1, SIZE, SIZE), 1 - left)
        mask[..., : SIZE // 2] = left
        halves += host.ConditioningSetMask().append(prompt(loaded, word), mask, "default", 1.0)[0]
    positive, negative = EncodeStill.execute(loaded.autoencoder, picture(), halves, prompt(loaded, "")).result
    latent = empty()
    run = lambda words: host.common_ksampler(loaded.model, 3, 1, 1.0, "euler", "simple", words, negative, latent)[0]
    both, singles = run(positive)["samples"], []
    for word in ("wave", "bow"):
        singles.append(
            run(EncodeStill.execute(loaded.autoencoder, picture(), prompt(loaded, word), prompt(loaded)).result[0])
        )
    left, right = (single["samples"][..., at] for single, at in zip(singles, (slice(0, 6), slice(10, 16)), strict=True))
    # The threshold divides a whole clip by one number, which both words share.
    for ours, theirs in ((both[..., :6], left), (both[..., 10:], right)):
        scale = (ours * theirs).sum() / theirs.square().sum()
        assert gap(ours, scale * theirs) < 0.05 and 0.8 < scale < 1.25
    area = host.ConditioningSetArea().append(prompt(loaded), 32, 32, 0, 0, 1.0)[0]
    area = EncodeStill.execute(loaded.autoencoder, picture(), area, prompt(loaded)).result[0]
    calls = []
    with pytest.raises(ValueError, match="for an area.*Conditioning \\(Set Mask\\).*Compose Flows"):
        host.common_ksampler(spied(loaded.model, calls), 3, 1, 1.0, "euler", "simple", area, negative, latent)
    assert not calls


def test_labels_lie_in_the_file_as_agreed(models):
    from safetensors import safe_open

    with safe_open(models / MODEL, framework="pt") as file:
        assert json.loads(file.metadata()["duet_labels"]) == list(ACTIONS)
        assert file.get_slice("labels.weight").get_shape() == [len(ACTIONS), 768]


@pytest.mark.parametrize("dtype, apart", [(torch.float16, 0.01), (torch.bfloat16, 0.05), (torch.float8_e4m3fn, 0.3)])
def test_weights_in_fewer_bits_open_and_sample(models, loaded, dtype, apart):
    config, state, _, labels = open_flow_model(models / MODEL)
    state = {name: value.to(dtype) for name, value in state.items()} | {checkpoint.LABEL_VECTORS: labels.vectors}
    checkpoint.save(models / "fewer.safetensors", config, state, duet_labels=json.dumps(list(labels.names)))
    try:
        fewer = opened("fewer.safetensors", AUTOENCODER)
        out, full = (sampled(one)["samples"] for one in (fewer, loaded))
    finally:
        (models / "fewer.safetensors").unlink()
    assert torch.isfinite(out).all() and 0 < (out - full).abs().mean() < apart


def test_the_host_is_given_about_the_memory_that_a_step_takes(loaded):
    """0.1 for a width of 64: 83 MB for 20 frames of 32 x 32 points."""
    model = loaded.model.model
    assert model.memory_usage_factor == pytest.approx(0.1 * model.flow.width / 64)
    assert 0 < model.memory_required([1, 3, 20, 32, 32]) < 400e6
