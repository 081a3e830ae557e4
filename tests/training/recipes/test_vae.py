"""The recipe of the small auto-encoder: added latent channels, the terms of its loss, and what a validation measures."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pack.models.unet.small_vae import SmallVAE
from pack.training.data.held_out import validation_data
from pack.training.encode.wide_vae import error_patches, fit_added, numbers_around, on_axes, open_small_vae, widen
from pack.training.loop.draws import Draws
from pack.training.page.settings import RunSettings
from pack.training.recipes import make_recipe
from pack.training.recipes.vae_losses import edges, on_person, outlines, scales
from safetensors.torch import load_file, save_file

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = ROOT / "weights" / "vae" / "duet_vae_128.safetensors"
ADDED = 12


def recipe(**changes):
    torch.manual_seed(1)
    model = {"crop": 16} | changes.pop("model", {})
    data = {"kind": "stage", "clips": 3, "size": 32, "frames": 2}
    made = make_recipe(RunSettings(recipe="vae", data=data, folder="unused", model=model, **changes))
    made.prepare(torch.device("cpu"))
    return made


def batch_of(made, places=(0, 1, 2, 3)):
    samples = [made.sample(place) for place in places]
    return {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}


@pytest.fixture(scope="module")
def shipped():
    vae = SmallVAE()
    vae.load_state_dict({name: value.float() for name, value in load_file(SHIPPED).items()})
    return vae


@pytest.fixture(scope="module")
def pictures():
    """Crops of the stage, and other ones."""
    made = recipe(model={"crop": 32})
    return [
        torch.stack([made.sample(place)["picture"] for place in places]) for places in (range(160), range(160, 240))
    ]


# --- added channels --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fitted", [False, True])
def test_added_channels_leave_what_is_returned_unchanged(shipped, pictures, fitted):
    wide = widen(shipped, 4 + ADDED)
    if fitted:
        fit_added(wide, 4, pictures[0])
    with torch.no_grad():
        before, after = shipped.encode(pictures[0]), wide.encode(pictures[0])
        assert after.shape[1] == 4 + ADDED and bool(after[:, 4:].any()) == fitted
        assert torch.allclose(after[:, :4], before, atol=1e-5)
        assert torch.allclose(wide.decode(after), shipped.decode(before), atol=1e-5)


def test_added_channels_have_the_size_of_a_samplers_noise(shipped, pictures):
    wide = widen(shipped, 4 + ADDED)
    fit_added(wide, 4, pictures[0])
    with torch.no_grad():
        added = wide.encode(pictures[0])[:, 4:].double()
    assert added.mean((0, 2, 3)).abs().max() < 0.05
    assert (added.std((0, 2, 3)) - 1).abs().max() < 0.05


def explained(error, numbers):
    """The share of the square of an error (N, D) that (N, n) numbers predict linearly."""
    numbers = torch.nn.functional.pad(numbers.double(), (0, 1), value=1.0)
    left = error - numbers @ torch.linalg.lstsq(numbers, error).solution
    return 1 - (left.square().sum() / error.square().sum()).item()


def test_added_channels_say_more_of_the_error_than_features_do(shipped, pictures):
    """Than as many of those that say most by themselves, and on other pictures more than channels drawn at random."""
    wide, drawn = widen(shipped, 4 + ADDED), widen(shipped, 4 + ADDED)
    fit_added(wide, 4, pictures[0])
    with torch.no_grad():
        torch.nn.init.normal_(drawn.taesd_encoder[-1].weight[4:], generator=torch.Generator().manual_seed(0))
        errors = [error_patches(shipped, some) for some in pictures]
        flat = lambda vae, some: vae.encode(some)[:, 4:].permute(0, 2, 3, 1).flatten(0, 2)
        features = numbers_around(shipped, pictures[0])[:, :-1]
        alone = torch.tensor([explained(errors[0], features[:, i : i + 1]) for i in range(4, features.shape[1], 9)])
        best = 4 + 9 * alone.topk(ADDED).indices  # of the 64 features at the latent pixel itself
        found = [explained(errors[i], flat(wide, pictures[i])) for i in range(2)]
        assert found[0] > 1.2 * explained(errors[0], features[:, best])
        assert found[1] > 1.2 * explained(errors[1], flat(drawn, pictures[1]))


def test_axes_are_those_on_which_the_error_is_largest(shipped, pictures):
    """Against the singular vectors of the error, and each of size 1 there."""
    axes = fit_added(widen(shipped, 4 + ADDED), 4, pictures[0])
    with torch.no_grad():
        error = error_patches(shipped, pictures[0])
    values, vectors = torch.linalg.svd(error, full_matrices=False)[1:]
    same = torch.nn.functional.normalize(axes, dim=0).T.double() @ vectors[:ADDED].T
    assert torch.allclose(same.square().sum(0), torch.ones(ADDED, dtype=torch.float64), atol=1e-2), "the same subspace"
    assert ((error @ axes.double()).square().mean(0) - 1).abs().max() < 1e-3
    targets = on_axes(shipped, axes, pictures[0])
    assert targets.shape == (len(pictures[0]), ADDED, 4, 4) and targets.abs().max() <= 3
    expected = (error @ axes.double()).clamp(-3, 3).float().unflatten(0, (-1, 16)).transpose(1, 2).flatten(2)
    assert torch.allclose(targets.flatten(2), expected, atol=1e-3)


def test_the_first_examples_of_a_run_teach_the_axes(vae):
    made = recipe(model={"init": vae, "channels": 6, "axes_examples": 80}, losses={"axes": 1.0}, batch=4)
    batch = batch_of(made)
    terms = made(batch, Draws(0, 19))[1]
    with torch.no_grad():
        target = on_axes(made.before, made.axes, batch["picture"])
        added = made.vae.encode(batch["picture"])[:, 4:]
    assert terms["axes"].item() == pytest.approx((added - target).square().mean().item(), rel=1e-4)
    assert made(batch, Draws(0, 20))[1]["axes"] == 0, "example 80 and those after it"
    with torch.no_grad():
        assert made(batch, Draws(0, 0))[1]["axes"] == 0, "a validation compares all steps alike"
    optimizer = torch.optim.Adam(made.trained().values(), lr=1e-3)
    before = terms["axes"].item()
    for _ in range(40):
        optimizer.zero_grad()
        made(batch, Draws(0, 0))[1]["axes"].backward()
        optimizer.step()
    assert made(batch, Draws(0, 0))[1]["axes"].item() < 0.9 * before


def test_features_that_are_always_zero_do_no_harm(shipped, pictures):
    silent = SmallVAE()
    silent.load_state_dict(shipped.state_dict())
    with torch.no_grad():
        for part in (silent.taesd_encoder[-2].conv[-1], silent.taesd_encoder[-3].conv[-1]):
            part.weight[:8], part.bias[:8] = 0, -100
    wide = widen(silent, 6)
    fit_added(wide, 4, pictures[0])
    assert all(torch.isfinite(value).all() for value in wide.parameters())
    assert torch.allclose(wide.encode(pictures[0])[:, 4:].std((0, 2, 3)), torch.ones(2), atol=0.05)


def test_a_run_starts_with_the_channels_that_it_names(vae, tmp_path):
    made = recipe(model={"init": vae, "channels": 6})
    own = load_file(vae)
    last = made.vae.taesd_encoder[-1]
    assert torch.equal(last.weight[:4], own["taesd_encoder.14.weight"]) and last.weight[4:].any(1).all()
    assert not made.vae.taesd_decoder[1].weight[:, 4:].any()
    (file,) = made.export(tmp_path)
    again, own = open_small_vae(file)
    assert own == 6 and again.taesd_decoder[1].weight.shape[1] == 6
    assert recipe(model={"init": str(file)}).channels() == 6
    assert recipe(model={"channels": 16}).vae.decode(torch.zeros(1, 16, 2, 2)).shape == (1, 3, 16, 16)


def test_added_channels_start_once(vae):
    made = recipe(model={"init": vae, "channels": 6})
    before = made.vae.taesd_encoder[-1].weight.clone()
    other = made.with_clips(validation_data(made.settings.data, {"clips": 2}))
    other.prepare(torch.device("cpu"))
    assert torch.equal(made.vae.taesd_encoder[-1].weight, before)


def test_what_cannot_start_is_refused(vae, tmp_path):
    save_file({"conv_in.weight": torch.zeros(4, 4, 3, 3)}, tmp_path / "unet.safetensors")
    wrong = {
        "channels is 6 or more": {"init": str(tmp_path / "wide.safetensors"), "channels": 4},
        "tensor names of TAESD": {"init": str(tmp_path / "unet.safetensors")},
        "channels is a whole number": {"channels": 3},
    }
    save_file(SmallVAE(6).state_dict(), tmp_path / "wide.safetensors")
    for sentence, model in wrong.items():
        with pytest.raises(ValueError, match=sentence):
            recipe(model=model)
    for name in ("latents", "axes"):
        with pytest.raises(ValueError, match="compare with the VAE of init"):
            recipe(losses={name: 1.0})
    with pytest.raises(ValueError, match="more than its 6"):
        recipe(model={"init": str(tmp_path / "wide.safetensors")}, losses={"axes": 1.0})


@pytest.mark.parametrize("channels", [4, 16])
def test_the_stock_loader_opens_any_number_of_channels(tmp_path, channels):
    """The host's own network gives our answer, with latents of Stable Diffusion's size."""
    sd = pytest.importorskip("comfy.sd")
    torch.manual_seed(3)
    ours = SmallVAE(channels)
    save_file(ours.state_dict(), tmp_path / "vae.safetensors")
    host = sd.VAE(sd=load_file(tmp_path / "vae.safetensors"))
    picture = torch.rand(2, 32, 40, 3)
    with torch.no_grad():
        latents = ours.encode(picture.permute(0, 3, 1, 2))
        back = ours.decode(latents).clamp(0, 1).permute(0, 2, 3, 1)
    given = host.encode(picture)
    assert host.latent_channels == channels and given.shape == (2, channels, 4, 5)
    assert (given * 0.18215 - latents).abs().max() < 1e-3
    assert (host.decode(given) - back).abs().max() < 1e-3


# --- the loss --------------------------------------------------------------------------------------------------------


def test_terms_that_have_no_weight_change_nothing(vae):
    """A run of a file that does not name them trains what it trained before they existed."""
    plain = recipe(model={"init": vae})
    loss, terms = plain(batch_of(plain), Draws(0, 0))
    assert set(terms) == {"pixel", "edge", "colour", "size", "mse"} and plain.before is None
    off = dict.fromkeys(("scales", "outlines", "person", "latents", "adversarial"), 0.0)
    made = recipe(model={"init": vae}, losses=off)
    assert torch.equal(made(batch_of(made), Draws(0, 0))[0], loss)


@pytest.mark.parametrize("name", ["scales", "outlines", "person", "latents", "adversarial"])
def test_a_term_is_added_by_its_weight(vae, name):
    made = recipe(model={"init": vae}, losses={name: 0.5})
    with torch.no_grad():
        made.vae.taesd_encoder[-1].bias.add_(0.1)
    loss, terms = made(batch_of(made), Draws(0, 0))
    rest = sum(weight * terms[one].item() for one, weight in made.weights.items() if one != name)
    own = terms["discriminator"].item() if name == "adversarial" else 0
    assert loss.item() == pytest.approx(rest + 0.5 * terms[name].item() + own, rel=1e-4)
    assert terms[name] != 0
    loss.backward()
    silent = [one for one, value in made.trained().items() if value.grad is None]
    assert not silent


def test_the_person_everywhere_is_the_whole_picture():
    error = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    whole = error.abs().mean() + error.square().mean()
    assert torch.allclose(on_person(error, torch.ones(2, 8, 8)), whole)
    mask = torch.zeros(2, 8, 8)
    assert on_person(error, mask) == 0
    mask[1, 2, 3] = 1
    only = error[1, :, 2, 3]
    assert torch.allclose(on_person(error, mask), only.abs().mean() + only.square().mean())


def test_outlines_count_what_lies_beside_them():
    picture = torch.zeros(1, 3, 8, 8)
    picture[..., 4:] = 1
    beside, away = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    beside[..., 3], away[..., 0] = 0.5, 0.5
    assert outlines(beside, picture) == pytest.approx(0.5) and outlines(away, picture) == 0
    assert torch.isfinite(outlines(away, torch.zeros_like(picture))), "a picture of one colour has no outlines"


def test_scales_see_an_error_that_is_wide_and_not_a_chequerboard():
    board = (torch.arange(16)[:, None] + torch.arange(16)) % 2 * 2.0 - 1
    board = board.expand(1, 3, 16, 16)
    assert scales(board).abs() < 1e-6 and edges(board) > 1
    assert scales(torch.ones(1, 3, 16, 16)) == pytest.approx(3.0), "once for each size, and no edges"


def test_channels_of_the_file_are_held_where_they_were(vae):
    made = recipe(model={"init": vae, "channels": 6}, losses={"latents": 1.0})
    batch = batch_of(made)
    assert made(batch, Draws(0, 0))[1]["latents"] < 1e-10
    with torch.no_grad():
        made.vae.taesd_encoder[-1].bias[:4] += 0.5
        made.vae.taesd_encoder[-1].bias[4:] += 3
    assert made(batch, Draws(0, 0))[1]["latents"].item() == pytest.approx(0.25, rel=1e-3)
    assert not [name for name in made.trained() if name.startswith("before")]


def test_a_discriminator_and_a_decoder_train_against_each_other(vae):
    """Each by its own term alone: what one learns from leaves the other without a gradient."""
    made = recipe(model={"init": vae}, losses={"adversarial": 1.0})
    judge, picture = made.discriminator, batch_of(made)["picture"]
    decoded = (picture + 0.3).requires_grad_()
    terms = judge.terms(picture, decoded)
    of = lambda term: torch.autograd.grad(
        terms[term], [decoded, *judge.parameters()], allow_unused=True, retain_graph=True
    )
    first, *others = of("adversarial")
    assert first.any() and not any(one is not None and one.any() for one in others)
    first, *others = of("discriminator")
    # Inside its margins a hinge moves the last bias as far up for true pictures as down for decoded ones.
    assert first is None and all(one.any() for one in others[:-1])
    optimizer = torch.optim.Adam(judge.parameters(), lr=1e-3)
    for _ in range(60):
        optimizer.zero_grad()
        judge.terms(picture, decoded.detach())["discriminator"].backward()
        optimizer.step()
    assert judge(picture).mean() > judge(decoded).mean() + 0.5, "it learns which pictures are true"


def test_a_validation_measures_without_the_discriminator(vae, tmp_path):
    made = recipe(model={"init": vae}, losses={"adversarial": 1.0})
    batch = batch_of(made)
    for context, expected in ((torch.no_grad(), False), (nullcontext(), True)):
        with context:
            assert ("adversarial" in made(batch, Draws(0, 0))[1]) == expected
    (file,) = made.export(tmp_path)
    assert set(load_file(file)) == set(load_file(vae)), "it is no part of the file"


# --- figures ---------------------------------------------------------------------------------------------------------


def test_figures_are_those_of_whole_frames_and_of_the_person(shipped):
    """Against a plain computation, and worse with one channel of the latents lost."""
    made = recipe(model={"init": str(SHIPPED)})
    found = made.figures(made.clips, torch.device("cpu"))
    rows = []
    for index in range(3):
        clip = made.clips[index]
        video = clip["video"].float() / 255
        with torch.no_grad():
            square = (shipped.decode(shipped.encode(video)).clamp(0, 1) - video).square().mean(1)
        here = clip["mask"] > 127
        rows.append([-10 * torch.log10(part.mean()).item() for part in (square, square[here])])
    expected = torch.tensor(rows).mean(0).tolist()
    assert [found["psnr"], found["psnr_person"]] == pytest.approx(expected, abs=0.01)
    with torch.no_grad():
        made.vae.taesd_decoder[1].weight[:, 0] = 0
    assert made.figures(made.clips, torch.device("cpu"))["psnr"] < found["psnr"] - 1


def test_the_run_of_sixteen_channels_trains_on_no_clip_that_it_is_measured_on():
    run = RunSettings.from_file(ROOT / "training" / "runs" / "demo_vae_16.json")
    assert run.model["channels"] == 16 and Path(run.model["init"]) == SHIPPED and run.validate_every
    held_out = validation_data(run.data, run.validation)
    assert (held_out["first_seed"], held_out["clips"]) == (900, 24) and run.data["first_seed"] >= 1000
    short = replace(run, data=run.data | {"clips": 2, "size": 64}, folder="unused")
    made = make_recipe(short)
    made.prepare(torch.device("cpu"))
    loss, terms = made(batch_of(made, (0, 1)), Draws(0, 0))
    assert torch.isfinite(loss) and set(run.losses) <= set(terms)
