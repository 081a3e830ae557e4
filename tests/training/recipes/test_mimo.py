"""The recipe of the character model: what it reads, what it learns, that its file opens, and that the host reads it so too."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pack.models.files import open_character, save_model
from pack.models.pair.foreground import latent_width
from pack.models.stage import render, sample_scene
from pack.models.unet.config import MIMO_PAPER, SD1, TINY, MotionModules
from pack.models.unet.network import VideoUNet
from pack.models.unet.small_vae import SCALE
from pack.models.unet.switches import with_switches
from pack.training.data.character import character_clip, empty_scene, references
from pack.training.loop.draws import Draws
from pack.training.page.presets import SIZES, preset, start_from
from pack.training.page.settings import RunSettings
from pack.training.recipes import make_recipe, mimo_network

RUNS = Path(__file__).resolve().parents[3] / "training" / "runs"
SHAPE = {
    "block_out_channels": [32, 64], "attention_levels": [True, True], "cross_attention_dim": 32,
    "motion_code": [8, 8, 16, 16],
}  # fmt: skip


def recipe(vae, data=None, **changes):
    torch.manual_seed(1)
    data = {"kind": "stage", "clips": 3, "size": 32, "frames": 3, "objects": [0, 1, 2]} | (data or {})
    model = {"vae": vae, "config": SHAPE} | changes.pop("model", {})
    made = make_recipe(RunSettings(recipe="mimo", data=data, folder="unused", model=model, **changes))
    made.prepare(torch.device("cpu"))
    return made


@pytest.fixture(scope="module")
def two_layers(vae):
    return recipe(vae)


def batch_of(made, places):
    samples = [made.sample(place) for place in places]
    return {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}


def stir(made):
    """What is silent at birth gets something to say."""
    g = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for value in made.unet.parameters():
            if not value.any():
                value.copy_(torch.randn(value.shape, generator=g) * 0.05)


def scene(seed, **changes):
    return sample_scene(seed, frames=3, height=64, width=64, frame_rate=2.0, **changes)


def test_the_demo_fits_its_eight_mebibytes():
    runs = [json.loads((RUNS / f"demo_character{name}.json").read_text(encoding="utf-8")) for name in ("", "_motion")]
    assert all(run["recipe"] == "mimo" and "config" not in run["model"] for run in runs)
    assert runs[1]["trains"] == "adapters" and runs[1]["model"]["init"] == "demo_character/model/model.safetensors"
    vae = Path(RunSettings.from_file(RUNS / "demo_character.json").model["vae"])
    assert vae.name == "duet_vae_128.safetensors" and vae.is_file()
    for moving in (False, True):
        with torch.device("meta"):
            unet = VideoUNet(mimo_network.new_config({}, moving))
        size = sum(2 * value.numel() for value in unet.state_dict().values())
        assert size < 7.9 * 2**20, moving


def test_the_reference_is_no_frame_of_the_clip_and_shows_the_same_person():
    here = scene(1001, action="wave")
    clip = character_clip(here)
    pictures = clip["references"]
    apart = (pictures[:, None].float() - clip["plain"][None].float()).abs().mean((2, 3, 4))
    assert pictures.shape == (4, 3, 64, 64) and (apart > 1).all(), "of 255, on average over mostly white pictures"
    assert (pictures[:, :, 0] > 250).all(), "on white"
    seen = references(here)
    other = scene(1007, action="kick")
    moved = replace(here, action=other.action, motion_seed=other.motion_seed)
    assert torch.equal(seen[0], references(moved)[0]), "the A-pose"
    assert all(
        (one - other).abs().max() > 0.2 for one, other in zip(seen, references(here.with_character(5)), strict=True)
    )


@pytest.mark.parametrize("objects", [0, 1, 3])
def test_the_layers_make_up_the_picture(objects):
    here = scene(1005, action="dance", objects=objects)
    clip, truth = character_clip(here), render(here)
    whole, front = clip["whole"] > 0, truth.occluder_mask > 0
    near = lambda a, b: (a.float() - b.float()).abs().amax(1) <= 1
    assert near(clip["clear"], clip["scene"].expand_as(clip["clear"]))[~whole].all()
    # An arm may lie behind an object that is behind its owner; a soft edge knows no order of what it covers.
    apart = front | (clip["seen"] != clip["whole"]) | (whole & (clip["whole"] < 255))
    assert near(clip["clear"], clip["video"])[~apart].all() and apart.float().mean() < 0.25
    assert near(clip["occluder"].expand_as(clip["video"]), torch.full_like(clip["video"], 128))[~front].all()
    assert near(clip["occluder"].expand_as(clip["video"]), clip["video"])[truth.occluder_mask > 0.999].all()
    assert near(clip["plain"], torch.full_like(clip["video"], 255))[~whole].all()
    assert front.any() == (objects > 0) and (clip["seen"] <= clip["whole"]).all()


def test_the_scene_does_not_know_who_stands_before_it():
    here = scene(1005, action="wave", objects=3)
    empty = empty_scene(here, render(here))
    other = here.with_character(77)
    assert torch.allclose(empty_scene(other, render(other)), empty, atol=1e-5)
    assert (empty - render(here).scene_images).abs().amax() > 0.1, "it has the objects behind"


def test_an_example_is_frames_of_a_clip_with_their_layers(two_layers):
    seen = {"plain": 0, "clear": 0, "video": 0, "no layers": 0, "nobody": 0, "A-pose": 0}
    for place in range(150):
        example, clip = two_layers.sample(place), two_layers.kept[two_layers.item(place, 3)]
        frames = [i for i in range(3) if any(torch.equal(clip["motion"][i], picture) for picture in example["motion"])]
        scene, front = example["layers"].chunk(2, 1)
        kinds = [k for k in ("plain", "clear", "video") if torch.equal(clip[k][frames], example["video"])]
        kind = kinds[-1] if front.any() else kinds[0]
        assert len(frames) == 2
        assert torch.equal(example["mask"], clip["seen" if kind == "video" else "whole"][frames])
        assert any(torch.equal(example["reference"], one) for one in clip["references"])
        for name, found in (
            (kind, True), ("nobody", not example["has_person"]), ("no layers", not example["layers"].any()),
            ("A-pose", torch.equal(example["reference"], clip["references"][0])),
        ):  # fmt: skip
            seen[name] += found
        if example["layers"].any():
            assert torch.equal(scene, two_layers.white.expand_as(scene) if kind == "plain" else clip["scene"][frames])
            assert torch.equal(front, clip["occluder"][frames] if kind == "video" else torch.zeros_like(front))
    assert min(seen.values()) > 0 and 50 < seen["A-pose"] < 105 and seen["nobody"] < 35, seen


def test_networks_that_are_told_less_learn_what_they_can_know(vae):
    shown = {}
    for channels in (4, 8):
        made = recipe(vae, model={"config": {**SHAPE, "in_channels": channels}})
        assert made.sample(0)["layers"].shape[1] == channels - 4
        shown[channels] = {made.kind(made.draw(place).python("example")) for place in range(60)}
        loss, _ = made(batch_of(made, [0, 1]), Draws(0, 0))
        assert torch.isfinite(loss)
    assert shown == {4: {"video"}, 8: {"clear", "plain"}}
    blind = recipe(vae, model={"config": {**SHAPE, "reference": False}, "motion": "skeleton"})
    assert blind(batch_of(blind, [0]), Draws(0, 0))[0].isfinite() and not blind.unet.readers
    assert not torch.equal(blind.kept[0]["motion"], recipe(vae).kept[0]["motion"])


@pytest.mark.parametrize("twice", [False, True])
def test_gradients_reach_all_three_networks_and_nothing_waits_for_one_in_vain(vae, twice):
    """Also where features are computed twice to save memory."""
    made = recipe(vae, gradient_checkpointing=twice)
    stir(made)
    trained = made.trained()
    left_out = [name for name, value in made.unet.named_parameters() if not value.requires_grad]
    assert left_out and all(name.startswith("reference.up_blocks.1.") for name in left_out), "behind the last attention"
    assert not any("norm1" in name and "transformer_blocks" in name for name in left_out)
    batch = batch_of(made, range(3)) | {"has_person": torch.tensor([True, False, True])}
    for has_person in (batch["has_person"], torch.zeros(3, dtype=torch.bool)):
        loss, terms = made(batch | {"has_person": has_person}, Draws(0, 0))
        assert loss.item() == pytest.approx((terms["video"] + 0.2 * terms["person"]).item(), rel=1e-5)
        loss.backward()
        assert not [name for name, value in trained.items() if value.grad is None]
        parts = {
            part: sum(value.grad.abs().sum() for name, value in trained.items() if name.startswith(f"unet.{part}"))
            for part in ("reference.", "pose_guider.", "clip_proj.", "conv_in.", "up_blocks.")
        }
        for part, size in parts.items():
            assert (size > 0) == bool(has_person.any() or part not in ("reference.", "clip_proj.")), part
        made.zero_grad()


def test_it_learns_one_batch_with_noise_at_every_step(vae):
    made = recipe(vae, {"clips": 2, "objects": [0]})
    batch, optimizer = batch_of(made, [0, 1] * 2), torch.optim.AdamW(made.trained().values(), lr=4e-3)

    def judged():
        with torch.no_grad():
            return sum(made(batch, Draws(1, position))[0].item() for position in range(4)) / 4

    before = judged()
    for step in range(30):
        made(batch, Draws(0, step))[0].backward()
        optimizer.step()
        optimizer.zero_grad()
    assert judged() < 0.6 * before


def test_out_of_noise_alone_it_should_answer_the_clip(two_layers):
    """The last step of the schedule: velocity is the clean latent, turned over."""
    clean = torch.randn(2, 4, 4, 4)
    last = torch.full((2,), 999)
    noisy = two_layers.schedule.add_noise(clean, torch.ones_like(clean), last)
    assert torch.equal(noisy, torch.ones_like(clean))
    assert torch.equal(two_layers.schedule.target("v", clean, torch.ones_like(clean), last), -clean)
    seen = []
    two_layers.unet.register_forward_pre_hook(lambda _, args: seen.append(args[1]))
    two_layers(batch_of(two_layers, [0, 1]), Draws(0, 0))
    assert len(set(seen[0].tolist())) == 4, "frames that do not see each other have steps of their own"
    assert two_layers.pictures(torch.device("cpu")).shape == (64, 4 * 3 * 32, 3)


def test_motion_modules_are_added_to_its_file_and_train_alone(vae, tmp_path):
    made = recipe(vae, gradient_checkpointing=True)
    [file] = made.export(tmp_path)
    config, state, report = open_character(file)
    assert config == made.unet.video and set(state) == set(made.unet.state_dict())
    assert config.layer_codes == 2 and config.reference and config.zero_snr and "Clips have" not in report.text

    moving = recipe(vae, {"frames": 4}, trains="adapters", model={"init": str(file), "config": {}, "frames": 3})
    trained = moving.trained()
    assert trained and all("motion_modules." in name for name in trained)
    clip, steps = moving.kept[moving.item(0, 3)], []
    frames = [i for i in range(4) if any(torch.equal(clip["motion"][i], one) for one in moving.sample(0)["motion"])]
    assert frames in ([0, 1, 2], [1, 2, 3]), "neighbours"
    batch = batch_of(moving, [0, 1])
    moving.unet.register_forward_pre_hook(lambda _, args: steps.append(args[1]))
    loss, _ = moving(batch, Draws(0, 0))
    assert len(set(steps[0].tolist())) == 2, "one step for all frames of a clip"
    loss.backward()
    assert any(value.grad.any() for value in trained.values())
    [whole] = moving.export(tmp_path)
    config, state, report = open_character(whole)
    assert config.temporal == MotionModules(mid_block=True) and "Clips have up to 32 frames" in report.text
    assert not any(state[name.removeprefix("unet.")].any() for name in trained if "proj_out" in name), "silent at birth"


def test_it_grows_from_a_picture_model(vae, tmp_path):
    tiny = {name: value for name, value in TINY.items() if name != "cross_modal_width"}
    picture = with_switches(SD1, **tiny, cross_attention_dim=48)
    torch.manual_seed(3)
    flat = VideoUNet(picture)
    path = save_model(tmp_path / "picture.safetensors", flat.state_dict(), picture)
    made = recipe(vae, model={"init": str(path), "config": {}})
    video = made.unet.video
    assert (video.in_channels, video.prediction, video.zero_snr) == (12, "v_zero_snr", True)
    assert video.motion_code == MIMO_PAPER.motion_code and video.token_width == latent_width()
    x, context = torch.randn(2, 12, 4, 4), torch.randn(2, 3, 48)
    with torch.no_grad():
        ours, theirs = made.unet(x, torch.tensor(7), context), flat(x[:, :4], torch.tensor(7), context)
    assert torch.allclose(ours, theirs, atol=1e-5), "whatever its layers are"


def test_the_host_asks_the_network_as_the_recipe_does(vae, tmp_path):
    """Two steps of the stock sampler through the nodes against the recipe's own, from the same noise."""
    host = pytest.importorskip("nodes")
    import comfy.sample
    import comfy.sd
    import comfy.utils
    from pack.nodes.character.loaders import open_character_model
    from pack.nodes.character.swap import EncodeSwap

    made = recipe(vae)
    stir(made)
    clip = character_clip(made.clips.scene(2))
    picture = lambda name: clip[name].permute(0, 2, 3, 1) / 255
    [file] = made.export(tmp_path)
    model, _ = open_character_model((str(file), None, None, None))
    codec = comfy.sd.VAE(sd=comfy.utils.load_torch_file(vae))
    given = {"scene": picture("scene"), "occluder": picture("occluder")}
    *conds, latent = EncodeSwap.execute(codec, picture("references"), picture("code"), **given).result
    theirs = host.common_ksampler(model, 5, 2, 1.0, "euler", "simple", *conds, latent)[0]["samples"] * SCALE

    kept = made.encode_clip(clip, torch.device("cpu"))
    batch = {
        "layers": torch.cat((kept["scene"], kept["occluder"]), 1),
        "motion": clip["code"],
        "reference": kept["references"][0],
    }
    batch = {name: value[None] for name, value in batch.items()} | {"has_person": torch.tensor([True])}
    x, made_of = comfy.sample.prepare_noise(latent["samples"], 5)[None], None
    with torch.no_grad():
        conditions = made.encode_conditions(batch)
        for step in (999, 499):
            signal, sigma = made.schedule.rates(torch.tensor(step), x)
            x = x if made_of is None else signal * made_of[0] + sigma * made_of[1]
            output = made.predict(x, torch.tensor([step]), conditions)
            made_of = signal * x - sigma * output, sigma * x + signal * output
    ours = made_of[0][0]
    assert (theirs - ours).abs().max() < 0.02 * ours.abs().max(), "half precision of the file, and 4518 for infinity"
    without = made.predict(x, torch.tensor([499]), conditions | {"features": None})
    assert (without - output).abs().max() > 0.05 * output.abs().max(), "a reference that is left out would be seen"


@pytest.mark.parametrize("changes, words", [
    ({"trains": "lora"}, "mimo trains no LoRA"),
    ({"model": {"clip": "x"}}, "leave clip out"),
    ({"model": {"frames": 4}}, "a clip's 3 frames"),
    ({"model": {"frames": True}}, "not True"),
    ({"model": {"motion": "smpl"}}, "motion is one of code, skeleton"),
    ({"model": {"config": {"depth": 3}}}, "config has no settings named depth"),
    ({"losses": {"maps": 1.0}}, "mimo has no settings named maps: it has person, video"),
])  # fmt: skip
def test_what_it_cannot_learn_is_refused(vae, changes, words):
    with pytest.raises(ValueError, match=words):
        recipe(vae, **changes)


def test_files_and_clips_of_other_kinds_are_refused(vae, tmp_path, two_layers):
    [file] = two_layers.export(tmp_path)
    with pytest.raises(ValueError, match="does not fit the config of this run.*leave config out"):
        recipe(vae, model={"init": str(file), "config": {"layers_per_block": 2}})
    (tmp_path / "wave").mkdir()
    settings = {"recipe": "mimo", "folder": "unused", "model": {"vae": vae}}
    with pytest.raises(ValueError, match="expected clips to train on"):
        make_recipe(RunSettings(data={"kind": "folder", "path": str(tmp_path)}, **settings))


def test_presets_train_what_fits():
    trains = {size: preset("mimo", size)["trains"] for size in SIZES}
    assert trains == {size: "all" if size in ("CPU", "80 GB") else "adapters" for size in SIZES}
    assert preset("mimo", "CPU")["lr"] > preset("mimo", "80 GB")["lr"]
    assert start_from("mimo", {"vae": "v"}, None) == {"model": {"vae": "v"}, "trains": "all"}
    with pytest.raises(ValueError, match="adapters can only be added to an existing model"):
        start_from("mimo", {"vae": "v"}, "adapters")
