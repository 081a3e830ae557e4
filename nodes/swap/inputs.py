"""What the nodes for generators check in their inputs.

Letters: N frames of the clip, n frames of one part, H and W pixels.
"""

from ..inputs.memory import check_frames_memory
from ..layers.crop import read_crop

ADVICE = "set a smaller width and height of Crop to Subject, or use fewer frames"


def read_parts(node: str, layers, crop, multiple: int, numbers: float, beside: int = 0) -> list:
    """The parts of a clip as a generator takes them: 4 n + 1 frames of sides that are multiples of a number.

    Refuses what does not fit in memory, by the float32 numbers a pixel and those beside them in each frame.
    """
    from math import prod

    from ...models.swap.parts import lengthened, parts_of
    from ..inputs import clips

    layers = clips.layers(layers)
    plan = None if crop is None else same_clip(read_crop(crop), layers)
    found = parts_of(layers, plan)
    parts = [lengthened(part) for part in found]
    check_lengths(found, parts, plan is not None)
    for part in parts:
        check_sides(part.size, multiple, node, plan is not None)
    check_person(layers)
    largest = max((part.size for part in parts), key=prod)
    check_frames_memory(node, sum(map(len, parts)), largest, numbers + beside / prod(largest), advice=ADVICE)
    return parts


def check_lengths(given: list, parts: list, cropped: bool) -> None:
    """Refuses cropped clips to which frames would be added: Paste Crop Back would not find their places."""
    if cropped and [len(part) for part in given] != [len(part) for part in parts]:
        raise ValueError(
            f"crop: expected clips of 4 n + 1 frames, such as {len(parts[0])}, got {', '.join(str(len(part)) for part in given)}: "
            "set frame_rule of Crop to Subject to 4n+1."
        )


def same_clip(crop, layers):
    """The crop, if it is one of the clip of the layers."""
    (height, width), frames = layers.size, len(layers.images)
    if tuple(crop.size) != (height, width) or crop.frames != frames:
        raise ValueError(
            f"crop: expected a crop of the {frames} frames of {width} x {height} in layers, got one of {crop.frames} frames of "
            f"{crop.size[1]} x {crop.size[0]}: connect the same clip to Decompose into Layers and to Crop to Subject."
        )
    return crop


def check_sides(size: tuple[int, int], multiple: int, node: str, cropped: bool) -> None:
    """Refuses pictures whose sides the host's node cannot take."""
    height, width = size
    if height % multiple or width % multiple:
        how = "set" if cropped else "crop the clip by Crop to Subject, and set"
        raise ValueError(
            f"{node}: expected a width and height that are multiples of {multiple}, got {width} x {height}: {how} its width, "
            f"height and size_multiple to multiples of {multiple}."
        )


def check_person(layers) -> None:
    """Refuses a clip in which there is no person to replace."""
    if not any((layers.coverages(index)[0] > 0.5).any() for index in range(len(layers.images))):
        raise ValueError(
            f"layers: expected the person in at least one of {len(layers.images)} frames, got only empty masks: check "
            "person_mask of Decompose into Layers."
        )


def read_keypoints(keypoints: list | None, parts: list) -> list:
    """For each part keypoints of the clip, or of its cropped pictures; None for each without them."""
    from ...models.pose.formats import as_clip, parse

    if not keypoints:
        return [None] * len(parts)
    found = one_for_each("keypoints", keypoints, parts)
    for part, frames in zip(parts, found, strict=True):
        first = parse(as_clip(frames))[0]
        check_count("keypoints", len(as_clip(frames)), part, (first.height, first.width))
    return found


def read_pose(keypoints: list, images: list | None, parts: list) -> list:
    """Pose pictures (n, h, w, 3) of each part, cut out of those of the clip or drawn; None for each without either."""
    from ...models.swap.conditions import cut_pictures, pose_pictures
    from ..inputs import clips

    if not images:
        drawn = zip(parts, keypoints, strict=True)
        return [None if frames is None else pose_pictures(part, frames) for part, frames in drawn]
    found = [clips.pictures(batch, "pose_images") for batch in one_for_each("pose_images", images, parts)]
    for part, batch in zip(parts, found, strict=True):
        size = tuple(batch.shape[1:3])
        if size not in (part.layers.size, tuple(part.size)):
            clips.same_size("pose_images", batch, part.layers.size, len(batch))
        check_count("pose_images", len(batch), part, size)
    return [cut_pictures(part, batch) for part, batch in zip(parts, found, strict=True)]


def one_for_each(name: str, values: list, parts: list) -> list:
    """One value for each part, of one for all or as many as there are parts."""
    if len(values) not in (1, len(parts)):
        raise ValueError(
            f"{name}: expected 1 for all or {len(parts)} for {len(parts)} cropped clips, got {len(values)}: connect what comes "
            "from the same Crop to Subject."
        )
    return values * len(parts) if len(values) == 1 else values


def check_count(name: str, count: int, part, size: tuple[int, int]) -> None:
    """Refuses something of neither as many frames as the clip, nor, in the size of a part, as that part."""
    from ...models.swap.parts import is_of_part

    cropped = is_of_part(part, size[1], size[0])
    expected = (part.last - part.start + 1, len(part)) if cropped else (len(part.layers.images),) * 2
    if count not in expected:
        of = "the cropped clip" if cropped else "the clip"
        raise ValueError(
            f"{name}: expected {expected[0]} frames like {of}, got {count}: take those of the same frames."
        )


def read_area(mask, grow: int, block: int, layers):
    """Which pixels are generated: around the person, or around a mask of the user's."""
    from ...models.swap.conditions import Area
    from ..inputs import clips

    masks = None if mask is None else clips.masks(mask, "area_mask", len(layers.images))
    return Area(masks, grow, block)


def read_references(images: list, masks: list | None, parts: list) -> list[tuple]:
    """For each part the picture of the character (H, W, 3), and its masks (K, H, W) or None."""
    from ..inputs import clips

    images = one_for_each("reference_image", images, parts)
    masks = one_for_each("reference_mask", masks or [None], parts)
    found = []
    for image, mask in zip(images, masks, strict=True):
        picture = clips.pictures(image, "reference_image")[0].clamp(0, 1)
        found.append((picture, reference_masks(image, mask, picture.shape[:2])))
    return found


def reference_masks(image, mask, size: tuple[int, int]):
    """(K, H, W) masks of the people in the picture, its alpha without any, or None."""
    import torch

    from ...models.layers.masks import mask_frame
    from ..inputs import clips

    if mask is None:
        return image[:1, ..., 3].float() if image.shape[-1] == 4 else None
    masks = clips.masks(mask, "reference_mask")
    return torch.stack([mask_frame(masks[number : number + 1], 0, tuple(size)) for number in range(len(masks))])


def read_others(masks, frames: int) -> list:
    """Masks (N, h, w) of each other person."""
    from ...models.layers.masks import objects_from_masks
    from ..inputs import clips

    if masks is None:
        return []
    masks = clips.masks(masks, "other_person_masks")
    if len(masks) % frames:
        raise ValueError(
            f"other_person_masks: expected {frames} masks for the {frames} frames of each person, got {len(masks)}: trim or "
            "repeat them."
        )
    return list(objects_from_masks(masks, frames)) if frames > 1 else list(masks[:, None])


def check_people(masks, people: int) -> None:
    """Refuses a reference without a mask for each person."""
    if masks is None or len(masks) != people:
        count = "1 mask for 1 person" if people == 1 else f"{people} masks for {people} people"
        came = "none" if masks is None else len(masks)
        raise ValueError(
            f"reference_mask: expected {count} to replace, got {came}: connect reference_mask of Fit Reference to Person."
        )
