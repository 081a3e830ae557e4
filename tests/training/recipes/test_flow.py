"""The two stages of LFDM: what trains, what comes out, and that a run which was stopped goes on to the bit."""

import json
import math
import signal
from itertools import repeat

import pytest
import torch
from pack.models.lfdm.checkpoint import open_autoencoder, open_flow_unet
from pack.models.lfdm.diffusion import FlowSchedule
from pack.models.lfdm.inference import AutoencoderInference
from pack.models.lfdm.labels import Labels, open_flow_model
from pack.models.lfdm.perceptual import FEATURE_LAYERS, VGG19, perceptual, photometric
from pack.models.lfdm.state import identity_grid, motion_of
from pack.models.lfdm.unet import FlowUNet
from pack.models.lfdm.warp import Motion, fetch
from pack.models.stage.motion import StageMotion, as_grid
from pack.training.loop.draws import Draws
from pack.training.loop.run_folder import RunFolder
from pack.training.loop.sampling import sample_flow
from pack.training.loop.trainer import Trainer
from pack.training.page.presets import PAPER, SIZES, preset, start_from
from pack.training.page.settings import RunSettings
from pack.training.recipes import make_recipe
from pack.training.recipes.lfae import replace_with_exact
from pack.training.recipes.limbs import limb_error
from pack.training.recipes.true_flow import coarse_motion
from safetensors.torch import load_file, save_file
from tiny.flow_files import write_labels

CODEC = {"regions": 4, "width": 8, "max_width": 32, "bottleneck": 2, "flow": [8, 32, 3], "region": [8, 32, 3],
         "background": [8, 32, 3]}  # fmt: skip
UNET = {"width": 16, "multiples": [1, 2], "heads": 2, "head_width": 8, "text_width": 8}
DATA = {"kind": "stage", "clips": 4, "size": 32, "frames": 4, "objects": [0], "actions": ["wave", "bow"]}
DECODER = ("bottleneck", "up_blocks", "final")


def settings(name, folder="unused", **changes):
    changes = {"data": DATA, "batch": 2, "threads": 1, "device": "cpu"} | changes
    return RunSettings(recipe=name, folder=str(folder), **changes)


def recipe(name, **changes):
    torch.manual_seed(1)
    made = make_recipe(settings(name, **changes))
    made.prepare(torch.device("cpu"))
    return made


def codec_recipe(**changes):
    return recipe("lfae", model={"config": CODEC} | changes.pop("model", {}), **changes)


@pytest.fixture(scope="module")
def codec(tmp_path_factory):
    """A codec of random weights, as stage 1 writes it."""
    made = codec_recipe().eval()
    return made.export(tmp_path_factory.mktemp("codec"))[0]


def flow_recipe(codec, **changes):
    return recipe("lfdm", model={"config": UNET, "codec": str(codec)} | changes.pop("model", {}), **changes)


def batch_of(made, places=(0, 1)):
    samples = [made.sample(place) for place in places]
    return {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}


def trained(made, steps, lr):
    """The loss before and after some steps on one batch."""
    batch, optimizer = batch_of(made, range(4)), torch.optim.Adam(made.trained().values(), lr=lr, betas=(0.5, 0.99))
    losses = []
    for _ in range(steps):
        loss, _ = made(batch, Draws(0, 0))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("losses", [{}, {"flow": 20.0, "warped": 5.0, "limbs": 2.0}], ids=["paper", "ours"])
def test_stage_1_trains_all_three_networks(losses):
    made = codec_recipe(losses=losses, model={"config": CODEC | {"regions": 10}} if losses else {})
    loss, terms = made(batch_of(made), Draws(0, 0))
    names = {"photometric", "shift", "affine", *losses}
    assert set(terms) == names | {"seen"} and loss.isfinite()
    assert loss.item() == pytest.approx(sum(made.weights[name] * terms[name].item() for name in names), rel=1e-5)
    loss.backward()
    silent = [name for name, value in made.trained().items() if value.grad is None or not value.grad.isfinite().all()]
    assert not silent, silent[:5]
    found = trained(made, 12, 2e-3)
    assert found[-1] < 0.8 * found[0]


def test_the_true_flow_of_the_stage_is_mirrored_and_swapped_with_its_pictures():
    """Fetching the source along it gives the driving frame, whatever was done to the pair."""
    made = codec_recipe(losses={"flow": 1.0}, data=DATA | {"size": 64, "frames": 6})
    along = still = 0.0
    for place in range(12):
        pair = made.sample(place)
        source, driving = (pair[name].float()[None] / 255 for name in ("source", "driving"))
        seen, moves = (pair["kind"] > 0)[None, None], (pair["kind"] == 2)[None, None]
        error = (fetch(source, pair["grid"][None]) - driving).abs().mean(1, keepdim=True)
        assert (error * seen).sum() / seen.sum() < 0.05
        along += (error * moves).sum().item()
        still += ((source - driving).abs().mean(1, keepdim=True) * moves).sum().item()
    assert along < 0.7 * still, "the person is found where the flow says, up to light and edges"


def true_rest(side):
    return as_grid(torch.zeros(1, side, side, 2))[0]


def test_the_coarse_true_flow_is_mirrored_and_swapped_with_its_pictures(codec):
    """In cells of 4 pixels it still finds most of the figure, as far as its occlusion says."""
    made = codec_recipe(
        model={"init": str(codec), "decoder_only": True, "flow": "true"}, losses={"flow": 1.0},
        data=DATA | {"size": 64, "frames": 6, "frame_rate": 4.0},
    )  # fmt: skip
    missed, moved = [], []
    for place in range(12):
        pair = made.sample(place)
        assert pair["cells"].shape == (16, 16, 2) and pair["occlusion"].shape == (1, 16, 16)
        cells, occlusion = Motion(pair["cells"][None], pair["occlusion"][None]).at((64, 64))
        miss = 32 * (cells[0] - pair["grid"]).norm(dim=-1)
        shown = occlusion[0, 0] > 0.5
        assert miss[shown & (pair["kind"] > 0)].median() < 0.5, "what is shown is shown where it belongs"
        missed.append(miss[pair["kind"] == 2].mean())
        moved.append(32 * (pair["grid"] - true_rest(64)).norm(dim=-1)[pair["kind"] == 2].mean())
    assert sum(missed) < 0.4 * sum(moved), "limbs thinner than a cell still move"
    batch = batch_of(made)
    assert batch["use_exact"].tolist() == [False, True], "every other pair keeps what the codec finds"
    found = Motion(torch.zeros(2, 16, 16, 2), torch.zeros(2, 1, 16, 16))
    shown = replace_with_exact(found, batch)
    assert torch.equal(shown.grid[0], found.grid[0]) and torch.equal(shown.occlusion[0], found.occlusion[0])
    assert torch.equal(shown.grid[1], batch["cells"][1]) and torch.equal(shown.occlusion[1], batch["occlusion"][1])
    assert made(batch, Draws(0, 0))[0].isfinite()


def test_a_flow_model_can_learn_the_true_flow_of_the_stage(codec):
    made, guessed = flow_recipe(codec, model={"flow": "true"}), flow_recipe(codec)
    for place in range(3):
        sample, other = made.sample(place), guessed.sample(place)
        assert sample["state"].shape == other["state"].shape and torch.equal(sample["features"], other["features"])
        motion = StageMotion.of(made.clips.source.scene(made.item(place, len(made.clips))))
        first = (coarse_motion(motion, [0], [0], (8, 8))[0] - sample["state"][:2, 0].permute(1, 2, 0)).abs().max()
        assert first < 2e-3, "the first frame is the picture"
    found = trained(made, 6, 3e-3)
    assert found[-1] < found[0]


def test_a_flow_model_can_learn_how_far_points_are_from_their_places(codec):
    """As the shipped one does: the picture itself is nothing, and what is dreamt up is a grid again."""
    way = {"prediction": "v", "motion": "offset", "motion_scale": 4.0}
    made = flow_recipe(codec, model={"flow": "true", "config": UNET | way})
    batch = batch_of(made)
    clean = made.inputs(batch, Draws(0, 0))[0]
    expected = (batch["state"][:, :2].float() - identity_grid(clean)) * 4
    assert clean[:, :2, 0].abs().max() < 1e-2 and torch.equal(clean[:, :2], expected)
    assert torch.equal(clean[:, 2], batch["state"][:, 2].float())
    silent = lambda state, t, features, text: torch.zeros_like(state)
    made.unet.forward, whole = silent, made.unet.forward
    t, noise = Draws(0, 0).integers("time", 1000, 2), Draws(0, 0).normal("noise", clean)
    assert torch.isclose(made(batch, Draws(0, 0))[0], made.schedule.target(clean, noise, t).square().mean())
    made.unet.forward = whole
    found = trained(made, 6, 3e-3)
    assert found[-1] < found[0]
    sampled = made.sample_state(batch["features"][:1].float(), 0, clean[:1], 0)
    assert (sampled[:, :2] - identity_grid(sampled)).abs().max() <= 1 + 1e-4


def test_a_flow_model_goes_on_in_another_way_of_learning_and_keeps_its_shape(codec, tmp_path):
    """From velocity on offsets to the noise on roots, as the shipped one was made: the same weights, another question."""
    begun = flow_recipe(codec, model={"config": UNET | {"prediction": "v", "motion": "offset", "motion_scale": 4.0}})
    begun.export(tmp_path)
    way = {"prediction": "eps", "motion": "root", "motion_scale": 2.0, "residual": True}
    start = {"init": str(tmp_path / "flow.safetensors"), "as_velocity": True}
    made = flow_recipe(codec, model=start | {"config": way})
    config = made.unet.config
    assert (
        all(getattr(config, name) == value for name, value in way.items()) and config.width == begun.unet.config.width
    )
    saved, here = open_flow_unet(tmp_path / "flow.safetensors")[1], made.unet.state_dict()
    assert saved and all(torch.equal(here[name], value.float()) for name, value in saved.items())
    found = trained(made, 6, 3e-3)
    assert found[-1] < found[0]
    assert flow_recipe(codec, model=start | {"config": UNET}).unet.config == begun.unet.config, (
        "the same shape said again"
    )
    with pytest.raises(ValueError, match="asks for another multiples, width: leave"):
        flow_recipe(codec, model=start | {"config": way | {"width": 24, "multiples": [1, 3]}})


def test_limbs_are_mirrored_and_swapped_with_their_pictures():
    """Light apart, a limb has its own colours: the masks of both frames lie on the figure, each on the same side."""
    made = codec_recipe(
        losses={"limbs": 1.0, "flow": 1.0}, data=DATA | {"size": 64}, model={"config": CODEC | {"regions": 10}}
    )
    for place in range(8):
        pair = made.sample(place)
        assert pair["limbs"].shape == (2, 10, 64, 64) and pair["limbs"].sum(1).max() == 1
        figure = pair["limbs"][1].sum(0) > 0
        moves = pair["kind"] == 2
        assert (figure & moves).sum() == moves.sum() > 50, "what moves on this stage is the figure"
        # The masks of a limb follow the true flow from the driving frame back to the source.
        back = fetch(pair["limbs"][:1].float(), pair["grid"][None])[0]
        there = back[pair["limbs"][1].bool() & moves]
        assert there.mean() > 0.75, "the limb is the same one in both frames"


def test_the_error_of_limbs_is_zero_where_the_heat_maps_are_the_truth():
    truth = torch.zeros(2, 10, 32, 32, dtype=torch.uint8)
    truth[:, :9, 4:12, 8:16] = 1  # the last limb is hidden
    right = torch.nn.functional.adaptive_avg_pool2d(truth.float(), 8)
    right = right / right.sum((2, 3), keepdim=True).clamp_min(1e-6)
    even = torch.full((2, 10, 8, 8), 1 / 64)
    assert limb_error(right, truth).item() == pytest.approx(0, abs=1e-4)
    assert limb_error(even, truth).item() == pytest.approx(math.log(64 / 4), rel=1e-3), "four of 64 cells are right"


def test_a_still_camera_leaves_the_background_at_rest():
    made = codec_recipe(model={"still_camera": True})
    assert not [name for name in made.trained() if "bg_predictor" in name] and len(made.trained()) > 50
    trained(made, 2, 1e-2)
    picture = torch.rand(2, 3, 32, 32)
    assert torch.equal(made.codec.bg_predictor(picture, picture.flip(-1)), torch.eye(3).expand(2, 3, 3))


def test_only_the_decoder_is_fitted_to_new_people(codec):
    made = codec_recipe(model={"init": str(codec), "decoder_only": True})
    before = {name: value.clone() for name, value in made.codec.state_dict().items()}
    found = trained(made, 4, 1e-3)
    assert found[-1] < found[0]
    made.eval()
    made.measure_norms()
    changed = {name for name, value in made.codec.state_dict().items() if not torch.equal(value, before[name])}
    assert changed and all(any(part in name for part in DECODER) for name in changed), sorted(changed)[:5]
    assert any("running_mean" in name for name in changed), "norms of the decoder are measured anew"
    with pytest.raises(ValueError, match="name its file"):
        codec_recipe(model={"decoder_only": True})


def test_the_codec_that_is_written_answers_as_the_one_that_was_trained(tmp_path):
    made = codec_recipe()
    trained(made, 4, 1e-3)
    made.eval()
    file = made.export(tmp_path)[0]
    config, state, report = open_autoencoder(file)
    assert config == made.codec.config and "0 missing" in report.text and len(state) > 100
    opened, video = AutoencoderInference.from_file(file), made.clips.pictures(0, range(4)).float() / 255
    with torch.no_grad():
        motion = made.codec.estimate(video[:1].expand(4, -1, -1, -1), video)
    grid, occlusion = opened.estimate(video[:1], video)
    assert (grid - motion.grid).abs().max() < 0.02 and (occlusion - motion.occlusion).abs().max() < 0.02
    again = codec_recipe(model={"init": str(file)})
    assert again.codec.config == config
    assert made.pictures(torch.device("cpu")).shape == (4 * 32, 8 * 32, 3)


def test_stage_2_trains_the_flow_model_and_its_words_on_a_frozen_codec(codec):
    made = flow_recipe(codec)
    frozen = {name: value.clone() for name, value in made.codec.state_dict().items()}
    assert not any(name.startswith("codec.") for name in made.trained()) and "labels.weight" in made.trained()
    batch = batch_of(made)
    assert batch["state"].shape == (2, 3, 4, 8, 8) and batch["features"].shape == (2, 32, 8, 8)
    loss, _ = made(batch, Draws(0, 0))
    loss.backward()
    silent = [name for name, value in made.trained().items() if value.grad is None]
    assert not silent, silent[:5]
    found = trained(made, 15, 3e-3)
    assert found[-1] < 0.9 * found[0]
    assert all(torch.equal(value, frozen[name]) for name, value in made.codec.state_dict().items()), "also its norms"
    assert made.train().codec.training is False


def test_flows_that_are_kept_are_those_that_are_found_as_clips_come(codec):
    kept, fresh = flow_recipe(codec), flow_recipe(codec, model={"cache": False})
    for place in range(3):
        index = kept.item(place, len(kept.clips))
        seen = fresh.estimate_flow(fresh.clips.pictures(index, range(4))[None])
        assert (kept.sample(place)["state"].float() - seen["state"][0]).abs().max() < 5e-3
        assert kept.sample(place)["label"] == fresh.sample(place)["label"] == kept.clips.label(index)
    assert fresh.sample(0)["video"].shape == (4, 3, 32, 32)
    assert fresh(batch_of(fresh), Draws(0, 0))[0].isfinite()


def test_no_word_is_taken_as_often_as_asked(codec):
    made = flow_recipe(codec, model={"no_text": 0.5})
    batch = {
        "state": torch.zeros(400, 3, 1, 8, 8),
        "features": torch.zeros(400, 32, 8, 8),
        "label": torch.ones(400).long(),
    }
    text = made.inputs(batch, Draws(0, 0))[2]
    none = (text == 0).all(1)
    assert 0.4 < none.float().mean() < 0.6 and torch.equal(text[~none][0], made.labels.weight[1])


def test_the_flow_model_that_is_written_opens_with_its_labels_and_in_the_host(codec, tmp_path):
    host = pytest.importorskip("comfy.sd") and __import__("pack.nodes.host.lfdm.model", fromlist=["native_flow_model"])
    made = flow_recipe(codec)
    trained(made, 3, 1e-3)
    file = made.export(tmp_path)[0]
    config, state, report = open_flow_unet(file)
    assert config == made.unet.config and "0 missing" in report.text
    labels = open_flow_model(file)[3]
    assert labels.names == ("wave", "bow")
    assert (labels.vector("Bow") - made.labels.weight[1]).abs().max() < 2e-3
    model = host.native_flow_model(config, {name: value.float() for name, value in state.items()})
    x, t, clip = torch.randn(1, 3, 4, 8, 8), torch.tensor([300.0]), made.kept[0]
    text, features = labels.vector("wave"), clip["features"].float()[None]
    with torch.no_grad():
        expected = made.unet(x, t, features, made.labels.weight[:1])
        inner = model.model.diffusion_model
        answer = inner(x, t, text=text, still_part=inner.still_part(features))
    assert (answer - expected).abs().max() < 0.02 * expected.abs().max()
    again = flow_recipe(codec, model={"init": str(file)}, data=DATA | {"actions": ["bow", "kick"]})
    assert (again.labels.weight[0] - made.labels.weight[1]).abs().max() < 2e-3, "a known word keeps its vector"


def test_vectors_of_a_text_encoder_are_taken_as_they_are(codec, tmp_path):
    words = Labels(("bow", "wave"), torch.randn(2, 12))
    file = write_labels(tmp_path / "words.safetensors", words)
    made = flow_recipe(codec, model={"vectors": str(file)})
    assert made.unet.config.text_width == 12 and "labels.weight" not in made.trained()
    assert torch.equal(made.labels.weight[0], words.vectors[1])
    with pytest.raises(ValueError, match="not a label of this model"):
        flow_recipe(codec, model={"vectors": str(file)}, data=DATA | {"actions": ["kick"]})


@pytest.mark.parametrize(
    "name, changes, words",
    [("lfae", {"trains": "lora"}, "set trains to all"), ("lfae", {"losses": {"flwo": 1}}, "lfae has no settings named flwo: did you mean flow"),
     ("lfae", {"losses": {"limbs": 1}, "model": {"config": CODEC}}, "this codec has 4 regions"),
     ("lfae", {"model": {"config": {"widht": 3}}}, "config has no settings named widht: did you mean width"),
     ("lfae", {"data": DATA | {"size": 40}}, "multiples of 32"), ("lfae", {"sharding": "full"}, "fits any GPU"),
     ("lfae", {"model": {"config": CODEC, "flow": "true"}}, "set decoder_only"),
     ("lfdm", {"model": {"flow": "ture"}}, "flow is codec or true, not 'ture'"),
     ("lfdm", {}, "name one that lfae made")],
)  # fmt: skip
def test_what_cannot_be_trained_is_refused(name, changes, words):
    with pytest.raises(ValueError, match=words):
        recipe(name, **({"model": {"config": CODEC}} | changes if name == "lfae" else changes))


def test_a_sampler_of_all_steps_is_the_ancestral_one():
    schedule = FlowSchedule()
    predict = lambda x, t: 0.9 * torch.tanh(x) + t.view(-1, 1, 1, 1, 1) / 5000
    start = torch.randn(1, 3, 2, 4, 4, generator=torch.Generator().manual_seed(0))

    def noise(seed):
        g = torch.Generator().manual_seed(seed)
        return lambda x: torch.randn(x.shape, generator=g)

    expected = schedule.sample(predict, start, map(noise(1), repeat(start)))
    found = sample_flow(predict, start, schedule, schedule.steps, noise(1))
    assert (found - expected).abs().max() < 1e-3
    exact = lambda x, t: (x - schedule.at("signal", t, x) * 0.4) / schedule.at("noise", t, x)
    assert (sample_flow(exact, start, schedule, 10) - 0.4).abs().max() < 1e-2
    assert (sample_flow(exact, start, schedule, 10, noise(2)) - 0.4).abs().max() < 1e-2


def test_vgg_is_that_of_torchvision_and_a_file_of_something_else_is_refused(tmp_path):
    vgg = pytest.importorskip("torchvision.models.vgg")
    theirs = vgg.make_layers(vgg.cfgs["E"])[:30].eval()
    save_file({f"features.{name}": value for name, value in theirs.state_dict().items()}, tmp_path / "vgg.safetensors")
    ours = VGG19.from_file(tmp_path / "vgg.safetensors")
    picture = torch.rand(1, 3, 32, 32)
    x, seen = (picture - ours.mean) / ours.std, []
    with torch.no_grad():
        for number, layer in enumerate(theirs, 1):
            x = layer(x)
            seen += [x] if number in FEATURE_LAYERS else []
        found = ours(picture)
        assert all(torch.equal(a, b) for a, b in zip(found, seen, strict=True))
        assert perceptual(ours, picture, picture) == 0 and perceptual(ours, picture, picture.flip(-1)) > 0
    save_file({"features.0.weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="is no VGG19"):
        VGG19.from_file(tmp_path / "other.safetensors")


def test_the_photometric_loss_is_the_sum_over_sizes_of_colours_and_edges():
    """Pictures that differ by one number everywhere differ by it at every size, but at the border of the blurred ones."""
    picture = torch.full((1, 3, 16, 16), 0.25)
    assert photometric(picture, picture) == 0
    assert photometric(picture + 0.5, picture, (1.0,)).item() == pytest.approx(0.5)
    stripe = picture.clone()
    stripe[..., 8:] += 0.5  # one edge among 15 steps, over half of the picture
    assert photometric(stripe, picture, (1.0,)).item() == pytest.approx(0.25 + 0.5 / 15)


def test_presets_make_settings_that_are_taken():
    for name in ("lfae", "lfdm"):
        for size in (*SIZES, *PAPER):
            made = preset(name, size)
            model = start_from(name, {"vae": "codec"}, None, made.get("model"))
            full = RunSettings(**(made | model), data={"kind": "stage"}, folder=".")
            assert full.trains == "all" and not full.gradient_checkpointing
    assert start_from("lfdm", {"vae": "c", "init": "m"}, None, {"config": {}}) == {
        "model": {"init": "m", "codec": "c"}, "trains": "all"}  # fmt: skip
    assert preset("lfdm", "LFDM: NATOPS")["model"]["config"] == {"upsample": "conv", "null": "learned"}
    with pytest.raises(ValueError, match="for the recipes flow 1: autoencoder and flow 2"):
        preset("vae", "LFDM: MUG")
    with pytest.raises(ValueError, match="flow of a flow autoencoder"):
        start_from("lfdm", {}, None)


class StopsAfter(Trainer):
    """Told to stop in a given step, as by the node's Cancel."""

    step = 0

    def log_step(self, step, *rest):
        super().log_step(step, *rest)
        self.stop_requested = step == self.step


@pytest.mark.parametrize("name", ["lfae", "lfdm"])
def test_stopped_and_resumed_the_weights_are_the_same_to_the_bit(name, codec, tmp_path):
    config = {"config": CODEC} if name == "lfae" else {"config": UNET, "codec": str(codec)}
    run = lambda folder: settings(
        name, tmp_path / folder, model=config, steps=6, lr=1e-3, warmup=2, ema=0.9, checkpoint_every=4, sample_every=3
    )
    handlers = {sign: signal.getsignal(sign) for sign in (signal.SIGTERM, signal.SIGINT)}
    try:
        assert Trainer(run("whole")).run() == "finished"
        stopped = StopsAfter(run("cut"))
        stopped.step = 3
        assert stopped.run() == "stopped" and RunFolder(tmp_path / "cut").newest()[0]["step"] == 3
        assert Trainer(run("cut")).run() == "finished"
    finally:
        for sign, handler in handlers.items():
            signal.signal(sign, handler)
    (one, parts), (_, again) = (RunFolder(tmp_path / folder).newest() for folder in ("whole", "cut"))
    assert one["step"] == 6 and set(parts) == {"model", "average", "optimizer"}
    for part, values in parts.items():
        assert all(torch.equal(value, again[part][key]) for key, value in values.items()), part
    files = [load_file(next((tmp_path / folder / "model").glob("*.safetensors"))) for folder in ("whole", "cut")]
    assert all(torch.equal(value, files[1][key]) for key, value in files[0].items()), "also the norms of the codec"
    assert (tmp_path / "whole/samples/step_00000003.png").is_file()
    losses = [entry["loss"] for entry in RunFolder(tmp_path / "cut").entries() if "loss" in entry]
    assert len(losses) == 6


def test_the_demo_fits_its_eight_mebibytes():
    """Weights in half precision, what is one number for each channel in full."""
    from pathlib import Path

    from pack.models.lfdm.checkpoint import build_network
    from pack.models.lfdm.config import MUG_AUTOENCODER, MUG_UNET
    from pack.training.recipes.lfae import configured, start_codec

    runs = Path(__file__).resolve().parents[3] / "training" / "runs"
    read = lambda name: json.loads((runs / name).read_text(encoding="utf-8"))["model"]
    with torch.device("meta"):
        codec = start_codec(read("demo_lfae.json"))
        config = configured(MUG_UNET, read("demo_lfdm.json"))
        unet = build_network(type(config)(**{**vars(config), "feature_width": codec.config.feature_width}))
    assert isinstance(unet, FlowUNet) and codec.config != MUG_AUTOENCODER
    state = [*codec.state_dict().values(), *unet.state_dict().values()]
    size = sum(value.numel() * (2 if value.ndim > 1 else 4) for value in state if value.is_floating_point())
    assert size < 7.9 * 2**20
    assert codec.config.step == 32 and motion_of(torch.zeros(1, 3, 2, 16, 16))[0].shape == (1, 2, 16, 16, 2)
