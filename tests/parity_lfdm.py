"""The flow model against recorded answers of its authors' code: python tests/parity.py lfdm --golden FILE [--salt TEXT]

FILE holds inputs and answers; the weights are drawn from their released names, so that none have to be stored. A file
of fewer groups checks those that it holds; one that was recorded with a salt is checked with that salt.
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch
from pack.models.lfdm.autoencoder import FlowAutoencoder
from pack.models.lfdm.checkpoint import CONSTANT
from pack.models.lfdm.config import (
    MUG_AUTOENCODER,
    MUG_UNET,
    TINY_AUTOENCODER,
    TINY_UNET,
    AutoencoderConfig,
    FlowUNetConfig,
)
from pack.models.lfdm.diffusion import FlowSchedule, noise_loss
from pack.models.lfdm.equivariance import Bend, affine_loss, pyramid, shift_loss
from pack.models.lfdm.regions import Regions
from pack.models.lfdm.state import motion_of
from pack.models.lfdm.unet import FlowUNet, guided
from pack.models.lfdm.warp import Motion, warp
from safetensors import safe_open
from tiny.flow_files import released_name
from torch import Tensor

ATOL, RTOL = 2e-4, 1e-4
Answers = Iterator[tuple[str, Tensor, Tensor]]  # name, ours, theirs
FIXED = (".fc.bias", (6,))


class Golden:
    """Recorded tensors by name; a file may hold only some of them."""

    def __init__(self, path: Path):
        self.file = safe_open(path, framework="pt")
        self.names = set(self.file.keys())

    def __getitem__(self, name: str) -> Tensor:
        return self.file.get_tensor(name)

    def under(self, prefix: str) -> list[str]:
        return sorted(name for name in self.names if name.startswith(prefix))


def drawn(name: str, shape: tuple[int, ...], salt: str = "") -> Tensor | None:
    """The value of a weight by its released name; None for constants, which the network makes itself."""
    if CONSTANT.search(name) or name.endswith("down.weight"):
        return None
    generator = torch.Generator().manual_seed(zlib.crc32((salt + name).encode()))
    values = torch.randn(tuple(shape), generator=generator)
    leaf = name.rsplit(".", 1)[-1]
    fan = values[0].numel() if values.ndim > 1 else 1
    if leaf == "running_mean":
        return 0.05 * values
    if leaf == "running_var":
        return 1 + 0.2 * values.clamp(-2, 2)
    if leaf == "gamma" or (leaf == "weight" and values.ndim == 1):
        return 1 + 0.1 * values.clamp(-3, 3)
    if (name[-len(FIXED[0]) :], tuple(shape)) == FIXED:
        return torch.tensor([1.0, 0, 0, 0, 1, 0]) + 0.05 * values
    if leaf == "bias":
        return 0.02 * values
    return values * size_of(name, fan, leaf)


def size_of(name: str, fan: int, leaf: str) -> float:
    """How large the numbers of a matrix are."""
    if leaf == "null_cond_emb" or name.endswith("relative_attention_bias.weight"):
        return 0.5
    for ending, gain in (
        (("fc.weight",), 0.02),
        (("regions.weight",), 0.5),
        (("final_conv.1.weight", "occlusion_map.1.weight"), 1.0),
    ):
        if name.endswith(ending):
            return gain / fan**0.5
    return 1.2 / fan**0.5


@torch.no_grad()
def filled(network: torch.nn.Module, salt: str) -> torch.nn.Module:
    """The network in eval mode on drawn weights."""
    for name, value in network.state_dict().items():
        released = released_name(name, value.shape) if isinstance(network, FlowUNet) else name
        new = drawn(released, value.shape, salt)
        if new is not None:
            value.copy_(new)
    return network.eval()


def autoencoder(config: AutoencoderConfig, salt: str) -> FlowAutoencoder:
    return filled(FlowAutoencoder(config), salt)


def unet(config: FlowUNetConfig, salt: str) -> FlowUNet:
    return filled(FlowUNet(config), salt)


def lfdm(salt: str = "", golden: Path | None = None) -> Answers:
    """Every group that the file holds: name, our answer, the recorded one."""
    if golden is None:
        raise SystemExit("lfdm compares with recorded answers: give the file with --golden FILE.")
    recorded = Golden(golden)
    for prefix, group in GROUPS.items():
        if recorded.under(prefix):
            for name, ours in group(recorded, salt):
                if name in recorded.names:
                    yield name, ours, recorded[name]


def schedule(recorded: Golden, salt: str):
    tables = FlowSchedule().tables
    for name in recorded.under("sched."):
        leaf = name.removeprefix("sched.")
        if leaf in tables:
            yield name, tables[leaf]
    yield "sched.antialias_weight", FlowAutoencoder(TINY_AUTOENCODER).region_predictor.down.weight
    yield "sched.rotary_freqs", 10000.0 ** (-torch.arange(0, 32, 2) / 32)


@torch.no_grad()
def autoencoder_answers(prefix: str, config: AutoencoderConfig, recorded: Golden, salt: str):
    """Analysis and synthesis of one pair of pictures."""
    net = autoencoder(config, salt)
    shown = "tiny.lfae.pad3" if prefix == "tiny.lfae.pad0" else prefix  # the same pictures
    source, driving = (recorded[f"{shown}.in.{which}"] for which in ("source", "driving"))
    both = {"source": net.region_predictor(source), "driving": net.region_predictor(driving)}
    for which, regions in both.items():
        yield from region_answers(f"{prefix}.region.{which}", regions, recorded)
    background = net.bg_predictor(source, driving)
    rendered, motion = net.generator(source, both["source"], both["driving"], background)
    encoded = net.generator.encode(source)
    yield f"{prefix}.bg_params", background
    yield f"{prefix}.optical_flow", motion.grid
    yield f"{prefix}.occlusion_map", motion.occlusion
    yield f"{prefix}.bottle_neck_feat", encoded.features
    yield f"{prefix}.warped_feat", motion.warp_visible(encoded.features)
    yield f"{prefix}.deformed", warp(source, motion.grid)
    yield f"{prefix}.prediction", rendered


def region_answers(prefix: str, regions: Regions, recorded: Golden):
    """Axes are compared as they are used: up to the sign of both together."""
    theirs = recorded[f"{prefix}.affine"]
    length = regions.affine.norm(dim=-2, keepdim=True)
    sign = (regions.affine * theirs).sum((-2, -1), keepdim=True).sign()
    yield f"{prefix}.shift", regions.shift
    yield f"{prefix}.covar", regions.covariance
    yield f"{prefix}.affine", regions.affine * sign
    yield f"{prefix}.u", (regions.affine * sign / length).flatten(0, 1)
    yield f"{prefix}.d", torch.diag_embed(length[..., 0, :]).flatten(0, 1)
    if f"{prefix}.heatmap" in recorded.names:
        yield f"{prefix}.heatmap", regions.heat_map


@torch.no_grad()
def decode(recorded: Golden, salt: str):
    generator = autoencoder(TINY_AUTOENCODER, salt).generator
    source = recorded["tiny.lfae.pad3.in.source"]
    grid, occlusion = recorded["tiny.decode.in.flow"], recorded["tiny.decode.in.occ"]
    yield "tiny.decode.deformed", warp(source, grid)
    yield "tiny.decode.prediction", generator.decode(generator.encode(source), Motion(grid, occlusion))


@torch.no_grad()
def equivariance(recorded: Golden, salt: str):
    net = autoencoder(TINY_AUTOENCODER, salt)
    driving = recorded["tiny.lfae.pad3.in.driving"]
    bend = Bend(recorded["tiny.equiv.in.theta_noise"], recorded["tiny.equiv.in.tps"])
    regions, bent = net.region_predictor(driving), net.region_predictor(bend.warp_picture(driving))
    yield "tiny.equiv.transformed_frame", bend.warp_picture(driving)
    yield "tiny.equiv.transformed_shift", bent.shift
    yield "tiny.equiv.loss.equivariance_shift", 10 * shift_loss(regions, bent, bend)
    yield "tiny.equiv.loss.equivariance_affine", 10 * affine_loss(regions, bent, bend)


def sizes(recorded: Golden, salt: str):
    for scale, picture in pyramid(recorded["tiny.lfae.pad3.in.source"]).items():
        yield f"tiny.pyramid.prediction_{scale:g}", picture


def unet_inputs(recorded: Golden) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return tuple(recorded[f"tiny.unet.in.{name}"] for name in ("x", "t", "fea", "cond"))


@torch.no_grad()
def small_unet(kind: str, config: FlowUNetConfig, recorded: Golden, salt: str):
    net = unet(config, salt)
    x, t, features, text = unet_inputs(recorded)
    part = net.still_part(features)
    yield f"tiny.unet.{kind}.relbias", net.time_rel_pos_bias(5, x.device)
    yield f"tiny.unet.{kind}.cond", net(x, t, features, text)
    yield f"tiny.unet.{kind}.null", guided(net, x, t, part, text, 0)
    yield f"tiny.unet.{kind}.scale2", guided(net, x, t, part, text, 2)


def predictor(recorded: Golden, salt: str, scale: float = 1.0) -> Callable[[Tensor, Tensor], Tensor]:
    """The tiny U-Net on the recorded picture and text."""
    net = unet(TINY_UNET, salt)
    _, _, features, text = unet_inputs(recorded)
    return lambda state, t: guided(net, state, t, net.still_part(features), text, scale)


def noises(recorded: Golden, prefix: str) -> list[Tensor]:
    return [recorded[name] for name in sorted(recorded.under(f"{prefix}.in.noise"), key=lambda n: int(n[-1]))]


@torch.no_grad()
def ancestral(recorded: Golden, salt: str):
    """One step of the long chain at its ends and its middle."""
    predict, times = predictor(recorded, salt), FlowSchedule()
    state = recorded["tiny.unet.in.x"]
    for step in (0, 500, 999):
        t = torch.full((len(state),), step)
        noise = predict(state, t)
        mean, log_variance = times.posterior(times.clean(state, noise, t), state, t)
        yield f"tiny.psample{step}.mean", mean
        yield f"tiny.psample{step}.logvar", log_variance
        fresh = recorded[f"tiny.psample{step}.in.noise"]
        yield f"tiny.psample{step}.out", times.ancestral_step(state, noise, t, fresh)


@torch.no_grad()
def short_chain(recorded: Golden, salt: str):
    first, *fresh = noises(recorded, "tiny.ddpm8")
    yield "tiny.ddpm8.out", FlowSchedule(8).sample(predictor(recorded, salt), first, fresh)


def authors_ddim(predict, noise: list[Tensor], steps: int, eta: float) -> Tensor:
    """The authors' DDIM, for comparison only: its state is one step cleaner than the time that the network gets."""
    times = FlowSchedule()
    points = torch.linspace(0, times.steps, steps + 2)[:-1].int().flip(0).tolist()
    state, *fresh = noise
    for now, then in zip(points, points[1:], strict=False):
        t = torch.full((len(state),), now)
        predicted = predict(state, t)
        clean = times.clean(state, predicted, t)
        a, b = (times.tables["alphas_cumprod_prev"][index] for index in (now, then))
        sigma = eta * ((1 - a / b) * (1 - b) / (1 - a)).sqrt()
        state = clean * b.sqrt() + (1 - b - sigma**2).sqrt() * predicted
        if then > 0 and eta:
            state = state + sigma * fresh.pop(0)
    return state


@torch.no_grad()
def ddim(recorded: Golden, salt: str):
    for name, steps, eta, scale in (
        ("4_eta0", 4, 0, 1),
        ("4_eta1", 4, 1, 1),
        ("10_eta0", 10, 0, 1),
        ("4_cfg2", 4, 1, 2),
    ):
        prefix = f"tiny.ddim{name}"
        if recorded.under(prefix):
            predict = predictor(recorded, salt, scale)
            yield f"{prefix}.out", authors_ddim(predict, noises(recorded, prefix), steps, eta)


def loss(recorded: Golden, salt: str):
    """The second text is none."""
    net = unet(TINY_UNET, salt)
    _, _, features, text = unet_inputs(recorded)
    text = torch.stack((text[0], net.null_text(text)[1]))
    clean, noise = recorded["tiny.loss.in.x0"], recorded["tiny.loss.in.noise"]
    value, found = noise_loss(net, FlowSchedule(), clean, noise, torch.tensor([7, 640]), features, text)
    value.backward()
    yield "tiny.loss.value", value.detach()
    yield "tiny.loss.pred_x0", found.detach()
    yield "tiny.loss.grad.init_conv", net.init_conv.weight.grad


@torch.no_grad()
def full_unet(recorded: Golden, salt: str):
    """The released size: one call, three steps of the authors' DDIM, two frames rendered."""
    net, generator = unet(MUG_UNET, salt), autoencoder(MUG_AUTOENCODER, salt).generator
    text = recorded["full.unet.in.cond"]
    encoded = generator.encode(recorded["full.lfae.in.source"])
    part = net.still_part(recorded["full.lfae.bottle_neck_feat"])
    predict = lambda state, t: net(state, t, text=text, still_part=part)
    yield "full.unet.out", predict(recorded["full.unet.in.x"], recorded["full.unet.in.t"])
    state = authors_ddim(predict, noises(recorded, "full.ddim3"), 3, 1)
    yield "full.ddim3.out", state
    grid, occlusion = motion_of(state)
    for frame in (0, 39):
        yield f"full.video.frame{frame}", generator.decode(encoded, Motion(grid[:, frame], occlusion[:, frame]))


GROUPS: dict[str, Callable] = {
    "sched.": schedule,
    "tiny.lfae.pad3.": lambda *a: autoencoder_answers("tiny.lfae.pad3", TINY_AUTOENCODER, *a),
    "tiny.lfae.pad0.": lambda *a: autoencoder_answers(
        "tiny.lfae.pad0", replace(TINY_AUTOENCODER, heat_map_padding=0), *a
    ),
    "tiny.decode.": decode,
    "tiny.equiv.": equivariance,
    "tiny.pyramid.": sizes,
    "tiny.unet.deconv.": lambda *a: small_unet("deconv", TINY_UNET, *a),
    "tiny.unet.upconv.": lambda *a: small_unet("upconv", replace(TINY_UNET, upsample="conv", null="learned"), *a),
    "tiny.psample": ancestral,
    "tiny.ddpm8.": short_chain,
    "tiny.ddim": ddim,
    "tiny.loss.": loss,
    "full.lfae.": lambda *a: autoencoder_answers("full.lfae", MUG_AUTOENCODER, *a),
    "full.unet.": full_unet,
}


def close(ours: Tensor, theirs: Tensor) -> bool:
    """Within 2e-4 and one part in ten thousand."""
    return ours.shape == theirs.shape and torch.allclose(ours, theirs, atol=ATOL, rtol=RTOL)
