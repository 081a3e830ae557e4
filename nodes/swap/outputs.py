"""The outputs of the nodes for generators: one set for each part of a clip, with a report.

Letters: n frames of a part, K people, H and W pixels of the reference.
"""

import logging

from comfy_api.latest import io

TRAINED = {"Wan-Animate": 77, "VACE": 81, "SCAIL-2": 81}  # frames that the host's nodes and templates have by default


def animate(part, reference: tuple, pose, keypoints, area) -> tuple:
    """What WanAnimateToVideo takes for one part, a report and advice."""
    import torch

    from ...models.swap import conditions
    from ..host.progress import progress

    areas = conditions.fill_areas(part, area)
    faces, found = conditions.face_pictures(part, keypoints)
    background = conditions.animate_background(part, areas, progress(len(part)))
    picture = conditions.padded(reference[0], part.size, 0.0)[None]
    pose = torch.zeros_like(background) if pose is None else pose
    mask = conditions.animate_mask(areas)
    text = f"{describe(part)} {share(areas)} is generated. A face was found in {found} of {len(part)} frames."
    missing = None if found else "Without a face in keypoints Wan-Animate gets no expression."
    return (picture, pose, faces, background, mask, *sides(part), areas), text, advice(part, "Wan-Animate", missing)


def vace(part, reference: tuple, pose, area) -> tuple:
    """What WanVaceToVideo takes for one part, a report and advice."""
    from ...models.swap import conditions
    from ..host.progress import progress

    areas = conditions.fill_areas(part, area)
    video = conditions.vace_video(part, areas, pose, progress(len(part)))
    picture, masks = reference
    picture = picture if masks is None else conditions.on_colour(picture, masks.amax(0), 1.0)
    picture = conditions.padded(picture, part.size, 1.0)[None]
    missing = (
        None if pose is not None else "Without keypoints or pose_images VACE does not get the motion of the person."
    )
    text = f"{describe(part)} {share(areas)} is generated."
    return (video, areas, picture, *sides(part)), text, advice(part, "VACE", missing)


def scail(part, reference: tuple, others: list) -> tuple:
    """What WanSCAILToVideo takes for one part, a report and advice."""
    from ...models.swap import conditions
    from ..host.progress import progress

    picture, masks = reference
    video, coloured = conditions.scail_video(part), conditions.scail_masks(part, others, progress(len(part)))
    picture = conditions.padded(picture, part.size, 0.0)[None]
    masks = conditions.padded(masks.movedim(0, -1), part.size, 0.0).movedim(-1, 0)
    identity = conditions.coloured(masks, white=False)[None]
    text = f"{describe(part)} {share((coloured != 1).any(-1).float())} shows people to replace."
    return (video, coloured, picture, identity, *sides(part)), text, advice(part, "SCAIL-2", None)


def sides(part) -> tuple[int, int, int]:
    """Width, height and number of frames."""
    height, width = part.size
    return width, height, len(part)


def describe(part) -> str:
    """One sentence on size and length of a part."""
    frames, shown = len(part), part.last - part.start + 1
    text = f"{frames} frames of {part.size[1]} x {part.size[0]}"
    return f"{text}, the last one repeated {frames - shown} times." if frames > shown else f"{text}."


def share(masks) -> str:
    """How much of the pictures is white in the masks."""
    return f"{100 * masks.mean().item():.1f} % of the pixels"


def advice(part, generator: str, missing: str | None) -> str | None:
    """What to change about a part, or None."""
    most = TRAINED[generator]
    long = f"{len(part)} frames, and {generator} was trained on {most}: use fewer, or set max_frames of Crop to Subject to {most}."
    return " ".join(filter(None, (missing, long if len(part) > most else None))) or None


def results(sets: list[tuple]) -> io.NodeOutput:
    """The outputs of all parts as lists, and a report; warns of what is missing."""
    from ..host.notice import show_warning

    text = "\n".join(" ".join(filter(None, lines)) for _, *lines in sets)
    logging.info(text)
    show_warning(next((last for *_, last in sets if last), None), "The generator gets what it reads.")
    return io.NodeOutput(*map(list, zip(*(outputs for outputs, *_ in sets), strict=True)), text)
