"""The loop in this process: what stops it, what it keeps, and what its optimizer decays."""

import json
import math
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from pack.training.data.held_out import validation_data
from pack.training.loop import finite, trainer
from pack.training.loop.draws import Draws
from pack.training.loop.optimizer import make_optimizer
from pack.training.loop.run_folder import RunFolder
from pack.training.loop.trainer import Trainer
from pack.training.page.settings import RunSettings
from pack.training.recipes import make_recipe
from safetensors.torch import load_file, save_file

pytestmark = pytest.mark.long(seconds=30)

RUN = RunSettings(
    recipe="vae", data={"kind": "stage", "clips": 3, "size": 32, "frames": 2}, folder="", model={"crop": 16}, steps=6,
    batch=2, lr=1e-3, warmup=1, threads=1, device="cpu", checkpoint_every=2, keep=9, sample_every=0, seed=3,
)  # fmt: skip


@pytest.fixture(autouse=True)
def signals():
    kept = {sign: signal.getsignal(sign) for sign in (signal.SIGTERM, signal.SIGINT)}
    yield
    for sign, handler in kept.items():
        signal.signal(sign, handler)
    AcceleratorState._reset_state(True)


@pytest.fixture
def with_gradients(monkeypatch):
    """Runs whose gradients of one weight are changed in some updates: {update: factor}."""

    def change(factors: dict):
        def made(settings):
            recipe, calls = make_recipe(settings), iter(range(10**6))
            first = next(iter(recipe.trained().values()))
            first.register_hook(lambda gradient: gradient * factors.get(next(calls), 1.0))
            return recipe

        monkeypatch.setattr(trainer, "make_recipe", made)

    return change


@pytest.fixture
def scaled(monkeypatch):
    """fp16's scaler on a CPU, where the numbers themselves stay whole."""
    start = trainer.start_accelerator

    def with_scaler(settings):
        accelerator = start(settings)
        accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
        accelerator.native_amp, accelerator.state._mixed_precision = True, "fp16"
        return accelerator

    monkeypatch.setattr(trainer, "start_accelerator", with_scaler)


def run(folder, **changes):
    AcceleratorState._reset_state(True)
    return Trainer(replace(RUN, folder=str(folder), **changes)).run()


def weights(folder, step):
    return load_file(folder / f"checkpoints/step_{step:08}/model.safetensors")


def log(folder, name):
    return [entry[name] for entry in RunFolder(folder).entries() if name in entry]


def test_an_overflow_is_skipped_by_the_scaler_and_training_goes_on(tmp_path, scaled, with_gradients):
    with_gradients({2: math.inf})
    assert run(tmp_path, checkpoint_every=1) == "finished"
    steps = [weights(tmp_path, step) for step in range(1, 7)]
    moved = [any(not torch.equal(b[name], a[name]) for name in a) for a, b in zip(steps, steps[1:], strict=False)]
    assert moved == [True, False, True, True, True], "the third update is skipped, the others are not"
    scales = [
        json.loads((tmp_path / f"checkpoints/step_{step:08}/state.json").read_text())["scaler"]["scale"]
        for step in (2, 3)
    ]
    assert scales == [1024.0, 512.0]
    assert log(tmp_path, "skipped") == [1] and log(tmp_path, "step")[:6] == [1, 2, 3, 4, 5, 6]
    assert all(math.isfinite(value) for value in log(tmp_path, "grad_norm")) and len(log(tmp_path, "grad_norm")) == 5


def test_a_run_that_only_skips_updates_is_ended_in_a_sentence(tmp_path, scaled, with_gradients):
    with_gradients(dict.fromkeys(range(1, 1000), math.inf))
    with pytest.raises(FloatingPointError, match="overflowed in 30 updates in a row up to step 31, so nothing is"):
        run(tmp_path, steps=100, checkpoint_every=1000)


def test_skipped_updates_are_counted_over_a_pause(tmp_path, scaled, with_gradients, monkeypatch):
    monkeypatch.setattr(finite, "MOST_SKIPPED", 8)
    with_gradients(dict.fromkeys(range(1000), math.inf))
    run(tmp_path, steps=6)
    with pytest.raises(FloatingPointError, match="in 8 updates in a row up to step 8"):
        run(tmp_path, steps=20)


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_without_a_scaler_such_a_gradient_ends_the_run(tmp_path, with_gradients, value):
    with_gradients({3: value})
    with pytest.raises(FloatingPointError, match="The norm of the gradient is (inf|nan) in step 4. Lower the learning"):
        run(tmp_path)
    assert [path.name for path in RunFolder(tmp_path).checkpoint_folders()] == ["step_00000002"]


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_without_a_largest_norm_no_checkpoint_holds_such_weights(tmp_path, with_gradients, value):
    """The loss of that step is still good, and the next checkpoint would be the one that spoils the run."""
    with_gradients({3: value})
    with pytest.raises(FloatingPointError, match=r"After step 4 not all numbers are finite, first those of vae\..* of"):
        run(tmp_path, clip=0.0)
    assert [path.name for path in RunFolder(tmp_path).checkpoint_folders()] == ["step_00000002"]
    assert all(value.isfinite().all() for value in weights(tmp_path, 2).values())


@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_an_infinite_term_ends_the_run_by_its_name(tmp_path, monkeypatch, value):
    def made(settings):
        recipe, step = make_recipe(settings), iter(range(100))
        forward = recipe.forward

        def spoiled(batch, draws):
            loss, terms = forward(batch, draws)
            bad = value if next(step) == 4 else 0.0
            return loss + bad, terms | {"edge": terms["edge"] + bad}

        recipe.forward = spoiled
        return recipe

    monkeypatch.setattr(trainer, "make_recipe", made)
    with pytest.raises(FloatingPointError, match=r"The loss term edge is (inf|nan) in step 5\. .* are kept\."):
        run(tmp_path)
    assert [path.name for path in RunFolder(tmp_path).checkpoint_folders()][-1] == "step_00000004"


def test_time_steps_lie_in_equal_parts_of_the_schedule():
    """Of all examples of an update, over its turns and processes; in another order each time."""
    updates = [[Draws(5, 4 * update + turn, 4).steps("time", 1000, 2) for turn in range(4)] for update in range(50)]
    together = [torch.cat(turns) for turns in updates]
    for drawn in together:
        assert (drawn.sort().values // 125).tolist() == list(range(8))
    everything = torch.cat(together)
    assert everything.min() < 20 and everything.max() > 979 and 490 < everything.float().mean() < 510
    orders = {tuple((drawn // 125).tolist()) for drawn in together}
    assert len(orders) > 45
    assert torch.equal(Draws(5, 7).steps("time", 1000, 2, 3), Draws(5, 7).integers("time", 1000, 2, 3))
    assert Draws(5, 7, 8).steps("time", 1000, 2, 3).shape == (2, 3)


def test_a_run_draws_its_steps_so_only_if_it_says_so(tmp_path):
    """Runs from before, and those of the shipped weights, train what they trained."""
    settings = RunSettings.from_json(json.dumps({"recipe": "vae", "data": {"kind": "stage"}, "folder": str(tmp_path)}))
    assert Trainer(settings).draws(9) == Draws(0, 9)
    assert Trainer(replace(settings, stratified=True, accumulate=4)).draws(9) == Draws(0, 9, 4)
    for file in sorted((Path(__file__).resolve().parents[3] / "training" / "runs").glob("*.json")):
        run = json.loads(file.read_text(encoding="utf-8"))
        assert (run["stratified"], run["decayed"]) == (False, "all"), file.name


SHAPE = {
    "block_out_channels": [32, 64], "attention_levels": [True, False], "layers_per_block": 1, "attention_head_dim": 4,
    "cross_attention_dim": 32, "cross_modal_width": 0, "prediction": "v",
}  # fmt: skip


@pytest.fixture(scope="module")
def vae(tmp_path_factory):
    from pack.models.unet.small_vae import SmallVAE

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("vae") / "vae.safetensors"
    save_file(SmallVAE().start_as_thumbnail().state_dict(), path)
    return str(path)


@pytest.mark.parametrize("decayed", ["all", "matrices"])
def test_weight_decay_leaves_norms_biases_and_labels_alone(vae, decayed):
    """Without a gradient AdamW only decays."""
    settings = replace(
        RUN, recipe="idol_video", model={"vae": vae, "config": SHAPE}, decayed=decayed, weight_decay=0.5, lr=0.1
    )
    recipe = make_recipe(settings)
    with torch.no_grad():
        for value in recipe.trained().values():
            value.fill_(1.0)
    optimizer = make_optimizer(recipe, settings, sharded=False)
    for value in recipe.trained().values():
        value.grad = torch.zeros_like(value)
    optimizer.step()
    kept = {name for name, value in recipe.trained().items() if (value == 1).all()}
    expected = {name for name, value in recipe.trained().items() if value.ndim < 2 or "class_embedding" in name}
    assert kept == (expected if decayed == "matrices" else set())
    assert any("norm" in name for name in expected) and any("class_embedding" in name for name in expected)


VALIDATED = {
    "validate_every": 2,
    "validation": {"clips": 4},
    "ema": 0.5,
    "lr": 1e-2,
    "steps": 12,
    "checkpoint_every": 5,
}


@pytest.fixture
def turned_around(monkeypatch):
    """Runs that from their seventh step on train away from what they trained before."""

    def made(settings):
        recipe = make_recipe(settings)
        forward = recipe.forward

        def turned(batch, draws):
            loss, terms = forward(batch, draws)
            return loss * (-1 if torch.is_grad_enabled() and draws.position >= 6 else 1), terms

        recipe.forward = turned
        return recipe

    monkeypatch.setattr(trainer, "make_recipe", made)


def test_the_best_weights_are_delivered_and_resumed_to_the_bit(tmp_path, turned_around):
    """It dies one step after the best one, before a checkpoint tells of it."""
    assert run(tmp_path / "whole", **VALIDATED) == "finished"
    losses = dict(zip([2, 4, 6, 8, 10, 12], log(tmp_path / "whole", "validation"), strict=True))
    best = min(losses, key=losses.get)
    assert best != 12 and log(tmp_path / "whole", "best") == [
        {"step": best, "loss": pytest.approx(losses[best], abs=1e-6)}
    ]
    assert [path.name for path in (tmp_path / "whole/best").iterdir()] == [f"step_{best:08}"]
    stored = load_file(tmp_path / f"whole/best/step_{best:08}/model.safetensors")
    delivered = load_file(tmp_path / "whole/model/vae.safetensors")
    last = load_file(tmp_path / "whole/checkpoints/step_00000012/average.safetensors")
    for name, value in stored.items():
        own = delivered[name.removeprefix("vae.")]
        assert torch.equal(own, value.to(own)), name
    assert any(not torch.equal(value, last[name]) for name, value in stored.items())
    cut_off(tmp_path / "cut", best + 1)
    assert run(tmp_path / "cut", **VALIDATED) == "finished"
    same_files(tmp_path / "whole", tmp_path / "cut")


def cut_off(folder, step):
    """A run that dies after a step, between two checkpoints."""

    class Dies(Trainer):
        def log_step(self, now, *rest):
            super().log_step(now, *rest)
            if now == step:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Dies(replace(RUN, folder=str(folder), **VALIDATED)).run()


def same_files(one, other):
    names = sorted(path.relative_to(one) for path in one.rglob("*.safetensors"))
    assert names == sorted(path.relative_to(other) for path in other.rglob("*.safetensors"))
    for name in names:
        first, second = load_file(one / name), load_file(other / name)
        assert all(torch.equal(first[key], second[key]) for key in first), name
    assert log(one, "validation") == log(other, "validation")


def test_an_autoencoder_with_added_channels_and_a_discriminator_resumes_to_the_bit(tmp_path, vae):
    """Its channels start on the clips again when it is resumed, which its checkpoint then replaces."""

    class Stops(Trainer):
        def log_step(self, now, *rest):
            super().log_step(now, *rest)
            self.stop_requested = now == 3

    changes = {"model": {"crop": 16, "init": vae, "channels": 6, "axes_examples": 8}, "losses": {"adversarial": 0.1, "latents": 1.0, "person": 1.0, "axes": 1.0},
               "validate_every": 2, "validation": {"clips": 2}, "checkpoint_every": 6}  # fmt: skip
    assert run(tmp_path / "whole", **changes) == "finished"
    assert Stops(replace(RUN, folder=str(tmp_path / "cut"), **changes)).run() == "stopped"
    assert run(tmp_path / "cut", **changes) == "finished"
    same = [load_file(tmp_path / name / "checkpoints/step_00000006/model.safetensors") for name in ("whole", "cut")]
    assert all(torch.equal(value, same[1][name]) for name, value in same[0].items())
    assert any(name.startswith("discriminator") for name in same[0])
    figures = [log(tmp_path / name, "psnr_person") for name in ("whole", "cut")]
    assert figures[0] == figures[1] and len(figures[0]) == 3 and all(5 < value < 60 for value in figures[0])
    assert load_file(tmp_path / "cut/model/vae.safetensors")["taesd_decoder.1.weight"].shape[1] == 6


def test_training_is_the_same_with_and_without_validation(tmp_path):
    run(tmp_path / "with", **VALIDATED)
    run(tmp_path / "without", **VALIDATED | {"validate_every": 0, "validation": {}})
    for part in ("model", "average", "optimizer"):
        one, other = (
            load_file(tmp_path / f / f"checkpoints/step_00000012/{part}.safetensors") for f in ("with", "without")
        )
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_clips_of_validation_are_never_trained_on(tmp_path):
    stage = {"kind": "stage", "clips": 100, "size": 32}
    found = validation_data(stage, {})
    assert found == {"kind": "stage", "clips": 32, "size": 32, "first_seed": 900}
    for data, chosen in ((stage, {"first_seed": 1099}), (stage | {"first_seed": 800, "clips": 101}, {}),
                         ({"kind": "mug", "path": "a"}, {"frames": 3}),
                         ({"kind": "folder", "path": "a"}, {"kind": "folder", "path": "a", "size": 64})):  # fmt: skip
        with pytest.raises(ValueError, match="these clips are trained on"):
            validation_data(data, chosen)
    assert validation_data(stage, {"first_seed": 1100})["first_seed"] == 1100
    assert validation_data({"kind": "mug", "path": "a"}, {"split": "test"}) == {
        "kind": "mug",
        "path": "a",
        "split": "test",
    }
    with pytest.raises(ValueError, match="needs clips of its own for validation"):
        validation_data({"kind": "folder", "path": "a"}, {})
    with pytest.raises(ValueError, match="one_shot trains on one clip and has no other"):
        replace(RUN, recipe="one_shot", model={}, validate_every=1)
    with pytest.raises(ValueError, match="validation is not used while validate_every is 0"):
        replace(RUN, validation={"clips": 3})


def test_where_no_checkpoint_can_be_read_nothing_begins_anew(tmp_path):
    run(tmp_path)
    for file in tmp_path.glob("checkpoints/*/model.safetensors"):
        file.write_bytes(file.read_bytes()[:-3])
    before = sorted(path.name for path in tmp_path.glob("checkpoints/*"))
    with pytest.raises(
        ValueError, match=r"No checkpoint can be read in .*checkpoints \(step_00000006: model.safetensors"
    ):
        run(tmp_path, steps=8)
    assert sorted(path.name for path in tmp_path.glob("checkpoints/*")) == before and len(log(tmp_path, "loss")) == 6


@pytest.mark.parametrize(
    "text", [b"\xff\xfe\x00\x80binary\n", b'{"step": 3, "lo', b"3\n[1]\nnull\n", b'{"step": "x"}\n']
)
def test_a_spoiled_log_does_not_end_a_run(tmp_path, text):
    run(tmp_path, steps=4)
    (tmp_path / "log.jsonl").write_bytes(text + b"\n")
    assert run(tmp_path, steps=6) == "finished"
    assert log(tmp_path, "loss") and log(tmp_path, "step")[:2] == [5, 6]


def test_a_file_of_settings_ends_the_command_in_a_sentence(tmp_path):
    launch = Path(__file__).resolve().parents[3] / "training" / "launch.py"
    (tmp_path / "run.json").write_text(
        json.dumps({"recipe": "vae", "data": {"kind": "stage"}, "folder": "x", "workers": 1e5})
    )
    done = subprocess.run([sys.executable, launch, tmp_path / "run.json"], capture_output=True, text=True, check=False)
    assert (
        done.returncode == 1 and done.stderr.strip() == "error: workers is a whole number from 0 to 128, not 100000.0."
    )
