"""What a node does on a family, in the words of the document: found by its run beside that on the host's own model."""

import re
import traceback
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from tiny.compatibility.runs import Outcome, answer, beside, graph_for, our_plain_answer, picture_family, setting_of
from tiny.compatibility.stock import kind_of, stock_nodes

ACTS, SAME, FAILS, REFUSED = "acts", "no effect there either", "error there too", "refused"
IGNORED, WRONG = "ignored", "wrong"
ROOT = Path(__file__).resolve().parents[3]
TOLERANCE = {"ModelComputeDtype": 0.05}  # half precision rounds otherwise in another order
NOISY = {"AddNoise"}  # gives a noisy latent, whose values are as large as the noise
LIMIT = 1.5  # a flow holds positions within -1..1; a picture's edge may be left by a little
EFFECT, ERROR = 1e-3, 1e-4  # least change of an answer that counts, and greatest difference from the host's own answer
WAY_OUT = re.compile(
    r"\b(use|instead|remove|connect|disconnect|set|choose|load|give|encode|crop|put|add|trim|repeat|sample|keep)\b",
    re.I,
)


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
