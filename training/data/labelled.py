"""Clips with a label: MUG, MHAD, NATOPS, and any folder of clips sorted by label.

labelled  <label>/.../<clip>, a video file or a folder of pictures; a folder between them names the subject
mug       <subject>/[session/]<expression>/<take>/*.jpg
mhad      a<action>_s<subject>_t<trial>[_color.avi], files or folders of pictures
natops    g<gesture>s<subject>p<repetition>, files or folders of pictures
Letters: n frames, H and W pixels.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from random import Random

import numpy as np
from torch import Tensor

from .check import Problem, same_sizes
from .folder import ENDINGS, existing
from .pictures import colour, fit_picture, read_raw, resized
from .videos import FILMS, Film, import_av
from .windows import Take, channels_first, sides, whole

MUG = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
MHAD = (
    "right arm swipe to the left", "right arm swipe to the right", "right hand wave", "two hand front clap",
    "right arm throw", "cross arms in the chest", "basketball shooting", "draw x", "draw circle clockwise",
    "draw circle counter clockwise", "draw triangle", "right hand bowling", "front boxing",
    "baseball swing from right", "tennis forehand swing", "two arms curl", "tennis serve", "two hand push",
    "knock on door", "hand catch", "pick up and throw", "jogging", "walking", "sit to stand", "stand to sit",
    "forward lunge (left foot forward)", "squat",
)  # fmt: skip
NATOPS = (
    "I Have Command", "All Clear", "Not Clear", "Spread Wings", "Fold Wings", "Lock Wings", "Up Hook", "Down Hook",
    "Remove Tiedowns", "Remove Chocks", "Insert Chocks", "Move Ahead", "Turn Left", "Turn Right", "Next Marshaller",
    "Slow Down", "Stop", "Nosegear Steering", "Hot Brakes", "Brakes On", "Brakes Off", "Install Tiedowns", "Fire",
    "Cut Engine",
)  # fmt: skip
TRAINED_ON = {  # the subjects of the authors' split; all others but those left out are for tests
    "mug": (8, 17, 21, 28, 30, 31, 34, 36, 37, 38, 39, 42, 43, 44, 45, 55, 60, 61, 62, 63, 71, 75, 76, 77, 83, 84),
    "mhad": (1, 2, 3, 5),
    "natops": (3, 4, 8, 9, 12, 13, 15, 17, 19, 20),
}
LEFT_OUT = {"natops": (1,)}
NAMED = {
    "mhad": (re.compile(r"a(\d+)_s(\d+)_t\d+"), MHAD, (480, 640), (slice(0, 480), slice(156, 492))),
    "natops": (re.compile(r"g(\d+)s(\d+)(?:p\d+)?"), NATOPS, (240, 320), (slice(10, 239), slice(30, 290))),
}  # how names are read, what their numbers mean, and where the person is in a picture of the original size
SPLITS = ("train", "test", "all")
FITS = ("letterbox", "crop")
SAMPLINGS = ("uniform", "random", "very_random")


class LabelledTake(Take):
    """One recording with its label and subject; `box` cuts the person out of pictures of the original size."""

    def __init__(self, place: Path, label: str, subject: str, box=None, trouble: str = ""):
        super().__init__(place.stem if place.is_file() else place.name, trouble=trouble)
        self.place, self.label, self.subject, self.box = place, label, subject, box
        try:
            self.count = 0 if trouble else len(self.film if place.is_file() else self.files)
        except ValueError as error:
            self.trouble = str(error)

    @cached_property
    def film(self) -> Film:
        return Film(self.place)

    @cached_property
    def files(self) -> list[Path]:
        return pictures_in(self.place)

    def read(self, positions: Iterable[int], names: Sequence[str] = ("video",)) -> Iterator[dict[str, np.ndarray]]:
        positions = list(positions)
        raw = self.film.read(positions) if self.place.is_file() else (read_raw(self.files[p]) for p in positions)
        for picture in raw:
            picture = colour(picture)
            if self.box and picture.shape[:2] == self.box[0]:
                picture = picture[self.box[1]]
            yield {"video": picture}


class LabelledClips:
    def __init__(
        self, path: str, layout: str = "labelled", size=128, frames: int = 40, interval: int = 1, split: str = "train",
        fit: str = "letterbox", sampling: str = "uniform",
    ):  # fmt: skip
        for name, value, options in (("split", split, SPLITS), ("fit", fit, FITS), ("sampling", sampling, SAMPLINGS)):
            if value not in options:
                raise ValueError(f"data: {name} is one of {', '.join(options)}, not {value!r}.")
        self.size, self.frames, self.interval = sides(size), whole("frames", frames), whole("interval", interval)
        self.fit, self.sampling = (fit_picture if fit == "crop" else letterboxed), sampling
        self.takes = list(LAYOUTS[layout](existing(path), layout))
        if layout in TRAINED_ON and split != "all":
            self.takes = [take for take in self.takes if take.trouble or belongs(take, layout, split)]
        self.usable = [take for take in self.takes if not take.trouble]
        fixed_labels = {"mug": MUG, "mhad": MHAD, "natops": NATOPS}.get(layout)
        self.labels = fixed_labels or tuple(sorted({take.label for take in self.usable}))

    def __len__(self) -> int:
        return len(self.usable)

    def count(self, index: int) -> int:
        """Frames of a clip."""
        return -(-self.usable[index].count // self.interval)

    def label(self, index: int) -> int:
        return self.labels.index(self.usable[index].label)

    def subject(self, index: int) -> str:
        return self.usable[index].subject

    def pictures(self, index: int, positions: Sequence[int]) -> Tensor:
        """(n, 3, H, W) uint8 frames in rising order; one may be asked for several times."""
        take, wanted = self.usable[index], [position * self.interval for position in positions]
        unique = sorted(set(wanted))
        try:
            raw = list(take.read(unique))
            same_sizes(raw)
        except (ValueError, OSError) as error:
            raise ValueError(f"clip {take.name}: {error}") from error
        found = channels_first([self.fit(frame["video"], self.size) for frame in raw])
        return found[[unique.index(position) for position in wanted]]

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"video": self.pictures(index, spread(self.count(index), self.frames))}

    def problems(self) -> Iterator[Problem]:
        """Reads every clip once and yields its problems."""
        for take in self.takes:
            if take.trouble:
                yield Problem(take.name, take.trouble)
                continue
            try:
                first = None
                for frame in take.read(range(take.count)):
                    first = first or frame
                    same_sizes([first, frame])
            except (ValueError, OSError) as error:
                yield Problem(take.name, str(error))

    def left_out(self) -> dict[str, str]:
        return {take.name: take.trouble for take in self.takes if take.trouble}


class AsLabelled:
    """Any other source of clips with the same methods; the stage's labels are its actions."""

    sampling = "uniform"

    def __init__(self, source):
        self.source, self.frames = source, source.frames
        self.labels = tuple(getattr(source, "actions", ()))

    def __len__(self) -> int:
        return len(self.source)

    def count(self, index: int) -> int:
        return self.frames

    def label(self, index: int) -> int:
        return index % len(self.labels) if self.labels else 0

    def subject(self, index: int) -> str:
        return str(index)

    def pictures(self, index: int, positions: Sequence[int]) -> Tensor:
        return self.source[index]["video"][list(positions)]


def as_labelled(source) -> LabelledClips | AsLabelled:
    return source if isinstance(source, LabelledClips) else AsLabelled(source)


def spread(count: int, frames: int, sampling: str = "uniform", r: Random | None = None) -> list[int]:
    """Which of `count` frames make a clip, the first always among them; a short one repeats its last frame.

    "random" shifts each by less than its distance to the next, "very_random" draws freely, so speeds differ (LFDM).
    """
    if sampling == "very_random":
        return [0, *sorted(r.randrange(count) for _ in range(frames))[1:]]
    if count < frames:
        return [*range(count), *[count - 1] * (frames - count)]
    even = np.linspace(0, count - 1, frames).astype(int).tolist()
    if sampling == "uniform":
        return even
    shifted = [r.randint(before + 1, after - 1) for before, after in zip(even, even[2:], strict=False)]
    return sorted([even[0], *shifted, *even[max(1, frames - 1) :]])


def letterboxed(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) scaled until it fits whole into (height, width), black around it."""
    scale = min(size[0] / picture.shape[0], size[1] / picture.shape[1])
    inner = tuple(max(1, round(side * scale)) for side in picture.shape[:2])
    out = np.zeros((*size, 3), np.uint8)
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    out[top : top + inner[0], left : left + inner[1]] = resized(np.ascontiguousarray(picture), inner)
    return out


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder in the order of the numbers in their names."""
    found = [file for file in folder.iterdir() if file.suffix.lower() in ENDINGS and file.is_file()]
    return sorted(found, key=lambda file: [int(part) if part.isdigit() else part for part in parts(file.stem)])


def parts(name: str) -> list[str]:
    """Words and numbers in turn, so that names compare."""
    return re.split(r"(\d+)", name)


def clips_in(folder: Path) -> Iterator[Path]:
    """Video files and folders of pictures, at any depth; what begins with a dot is still being written."""
    for one in sorted(folder.iterdir()):
        if one.name.startswith("."):
            continue
        if one.is_file() and one.suffix.lower() in FILMS:
            import_av()
            yield one
        elif one.is_dir():
            inside = any(file.suffix.lower() in ENDINGS for file in one.iterdir() if file.is_file())
            yield from [one] if inside else clips_in(one)


def by_folder(root: Path, layout: str) -> Iterator[LabelledTake]:
    """Any folder: its folders are the labels."""
    for label in sorted(one for one in root.iterdir() if one.is_dir() and not one.name.startswith(".")):
        for clip in clips_in(label):
            between = clip.relative_to(label).parts[:-1]
            yield LabelledTake(clip, label.name, between[0] if between else clip.stem)


def by_subject(root: Path, layout: str) -> Iterator[LabelledTake]:
    """MUG: folders of subjects hold folders of expressions."""
    for clip in clips_in(root):
        inside = clip.relative_to(root).parts
        label = inside[-2] if len(inside) > 2 else ""
        trouble = "" if label in MUG else f"expected it in a folder of {', '.join(MUG)}, got {label!r}: move it"
        yield LabelledTake(clip, label, inside[0], trouble=trouble)


def by_name(root: Path, layout: str) -> Iterator[LabelledTake]:
    """MHAD and NATOPS: numbers in the name are action and subject."""
    pattern, labels, *box = NAMED[layout]
    for clip in clips_in(root):
        found = pattern.match(clip.stem if clip.is_file() else clip.name)
        number = int(found[1]) if found else 0
        if not 1 <= number <= len(labels):
            trouble = f"expected a name such as {EXAMPLES[layout]} with an action of 1 to {len(labels)}: rename it"
            yield LabelledTake(clip, "", "", trouble=trouble)
        else:
            yield LabelledTake(clip, labels[number - 1], found[2], box)


def belongs(take: LabelledTake, layout: str, split: str) -> bool:
    """Whether a subject belongs to a half of the authors' split."""
    digits = re.sub(r"\D", "", take.subject)
    subject = int(digits) if digits else -1
    if subject in LEFT_OUT.get(layout, ()):
        return False
    return (subject in TRAINED_ON[layout]) == (split == "train")


EXAMPLES = {"mhad": "a1_s1_t1_color.avi", "natops": "g01s02p01"}
LAYOUTS = {"labelled": by_folder, "mug": by_subject, "mhad": by_name, "natops": by_name}


def layout_class(layout: str):
    """The source of one layout, as `kind` names it."""
    return lambda **options: LabelledClips(layout=layout, **options)


Mug, Mhad, Natops = (layout_class(layout) for layout in ("mug", "mhad", "natops"))
