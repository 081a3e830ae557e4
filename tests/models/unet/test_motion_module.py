"""Motion modules against diffusers' own, and against the names and shapes of the released files."""

import importlib.util
import json
import math
from pathlib import Path

import pytest
import torch
from pack.models.unet.config import ANIMATEDIFF_V1, ANIMATEDIFF_V2, ANIMATEDIFF_V3, TINY
from pack.models.unet.motion_module import MotionTransformer, PositionTable, sinusoids
from pack.models.unet.network import VideoUNet
from pack.models.unet.switches import with_switches

TESTS = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("parity", TESTS / "parity.py")
parity = importlib.util.module_from_spec(spec)
spec.loader.exec_module(parity)

MANIFEST = json.loads((TESTS / "golden" / "animatediff_manifest.json").read_text(encoding="utf-8"))
VERSIONS = {
    "v1": (ANIMATEDIFF_V1, 417_137_600),
    "v2": (ANIMATEDIFF_V2, 453_209_280),
    "v3": (ANIMATEDIFF_V3, 417_137_600),
}


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def tiny():
    unet = VideoUNet(with_switches(ANIMATEDIFF_V2, **TINY, cross_attention_dim=48)).eval()
    unet.load_state_dict(parity.fill(unet.state_dict(), "tiny"))
    return unet


@pytest.mark.parametrize("case", parity.CASES)
def test_parity(case):
    answers, tolerance = parity.CASES[case]
    for name, ours, theirs in answers("pytest", None):
        assert parity.differences(ours, theirs)[1] <= tolerance, name


def position_tables(net) -> dict:
    """The tables that released files carry beside the weights."""
    places = {name: module for name, module in net.named_modules() if isinstance(module, PositionTable)}
    return {f"{name}.pe": sinusoids(at.positions, at.width)[None] for name, at in places.items()}


@pytest.mark.parametrize("version", VERSIONS)
def test_names_and_shapes_of_the_released_files(version):
    config, count = VERSIONS[version]
    with torch.device("meta"):
        unet = VideoUNet(config)
    ours = {name: list(value.shape) for name, value in unet.state_dict().items() if ".motion_modules." in name}
    kept = lambda name: config.temporal.mid_block or not name.startswith("mid_block")
    assert ours == {name: shape for name, shape in MANIFEST["keys"].items() if kept(name)}
    assert sum(value.numel() for name, value in unet.state_dict().items() if ".motion_modules." in name) == count
    tables = {name: list(value.shape) for name, value in position_tables(unet).items()}
    rows = config.temporal.positions
    assert tables == {name: [1, rows, shape[2]] for name, shape in MANIFEST["tables"].items() if kept(name)}
    assert all(value.is_meta for value in unet.buffers()), "a network on meta takes no memory"


def test_position_tables_in_a_file_are_taken_and_those_of_another_length_refused(tiny):
    tables = position_tables(tiny)
    assert tables
    tiny.load_state_dict(tiny.state_dict() | tables)
    with pytest.raises(RuntimeError, match=r"\(1, 24, 64\) in the file and \(1, 32, 64\)"):
        tiny.load_state_dict(tiny.state_dict() | {name: value[:, :24] for name, value in tables.items()})


def test_position_table_is_the_papers():
    table = sinusoids(32, 6)
    assert table.shape == (32, 6) and table[0].tolist() == [0, 1, 0, 1, 0, 1]
    assert abs(table[5, 2] - math.sin(5 / 10000 ** (2 / 6))) < 1e-6


def test_too_long_a_clip_is_refused_in_words(tiny):
    with pytest.raises(ValueError, match=r"Expected a clip of up to 32 frames.*, got 40: use Context Windows"):
        tiny(*parity.inputs(48, "", 40))


@torch.no_grad()
def test_clips_of_a_batch_do_not_mix_and_frames_of_a_clip_do(tiny):
    sample, time, context = parity.inputs(48, "", 6)
    both = tiny(torch.cat((sample, sample.flip(0))), time, torch.cat((context, context)), chunks=2)
    assert torch.allclose(both[:6], tiny(sample, time, context), atol=1e-5)
    changed = sample.clone()
    changed[5] += 1
    assert (tiny(changed, time, context)[0] - both[0]).abs().max() > 1e-3


@torch.no_grad()
def test_the_norm_runs_over_a_frame_unless_asked_otherwise(tiny):
    motions = [module for module in tiny.modules() if isinstance(module, MotionTransformer)]
    assert len(motions) == 7 and not any(module.over_clip for module in motions)
    x = torch.cat((torch.zeros(1, 64, 4, 4), 9 * parity.drawn("x", (1, 64, 4, 4))))
    tiny.layout.cut(2, 1, 1)
    first = motions[0](x)
    motions[0].over_clip = True
    second = motions[0](x)
    motions[0].over_clip = False
    assert (first - second).abs().max() > 1e-2


def test_motion_comes_before_the_attention_between_modalities():
    config = with_switches(ANIMATEDIFF_V2, **TINY, cross_attention_dim=48, modalities=2, cross_modal="all")
    with torch.device("meta"):
        unet = VideoUNet(config)
    end = unet.up_blocks[-1].attentions[-1].after
    assert [type(module).__name__ for module in end] == ["MotionModule", "CrossModalAttention"]
    assert [type(module).__name__ for module in unet.mid_block.attentions[0].after] == ["MotionModule"]
    assert len({id(p) for p in unet.parameters()}) == sum(1 for _ in unet.named_parameters(remove_duplicate=False))


@torch.no_grad()
def test_half_precision(tiny):
    sample, time, context = parity.inputs(48, "", 4)
    exact = tiny(sample, time, context)
    half = VideoUNet(tiny.video).eval()
    half.load_state_dict(tiny.state_dict())
    half = half.to(torch.bfloat16)
    answer = half(sample.bfloat16(), time, context.bfloat16())
    assert answer.dtype == torch.bfloat16 and parity.differences(answer.float(), exact)[1] < 0.1
