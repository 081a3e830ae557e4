"""A graph around one model: what its nodes are given, how it is sampled, and how a node is put into it.

Letters: B latents of the batch, F frames, C channels, h and w latent pixels, H and W pixels.
"""

from dataclasses import dataclass
from functools import partial

import comfy.samplers
from comfy_extras.nodes_custom_sampler import CFGGuider, Noise_RandomNoise, SamplerCustomAdvanced
from pack.nodes.host.lfdm.model import text_conditioning, with_still
from torch import Tensor

import nodes
from tiny.compatibility.families import FAMILIES, FIRST, PICTURES, SECOND, SIDE, THREE, host_twin
from tiny.model import conditioning, hints, noise

SEED = 7


@dataclass(frozen=True)
class Graph:
    """What the nodes of a workflow pass on to each other."""

    family: str
    ours: bool
    model: object
    second: object  # another model of the same kind
    positive: list
    negative: list
    latent: dict
    other: Tensor  # another latent of the same shape
    pictures: Tensor  # (n, H, W, 3)
    mask: Tensor  # (n, H, W)
    cfg: float = 5.0
    steps: int = 2
    denoise: float = 1.0
    guider: object = None
    sampler: object = None
    sigmas: Tensor | None = None
    control: object = None
    answer: Tensor | None = None  # of a node that samples itself

    @property
    def other_conditioning(self) -> list:
        """Another prompt, with all else that the model reads."""
        return prompt(self.family, 3, self.ours)

    @property
    def other_latent(self) -> dict:
        return {**self.latent, "samples": self.other}


def prompt(family: str, seed: int, ours: bool) -> list:
    if family == "flow":
        return with_still(text_conditioning(noise((1, 768), seed)), noise((1, 12, SIDE, SIDE), 20))
    kind = FAMILIES[family]
    if kind.prompt:
        return kind.prompt(seed)
    return kind.adds(conditioning(seed)) if ours else conditioning(seed)


def graph_of(family: str, ours: bool = True, shape: str = THREE) -> Graph:
    """A graph around a model of ours, or around the host's own with what it must be given for the same answer."""
    kind = FAMILIES[family]
    models = kind.models if ours else partial(host_twin, family)
    size = (2, 3, kind.frames, SIDE, SIDE) if family == "flow" else (kind.batch, *(kind.clip or (4, SIDE, SIDE)))
    draw = lambda seed: noise(size, seed).tanh()
    if kind.equal:
        draw = lambda seed: noise((1, *size[1:]), seed).tanh().repeat(kind.batch, 1, 1, 1)
    latent, other = {"samples": draw(30)}, draw(31)
    count = 1 if kind.equal or family == "flow" else PICTURES
    repeat = kind.batch // PICTURES if count > 1 and (kind.copies == 1 or not ours) else 1
    pictures = hints(count, 8 * SIDE).repeat(repeat, 1, 1, 1)
    if kind.equal:
        latent["batch_index"] = [0] * kind.batch  # the noise is equal too
    if kind.copies > 1 and ours:
        latent["duet"] = {"frames": kind.frames, "modalities": ["video", "depth"]}
    return Graph(
        family, ours, models(FIRST, shape), models(SECOND, shape), prompt(family, 1, ours), prompt(family, 2, ours), latent, other,
        pictures, pictures.mean(-1).round(), cfg=2.0 if family == "flow" else 5.0,
    )  # fmt: skip


def sample(graph: Graph) -> Tensor:
    """The answer of a graph: what its sampler gives."""
    if graph.answer is not None:
        return graph.answer
    if graph.guider is None and graph.sampler is None and graph.sigmas is None:
        how = (SEED, graph.steps, graph.cfg, "euler", "normal", graph.positive, graph.negative, graph.latent)
        return nodes.common_ksampler(graph.model, *how, denoise=graph.denoise)[0]["samples"]
    guider = graph.guider or CFGGuider.execute(graph.model, graph.positive, graph.negative, graph.cfg).result[0]
    sampler = graph.sampler or comfy.samplers.sampler_object("euler")
    sigmas = sigmas_of(graph) if graph.sigmas is None else graph.sigmas
    return SamplerCustomAdvanced.execute(Noise_RandomNoise(SEED), guider, sampler, sigmas, graph.latent).result[0][
        "samples"
    ]


def sigmas_of(graph: Graph) -> Tensor:
    sampling = graph.model.get_model_object("model_sampling")
    return comfy.samplers.calculate_sigmas(sampling, "normal", graph.steps)
