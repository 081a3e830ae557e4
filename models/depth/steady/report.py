"""What was done to a clip's depth, in sentences."""

from .apply import Steadied
from .clip import Plan

LISTED = 12  # frames that a sentence names


def written(steadied: Steadied, flicker: tuple[float, float] | None, squeezed: tuple[float, float]) -> str:
    """The report on a clip: summary, cuts, frames without a solution, then one line for each frame."""
    plan, frames = steadied.plan, len(steadied.solution.scale)
    parts = [
        summary(plan, frames), flicker_sentence(flicker, plan.contrast), cut_sentence(plan),
        exceptions("matched to the nearest solved frame by median and contrast alone, as nothing else fits", plan.matched),
        exceptions("unchanged, as their depth is constant, unknown or shares nothing with other frames", plan.unsolved),
        squeeze_sentence(*squeezed),
    ]  # fmt: skip
    return "\n".join([*filter(None, parts), "Change of inverse depth, frame by frame:", *changes(steadied)])


def summary(plan: Plan, frames: int) -> str:
    solved = frames - len(plan.matched) - len(plan.unsolved)
    shots = "1 shot" if len(plan.shots) == 1 else f"{len(plan.shots)} shots"
    return f"Scale and shift were solved for {solved} of {counted(frames)} in {shots}."


def flicker_sentence(flicker: tuple[float, float] | None, contrast: float) -> str:
    if flicker is None or not contrast > 0:
        return "Flicker was not measured: no two neighbouring frames could be compared."
    before, after = (100 * value / contrast for value in flicker)
    return f"Flicker of still points: {before:.2f} % of the depth range before, {after:.2f} % after."


def cut_sentence(plan: Plan) -> str:
    if not plan.cuts:
        return "No cut was found."
    return f"Each shot was solved alone. Cuts in front of {listed(plan.cuts)}."


def exceptions(what: str, frames: list[int]) -> str:
    return f"{listed(frames).capitalize()}: {what}." if frames else ""


def squeeze_sentence(scale: float, shift: float) -> str:
    if (scale, shift) == (1.0, 0.0):
        return ""
    return f"Then all greys together x {scale:.4f} {shift:+.4g}, so that they stay between 0 and 1."


def changes(steadied: Steadied) -> list[str]:
    pairs = zip(steadied.solution.scale.tolist(), steadied.solution.shift.tolist(), strict=True)
    return [f"{index}: x {scale:.4f} {shift:+.4g}" for index, (scale, shift) in enumerate(pairs)]


def listed(frames: list[int]) -> str:
    """Frames by number, the first ones where there are many."""
    names = ", ".join(map(str, frames[:LISTED]))
    more = f" and {len(frames) - LISTED} more" if len(frames) > LISTED else ""
    return f"{'frame' if len(frames) == 1 else 'frames'} {names}{more}"


def counted(frames: int) -> str:
    return "1 frame" if frames == 1 else f"{frames} frames"
