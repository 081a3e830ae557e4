"""What the watermark nodes say about a clip."""

from torch import Tensor

from ...models.provenance.clip import P_LIMIT, Finding, fewest_bits
from ...models.provenance.code import BITS, NUMBERS
from ..inputs.checks import some_pixels

GREY = 1 / 255  # colours that differ by no more are grey


def grey_warning(pictures: Tensor) -> str | None:
    """What to consider where pictures (N, H, W, 3) are grey, as depth and masks are; None where they have colour."""
    pixels = some_pixels(pictures)
    if (pixels.amax(-1) - pixels.amin(-1)).max() > GREY:
        return None
    return (
        "Embed Watermark: the pictures are grey. If they are depth or masks, leave this node out: a watermark changes their "
        "values. A black-and-white clip can be marked."
    )


def refuse_lost(finding: Finding) -> None:
    """Refuses marked frames from which their number cannot be read."""
    if not finding.sure:
        raise ValueError(
            f"images: expected frames with texture, but only {finding.bits} of {BITS} bits can be read back from "
            f"{counted(len(finding.frame_bits))}: raise strength or use larger pictures. Black, flat and very smooth pictures, "
            "depth and masks cannot hold a watermark: leave Embed Watermark out there."
        )


def embed_report(finding: Finding, psnr: Tensor, warning: str | None) -> str:
    """Bits, PSNR and weak frames of a marked clip."""
    frames, weak = finding.frame_bits, fewest_bits()
    lines = [
        f"Watermark {finding.number} in {counted(len(frames))}: {finding.bits} of {BITS} bits are read back from the whole "
        f"clip, {between(frames)} from a frame alone. PSNR {psnr.mean():.1f} dB, lowest {psnr.min():.1f} dB in frame "
        f"{int(psnr.argmin())}."
    ]
    if finding.bits < BITS:
        lines.append(
            f"Detect Watermark finds it only with expected_id {finding.number}, since not all bits are right: raise strength."
        )
    if (frames < weak).any():
        lines.append(
            f"Fewer than {weak} bits, too flat or too smooth to be found alone: {named((frames < weak).nonzero()[:, 0].tolist())}."
        )
    return "\n".join([*lines, *([warning] if warning else [])])


def detect_report(finding: Finding, expected: int | None) -> str:
    """What was found in a clip, and how sure that is."""
    tried = f"{NUMBERS} numbers" if expected is None else "1 number"
    bits = f"{finding.bits} of {BITS} bits agree over {counted(len(finding.frame_bits))}"
    chance = f"p {finding.p_value:.1e} for {tried}, unchanged and mirrored"
    if not finding.sure:
        which = "the best number" if expected is None else f"number {expected}"
        return (
            f"No watermark found: with {which} {bits} ({chance}). Found means p below {P_LIMIT:g}: all {BITS} bits, or "
            f"{fewest_bits()} with the right expected_id. A clip that was scaled is scaled back to its first size for this."
        )
    alone = int((finding.frame_bits >= fewest_bits()).sum())
    mirrored = " The clip is mirrored." if finding.mirrored else ""
    return (
        f"Found watermark {finding.number}: {bits} ({chance}); {alone} of them alone agree in {fewest_bits()} bits or "
        f"more.{mirrored}"
    )


def counted(frames: int) -> str:
    return "1 frame" if frames == 1 else f"{frames} frames"


def between(numbers: Tensor) -> str:
    """The smallest and the largest number."""
    low, high = int(numbers.min()), int(numbers.max())
    return str(low) if low == high else f"{low} to {high}"


def named(places: list[int]) -> str:
    """Frames by their numbers, neighbours as a span: frames 3, 7 to 9."""
    spans = []
    for place in places:
        if spans and spans[-1][1] == place - 1:
            spans[-1][1] = place
        else:
            spans.append([place, place])
    texts = [str(a) if a == b else f"{a} to {b}" for a, b in spans]
    return f"{'frame' if len(places) == 1 else 'frames'} {', '.join(texts)}"
