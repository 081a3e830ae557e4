"""What the recipes train, on what, and what comes out: tiny networks of the real classes."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import torch
from pack.models.depth.colormap import decode
from pack.models.files import open_controlnet, open_model
from pack.models.files.recommended import PAIR, read_recommended
from pack.models.unet.small_vae import SmallVAE
from pack.training.loop.draws import Draws, item_at
from pack.training.loop.noising import draw_clean_halves
from pack.training.page.lock import hold
from pack.training.page.settings import RunSettings
from pack.training.recipes import make_recipe
from safetensors import safe_open
from safetensors.torch import load_file, save_file

SHAPE = {
    "block_out_channels": [32, 64], "attention_levels": [True, False], "layers_per_block": 1, "attention_head_dim": 4,
    "cross_attention_dim": 32, "cross_modal_width": 0, "prediction": "v",
}  # fmt: skip


@pytest.fixture(scope="module")
def vae(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("vae") / "vae.safetensors"
    save_file(SmallVAE().state_dict(), path)
    return str(path)


def recipe(name, vae, **changes):
    torch.manual_seed(1)
    model = ({} if name == "vae" else {"vae": vae, "config": SHAPE}) | changes.pop("model", {})
    data = changes.pop("data", {"kind": "stage", "clips": 3, "size": 32, "frames": 3})
    made = make_recipe(RunSettings(recipe=name, data=data, folder="unused", model=model, **changes))
    made.prepare(torch.device("cpu"))
    return made


def batch_of(made, places=(0, 1)):
    samples = [made.sample(place) for place in places]
    return {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}


def stir(made):
    """Adapters are silent at birth; give them something to say."""
    g = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for value in made.parameters():
            if not value.any():
                value.copy_(torch.randn(value.shape, generator=g) * 0.05)


STAGES = {
    # stage: (terms of the loss, parts of names that must train, parts that must not)
    "idol_haop": ({"video"}, (".attn1.", ".attn2.", "conv_bg", "clip_proj"), (".resnets.", "tem_", "cross_modal", "vae")),
    "idol_image": ({"video", "depth", "maps"}, (".resnets.", ".cross_modal.", "class_embedding", "controlnet."), ("tem_", "vae")),
    "idol_video": ({"video", "depth", "maps", "motion"}, (".resnets.", "tem_conv", "tem_attn", "controlnet."), ("vae",)),
}  # fmt: skip


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_trains_what_it_should_and_nothing_else(stage, vae):
    terms, moving, frozen = STAGES[stage]
    made = recipe(stage, vae)
    stir(made)
    before = {name: value.clone() for name, value in made.named_parameters()}
    loss, found = made(batch_of(made), Draws(0, 0))
    assert set(found) == terms and all(torch.isfinite(term) for term in found.values())
    weights = made.weights
    assert loss.item() == pytest.approx(sum(weights[n] * t.item() for n, t in found.items()), rel=1e-5)
    loss.backward()
    torch.optim.SGD(made.trained().values(), lr=0.1).step()
    changed = {name for name, value in made.named_parameters() if not torch.equal(value, before[name])}
    for part in moving:
        assert any(part in name for name in changed), f"{part} did not train"
    for part in frozen:
        assert not [name for name in changed if part in name], f"{part} moved"
    assert changed <= set(made.trained())


@pytest.mark.parametrize("temporal", ["native", "motion_modules"])
def test_single_pictures_pass_by_the_layers_over_time(temporal, vae):
    """Whatever those layers hold, in the U-Net and in its ControlNet; in the stage of clips they act."""
    for stage, acts in (("idol_image", False), ("idol_video", True)):
        made = recipe(stage, vae, model={"config": SHAPE | {"temporal": temporal}})
        stir(made)
        batch, outputs = batch_of(made), []
        clean, conditions = made.inputs(batch, Draws(0, 0))
        over_time = [v for n, v in made.named_parameters() if "tem_" in n or "motion_modules" in n]
        assert over_time and all(value.requires_grad == acts for value in over_time)
        for factor in (1, 0):
            with torch.no_grad():
                for value in over_time:
                    value.mul_(factor)
                outputs.append(made.predict(clean, torch.tensor([500, 20]), conditions))
        assert torch.equal(*outputs) != acts


@pytest.mark.parametrize("stage", STAGES)
def test_the_person_can_count_more(stage, vae):
    made = recipe(stage, vae, losses={"person": 0.5})
    batch = batch_of(made)
    loss, terms = made(batch, Draws(0, 0))
    others = sum(made.weights[name] * term.item() for name, term in terms.items() if name != "person")
    assert loss.item() == pytest.approx(others + 0.5 * terms["person"].item(), rel=1e-5) and terms["person"] > 0
    everywhere = made(batch | {"mask": torch.full_like(batch["mask"], 255)}, Draws(0, 0))[1]
    whole = sum(everywhere[name].item() for name in ("video", "depth") if name in everywhere)
    assert everywhere["person"].item() == pytest.approx(whole, rel=1e-5), "a person everywhere is the whole picture"


def test_depth_can_count_more_than_video(vae):
    plain, made = recipe("idol_video", vae), recipe("idol_video", vae, losses={"depth": 3.0, "video": 0.5})
    batch = batch_of(made)
    (loss, terms), (other, same) = made(batch, Draws(0, 0)), plain(batch, Draws(0, 0))
    assert terms["depth"].item() == same["depth"].item(), "a weight is no part of what is reported"
    more = 2 * terms["depth"].item() - 0.5 * terms["video"].item()
    assert loss.item() - other.item() == pytest.approx(more, rel=1e-4)


def test_early_examples_come_from_the_noisiest_tenth(vae):
    plain, early, some = (recipe("idol_video", vae, losses={"early": share}) for share in (0.0, 1.0, 0.7))
    drawn = lambda made: torch.cat([made.noise.draw_times(8, Draws(0, position)) for position in range(100)])
    even, noisy, mixed = drawn(plain), drawn(early), drawn(some)
    assert even.min() < 20 and even.max() > 979 and 450 < even.float().mean() < 550
    assert noisy.min() >= 900 and noisy.max() > 990 and len(noisy.unique()) > 90, "all of the tenth"
    kept = mixed == even
    assert torch.equal(torch.where(kept, even, noisy), mixed) and 0.6 < (~kept).float().mean() < 0.8
    batch = batch_of(plain)
    assert some(batch, Draws(0, 3))[0] != plain(batch, Draws(0, 3))[0]


def test_a_network_of_one_modality_learns_pictures_alone_and_a_pair_begins_from_it(vae, tmp_path):
    """The paper's order of things: a picture model first, then one network or two that make its video and its depth."""
    alone = SHAPE | {"modalities": 1, "label": False, "cross_modal": "none"}
    made = recipe("idol_image", vae, model={"config": alone, "pose": False})
    loss, terms = made(batch_of(made), Draws(0, 0))
    assert set(terms) == {"video"} and loss.item() == terms["video"].item() and made.controlnet is None
    loss.backward()
    assert made.unet.conv_bg.weight.grad.any() and made.unet.clip_proj.weight.grad.any()
    with torch.no_grad():
        made.unet.conv_bg.weight.add_(0.1)
    (file,) = made.export(tmp_path)
    weights = open_model(str(file))[1]
    separate = {"streams": "separate", "label": False, "cross_modal": "none"}
    for fields, count in (({}, 1), (separate, 2)):
        pair = recipe("idol_video", vae, model={"init": str(file), "config": {"modalities": 2, **fields}})
        assert len(pair.streams()) == count and pair.controlnet is not None
        for stream in pair.streams():
            state = stream.state_dict()
            assert all(torch.equal(state[name], value.float()) for name, value in weights.items())
        assert {"video", "depth"} <= set(pair(batch_of(pair), Draws(0, 0))[1])


def test_the_depth_of_a_pair_that_begins_from_pictures_is_told_apart_at_birth(vae, tmp_path):
    """Of the label only the depth's row speaks, so the video is what the picture model makes of it; a ControlNet's too."""
    alone = SHAPE | {"modalities": 1, "label": False, "cross_modal": "none"}
    pictures = recipe("idol_image", vae, model={"config": alone, "pose": False})
    (file,) = pictures.export(tmp_path)
    pair = recipe(
        "idol_image", vae, model={"init": str(file), "config": {"modalities": 2, "label_in_controlnet": True}}
    )
    video, depth = pair.unet.class_embedding.weight
    time = pair.unet.time_embedding(pair.unet.time_proj(torch.tensor([500])))
    assert not video.any() and 0.5 < (depth.std() / time.std()).item() < 2
    assert torch.equal(pair.controlnet.class_embedding.weight, pair.unet.class_embedding.weight)
    batch = batch_of(pair)
    clean, conditions = pair.inputs(batch, Draws(0, 0))
    clean, time = clean[:, :1].expand(-1, 2, -1, -1, -1, -1), torch.tensor([500, 20])
    with torch.no_grad():
        both = pair.predict(clean, time, conditions)
        same = pictures.predict(clean[:, :1], time, conditions)
    assert torch.allclose(both[:, :1], same, atol=2e-3)  # the file is in half precision
    assert (both[:, 1:] - same).abs().max() > 0.05


def test_a_network_learns_on_with_fewer_groups_in_its_norms(vae, tmp_path):
    """The weights stay; what they normalize together changes, in the pose ControlNet as well, and is told in both files."""
    first = recipe("idol_image", vae)
    model, pose = map(str, first.export(tmp_path))
    more = recipe("idol_image", vae, model={"init": model, "controlnet": pose, "config": {"norm_num_groups": 8}})
    (tmp_path / "more").mkdir()
    files = more.export(tmp_path / "more")
    for old, new, opened in zip((model, pose), files, (open_model, open_controlnet), strict=True):
        (before, weights, _), (after, same, _) = opened(old), opened(new)
        assert (before.norm_num_groups, after.norm_num_groups) == (32, 8)
        assert weights.keys() == same.keys() and all(torch.equal(weights[name], same[name]) for name in same)
    norms = [
        part for net in (more.unet, more.controlnet) for part in net.modules() if isinstance(part, torch.nn.GroupNorm)
    ]
    assert norms and {part.num_groups for part in norms} == {8}


def test_a_second_step_begins_where_the_first_one_of_ddim_ends(vae):
    """The network sees what a sampler would show it, is asked for the true depth, and for nothing of the video."""
    made = recipe("idol_video", vae, losses={"second": 1.0, "person": 0.5})
    stir(made)
    batch, draws, asked = batch_of(made), Draws(0, 3), []
    predict = made.predict
    made.predict = lambda noisy, time, conditions: (
        asked.append((noisy, time, predict(noisy, time, conditions))) or asked[-1][2]
    )
    loss, terms = made(batch, draws)
    (start, first, first_output), (noisy, time, second_output) = asked
    clean, noise = made.inputs(batch, draws)[0], draws.normal("noise", second_output)
    assert torch.equal(start, noise) and (first == 999).all() and ((time >= 250) & (time < 750)).all()
    ends = [made.noise.schedule.rates(t, clean) for t in (first, time)]
    (signal, sigma), (later_signal, later_sigma) = ends
    seen = later_signal * (signal * noise - sigma * first_output) + later_sigma * (
        sigma * noise + signal * first_output
    )
    torch.testing.assert_close(noisy, seen)
    right = (later_signal * noisy - clean) / later_sigma  # the velocity that leads to the true clip
    error = (second_output - right)[:, 1].square().mean()
    assert terms["video"] == 0 and terms["depth"].item() == pytest.approx(error.item(), rel=1e-4)
    assert terms["person"] > 0
    swapped = made(batch | {"video": batch["video"].flip(0)}, draws)[1]["depth"]
    assert swapped.item() == pytest.approx(terms["depth"].item(), rel=1e-3), "the true video is no part of it"


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_second_step_trains_all_that_a_plain_one_does(vae, share):
    """Under autocast too, where older PyTorch kept the weights that it cast in the first step, without a gradient."""
    made = recipe("idol_video", vae, losses={"second": share, "maps": 0.0, "motion": 0.0})
    stir(made)
    draws = Draws(0, 1)
    assert 0 < (draws.uniform("second", 4) < 0.5).sum() < 4, "some examples of each kind"
    with torch.autocast("cpu", torch.bfloat16):
        made(batch_of(made, (0, 1, 2, 3)), draws)[0].backward()
    reached = {name for name, value in made.trained().items() if value.grad is not None and value.grad.any()}
    assert reached == set(made.trained())


def test_a_half_that_is_given_enters_clean_and_nothing_is_asked_of_it(vae):
    """Of a network that is given clean halves: the draws of some examples give the video, of others the depth."""
    made = recipe("idol_video", vae, model={"config": SHAPE | {"given": "clean"}})
    stir(made)
    batch = batch_of(made)
    seen = {}
    made.unet.conv_in.register_forward_pre_hook(lambda _, args: seen.update(x=args[0].detach()))
    made.unet.time_proj.register_forward_pre_hook(lambda _, args: seen.update(time=args[0].detach()))
    found = set()
    for position in range(12):
        draws = Draws(0, position)
        clean = made.inputs(batch, draws)[0]
        conditions = draw_clean_halves(clean, draws)
        loss, terms = made(batch, draws)
        x, time = (seen[name].unflatten(0, clean.shape[:3]) for name in ("x", "time"))
        for clip, given in enumerate(conditions["given"].tolist()):
            found.add((*given, conditions["posed"][clip].item()))
            for half in range(2):
                assert torch.equal(x[clip, half], clean[clip, half]) == given[half]
                assert not (given[half] and time[clip, half].any())
        for half, name in enumerate(("video", "depth")):
            assert (terms[name] == 0) == bool(conditions["given"][:, half].all())
    some = {(video, not video, posed) for video in (True, False) for posed in (True, False)}
    assert found == some | {(False, False, True)}  # of two halves that are made, the poses are always told


def test_poses_that_are_not_told_change_nothing(vae):
    made = recipe("idol_video", vae, model={"config": SHAPE | {"given": "clean"}})
    stir(made)
    batch, draws = batch_of(made), Draws(0, 0)
    clean, conditions = made.inputs(batch, draws)
    time, mute = torch.tensor([500, 500]), torch.tensor([True, False])
    muted = conditions | {"given": torch.zeros(2, 2, dtype=torch.bool), "clean": clean, "posed": mute}
    one, other = (
        made.predict(clean, time, muted | {"pose": pose}) for pose in (conditions["pose"], 1 - conditions["pose"])
    )
    assert torch.equal(one[1], other[1]) and not torch.allclose(one[0], other[0])


def test_a_network_learns_on_with_an_adapter_more_but_in_no_other_shape(vae, tmp_path):
    """The new adapter is silent at birth, so the run begins with what the file answers."""
    first = recipe("idol_image", vae)
    path = str(first.export(tmp_path)[0])
    more = recipe("idol_image", vae, model={"init": path, "config": {"same_place": True}})
    state = {name: value.half() for name, value in more.unet.state_dict().items() if "same_place" not in name}
    assert (
        all(torch.equal(value.half(), state.pop(name)) for name, value in first.unet.state_dict().items()) and not state
    )
    added = [value for name, value in more.unet.named_parameters() if "same_place.to_" in name]
    assert added and not any(value.any() for value in added) and all(value.requires_grad for value in added)
    with pytest.raises(ValueError, match="init and config do not fit, first at .*: leave the shape"):
        recipe("idol_image", vae, model={"init": path, "config": {"layers_per_block": 2}})


def test_a_controlnet_learns_on_with_a_label_of_its_own(vae, tmp_path):
    """Silent at birth where its file has none; the file that the run leaves has it, and opens again."""
    model, pose = map(str, recipe("idol_image", vae).export(tmp_path))
    files = {"init": model, "controlnet": pose}
    more = recipe("idol_image", vae, model={**files, "config": {"label_in_controlnet": True}})
    assert not more.controlnet.class_embedding.weight.any()
    stir(more)
    again = recipe("idol_video", vae, model={**files, "controlnet": str(more.export(tmp_path)[1])})
    label = again.controlnet.class_embedding.weight
    assert torch.equal(label, more.controlnet.class_embedding.weight.half()) and label.any()


@pytest.mark.parametrize(
    "changes", [{"block_out_channels": [32, 96]}, {"layers_per_block": 2}, {"cross_attention_dim": 64}], ids=str
)
def test_a_controlnet_of_another_network_is_refused_before_the_run(changes, vae, tmp_path):
    for folder, shape in (("own", SHAPE), ("other", SHAPE | changes)):
        (tmp_path / folder).mkdir()
        recipe("idol_image", vae, model={"config": shape}).export(tmp_path / folder)
    files = {"init": str(tmp_path / "own/model.safetensors"), "controlnet": str(tmp_path / "other/pose.safetensors")}
    with pytest.raises(
        ValueError, match=f"controlnet belongs to another network, its {next(iter(changes))} is .* U-Net"
    ):
        recipe("idol_image", vae, model={**files, "config": {}})


def test_a_network_learns_on_with_halves_given(vae, tmp_path):
    """What a run started from, with another way of giving: the weights are the same, the file says how it is sampled."""
    first = recipe("idol_image", vae)
    path = first.export(tmp_path)[0]
    more = recipe("idol_video", vae, model={"init": str(path), "config": {"given": "clean"}})
    assert open_model(more.export(tmp_path)[0])[0].given == "clean"
    same = zip(first.unet.state_dict().values(), more.unet.state_dict().values(), strict=True)
    assert all(torch.equal(one.half(), other.half()) for one, other in same)


def test_a_new_network_tells_video_from_depth_at_birth_and_a_given_one_is_left_alone(vae, tmp_path):
    new = recipe("idol_image", vae)
    assert new.unet.class_embedding.weight.std() > 0.3
    with torch.no_grad():
        new.unet.class_embedding.weight.zero_()
    file = str(new.export(tmp_path)[0])
    assert not recipe("idol_image", vae, model={"init": file}).unet.class_embedding.weight.any()


@pytest.mark.parametrize("changes", [{}, {"streams": "separate", "label": False, "cross_modal": "none"}], ids=str)
@pytest.mark.parametrize("stage", STAGES)
def test_features_computed_twice_give_the_same_gradients(stage, changes, vae):
    gradients = []
    for twice in (False, True):
        made = recipe(stage, vae, gradient_checkpointing=twice, model={"config": SHAPE | changes})
        stir(made)
        saved = [part for part in made.unet.modules() if getattr(part, "gradient_checkpointing", False)]
        assert bool(saved) == twice
        made(batch_of(made), Draws(0, 0))[0].backward()
        gradients.append({name: value.grad for name, value in made.trained().items() if value.grad is not None})
    plain, again = gradients
    assert plain.keys() == again.keys()
    for name, value in plain.items():
        assert torch.allclose(again[name], value, rtol=1e-5, atol=1e-7), name


def test_adapters_only_leaves_the_base_alone(vae):
    made = recipe("idol_video", vae, trains="adapters")
    names = [name for name in made.trained() if name.startswith("unet.")]
    assert names and all(
        any(a in n for a in ("tem_", "cross_modal", "class_emb", "conv_bg", "clip_proj")) for n in names
    )


def test_a_lora_trains_beside_a_frozen_base_and_opens_in_the_stock_way(vae, tmp_path):
    """The trained network, and its base with the written LoRA on top through the host's loader, answer alike."""
    sd = pytest.importorskip("comfy.sd")
    from pack.nodes.host.unet.model import native_model

    made = recipe("idol_image", vae, trains="lora", lora_rank=4)
    base = {name: value.clone() for name, value in made.unet.state_dict().items() if "lora_" not in name}
    batch = batch_of(made)
    optimizer = torch.optim.AdamW([v for n, v in made.trained().items() if "lora_" in n], lr=0.05)
    for step in range(3):
        made(batch, Draws(0, step))[0].backward()
        optimizer.step()
        optimizer.zero_grad()
    assert all(torch.equal(made.unet.state_dict()[name], value) for name, value in base.items())
    files = {file.name: file for file in made.export(tmp_path)}
    lora = load_file(files["lora.safetensors"])
    model = native_model(made.unet.video, base)
    model, _ = sd.load_lora_for_models(model, None, lora, 1.0, 0.0)
    x, t, c = torch.randn(4, 4, 4, 4), torch.tensor([500.0] * 4), torch.randn(4, 6, 32)
    with torch.no_grad():
        trained, silent = made.unet(x, t, c), model.model.diffusion_model(x, t, c)
        model.patch_model()
        output = model.model.diffusion_model(x, t, c)
        model.unpatch_model()
    assert (trained - silent).abs().max() > 1e-2, "the LoRA learned something"
    assert (trained - output).abs().max() < 2e-3 * trained.abs().max(), "half precision apart"


def test_the_same_place_gives_the_same_example_and_draws(vae):
    made, again = recipe("idol_haop", vae), recipe("idol_haop", vae)
    one, other = made.sample(5), again.sample(5)
    assert all(torch.equal(one[name], other[name]) for name in one)
    like = torch.zeros(2, 3)
    assert torch.equal(Draws(1, 2).normal("noise", like), Draws(1, 2).normal("noise", like))
    for other in (Draws(2, 2), Draws(1, 3)):
        assert not torch.equal(Draws(1, 2).normal("noise", like), other.normal("noise", like))
    assert not torch.equal(Draws(1, 2).normal("noise", like), Draws(1, 2).normal("drop", like))


def test_encoded_clips_are_kept_for_runs_on_the_same_data(vae, tmp_path):
    file = str(tmp_path / "clips.safetensors")
    first, second = recipe("idol_image", vae, model={"kept": file}), recipe("idol_image", vae, model={"kept": file})
    plain = recipe("idol_image", vae)
    for one, other, kept in zip(first.kept, plain.kept, second.kept, strict=True):
        assert one.keys() == other.keys() == kept.keys()
        assert all(torch.equal(one[name], other[name]) and torch.equal(kept[name], other[name]) for name in one)
    stamp = (tmp_path / "clips.safetensors").stat().st_mtime_ns
    recipe("idol_image", vae, model={"kept": file})
    assert (tmp_path / "clips.safetensors").stat().st_mtime_ns == stamp, "read, not made anew"
    other = recipe("idol_image", vae, model={"kept": file}, precision="bf16")
    assert (tmp_path / "clips.safetensors").stat().st_mtime_ns != stamp, "other precision, other latents"
    assert not torch.equal(other.kept[0]["video"], first.kept[0]["video"])


def test_depth_can_be_white_where_it_is_far(vae, tmp_path):
    """The other end of the same heat map, with clips of its own in a file, and told in the model's file."""
    near = recipe("idol_image", vae, model={"cache": False})
    far = recipe("idol_image", vae, model={"cache": False, "depth_polarity": "far is white"})
    one, other = (made.example(1)["depth"].float() for made in (near, far))
    person = near.example(1)["mask"] > 200
    lightness = [pictures.mean(1)[person].mean() - pictures.mean(1)[~person].mean() for pictures in (one, other)]
    assert lightness[0] > 20 and lightness[1] < -20, "the person is nearer than the room"
    back = [decode(pictures.movedim(1, -1) / 255, "hot") for pictures in (one, other)]
    assert (back[0] - (1 - back[1])).abs().max() < 0.01
    for made, polarity in ((near, "near is white"), (far, "far is white")):
        with safe_open(made.export(tmp_path)[0], "pt") as file:
            assert file.metadata()["depth_polarity"] == polarity
    kept = str(tmp_path / "clips.safetensors")
    one, other = (
        recipe("idol_image", vae, model={"kept": kept, "depth_polarity": name}).kept[0]["depth"]
        for name in ("near is white", "far is white")
    )
    assert not torch.equal(one, other)
    with pytest.raises(ValueError, match="depth_polarity is near is white or far is white, not 'white'"):
        recipe("idol_image", vae, model={"depth_polarity": "white"})


def test_workers_read_what_one_process_reads(vae):
    alone, helped = recipe("idol_video", vae), recipe("idol_video", vae, workers=2)
    for one, other in zip(alone.kept, helped.kept, strict=True):
        assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    stage = {"crop": 32}
    rendered, as_read = recipe("vae", vae, workers=2, model=stage), recipe("vae", vae, model=stage)
    assert sorted(rendered.clips.kept) == [0, 1, 2] and not as_read.clips.kept
    assert all(torch.equal(rendered.sample(place)["picture"], as_read.sample(place)["picture"]) for place in range(6))


def test_a_run_waits_for_the_one_that_makes_the_kept_clips(vae, tmp_path):
    file = tmp_path / "clips.safetensors"
    with ExitStack() as first, ThreadPoolExecutor(1) as pool:
        assert first.enter_context(hold(tmp_path / "clips.safetensors.lock")) is not None
        second = pool.submit(recipe, "idol_video", vae, model={"kept": str(file)})
        with pytest.raises(TimeoutError):
            second.result(timeout=3)
        assert not file.exists()
        first.close()
        assert len(second.result(timeout=60).kept) == 3 and file.exists()


def test_stages_share_kept_clips(vae, tmp_path):
    file = tmp_path / "clips.safetensors"
    recipe("idol_image", vae, model={"kept": str(file)})
    stamp = file.stat().st_mtime_ns
    recipe("idol_video", vae, model={"kept": str(file)})
    assert file.stat().st_mtime_ns == stamp, "pictures and clips are encoded alike"


def test_every_clip_is_read_once_in_each_round():
    reading = [item_at(7, place, 5) for place in range(15)]
    assert all(sorted(reading[i : i + 5]) == list(range(5)) for i in (0, 5, 10))
    assert reading[:5] != reading[5:10] or reading[5:10] != reading[10:]


def test_what_a_stage_writes_the_loaders_open(vae, tmp_path):
    made = recipe("idol_video", vae)
    files = made.export(tmp_path)
    config, state, report = open_model(files[0])
    assert config == made.unet.video and set(state) == set(made.unet.state_dict()) and "Duet" in report.text
    _, state, _ = open_controlnet(files[1])
    assert set(state) == set(made.controlnet.state_dict())
    again = recipe("idol_video", vae, model={"init": str(files[0]), "controlnet": str(files[1])})
    for name, value in made.unet.state_dict().items():
        assert (again.unet.state_dict()[name] - value).abs().max() <= value.abs().max() * 2e-3, name


def test_a_delivered_pair_recommends_the_size_and_frames_that_it_was_trained_on(vae, tmp_path):
    """Through the node that loads it and the one that makes its empty latent."""
    loaders = pytest.importorskip("pack.nodes.unet.loaders")
    from pack.nodes.pair.latent import EmptyLatent
    from pack.training.page.deliver import deliver

    (tmp_path / "run/model").mkdir(parents=True)
    data = {"kind": "stage", "clips": 1, "size": 64, "frames": 3}
    recipe("idol_video", vae, data=data, model={"cache": False}).export(tmp_path / "run/model")
    (file,) = (
        path for path in deliver(tmp_path / "run", "mine", lambda kind: tmp_path / kind) if "duet_models" in str(path)
    )
    found = read_recommended(file, PAIR)
    assert (found.width, found.height, found.frames) == (64, 64, 3)
    assert (found.steps, found.cfg, found.sampler) == (PAIR.steps, PAIR.cfg, PAIR.sampler)
    model = loaders.open_video_model(str(file))[0]
    latent = EmptyLatent.execute(model, 0, 0, 0, 1).result[0]["samples"]
    assert latent.shape == (6, 4, 8, 8)


def test_a_decoder_learns_on_alone(vae, tmp_path):
    made = recipe("vae", vae, model={"init": vae, "decoder_only": True, "crop": 16})
    assert made.trained() and all("decoder" in name for name in made.trained())
    made(batch_of(made), Draws(0, 0))[0].backward()
    torch.optim.SGD(made.trained().values(), lr=0.1).step()
    made.export(tmp_path)
    before, after = load_file(vae), load_file(tmp_path / "vae.safetensors")
    same = {
        name for name in after if torch.equal(after[name], before[name].half() if before[name].ndim else before[name])
    }
    assert {name for name in after if "encoder" in name} <= same
    assert not same & {"taesd_decoder.1.weight", "taesd_decoder.18.weight"}


def test_the_small_vae_opens_in_the_stock_loader(vae):
    """The host's own network gives our answer, with latents of Stable Diffusion's size."""
    sd = pytest.importorskip("comfy.sd")
    host, ours = sd.VAE(sd=load_file(vae)), SmallVAE()
    ours.load_state_dict(load_file(vae))
    picture = torch.rand(2, 32, 40, 3, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        latents = ours.encode(picture.permute(0, 3, 1, 2))
        back = ours.decode(latents).clamp(0, 1).permute(0, 2, 3, 1)
    given = host.encode(picture)
    assert (given * 0.18215 - latents).abs().max() < 1e-3
    assert (host.decode(given) - back).abs().max() < 1e-3


@pytest.mark.parametrize(
    "changes",
    [
        {"streams": "separate", "label": False, "cross_modal": "none"},
        {"shared_maps": "avg"},
        {"temporal": "motion_modules"},
    ],
)
def test_the_papers_other_rows_train_too_and_open_again(vae, tmp_path, changes):
    made = recipe("idol_video", vae, model={"config": SHAPE | changes})
    stir(made)
    batch = batch_of(made)
    loss, terms = made(batch, Draws(0, 0))
    loss.backward()
    assert ("motion" in terms) == ("streams" not in changes), "two networks have no features to compare"
    silent = [name for name, value in made.trained().items() if value.grad is None or not value.grad.any()]
    assert not silent, silent[:5]
    files = made.export(tmp_path)
    config, state, _ = open_model(files[0])
    assert config == made.unet.video and set(state) == set(made.unet.state_dict())
    _, state, _ = open_controlnet(files[1])
    assert set(state) == set(made.controlnet.state_dict())
