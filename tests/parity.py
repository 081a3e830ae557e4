"""Our networks against other implementations of the same mathematics: python tests/parity.py CASE [--golden FILE] [--salt TEXT]

Prints the worst difference and exits 1 above the tolerance. Every weight and input is drawn from a generator seeded by
its name and the salt, so each salt is a fresh case and no file of weights is needed.
"""

import argparse
import importlib.util
import json
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
if "pack" not in sys.modules:
    spec = importlib.util.spec_from_file_location("pack", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    sys.modules["pack"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules["pack"])

import torch  # noqa: E402
from diffusers import UNet2DConditionModel, UNetMotionModel  # noqa: E402
from einops import rearrange  # noqa: E402
from pack.models.files.tuned import tav_name  # noqa: E402
from pack.models.unet.config import (  # noqa: E402
    ANIMATEDIFF_V1,
    ANIMATEDIFF_V2,
    ANIMATEDIFF_V3,
    IDOL,
    ONE_SHOT_SD1,
    SD1,
    TINY,
    VideoUNetConfig,
)
from pack.models.unet.inflation import inflate_unet  # noqa: E402
from pack.models.unet.motion_module import MotionTransformer  # noqa: E402
from pack.models.unet.network import VideoUNet  # noqa: E402
from pack.models.unet.switches import with_switches  # noqa: E402
from safetensors import safe_open  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

FRAMES, SIDE, TOKENS = 4, 8, 5
GOLDEN = ROOT / "tests" / "golden"
Answers = Iterator[tuple[str, torch.Tensor, torch.Tensor]]  # name, ours, theirs


def drawn(name: str, shape, salt: str = "") -> torch.Tensor:
    """Normal numbers that depend on the name and the salt alone."""
    return torch.randn(tuple(shape), generator=torch.Generator().manual_seed(zlib.crc32((salt + name).encode())))


@torch.no_grad()
def fill(state: dict[str, torch.Tensor], salt: str = "") -> dict[str, torch.Tensor]:
    """Values of the usual size for every tensor: matrices keep the variance, scales lie near one, nothing is zero."""
    values = {}
    for name, tensor in state.items():
        value = drawn(name, tensor.shape, salt)
        if value.ndim > 1:
            values[name] = value / value[0].numel() ** 0.5
        else:
            values[name] = 1 + 0.1 * value if name.endswith("weight") else 0.1 * value
    return values


def inputs(context_width: int, salt: str, frames: int = FRAMES) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(F, 4, h, w) latents, a time and (F, tokens, width) context."""
    sample, context = drawn("sample", (frames, 4, SIDE, SIDE), salt), drawn("context", (1, TOKENS, context_width), salt)
    return sample, torch.tensor(501.0), context.repeat(frames, 1, 1)


@torch.no_grad()
def inflation(salt: str, golden: Path | None = None) -> Answers:
    """A freshly inflated network against diffusers' 2-D U-Net: not one bit may differ."""
    for linear in (False, True):
        for layers in (1, 2):
            shape = TINY | {"use_linear_projection": linear, "layers_per_block": layers, "cross_attention_dim": 48}
            flat = UNet2DConditionModel(**with_switches(SD1, **shape).base()).eval()
            state = fill(flat.state_dict(), salt)
            flat.load_state_dict(state)
            x = inputs(48, salt)
            theirs = flat(*x).sample
            for system, config in (("temporal", replace(IDOL, pair=None)), ("motion modules", ANIMATEDIFF_V2)):
                ours = inflate_unet(state, with_switches(config, **shape)).eval()(*x)
                yield f"{system}, {'linear' if linear else 'conv'}, {layers} layers", ours, theirs


DIFFUSERS_NAMES = (
    (".temporal_transformer.", "."),
    (".attention_blocks.0.", ".attn1."),
    (".attention_blocks.1.", ".attn2."),
    (".norms.0.", ".norm1."),
    (".norms.1.", ".norm2."),
    (".ff_norm.", ".norm3."),
)


def diffusers_name(name: str) -> str:
    """The released files' name of a motion weight in diffusers' words."""
    if ".motion_modules." in name:
        for ours, theirs in DIFFUSERS_NAMES:
            name = name.replace(ours, theirs)
    return name


class FrameNorm(torch.nn.GroupNorm):
    """A GroupNorm that takes (b c f h w) and norms each frame, as AnimateDiff's own code does."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.transpose(1, 2).flatten(0, 1)).unflatten(0, (x.shape[0], -1)).transpose(1, 2)


def motion_reference(config, state: dict[str, torch.Tensor]) -> UNetMotionModel:
    """diffusers' network with the same weights; strict, so every weight of ours has its place there."""
    base = config.base()
    for kind in ("down_block_types", "up_block_types"):
        base[kind] = tuple(name.replace("Block2D", "BlockMotion") for name in base[kind])
    heads = base.pop("attention_head_dim")
    base.pop("num_class_embeds")
    reference = UNetMotionModel(
        **base,
        num_attention_heads=heads,
        motion_max_seq_length=config.temporal.positions,
        use_motion_mid_block=config.temporal.mid_block,
    )
    tables = {name: value for name, value in reference.state_dict().items() if name.endswith(".pe")}
    reference.load_state_dict({diffusers_name(name): value for name, value in state.items()} | tables)
    return reference.eval()


def norm_each_frame(reference: UNetMotionModel) -> None:
    for name, module in reference.named_modules():
        if name.split(".")[-2:-1] == ["motion_modules"]:
            module.norm.__class__ = FrameNorm


@torch.no_grad()
def animatediff(salt: str, golden: Path | None = None) -> Answers:
    """The three versions against diffusers' UNetMotionModel, with its norm over the clip and with a norm per frame."""
    for version, config in (("v1", ANIMATEDIFF_V1), ("v2", ANIMATEDIFF_V2), ("v3", ANIMATEDIFF_V3)):
        config = with_switches(config, **TINY, cross_attention_dim=48)
        ours = VideoUNet(config).eval()
        state = fill(ours.state_dict(), salt)
        ours.load_state_dict(state)
        reference = motion_reference(config, state)
        frames = config.temporal.positions
        sample, time, context = inputs(48, salt, frames)
        for norm in ("clip", "frame"):
            for module in ours.modules():
                if isinstance(module, MotionTransformer):
                    module.over_clip = norm == "clip"
            if norm == "frame":
                norm_each_frame(reference)
            theirs = reference(sample.transpose(0, 1)[None], time, context).sample[0].transpose(0, 1)
            yield f"{version}, {frames} frames, norm of the {norm}", ours(sample, time, context), theirs


def recorded_weight(name: str, shape, salt: str) -> torch.Tensor:
    """The value that a recorded network had under this name: the rule by which the golden files were made."""
    value = drawn(name, shape, salt)
    if len(shape) == 1:
        return 1 + 0.1 * value.clamp(-3, 3) if name.endswith("weight") else 0.02 * value
    return value / value[0].numel() ** 0.5


def recorded_cases(golden: Path) -> Iterator[tuple[str, VideoUNetConfig, dict[str, torch.Tensor]]]:
    """Name, configuration, and inputs and answer (x, ctx, t, out) of the networks in a golden file of Tune-A-Video."""
    tensors = load_file(golden)
    with safe_open(golden, framework="pt") as file:
        shapes = json.loads(file.metadata()["config"])
    for name, shape in shapes.items():
        shape = {key: tuple(value) if isinstance(value, list) else value for key, value in shape.items()}
        parts = {key.partition(".")[2]: value for key, value in tensors.items() if key.startswith(f"{name}.")}
        config = with_switches(
            ONE_SHOT_SD1, **shape, block_out_channels=(32, 64, 128), attention_levels=(True, True, False),
            cross_attention_dim=parts["ctx"].shape[-1], norm_num_groups=8, group_norm="clip",
        )  # fmt: skip
        yield name, config, parts


def recorded_network(config: VideoUNetConfig, salt: str) -> VideoUNet:
    """Our network with the weights of a recorded one; strict, so every weight has its place."""
    net = VideoUNet(config).eval()
    net.load_state_dict(
        {name: recorded_weight(tav_name(name), value.shape, salt) for name, value in net.state_dict().items()}
    )
    return net


def recorded_inputs(parts: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(b f) c h w latents, a time and n x c tokens for each of them."""
    frames = parts["x"].shape[2]
    sample = rearrange(parts["x"], "b c f h w -> (b f) c h w")
    return sample, parts["t"].repeat_interleave(frames), parts["ctx"].repeat_interleave(frames, 0)


@torch.no_grad()
def tuneavideo(salt: str, golden: Path | None = None) -> Answers:
    """Tune-A-Video's own answers: sparse-causal and temporal attention, norms over the clip, a bias that is not zero."""
    salt = salt if golden else ""  # the copy in the repository was recorded without one
    for name, config, parts in recorded_cases(golden or GOLDEN / "tuneavideo.safetensors"):
        clips, _, frames = parts["x"].shape[:3]
        ours = recorded_network(config, salt)(*recorded_inputs(parts), chunks=clips)
        yield f"{name}, {clips} clips of {frames} frames", ours, rearrange(parts["out"], "b c f h w -> (b f) c h w")


def lfdm(salt: str, golden: Path | None = None) -> Answers:
    """The flow model, in a file of its own that lies beside this one; without a file, the smaller recorded answers."""
    spec = importlib.util.spec_from_file_location("parity_lfdm", Path(__file__).with_name("parity_lfdm.py"))
    spec.loader.exec_module(beside := importlib.util.module_from_spec(spec))
    if golden is not None:
        yield from beside.lfdm(salt, golden)
        return
    for name in ("codec", "unet"):
        yield from beside.lfdm("", ROOT / "tests" / "golden" / f"lfdm_{name}.safetensors")


def mimo(salt: str, golden: Path | None = None) -> Answers:
    """The character model, in a file of its own that lies beside this one; without a file, the smaller recorded one."""
    spec = importlib.util.spec_from_file_location("parity_mimo", Path(__file__).with_name("parity_mimo.py"))
    spec.loader.exec_module(beside := importlib.util.module_from_spec(spec))
    yield from beside.mimo(salt if golden else "", golden or GOLDEN / "mimo.safetensors", recorded_weight)


def unityvideo(salt: str, golden: Path | None = None) -> Answers:
    """The pair on Wan 2.2, in a file of its own that lies beside this one; it needs ComfyUI."""
    spec = importlib.util.spec_from_file_location("parity_unity", Path(__file__).with_name("parity_unityvideo.py"))
    spec.loader.exec_module(beside := importlib.util.module_from_spec(spec))
    yield from beside.unityvideo(salt if golden else "", golden or GOLDEN / "unityvideo.safetensors", recorded_weight)


class Case(NamedTuple):
    answers: Callable[[str, Path | None], Answers]
    tolerance: float  # of the worst relative difference


CASES = {
    "inflation": Case(inflation, 0.0),
    "animatediff": Case(animatediff, 1e-5),
    "tuneavideo": Case(tuneavideo, 1e-5),
    "lfdm": Case(lfdm, 1e-4),
    "mimo": Case(mimo, 1e-5),
    "unityvideo": Case(unityvideo, 1e-5),
}


def differences(ours: torch.Tensor, theirs: torch.Tensor) -> tuple[float, float]:
    """The worst absolute difference, and that as a share of the largest value; NaN counts as infinitely wrong."""
    if ours.shape != theirs.shape or not torch.isfinite(ours).all():
        return float("inf"), float("inf")
    worst = (ours - theirs).abs().max().item()
    return worst, worst / theirs.abs().max().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--golden", type=Path, help="recorded answers, for cases that compare with them")
    parser.add_argument("--salt", default="")
    options = parser.parse_args()
    case, failed = CASES[options.case], False
    torch.set_num_threads(1)  # nets this small run 50 times slower on two
    for name, ours, theirs in case.answers(options.salt, options.golden):
        absolute, relative = differences(ours, theirs)
        failed |= not relative <= case.tolerance
        print(f"{name:<40} worst difference {absolute:.3g}, relative {relative:.3g}")
    print(f"{'above' if failed else 'within'} the tolerance of {case.tolerance:g}")
    sys.exit(failed)


if __name__ == "__main__":
    main()
