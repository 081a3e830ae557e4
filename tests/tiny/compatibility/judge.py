"""Runs one node in the graph of one family, and beside it in the graph of the host's own model, and says what happened."""

import re
import traceback
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch
from comfy_api.latest._io import _ComfyNodeInternal
from pack.nodes.pair.latent import SplitPair
from pack.nodes.pair.sampler import SampleLatent
from torch import Tensor

import nodes
from tiny.compatibility.calls import AFTER, BOTH_HALVES, CONTROLS, MERGED, SETTINGS, TWO_MODELS, WHOLE_BATCH, given_to
from tiny.compatibility.families import FAMILIES, ONE, THREE
from tiny.compatibility.graph import SEED, Graph, graph_of, sample
from tiny.compatibility.parts import NoPart, arguments
from tiny.compatibility.stock import kind_of, stock_nodes

ACTS, SAME, FAILS, REFUSED = "acts", "no effect there either", "error there too", "refused"
IGNORED, WRONG = "ignored", "wrong"
ROOT = Path(__file__).resolve().parents[3]
WITH_LATENT = {"InpaintModelConditioning"}  # the latent of its pictures belongs to its conditioning
TOLERANCE = {"ModelComputeDtype": 0.05}  # half precision rounds otherwise in another order
NOISY = {"AddNoise"}  # gives a noisy latent, whose values are as large as the noise
LIMIT = 1.5  # a flow holds positions within -1..1; a picture's edge may be left by a little
EFFECT, ERROR = 1e-3, 1e-4  # least change of an answer that counts, and greatest difference from the host's own answer
WAY_OUT = re.compile(
    r"\b(use|instead|remove|connect|disconnect|set|choose|load|give|encode|put|add|trim|repeat|sample|keep)\b", re.I
)


@dataclass(frozen=True)
class Outcome:
    """What a graph with a node in it answered, or why not."""

    answer: list[Tensor] | None = None
    error: Exception | None = None
    rescheduled: bool = False  # the model has other noise levels behind the node
    unaltered: bool = False  # the node gave what it was given


@dataclass(frozen=True)
class Verdict:
    word: str
    text: str = ""  # the sentence of a refusal, or what is wrong
    figures: tuple[float, ...] = ()  # how much the host's answer changed, how much ours, how far they are apart


def far(a: Tensor, b: Tensor) -> float:
    """Largest difference in parts of the largest value; infinite for answers of different shape or that are not finite."""
    if a.shape != b.shape or not torch.isfinite(a).all():
        return float("inf")
    return ((a - b).abs().max() / b.abs().max()).item()


def call(node_id: str, graph: Graph) -> list[Graph]:
    """The graphs behind a node, one for each element of its lists: what it gives takes the place of what the graph had."""
    info, node = stock_nodes()[node_id], nodes.NODE_CLASS_MAPPINGS[node_id]
    given = given_to(node_id, graph)
    values = arguments(node_id, info, graph, given)
    if info.get("is_input_list"):
        values = {name: [value] for name, value in values.items()}
    out = node.execute(**values) if issubclass(node, _ComfyNodeInternal) else getattr(node(), node.FUNCTION)(**values)
    out = out.result if hasattr(out, "result") and not isinstance(out, dict) else out
    out = out.get("result", ()) if isinstance(out, dict) else out
    lists = info.get("output_is_list") or [False] * len(info["output"])
    length = max([len(value) for value, many in zip(out or (), lists, strict=False) if many], default=1)
    each = lambda i: [value[i % len(value)] if many else value for value, many in zip(out or (), lists, strict=False)]
    return [behind(graph, info, each(i)) for i in range(length)]


def behind(graph: Graph, info: dict, out: list) -> Graph:
    """The graph with the outputs of a node in it; conditioning comes as positive and negative."""
    kind, changes, conds = kind_of(info), {}, []
    for name, value in zip(map(str, info["output"]), out, strict=False):
        if name == "CONDITIONING":
            conds.append(value)
        elif name == "LATENT" and kind == "sampling":
            changes.setdefault("answer", value["samples"])
        elif name == "LATENT" and (kind == "latent" or info["name"] in WITH_LATENT):
            changes.setdefault("latent", with_equal_noise(value, graph))
        elif name == "CONTROL_NET":
            changes |= dict(zip(("positive", "negative"), apply(value, graph), strict=True))
        elif name in ("MODEL", "GUIDER", "SAMPLER", "SIGMAS"):
            changes[name.lower()] = value
    changes |= dict(zip(("positive", "negative"), conds, strict=False))
    return AFTER.get(info["name"], lambda graph: graph)(replace(graph, **changes))


def with_equal_noise(latent: dict, graph: Graph) -> dict:
    """Where all frames are equal their noise must be too, however many there are now."""
    equal = FAMILIES[graph.family].equal and torch.is_tensor(latent["samples"])
    return latent | ({"batch_index": [0] * len(latent["samples"])} if equal else {})


def apply(control, graph: Graph) -> tuple[list, list]:
    node = nodes.ControlNetApplyAdvanced()
    return node.apply_controlnet(graph.positive, graph.negative, control, graph.pictures, 1.0, 0.0, 1.0)


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
    node = nodes.NODE_CLASS_MAPPINGS.get(node_id)
    general = nodes.NODE_CLASS_MAPPINGS.get("ModelMergeBlocks")
    if node_id is None or general is None or getattr(node, "merge", None) is not general.merge:
        return None
    shares, prefix = given_to(node_id, graph), "diffusion_model."
    names = [key.removeprefix(prefix) for key in graph.second.get_key_patches(prefix)]
    chosen = [max((block for block in shares if name.startswith(block)), key=len, default=None) for name in names]
    first = next(iter(shares.values()))
    return graph.family, graph.ours, *(first if block is None else shares[block] for block in chosen)


def run_in(node_id: str | None, graph: Graph) -> Outcome:
    """A node in a graph, which is then sampled."""
    torch.manual_seed(0)
    try:
        graphs = [graph] if node_id is None else call(node_id, graph)
        answers = [used(node_id, one) for one in graphs]
        return Outcome(
            answers, None, any(rescheduled(one) for one in graphs), all(unaltered(one, graph) for one in graphs)
        )
    except NoPart:
        raise
    except Exception as error:  # noqa: BLE001  what it is decides the verdict
        return Outcome(error=error)


def used(node_id: str | None, graph: Graph) -> Tensor:
    """The answer of a graph; a changed latent of a pair goes through our own nodes, which see what is written on it."""
    if graph.ours and graph.family == "pair" and node_id and kind_of(stock_nodes()[node_id]) == "latent":
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
    graph = graph_of(family, ours, ONE if setting in (MERGED, TWO_MODELS) else THREE)
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


def judge(node_id: str, family: str, control: str | None = None) -> Verdict:
    """What a node does on a family, in the words of the document; with one of CONTROLS in its control_net."""
    setting = control or setting_of(node_id)
    ours = answer(node_id, graph_for(setting, family, True))
    if refusal(ours.error):
        return Verdict(REFUSED, str(ours.error))
    like = picture_family(node_id, setting) if family == "flow" else family
    theirs, plain = beside(node_id, setting, like), beside(None, setting, like)
    before = our_plain_answer(setting, family)
    if ours.error is not None:
        if theirs.error is not None:
            return Verdict(FAILS, short(theirs.error))
        return Verdict(WRONG, f"raw error {short(ours.error)}")
    changed = difference(ours.answer, before.answer)
    if family == "flow":
        return judge_flow(node_id, theirs, plain, ours, changed)
    if theirs.error is not None:
        return Verdict(
            IGNORED if changed < EFFECT else WRONG, f"the host's own model raises {short(theirs.error)}", (changed,)
        )
    effect, apart = difference(theirs.answer, plain.answer), difference(ours.answer, theirs.answer)
    figures = (effect, changed, apart)
    if apart <= TOLERANCE.get(node_id, ERROR):
        samples = kind_of(stock_nodes()[node_id]) == "sampling"
        return Verdict(ACTS if effect > EFFECT or samples else SAME, figures=figures)
    return Verdict(IGNORED if changed < EFFECT < effect else WRONG, f"differs by {apart:.2g}", figures)


def judge_flow(node_id: str, theirs: Outcome, plain: Outcome, ours: Outcome, changed: float) -> Verdict:
    """There is no flow model of the host: the answer must change, stay within the threshold and keep the noise schedule."""
    effect = 0.0 if theirs.error else difference(theirs.answer, plain.answer)
    figures = (effect, changed)
    if ours.rescheduled:
        return Verdict(WRONG, "the model's noise schedule is replaced by another", figures)
    within = LIMIT if node_id not in NOISY else float("inf")
    if any(not torch.isfinite(one).all() or one.abs().max() > within for one in ours.answer):
        return Verdict(WRONG, f"reaches {max(one.abs().max().item() for one in ours.answer):.3g}", figures)
    if changed > EFFECT or kind_of(stock_nodes()[node_id]) == "sampling":
        return Verdict(ACTS, figures=figures)
    if ours.unaltered:
        return Verdict(SAME, figures=figures)
    if theirs.error is not None:
        return Verdict(IGNORED, f"the host's own model raises {short(theirs.error)}", figures)
    return Verdict(IGNORED if effect > EFFECT else SAME, figures=figures)


def difference(a: list[Tensor], b: list[Tensor]) -> float:
    return max((far(one, b[i % len(b)]) for i, one in enumerate(a)), default=0.0)


def refusal(error: Exception | None) -> bool:
    """A ValueError that our own code raised on purpose."""
    if not isinstance(error, ValueError) or error.__traceback__ is None:
        return False
    last = traceback.extract_tb(error.__traceback__)[-1]
    file = Path(last.filename).resolve()
    return file.is_relative_to(ROOT) and "tests" not in file.relative_to(ROOT).parts and last.line.startswith("raise ")


def short(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0][:90] if str(error) else ''}"
