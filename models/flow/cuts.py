"""Cuts of a clip: the frames that another shot begins with.

Small pictures of neighbours are compared first. Where they differ, a flow between both frames says whether one shows what
the other does, as a fast camera changes the picture too. A flash of a few frames is no cut.
Letters: N frames, H and W pixels, h and w of small pictures.
"""

from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from .between import ClipMotion

THUMBNAIL = 48  # pixels of the shorter side on which frames are compared
SAMPLED = 180  # pixels of the shorter side of what they are averaged from
ALIKE = 0.5  # correlation of small pictures: filmed neighbours have 0.98 or more, two shots 0.15 or less
# Share of what can be recognised that both frames show: 0.4 or more in one shot, 0.22 or less across a cut.
IN_COMMON = 0.25
AROUND = 3  # frames on each side of a cut of which none is like one on the other side
SIDE = 160  # pixels of the longer side that the flow is found on
SMALLEST = 32  # pixels of the shorter side: smaller pictures show too little
NAMED = 8  # frames that a sentence names


def thumbnail(picture: Tensor) -> Tensor:
    """A small picture (3, h, w) of (H, W, 3) with the same brightness and contrast in each colour as any other."""
    height, width = picture.shape[:2]
    scale = min(1.0, THUMBNAIL / min(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    small = adaptive_avg_pool2d(picture.permute(2, 0, 1)[None], size)[0]
    middle, spread = small.mean((1, 2), keepdim=True), small.std((1, 2), unbiased=False, keepdim=True)
    return (small - middle) / spread.clamp_min(1e-3)


def correlation(one: Tensor, other: Tensor) -> float:
    """How alike two thumbnails (3, h, w) are: 1 the same, 0 nothing in common."""
    return 1 - (one - other).square().mean().item() / 2


def find_cuts(images: Tensor) -> list[int]:
    """The first frame of each shot of a clip (N, H, W, 3) but the first one."""
    if len(images) < 2 or min(images.shape[1:3]) < SMALLEST:
        return []
    step = max(1, min(images.shape[1:3]) // SAMPLED)
    small = [thumbnail(frame[::step, ::step].float()) for frame in images]
    doubtful = [index for index in range(1, len(small)) if correlation(small[index - 1], small[index]) < ALIKE]
    doubtful = [index for index in doubtful if not is_flash(small, index)]
    motion = ClipMotion(images, side=SIDE) if doubtful else None
    return [index for index in doubtful if motion.in_common(index - 1, index) < IN_COMMON]


def is_flash(small: list[Tensor], index: int) -> bool:
    """A frame shortly before another one is like it or like one shortly after it."""
    before, after = range(max(0, index - AROUND), index), range(index, min(len(small), index + AROUND))
    return any(correlation(small[one], small[other]) >= ALIKE for one in before for other in after)


def shots_of(cuts: list[int], frames: int) -> list[range]:
    """The frames of each shot."""
    return [range(*ends) for ends in zip([0, *cuts], [*cuts, frames], strict=True)]


def describe_cuts(cuts: list[int]) -> str:
    """The cuts in words: in front of which frames."""
    numbers = [str(cut) for cut in cuts[:NAMED]]
    if len(cuts) == 1:
        return f"There is a cut in front of frame {numbers[0]}"
    more = f" and {len(cuts) - NAMED} more" if len(cuts) > NAMED else ""
    return f"There are cuts in front of frames {', '.join(numbers)}{more}"
