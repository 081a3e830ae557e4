"""Every family of shipped weights with the defaults of its nodes, on the real server: as good as with settings by hand.

A graph is built from /object_info alone: file names, prompts and pictures are given, every other widget is untouched. The
figures are those of the family's benchmark, on clips that no weights were trained on.
"""

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from duet_host.state import link_folder
from pack.models.evaluate.flow import psnr_where
from pack.models.evaluate.metrics import depth_errors, psnr
from pack.models.stage import render
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
VAE = "shipped/duet_vae_128.safetensors"
BY_HAND = {  # size and length of the latent, then what the shipped workflows were made with
    "dance": ((128, 128, 16), (2, 1.0, "ddim", "sgm_uniform")),
    "words": ((128, 128, 8), (20, 1.5, "ddim", "ddim_uniform")),
    "character": ((128, 128, 8), (20, 1.0, "euler", "simple")),
    "flow": ((64, 64, 12), (20, 1.5, "euler_ancestral", "simple")),
}


def bench(name: str):
    """A benchmark's module; the pack and the host that it would open are here already."""
    for there in ("_pack", "_host"):
        sys.modules.setdefault(there, SimpleNamespace(ROOT=ROOT))
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
        sys.modules[name] = importlib.util.module_from_spec(spec)
        sys.path.insert(0, str(ROOT / "benchmarks"))
        try:
            spec.loader.exec_module(sys.modules[name])
        finally:
            sys.path.remove(str(ROOT / "benchmarks"))
    return sys.modules[name]


@cache
def truth_of(family: str):
    """A clip that no weights were trained on, as the family's benchmark has it."""
    if family == "dance":
        return bench("_dance").truth_of(3, frames=16)
    if family == "character":
        return bench("character_swap").swap_of(0)  # without occluders
    if family == "flow":
        return bench("flow_demo").truth_of(8, SimpleNamespace(size=64, frames=12, fps=8.0))
    stage = bench("_stage_edits")
    return render(stage.scene_of(stage.data_of(1, stage.held_out(1)[0])))


class Graph:
    """An API prompt whose nodes have their defaults."""

    def __init__(self, info: dict, inputs: Path, family: str, by_hand: bool):
        self.info, self.inputs, self.family, self.by_hand, self.nodes = info, inputs, family, by_hand, {}

    def add(self, kind: str, **given) -> str:
        groups = self.info[kind]["input"]
        widgets = {name: default(spec) for group in groups.values() for name, spec in group.items() if is_widget(spec)}
        key = str(len(self.nodes) + 1)
        self.nodes[key] = {"class_type": kind, "inputs": widgets | given, "_meta": {"title": kind}}
        return key

    def pictures(self, name: str, images: torch.Tensor) -> str:
        """Load Image with a clip (F, H, W, 3 or 4)."""
        frames = [Image.fromarray(frame) for frame in (images.clamp(0, 1) * 255).round().byte().numpy()]
        file = f"{self.family}_{name}.png"
        frames[0].save(self.inputs / file, save_all=len(frames) > 1, append_images=frames[1:])
        return self.add("LoadImage", image=file)

    def sampled(self, model: list, positive: list, negative: list, latent: list | None = None) -> list:
        """The sampler with its defaults and those of its latent, or the stock one with the settings of the workflow."""
        (width, height, frames), how = BY_HAND[self.family]
        if latent is None:
            size = {"width": width, "height": height, "frames": frames} if self.by_hand else {}
            latent = [self.add("DuetEmptyLatent", model=model, **size), 0]
        conds = {"model": model, "positive": positive, "negative": negative}
        if not self.by_hand:
            return [self.add("DuetSampleLatent", latent=latent, **conds), 0]
        settings = dict(zip(("steps", "cfg", "sampler_name", "scheduler"), how, strict=True))
        return [self.add("KSampler", latent_image=latent, **conds, **settings), 0]

    def saved(self, images: list, name: str) -> None:
        self.add("SaveImage", images=images, filename_prefix=f"{self.family}_{name}_{self.by_hand}")


def is_widget(spec: list) -> bool:
    return isinstance(spec[0], list) or spec[0] in ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")


def default(spec: list):
    options = spec[1] if len(spec) > 1 else {}
    choices = spec[0] if isinstance(spec[0], list) else options.get("options")
    return options.get("default", choices[0] if choices else None)


@pytest.fixture(scope="module")
def graph(server, object_info):
    """A function from a family to an empty graph; the shipped weights lie beside the tests' random ones."""
    state = server.log.parent
    for folder in (ROOT / "weights").iterdir():
        if folder.is_dir():
            link_folder(state / "models" / folder.name / "shipped", folder)
    return lambda family, by_hand: Graph(object_info, state / "input", family, by_hand)


@pytest.fixture
def played(server, run):
    """Run a graph and read the pictures that it saved, {name: (F, H, W, 3)}."""

    def play(graph: Graph) -> dict[str, torch.Tensor]:
        result = run(graph.nodes)
        assert result.ok, (result.error, result.node_errors)
        found = {}
        for key, node in graph.nodes.items():
            if node["class_type"] == "SaveImage":
                files = [server.output / item["subfolder"] / item["filename"] for item in result.outputs[key]["images"]]
                frames = torch.stack([torch.from_numpy(np.array(Image.open(file))) for file in files])
                found[node["inputs"]["filename_prefix"].split("_")[1]] = frames[..., :3] / 255
        return found

    return play


def dance(graph: Graph, play) -> dict[str, float]:
    """As joint_dance does it, which samples in windows."""
    truth = truth_of("dance")
    model = [graph.add("DuetLoadVideoModel", model_name="shipped/duet_dance_128.safetensors"), 0]
    vae = [graph.add("VAELoader", vae_name=VAE), 0]
    control = graph.add("DuetLoadPoseControlNet", control_net_name="shipped/duet_dance_128_pose.safetensors")
    person, room, pose = ([graph.pictures(name, truth[name]), 0] for name in ("person", "room", "pose"))
    who = graph.add("DuetEncodePairCharacter", character=person, vae=vae)
    where = graph.add("DuetEncodePairScene", positive=[who, 0], negative=[who, 1], vae=vae, scene=room)
    conds = graph.add("ControlNetApplyAdvanced", positive=[where, 0], negative=[where, 1], control_net=[control, 0],
                      image=pose, vae=vae)  # fmt: skip
    if graph.by_hand:
        model = [graph.add("DuetSetPairWindows", model=model, context_length=8), 0]
    pair = graph.add("DuetSplitPair", video_depth_latent=graph.sampled(model, [conds, 0], [conds, 1]))
    graph.saved([graph.add("VAEDecode", samples=[pair, 0], vae=vae), 0], "video")
    heat = graph.add("VAEDecode", samples=[pair, 1], vae=vae)
    graph.saved([graph.add("DuetHeatMapToDepth", heat_map=[heat, 0]), 0], "depth")
    found = play(graph)
    error = depth_errors(found["depth"][..., 0], truth["depth"], truth["mask"])["depth_l2"]
    return {"video PSNR": psnr(found["video"], truth["video"]), "1 / depth L2": 1 / error}


def words(graph: Graph, play) -> dict[str, float]:
    clip = truth_of("words")
    low, high = (1 / clip.depth).aminmax()
    depth = graph.pictures("depth", ((1 / clip.depth - low) / (high - low))[..., None].expand(-1, -1, -1, 3))
    loaded = graph.add("DuetLoadVideoModel", model_name="shipped/duet_words_128.safetensors")
    texts = [graph.add("CLIPTextEncode", clip=[loaded, 1], text=text) for text in (clip.caption, "")]
    conds = graph.add("DuetEncodeDepth", positive=[texts[0], 0], negative=[texts[1], 0], depth=[depth, 0])
    latent = graph.sampled([loaded, 0], [conds, 0], [conds, 1])
    vae = [graph.add("VAELoader", vae_name=VAE), 0]
    graph.saved([graph.add("VAEDecode", samples=latent, vae=vae), 0], "video")
    return {"video PSNR": psnr(play(graph)["video"], clip.rgb)}


def character(graph: Graph, play) -> dict[str, float]:
    """The latent is that of Encode Character Swap."""
    swap = truth_of("character")
    model = graph.add("DuetLoadVideoModel", model_name="shipped/duet_character_128.safetensors")
    vae = [graph.add("VAELoader", vae_name=VAE), 0]
    picture = graph.pictures("character", swap.reference)
    mask = graph.add("InvertMask", mask=[picture, 1])
    body, scene = (
        graph.pictures(name, images) for name, images in (("body", swap.motions["joints"]), ("scene", swap.scene))
    )
    conds = graph.add("DuetEncodeSwap", vae=vae, character=[picture, 0], character_mask=[mask, 0], body=[body, 0],
                      scene=[scene, 0])  # fmt: skip
    latent = graph.sampled([model, 0], [conds, 0], [conds, 1], [conds, 2])
    graph.saved([graph.add("VAEDecode", samples=latent, vae=vae), 0], "video")
    found = bench("character_swap").score(play(graph)["video"], None, swap)
    return {name: found[name] for name in ("psnr", "person_psnr", "ssim")}


def flow(graph: Graph, play) -> dict[str, float]:
    truth = truth_of("flow")
    loaded = graph.add("DuetLoadFlowModel", model_name="shipped/duet_flow_64.safetensors",
                       autoencoder_name="shipped/duet_flow_codec_64.safetensors")  # fmt: skip
    still = [graph.pictures("still", truth["video"][:1].movedim(1, -1)), 0]
    texts = [graph.add("CLIPTextEncode", clip=[loaded, 1], text=text) for text in (truth["action"], "")]
    autoencoder = {"autoencoder": [loaded, 2], "still_image": still}
    conds = graph.add("DuetEncodeStill", positive=[texts[0], 0], negative=[texts[1], 0], **autoencoder)
    latent = graph.sampled([loaded, 0], [conds, 0], [conds, 1])
    field = graph.add("DuetDecodeFlow", latent=latent)
    graph.saved([graph.add("DuetAnimateStill", flow=[field, 0], **autoencoder), 0], "video")
    video = play(graph)["video"].movedim(-1, 1)
    return {"PSNR of what is visible": psnr_where(video, truth["video"], truth["kind"] > 0)}


@pytest.mark.parametrize("family", [dance, words, character, flow], ids=lambda f: f.__name__)
def test_defaults_are_as_good_as_the_settings_of_the_workflow(family, graph, played):
    own, by_hand = (family(graph(family.__name__, hand), played) for hand in (False, True))
    for figure, value in own.items():
        assert value > 0.95 * by_hand[figure], (figure, own, by_hand)
