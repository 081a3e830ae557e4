"""Runs a node in the graph of a family, or in that of the host's own model, and remembers what several verdicts need."""

from dataclasses import dataclass, replace
from functools import cache

import torch
from pack.nodes.pair.latent import SplitPair
from pack.nodes.pair.sampler import SampleLatent
from torch import Tensor

import nodes
from tiny.compatibility.calling import call
from tiny.compatibility.calls import BOTH_HALVES, CONTROLS, LIVE, MERGED, SETTINGS, WHOLE_BATCH, given_to
from tiny.compatibility.families import FAMILIES, ONE, THREE
from tiny.compatibility.graph import SEED, Graph, graph_of, sample
from tiny.compatibility.parts import NoPart
from tiny.compatibility.stock import kind_of, stock_nodes

COMPILES = "TorchCompileModel"  # minutes of compiling would not change what it computes


@dataclass(frozen=True)
class Outcome:
    """What a graph with a node in it answered, or why not."""

    answer: list[Tensor] | None = None
    error: Exception | None = None
    rescheduled: bool = False  # the model has other noise levels behind the node
    unaltered: bool = False  # the node gave what it was given


MERGES: dict[tuple, Outcome] = {}


def answer(node_id: str | None, graph: Graph) -> Outcome:
    """What the graph answers with a node in it, or without any; two merging nodes that do the very same are one run."""
    shares = shares_of(node_id, graph)
    if shares is None:
        return run_in(node_id, graph)
    if shares not in MERGES:
        MERGES[shares] = run_in(node_id, graph)
    return MERGES[shares]


def shares_of(node_id: str | None, graph: Graph) -> tuple | None:
    """The share that a merging node takes of each weight, where its code is that of Merge Blocks with other names of blocks."""
    if node_id is None or not node_id.startswith(MERGED):
        return None
    stock_nodes()  # loads the files of the host in which merging nodes are, whichever test comes first
    code, general = (
        getattr(nodes.NODE_CLASS_MAPPINGS[name].merge, "__code__", None) for name in (node_id, "ModelMergeBlocks")
    )
    if code != general:  # the host imports the file of the general node twice, so it has two classes with this code
        return None
    shares, names = given_to(node_id, graph), weight_names(graph.family, graph.ours)
    chosen = [max((block for block in shares if name.startswith(block)), key=len, default=None) for name in names]
    first = next(iter(shares.values()))
    return graph.family, graph.ours, *(first if block is None else shares[block] for block in chosen)


@cache
def weight_names(family: str, ours: bool) -> list[str]:
    """The weights of a model's network as merging nodes find them."""
    prefix = "diffusion_model."
    return [key.removeprefix(prefix) for key in graph_for(MERGED, family, ours).second.get_key_patches(prefix)]


def run_in(node_id: str | None, graph: Graph) -> Outcome:
    """A node in a graph, which is then sampled."""
    torch.manual_seed(0)
    stance = torch.compiler.set_stance("force_eager" if node_id == COMPILES else "default")
    try:
        with stance:
            return sampled(node_id, graph)
    except NoPart:
        raise
    except Exception as error:  # noqa: BLE001  what it is decides the verdict
        return Outcome(error=error)


def sampled(node_id: str | None, graph: Graph) -> Outcome:
    """The answers of the graphs behind a node, and what the node did to the model and to the rest."""
    graphs = [graph] if node_id is None else call(node_id, graph)
    answers = [used(node_id, one) for one in graphs]
    return Outcome(
        answers,
        rescheduled=any(rescheduled(one) for one in graphs),
        unaltered=all(unaltered(one, graph) for one in graphs),
    )


def used(node_id: str | None, graph: Graph) -> Tensor:
    """The answer of a graph; a changed latent of a pair goes through our own nodes, which see what is written on it."""
    if graph.ours and FAMILIES[graph.family].copies > 1 and node_id and kind_of(stock_nodes()[node_id]) == "latent":
        SplitPair.execute(graph.latent)
        settings = (SEED, "all", graph.steps, graph.cfg, "euler", "normal", graph.denoise)
        return SampleLatent.execute(graph.model, graph.positive, graph.negative, graph.latent, *settings).result[0][
            "samples"
        ]
    return sample(graph)


def unaltered(after: Graph, before: Graph) -> bool:
    """Whether a node gave what it was given: the same model, an equal latent and equal conditioning."""
    kept = [
        name
        for name in ("model", "guider", "sampler", "sigmas", "answer")
        if getattr(after, name) is not getattr(before, name)
    ]
    return not kept and all(
        same(getattr(after, name), getattr(before, name)) for name in ("latent", "positive", "negative")
    )


def same(a, b) -> bool:
    """Equal tensors, lists and dictionaries all the way down."""
    if torch.is_tensor(a) or torch.is_tensor(b):
        return torch.is_tensor(a) and torch.is_tensor(b) and torch.equal(a, b)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a is b or a == b


def rescheduled(graph: Graph) -> bool:
    """Whether a node gave the model other noise levels than its own."""
    patched, own = graph.model.get_model_object("model_sampling"), graph.model.model.model_sampling
    return patched is not own and not torch.equal(patched.sigmas, own.sigmas)


@cache
def hosts_answer(node_id: str | None, setting: str | None, family: str) -> Outcome:
    """The host's own, with or without a node, in the graph that the node named by `setting` asks for."""
    return answer(node_id, graph_for(setting, family, False))


@cache
def our_plain_answer(setting: str | None, family: str) -> Outcome:
    return answer(None, graph_for(setting, family, True))


def graph_for(setting: str | None, family: str, ours: bool) -> Graph:
    """The graph of a family as a node needs it to have an effect, such as a latent with a noise mask."""
    graph = graph_of(family, ours, ONE if setting in LIVE else THREE)
    return SETTINGS.get(setting, lambda graph: graph)(graph)


def setting_of(node_id: str) -> str | None:
    """The name of what a node needs of its graph."""
    if node_id in SETTINGS:
        return node_id
    if node_id.startswith(MERGED):
        return MERGED
    return "latent" if by_frame(node_id) else None


def beside(node_id: str | None, setting: str | None, family: str) -> Outcome:
    """What the host's own model answers in the place of ours; a pair and its video alone share it."""
    if (
        node_id
        and FAMILIES[family].copies > 1
        and (node_id in BOTH_HALVES or by_frame(node_id))
        and node_id not in WHOLE_BATCH
    ):
        return joined(node_id, family)
    shared = family == "pair" and setting not in CONTROLS
    return hosts_answer(node_id, setting, "alone" if shared else family)


def picture_family(node_id: str, setting: str | None) -> str:
    """The family by which a node is found to have an effect on the host's own model at all, for flow models."""
    like = ("animatediff", "alone")  # some nodes only run on one of their batches
    runs = (family for family in like if beside(node_id, setting, family).error is None)
    return like[0] if node_id in WHOLE_BATCH else next(runs, like[0])


def by_frame(node_id: str) -> bool:
    """A node of latents that sees no model: on a pair it must do to each half what it does to a clip."""
    info = stock_nodes()[node_id]
    return kind_of(info) == "latent"


def joined(node_id: str, family: str) -> Outcome:
    """A node on each half of a pair apart, and both joined again."""
    graph, frames = graph_for(setting_of(node_id), family, False), FAMILIES[family].frames
    halves = []
    for half in (slice(0, frames), slice(frames, None)):
        latent = {"samples": graph.latent["samples"][half], "batch_index": list(range(2 * frames))[half]}
        if by_frame(node_id):
            latent.pop("batch_index")
        halves.append(
            replace(
                graph,
                latent=latent,
                other=graph.other[half],
                pictures=graph.pictures[:frames],
                mask=graph.mask[:frames],
            )
        )
    if not by_frame(node_id):
        outs = [answer(node_id, half) for half in halves]
        error = next((out.error for out in outs if out.error), None)
        return Outcome(error=error) if error else Outcome([torch.cat([out.answer[0] for out in outs])])
    try:
        outs = [[one.latent for one in call(node_id, half)] for half in halves]
        latents = [join_latents(*both) for both in zip(*outs, strict=True)]
        return Outcome([sample(replace(graph, latent=latent)) for latent in latents])
    except Exception as error:  # noqa: BLE001
        return Outcome(error=error)


def join_latents(video: dict, depth: dict) -> dict:
    latent = {**video, "samples": torch.cat((video["samples"], depth["samples"]))}
    for name, both in (("noise_mask", torch.cat), ("batch_index", lambda parts: [*parts[0], *parts[1]])):
        if name in video:
            latent[name] = both((video[name], depth[name]))
    return latent
