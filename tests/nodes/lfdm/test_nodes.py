"""The nodes of latent flow on the host's own types: loaded, told, sampled, decoded and painted, on small random weights."""

import json
from dataclasses import replace
from inspect import signature
from types import SimpleNamespace

import folder_paths
import pytest
import torch
from pack.models.choices import ACTIONS
from pack.models.lfdm import checkpoint
from pack.models.lfdm.config import TINY_CODEC, TINY_UNET
from pack.models.lfdm.labels import Labels, mean_of_words
from pack.models.lfdm.unet import FlowUNet
from pack.nodes.flow.compose import ComposeFlows
from pack.nodes.flow.drawing import FlowToPicture
from pack.nodes.flow.estimate import EstimateFlow
from pack.nodes.flow.files import LoadFlow, SaveFlow
from pack.nodes.flow.tensors import FlowFromTensor, FlowToTensor
from pack.nodes.flow.warp import WarpByFlow
from pack.nodes.host.files import folders
from pack.nodes.host.lfdm.model import PICTURE, hold
from pack.nodes.lfdm.conditioning import EncodeMotionText, EncodePictureForFlow
from pack.nodes.lfdm.latent import DecodeFlow
from pack.nodes.lfdm.loaders import LoadFlowCodec, LoadFlowModel
from pack.nodes.lfdm.render import RenderFlowVideo
from pack.nodes.pair.latent import EmptyLatent
from tiny.files import random_state
from tiny.flow_files import released_name, write_flow_models, write_labels
from tiny.model import gap, noise, spied, tiny_model

import nodes as host

NODES = [
    LoadFlowModel, LoadFlowCodec, EncodePictureForFlow, EncodeMotionText, DecodeFlow, EstimateFlow,
    RenderFlowVideo, FlowToPicture, WarpByFlow, ComposeFlows, SaveFlow, LoadFlow, FlowToTensor, FlowFromTensor,
]  # fmt: skip
MODEL, CODEC, OWN = "duet_flow_64.safetensors", "duet_flow_codec_64.safetensors", "labels of the model"
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
    model, codec, report = LoadFlowModel.execute(MODEL, CODEC, "as in file").result
    return SimpleNamespace(model=model, codec=codec, report=report)


@pytest.fixture(scope="module")
def network(models):
    """The same codec without the host."""
    return checkpoint.load(*checkpoint.open_codec(models / CODEC)[:2])


@pytest.fixture(scope="module")
def flow_latent(loaded):
    return sampled(loaded)


def told(loaded, text="wave", **more):
    return EncodeMotionText.execute(loaded.model, text, OWN, **more)[0]


def sampled(loaded, text="wave", model=None, steps=4, batch=1, cfg=1.0):
    """What a graph of stock KSampler gives."""
    both = EncodePictureForFlow.execute(loaded.codec, picture(), told(loaded, text), told(loaded, "")).result
    latent = EmptyLatent.execute(loaded.model, SIZE, SIZE, FRAMES, batch)[0]
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
    assert "knows 8 labels: wave, walk" in loaded.report and "flow codec" in loaded.report
    assert loaded.model.model.flow == replace(TINY_UNET, feature_width=32) and loaded.codec.config == TINY_CODEC
    assert hold in loaded.model.model_options["sampler_post_cfg_function"], "the threshold is always there"
    alone, text = LoadFlowCodec.execute(CODEC, "0 (MHAD, NATOPS)").result
    assert alone.config.heat_map_padding == 0 and "padded by 0" in text
    assert set(folders.list_files("flow_models", endings=(".safetensors",))) == {MODEL, CODEC}


def test_a_released_file_opens_by_its_numbers_alone(models, loaded):
    """The authors' own names in a pickle, with what an optimiser left beside them."""
    config, state, _ = checkpoint.open_flow_unet(models / MODEL)
    released = {released_name(name, value.shape): value for name, value in state.items()}
    torch.save({"diffusion": released, "optimizer_diff": {"state": {}}, "example": 3}, models / "DM_TEST.pth")
    codec = checkpoint.open_codec(models / CODEC)[1]
    parts = {part: {n.removeprefix(f"{part}."): v for n, v in codec.items() if n.startswith(part)}
             for part in checkpoint.PARTS}  # fmt: skip
    torch.save({**parts, "example": 3}, models / "LFAE_TEST.pth")
    try:
        model, opened, report = LoadFlowModel.execute("DM_TEST.pth", "LFAE_TEST.pth", "3 (MUG)").result
        assert model.model.labels is None and "labels" not in report
        assert gap(sampled(loaded, model=model)["samples"], sampled(loaded)["samples"]) < 1e-5
        with pytest.raises(ValueError, match="brings no labels.*bert_folder.*vectors_name"):
            EncodeMotionText.execute(model, "wave", OWN)
    finally:
        (models / "DM_TEST.pth").unlink()
        (models / "LFAE_TEST.pth").unlink()


def test_files_that_do_not_belong_together_are_refused(models, loaded):
    wider = replace(TINY_UNET, feature_width=16)
    checkpoint.save(models / "other.safetensors", wider, random_state(FlowUNet(wider), 1))
    try:
        with pytest.raises(ValueError, match="32 channels.*reads 16"):
            LoadFlowModel.execute("other.safetensors", CODEC, "as in file")
        with pytest.raises(ValueError, match="holds a LFDM flow codec, but LFDM flow model was expected"):
            LoadFlowModel.execute(CODEC, CODEC, "as in file")
    finally:
        (models / "other.safetensors").unlink()


def test_a_copy_of_the_host_knows_the_same_labels(loaded):
    function, arguments = loaded.model.cached_patcher_init[:2]
    assert function(*arguments)[0].model.labels.names == tuple(ACTIONS)


def test_a_label_is_its_vector_and_no_text_is_nothing(loaded):
    vectors = loaded.model.model.labels.vectors
    for text in ("wave", " WAVE "):
        assert torch.equal(told(loaded, text)[0][1]["pooled_output"], vectors[:1])
    for text in ("", "  ", "None"):
        assert not told(loaded, text)[0][1]["pooled_output"].any()
    with pytest.raises(ValueError, match='"fly" is no label.*knows: wave, walk, squat, jump, turn, dance, kick, bow'):
        told(loaded, "fly")
    with pytest.raises(ValueError, match="Expected a flow model, got a"):
        EncodeMotionText.execute(tiny_model(), "wave", OWN)


def test_stored_vectors_of_labels_open_from_a_file(loaded, models):
    stored = Labels(("anger", "Look left"), noise((2, 768)))
    write_labels(models / "mug.safetensors", stored)
    write_labels(models / "narrow.safetensors", Labels(("a",), noise((1, 8))))
    try:
        here = EncodeMotionText.execute(loaded.model, "look  left", "mug.safetensors")[0]
        assert torch.equal(here[0][1]["pooled_output"], stored.vectors[1:])
        with pytest.raises(ValueError, match="It knows: anger, Look left"):
            EncodeMotionText.execute(loaded.model, "wave", "mug.safetensors")
        with pytest.raises(ValueError, match="holds no vectors of labels"):
            EncodeMotionText.execute(loaded.model, "wave", CODEC)
        with pytest.raises(ValueError, match="768 numbers"):
            EncodeMotionText.execute(loaded.model, "a", "narrow.safetensors")
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
    pooled = mean_of_words(states, mask)
    assert torch.allclose(pooled[0], states[0, 1:4].mean(0), atol=1e-6)
    assert torch.allclose(pooled[1], states[1, 1], atol=1e-6)


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A tiny BERT as transformers saves it."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "left", "Hand", "waves"]
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    size = {"hidden_size": 768, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    torch.manual_seed(0)
    model = BertModel(BertConfig(vocab_size=len(words), **size), add_pooling_layer=False)
    model.save_pretrained(folder)
    BertTokenizerFast(str(folder / "vocab.txt"), do_lower_case=False).save_pretrained(folder)
    return folder, model.eval()


def test_bert_reads_from_a_local_folder(loaded, bert):
    folder, model = bert
    here = told(loaded, "the left Hand waves", bert_folder=str(folder))[0][1]["pooled_output"]
    with torch.no_grad():
        states = model(torch.tensor([[2, 5, 6, 7, 8, 3]])).last_hidden_state
    assert torch.allclose(here, states[:, 1:].mean(1), atol=1e-5)
    with pytest.raises(ValueError, match="found none at nowhere.*text_encoders"):
        told(loaded, "the", bert_folder="nowhere")
    (folder / "model.safetensors").rename(folder / "away")
    try:
        with pytest.raises(ValueError, match="does not open as BERT"):
            told(loaded, "the", bert_folder=str(folder))
    finally:
        (folder / "away").rename(folder / "model.safetensors")


def test_the_picture_is_encoded_once_for_all_nodes(loaded, network):
    runs = []
    hook = loaded.codec.codec.network.generator.first.register_forward_hook(lambda *_: runs.append(1))
    try:
        positive, negative = EncodePictureForFlow.execute(
            loaded.codec, picture(seed=9), told(loaded), told(loaded, "")
        ).result
        flow = {"to_picture": torch.zeros(3, 16, 16, 2), "to_picture_valid": torch.ones(3, 16, 16)}
        RenderFlowVideo.execute(loaded.codec, picture(seed=9), flow)
        assert len(runs) == 1
        EncodePictureForFlow.execute(loaded.codec, picture(seed=10), told(loaded), told(loaded, ""))
        assert len(runs) == 2
    finally:
        hook.remove()
    theirs = network.generator.encode(picture(seed=9).movedim(-1, 1)).features
    for conditioning in (positive, negative):
        assert torch.allclose(conditioning[0][1][PICTURE], theirs, atol=1e-5)
    assert positive[0][1]["pooled_output"].any() and not negative[0][1]["pooled_output"].any()


@pytest.mark.parametrize("size, near", [((62, 66), "64 x 64"), ((30, 101), "100 x 32")])
def test_sizes_that_the_codec_cannot_take_are_refused_with_the_nearest(loaded, size, near):
    with pytest.raises(ValueError, match=f"multiples of 4 pixels.*scale it to {near}"):
        EncodePictureForFlow.execute(loaded.codec, picture(*size), told(loaded), told(loaded))
    with pytest.raises(ValueError, match="multiples of 16 pixels, but it is 66 x 62: scale it to 64 x 64"):
        EmptyLatent.execute(loaded.model, 66, 62, 4, 1)
    with pytest.raises(ValueError, match="multiples of 32 pixels.*scale it to 64 x 64"):
        EstimateFlow.execute(rand(2, 72, 60, 3), None, loaded.codec)
    with pytest.raises(ValueError, match="multiples of 32 pixels.*scale it to 64 x 64"):
        EstimateFlow.execute(rand(2, 72, 60, 3), rand(1, 72, 60, 3), loaded.codec)


def test_sampling_through_the_nodes_is_finite_and_hears_its_text(loaded, flow_latent):
    flow = flow_latent["samples"]
    assert flow.shape == (1, 3, FRAMES, 16, 16) and torch.isfinite(flow).all() and flow.abs().max() <= 1
    assert torch.equal(sampled(loaded)["samples"], flow)
    assert gap(sampled(loaded, "bow")["samples"], flow) > 1e-4
    assert sampled(loaded, batch=2, cfg=2.0, steps=2)["samples"].shape[0] == 2


def test_decode_and_render_paint_what_the_network_paints(loaded, flow_latent, network):
    """The numbers of a state go through pixels and back to the network's own grid without a loss."""
    flow = DecodeFlow.execute(flow_latent, 0)[0]
    assert flow["to_picture"].shape == (FRAMES, 16, 16, 2) and flow["to_picture_valid"].shape == (FRAMES, 16, 16)
    video = RenderFlowVideo.execute(loaded.codec, picture(), flow)[0]
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


@pytest.mark.parametrize("latent, clip, words", [
    (torch.zeros(1, 4, 8, 8), 0, "flow latent \\(clips, 3, frames"),
    (torch.zeros(1, 4, 5, 8, 8), 0, "flow latent \\(clips, 3, frames"),
    (torch.zeros(2, 3, 5, 8, 8), 2, "below 2"),
    (torch.full((1, 3, 5, 8, 8), torch.nan), 0, "NaN.*frame 0"),
])  # fmt: skip
def test_a_latent_that_is_no_flow_is_refused(latent, clip, words):
    with pytest.raises(ValueError, match=words):
        DecodeFlow.execute({"samples": latent}, clip)


@pytest.mark.parametrize("change, words", [
    ({"to_picture": torch.full((3, 16, 16, 2), torch.nan)}, "flow: expected finite numbers.*frame 0"),
    ({"to_picture": torch.zeros(3, 16, 24, 2), "to_picture_valid": torch.ones(3, 16, 24)}, "24 x 16 and the picture 16 x 16"),
    ({"to_picture": torch.zeros(0, 16, 16, 2), "to_picture_valid": torch.ones(0, 16, 16)}, "at least one frame"),
    ({"to_picture": torch.zeros(3, 16, 16)}, "frames, height, width, 2"),
    ({"to_picture_valid": torch.full((3, 16, 16), torch.inf)}, "validity of the flow"),
])  # fmt: skip
def test_a_flow_that_is_unsound_or_of_another_size_is_refused(loaded, change, words):
    flow = {"to_picture": torch.zeros(3, 16, 16, 2), "to_picture_valid": torch.ones(3, 16, 16)} | change
    with pytest.raises(ValueError, match=words):
        RenderFlowVideo.execute(loaded.codec, picture(), flow)


def test_what_is_no_flow_or_leads_elsewhere_is_refused(loaded):
    forward = {"forward": torch.zeros(3, 16, 16, 2), "forward_valid": torch.ones(3, 16, 16)}
    with pytest.raises(ValueError, match="leads from every frame to the next, not from every frame to the one before"):
        RenderFlowVideo.execute(loaded.codec, picture(), forward)
    with pytest.raises(ValueError, match="connect Decode Flow"):
        RenderFlowVideo.execute(loaded.codec, picture(), {})
    with pytest.raises(ValueError, match="expected one picture, got 2"):
        RenderFlowVideo.execute(loaded.codec, rand(2, 64, 64, 3), forward)


def test_the_codec_estimates_what_its_network_does(loaded, network):
    clip, still = rand(11, SIZE, SIZE, 3, seed=1), picture(seed=2)
    flow = EstimateFlow.execute(clip, still, loaded.codec)[0]
    with torch.no_grad():
        motion = network.estimate(still.movedim(-1, 1).expand(11, -1, -1, -1), clip.movedim(-1, 1))
    from pack.models.flow.fields import Field, to_grid

    grid, occlusion = to_grid(Field(flow["to_picture"], flow["to_picture_valid"]))
    assert torch.allclose(grid, motion.grid, atol=1e-4) and torch.allclose(occlusion, motion.occlusion, atol=1e-4)
    painted = RenderFlowVideo.execute(loaded.codec, still, flow)[0]
    with torch.no_grad():
        theirs = network.generator.decode(network.generator.encode(still.movedim(-1, 1)), motion)
    assert torch.allclose(painted, theirs.movedim(1, -1), atol=1e-3)
    along = EstimateFlow.execute(clip[:3], None, loaded.codec)[0]
    one = EstimateFlow.execute(clip[1:2], clip[:1], loaded.codec)[0]  # frame 1 fetched from frame 0
    assert along["backward"].shape == along["forward"].shape == (2, 16, 16, 2)
    assert torch.allclose(along["backward"][0], one["to_picture"][0], atol=1e-3)
    back = EstimateFlow.execute(clip[:1], clip[1:2], loaded.codec)[0]
    assert torch.allclose(along["forward"][0], back["to_picture"][0], atol=1e-3)


def test_a_mask_on_the_words_works_and_an_area_is_refused(loaded):
    """Stock Conditioning Set Mask gives each half its own word; an area would cut the places out of the flow."""
    halves = []
    for left, word in ((1.0, "wave"), (0.0, "bow")):
        mask = torch.full((1, SIZE, SIZE), 1 - left)
        mask[..., : SIZE // 2] = left
        halves += host.ConditioningSetMask().append(told(loaded, word), mask, "default", 1.0)[0]
    positive, negative = EncodePictureForFlow.execute(loaded.codec, picture(), halves, told(loaded, "")).result
    latent = EmptyLatent.execute(loaded.model, SIZE, SIZE, FRAMES, 1)[0]
    run = lambda words: host.common_ksampler(loaded.model, 3, 1, 1.0, "euler", "simple", words, negative, latent)[0]
    seen, singles = run(positive)["samples"], []
    for word in ("wave", "bow"):
        singles.append(
            run(EncodePictureForFlow.execute(loaded.codec, picture(), told(loaded, word), told(loaded)).result[0])
        )
    left, right = (single["samples"][..., at] for single, at in zip(singles, (slice(0, 6), slice(10, 16)), strict=True))
    # The threshold divides a whole clip by one number, which both words share.
    for ours, theirs in ((seen[..., :6], left), (seen[..., 10:], right)):
        scale = (ours * theirs).sum() / theirs.square().sum()
        assert gap(ours, scale * theirs) < 0.05 and 0.8 < scale < 1.25
    area = host.ConditioningSetArea().append(told(loaded), 32, 32, 0, 0, 1.0)[0]
    area = EncodePictureForFlow.execute(loaded.codec, picture(), area, told(loaded)).result[0]
    calls = []
    with pytest.raises(ValueError, match="for an area.*Conditioning Set Mask.*Compose Flows"):
        host.common_ksampler(spied(loaded.model, calls), 3, 1, 1.0, "euler", "simple", area, negative, latent)
    assert not calls


def test_labels_lie_in_the_file_as_agreed(models):
    from safetensors import safe_open

    with safe_open(models / MODEL, framework="pt") as file:
        assert json.loads(file.metadata()["duet_labels"]) == list(ACTIONS)
        assert file.get_slice("labels.weight").get_shape() == [len(ACTIONS), 768]
