"""What was found of a shadow, in words."""

from .cast_shadow import Light
from .shadow import Shadow

UNSTEADY = 0.06  # noise of the light: no camera that stands, or not the same place
FEW = 8  # frames that a median without the person needs


def shadow_report(shadow: Shadow, frames_with_person: int, given: bool) -> tuple[str, str | None]:
    """Sentences on a shadow, and a warning where something is wrong; given: the scene was."""
    strength = [float(frame.max()) for frame in shadow.darkness]
    found = [value for value in strength if value > 0]
    if not frames_with_person:
        wrong = "No person in the clip, so no shadow: check person_mask of Decompose into Layers."
    elif shadow.noise > UNSTEADY:
        wrong = unsteady(given)
    else:
        wrong = None if found else nothing(given)
    if wrong:
        return wrong, wrong
    colour = ", ".join(f"{100 * part * sum(found) / len(found):.0f} %" for part in shadow.colour.tolist())
    lines = [
        f"A shadow in {len(found)} of {frames_with_person} frames with a person.",
        f"Its darkest places lose {colour} of red, green and blue light.",
        f"Light is measured to {100 * shadow.noise:.1f} %.",
    ]
    if not given and len(strength) < FEW:
        lines.append(f"Only {len(strength)} frames: a scene of your own gives a better shadow.")
    return "\n".join(lines), None


def unsteady(given: bool) -> str:
    """Frames differ from the scene everywhere."""
    what = "scene does not show the place of the clip" if given else "the camera moves"
    how = "connect the scene of this clip" if given else "connect scene, one picture for each frame"
    return f"Frames differ from the scene everywhere, so a shadow is not certain; maybe {what}: {how}."


def nothing(given: bool) -> str:
    """No shadow was found."""
    if given:
        return (
            "No shadow found. Check that scene shows the place without the shadow: the scene of Fill Scene Behind Person "
            "still contains it, unless the shadow was part of the mask. Or raise sensitivity."
        )
    return "No shadow found: person and shadow must leave their place in the course of the clip. Or raise sensitivity, or connect scene."


def light_report(light: Light, explained: float | None) -> str:
    """Sentences on the light that casts a shadow."""
    line = (
        f"Direction {light.direction:.0f} degrees, length {light.length:.2f}, strength {light.strength:.2f}, "
        f"fade {light.fade:.2f}."
    )
    return line if explained is None else f"{line}\nIt explains {100 * max(explained, 0):.0f} % of the original shadow."
