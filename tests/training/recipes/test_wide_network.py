"""A pair whose VAE has more latent channels than the model that it starts from, trained and sampled."""

import pytest
import torch
from pack.models.unet.small_vae import SmallVAE
from pack.training.loop.draws import Draws
from pack.training.page.settings import RunSettings
from pack.training.recipes import make_recipe
from pack.training.recipes.wide_network import with_zeros
from safetensors.torch import save_file

SHAPE = {
    "block_out_channels": [32, 64], "attention_levels": [True, False], "layers_per_block": 1, "attention_head_dim": 4,
    "cross_attention_dim": 48, "cross_modal_width": 0, "prediction": "v",  # not as wide as a token, which is projected
}  # fmt: skip
WIDE = 16


def pair(vae, **model):
    torch.manual_seed(1)
    data = {"kind": "stage", "clips": 2, "size": 64, "frames": 2}
    made = make_recipe(RunSettings(recipe="idol_video", data=data, folder="unused", model={"vae": vae, **model}))
    made.prepare(torch.device("cpu"))
    return made


@pytest.fixture(scope="module")
def wide_vae(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("wide") / "vae.safetensors"
    save_file(SmallVAE(WIDE).state_dict(), path)
    return str(path)


@pytest.fixture(
    scope="module", params=[{}, {"streams": "separate", "label": False, "cross_modal": "none"}], ids=["one", "two"]
)
def trained(request, vae, tmp_path_factory):
    """A pair on four channels, none of whose weights is zero, and its files."""
    made = pair(vae, config=SHAPE | request.param)
    g = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for value in made.parameters():
            if not value.any():
                value.copy_(torch.randn(value.shape, generator=g) * 0.05)
    files = made.export(tmp_path_factory.mktemp("pair"))
    return made, {"init": str(files[0]), "controlnet": str(files[1])}


def inputs_of(made, batch):
    clean, conditions = made.inputs(batch, Draws(0, 0))
    return torch.randn(clean.shape, generator=torch.Generator().manual_seed(3)), conditions


def batch_of(made):
    samples = [made.sample(place) for place in (0, 1)]
    return {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}


@torch.no_grad()
def test_added_channels_change_nothing_of_the_first_ones_and_are_predicted_as_zero(trained, vae, wide_vae):
    made, wide, time = pair(vae, **trained[1]), pair(wide_vae, **trained[1]), torch.tensor([700, 30])
    noisy, conditions = inputs_of(wide, batch_of(wide))
    output = wide.predict(noisy, time, conditions)
    tokens = conditions["tokens"]
    few = conditions | {
        "room": conditions["room"][:, :4],
        "tokens": torch.cat((tokens[..., :16], tokens[..., -16:]), -1),
    }
    before = made.predict(noisy[:, :, :, :4], time, few)
    assert output.shape[3] == WIDE and before.std() > 0.01
    assert (output[:, :, :, :4] - before).abs().max() < 1e-4 * before.abs().max()
    assert not output[:, :, :, 4:].any()


def test_added_channels_are_trained(trained, wide_vae):
    wide = pair(wide_vae, **trained[1])
    wide(batch_of(wide), Draws(0, 0))[0].backward()
    for name, value in wide.trained().items():
        if name.endswith(("conv_out.weight", "conv_out.bias")):
            assert value.grad[4:].flatten(1).any(1).all() if value.ndim > 1 else value.grad[4:].all(), name
    with torch.no_grad():
        for value in wide.trained().values():
            value -= 0.1 * value.grad if value.grad is not None else 0
            value.grad = None
    wide(batch_of(wide), Draws(0, 0))[0].backward()
    reads = {
        name: value.grad[:, 4:]
        for name, value in wide.trained().items()
        if name.endswith("conv_in.weight") and value.shape[1] == WIDE
    }
    assert len(reads) >= 2 and all(value.any() for value in reads.values()), reads.keys()


def test_a_vae_with_fewer_channels_is_refused(trained, wide_vae, vae, tmp_path):
    files = pair(wide_vae, **trained[1]).export(tmp_path)
    with pytest.raises(ValueError, match="vae has 4 latent channels, but the model of init reads 16"):
        pair(vae, init=str(files[0]))


def test_zeros_stand_behind_each_group():
    value = torch.arange(1.0, 10).view(1, 9)
    assert with_zeros(value, 1, [4, 4], 2).tolist() == [[1, 2, 3, 4, 0, 0, 5, 6, 7, 8, 0, 0, 9]]
    assert with_zeros(value.T, 0, [9], 1).flatten().tolist() == [*range(1, 10), 0]


def test_a_pair_on_sixteen_channels_is_sampled_by_the_nodes(wide_vae, tmp_path):
    """From the character to the decoded clip, with the stock sampler's preview."""
    sd = pytest.importorskip("comfy.sd")
    latent_preview = pytest.importorskip("latent_preview")
    from comfy.utils import load_torch_file
    from pack.nodes.pair.conditioning import EncodePairCharacter, EncodePairScene
    from pack.nodes.pair.latent import EmptyLatent, SplitPair
    from pack.nodes.pair.sampler import ALL, AUTO, SampleLatent
    from pack.nodes.unet.loaders import open_video_model

    made = pair(wide_vae, config=SHAPE)
    files = made.export(tmp_path)
    model, vae = open_video_model(str(files[0]))[0], sd.VAE(sd=load_torch_file(wide_vae))
    picture = torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(4))
    positive, negative = EncodePairCharacter.execute(picture, vae=vae).result
    positive, negative = EncodePairScene.execute(positive, negative, vae, picture).result
    latent = EmptyLatent.execute(model, 64, 64, 2, 1).result[0]
    assert latent["samples"].shape == (4, WIDE, 8, 8)
    sampled = SampleLatent.execute(model, positive, negative, latent, 1, ALL, 2, 1.0, AUTO, AUTO, 1.0).result[0]
    for half in SplitPair.execute(sampled).result:
        clip = vae.decode(half["samples"])
        assert clip.shape == (2, 64, 64, 3) and clip.std() > 0
    previewer = latent_preview.Latent2RGBPreviewer(
        model.model.latent_format.latent_rgb_factors,
        latent_rgb_factors_reshape=model.model.latent_format.latent_rgb_factors_reshape,
    )
    assert previewer.decode_latent_to_preview(sampled["samples"]).size == (16, 8), "video beside depth"
