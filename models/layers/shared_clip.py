"""Clips that share memory where they are equal, and take none where they are 0.

What a node returns stays in the host's memory as long as the graph does. A clip that did not change, a mask that came as
an input and planes of one number are returned without a copy; a layer takes memory about where it is visible. Clips that
are made from one clip, such as its scene and its composites, share the pages of memory in which they are equal; a node
that writes into one of them gets a copy of the page, so that no other clip changes.
Letters: N frames, H and W pixels.
"""

import mmap
import os
import weakref
from collections.abc import Callable
from math import prod

import numpy as np
import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

PRIVATE = getattr(mmap, "MAP_PRIVATE", None)  # not on Windows


class Pages(mmap.mmap):
    """Memory that the system gives page by page, where it is written; it is there as long as a tensor uses it."""

    file: int  # where other clips find the pages
    whole: "Pages"  # the clip whose pages it has where both are equal
    by_columns = False  # what differs stands upright more often than not, and then lies in fewer pages

    def tensor(self, shape: tuple) -> Tensor:
        numbers = torch.frombuffer(self, dtype=torch.float32)
        if self.by_columns:
            return numbers.view(shape[0], shape[2], shape[1]).transpose(1, 2)
        return numbers.view(shape)


class Family:
    """The clips made from one clip that are still in use, by name."""

    families = WeakIdKeyDictionary()  # by the pictures of the clip

    def __init__(self):
        self.pages = weakref.WeakValueDictionary()

    @classmethod
    def of(cls, images: Tensor) -> "Family":
        return cls.families.setdefault(images, cls())

    def find(self, name: str, shape: tuple) -> Pages | None:
        found = self.pages.get(name)
        return found if found is not None and len(found) == 4 * prod(shape) else None

    def sparse(self, name: str, source: Tensor | None, *shape: int, by_columns: bool = False) -> "SharedClip":
        """A clip (N, H, W) or (N, H, W, C) that may be equal to a source or to the last one of its name, else mostly 0."""
        last = self.find(name, shape)
        alike = [source] if fits(source, shape) else []
        alike += [last.tensor(shape)] if last is not None else []
        return SharedClip(*alike, constant(0.0, *shape), start=lambda frame: SparseClip(self, name, shape, by_columns))

    def dense(self, name: str, source: Tensor | None, *shape: int, by_columns: bool = False) -> "SharedClip":
        """A clip that may be equal to a source, else shares pages with the first one of its name."""

        def start(frame: Tensor) -> OwnClip:
            whole = self.find(name, shape)
            if whole is None:
                own = frame.dtype != torch.float32 or frame.device.type != "cpu"
                whole = None if own else new_file(shape, by_columns)
                return OwnClip(frame, shape[0]) if whole is None else FirstClip(self, name, whole, shape)
            return NextClip(whole, shape)

        return SharedClip(*([source] if fits(source, shape, None) else []), start=start)


class SharedClip:
    """Frames written one after the other; memory is taken at the first one that differs from all clips it may be."""

    def __init__(self, *alike: Tensor, start: Callable[[Tensor], "OwnClip"] | None = None):
        self.alike, self.own = list(alike), None
        self.start = start or (lambda frame: OwnClip(frame, len(self.alike[0])))

    def write(self, index: int, frame: Tensor) -> None:
        """The next frame."""
        if self.own is None:
            equal = [clip for clip in self.alike if same(frame, clip[index])]
            if equal:
                self.alike = equal
                return
            self.own = self.start(frame)
            for earlier in range(index):
                self.own.write(earlier, self.alike[0][earlier])
        self.own.write(index, frame)

    def clip(self) -> Tensor:
        """All frames."""
        return self.alike[0] if self.own is None else self.own.clip()


class OwnClip:
    """A clip with memory of its own."""

    def __init__(self, frame: Tensor, frames: int):
        self.frames = frame.new_empty(frames, *frame.shape)

    def write(self, index: int, frame: Tensor) -> None:
        self.frames[index] = frame

    def clip(self) -> Tensor:
        return self.frames


class SparseClip(OwnClip):
    """A clip that takes memory where it is not 0."""

    def __init__(self, family: Family | None, name: str, shape: tuple, by_columns: bool = False):
        self.family, self.name = family, name
        self.pages = Pages(-1, 4 * prod(shape), **({"flags": PRIVATE | mmap.MAP_ANONYMOUS} if PRIVATE else {}))
        self.pages.by_columns = by_columns
        self.frames = self.pages.tensor(shape)

    def write(self, index: int, frame: Tensor) -> None:
        frame = frame.to(self.frames)
        put_where(frame != 0, frame, self.frames[index])

    def clip(self) -> Tensor:
        if self.family is not None:
            self.family.pages[self.name] = self.pages
        return self.frames


class FirstClip(OwnClip):
    """The first clip of its name, whose pages the next ones share."""

    def __init__(self, family: Family, name: str, whole: Pages, shape: tuple):
        self.family, self.name, self.whole, self.shape = family, name, whole, shape
        self.frames = whole.tensor(shape)

    def clip(self) -> Tensor:
        self.family.pages[self.name] = self.whole
        return same_pages(self.whole).tensor(self.shape)


class NextClip(OwnClip):
    """A clip that takes memory where it differs from the first one of its name."""

    def __init__(self, whole: Pages, shape: tuple):
        self.first, self.frames = whole.tensor(shape), same_pages(whole).tensor(shape)

    def write(self, index: int, frame: Tensor) -> None:
        frame = frame.to(self.frames)
        put_where(frame != self.first[index], frame, self.frames[index])


def same(one: Tensor, other: Tensor) -> bool:
    """Frames of the same kind of numbers are equal."""
    return (one.dtype, one.device) == (other.dtype, other.device) and torch.equal(one, other)


def put_where(chosen: Tensor, frame: Tensor, target: Tensor) -> None:
    """Writes the chosen numbers of a frame; pages without one are not touched."""
    np.copyto(target.numpy(), frame.numpy(), where=chosen.numpy())


def new_file(shape: tuple, by_columns: bool) -> Pages | None:
    """Memory that other clips may share, or None where the system has none."""
    if not hasattr(os, "memfd_create"):
        return None
    try:
        file = os.memfd_create("clip")
        os.ftruncate(file, 4 * prod(shape))
        pages = Pages(file, 4 * prod(shape))
    except OSError:  # too many open files, or forbidden in a sandbox
        return None
    pages.file, pages.by_columns = file, by_columns
    weakref.finalize(pages, os.close, file)
    return pages


def same_pages(whole: Pages) -> Pages:
    """The pages of a clip once more; writing into one of them copies it."""
    pages = Pages(whole.file, len(whole), flags=PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    pages.whole, pages.by_columns = whole, whole.by_columns
    return pages


def fits(source: Tensor | None, shape: tuple, dtype: torch.dtype | None = torch.float32) -> bool:
    """A source has the shape of a clip and its kind of numbers."""
    return source is not None and tuple(source.shape) == tuple(shape) and dtype in (None, source.dtype)


def constant(value: float, *shape: int) -> Tensor:
    """A clip of one number that takes no memory."""
    return torch.tensor(value).expand(*shape)


def shared_with(source: Tensor | None, *shape: int) -> SharedClip:
    """A clip of a shape that may be equal to a source of float32 numbers, else mostly 0."""
    alike = [source] if fits(source, shape) else []
    return SharedClip(*alike, constant(0.0, *shape), start=lambda frame: SparseClip(None, "", shape))
