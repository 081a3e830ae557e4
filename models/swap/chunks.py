"""Clips that were generated chunk by chunk: where they lie in the whole, how they fade into each other.

Letters: K chunks, n frames of one of them, T frames of all together, H and W pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..flow.cuts import ALIKE, correlation, thumbnail

SEARCHED = 33  # first frames of a chunk that may be the last one of the chunk in front of it
CLEARLY = 0.25  # of the difference at the given overlap, for another one to be right
REPEATED = 3  # frames that a model's rule of 4n+1 may add at the end of a clip


@dataclass(frozen=True)
class Chunks:
    """Clips (n, H, W, 3) of which neighbours share some frames."""

    clips: list[Tensor]
    overlap: int

    @property
    def starts(self) -> list[int]:
        """The number of the first frame of each chunk in the joined clip."""
        out = [0]
        for clip in self.clips[:-1]:
            out.append(out[-1] + len(clip) - self.overlap)
        return out

    @property
    def frames(self) -> int:
        return self.starts[-1] + len(self.clips[-1])

    def shares(self, number: int) -> bool:
        """Whether a chunk shows in the overlap what the one in front of it does, in any colours."""
        if not self.overlap or number == 0:
            return True
        before, after = self.clips[number - 1][-self.overlap :], self.clips[number]
        places = {0, self.overlap // 2, self.overlap - 1}
        return any(correlation(thumbnail(before[one]), thumbnail(after[one])) >= ALIKE for one in places)

    def at(self, index: int) -> list[tuple[int, int, float]]:
        """The chunks that contain a frame: number, place in it, and its weight over the one in front of it."""
        out = []
        for number, (start, clip) in enumerate(zip(self.starts, self.clips, strict=True)):
            place = index - start
            if 0 <= place < len(clip):
                fades = number > 0 and place < self.overlap
                out.append((number, place, (place + 1) / (self.overlap + 1) if fades else 1.0))
        return out


def make_chunks(clips: list[Tensor], overlap: int) -> Chunks:
    """The chunks, or an error that names what does not fit."""
    overlap = overlap if len(clips) > 1 else 0
    for number, clip in enumerate(clips):
        if clip.shape[1:3] != clips[0].shape[1:3]:
            (high, wide), (tall, broad) = clips[0].shape[1:3], clip.shape[1:3]
            raise ValueError(
                f"images: expected chunks of one size, got {wide} x {high} in chunk 0 and {broad} x {tall} in chunk {number}: "
                "put Upscale Image in front of one of them."
            )
        inner = 0 < number < len(clips) - 1
        needed = max(overlap + 1, 2 * overlap if inner else 0) if len(clips) > 1 else 1
        if len(clip) < needed:
            raise ValueError(
                f"images: expected at least {needed} frames in chunk {number}, with overlap_frames of {overlap}, got "
                f"{len(clip)}: lower overlap_frames, or leave the chunk out."
            )
    return Chunks(clips, overlap)


def join_frame(chunks: Chunks, index: int, picture: Callable[[int, int], Tensor]) -> Tensor:
    """One frame (H, W, 3) of the joined clip; `picture` gives that of a chunk by its number and its place in it."""
    out = None
    for number, place, amount in chunks.at(index):
        new = picture(number, place)
        out = new if out is None else torch.lerp(out, new, amount)
    return out


def along_chunks(batches: list[Tensor], chunks: Chunks, name: str) -> Callable[[int, int], Tensor]:
    """A function that gives what belongs to a picture, by the number of its chunk and its place in it.

    `batches` hold one batch for each chunk, or one for the joined clip, of one frame or of all; the frames that a model's
    rule adds at the end may be missing.
    """
    counts = [len(batch) for batch in batches]
    if len(batches) == len(chunks.clips) and all(
        count in (1, len(clip)) for count, clip in zip(counts, chunks.clips, strict=True)
    ):
        return lambda number, place: batches[number][min(place, counts[number] - 1)]
    if len(batches) == 1 and (counts[0] == 1 or chunks.frames - REPEATED <= counts[0] <= chunks.frames):
        starts = chunks.starts
        return lambda number, place: batches[0][min(starts[number] + place, counts[0] - 1)]
    lengths = ", ".join(str(len(clip)) for clip in chunks.clips)
    raise ValueError(
        f"{name}: expected 1 or {chunks.frames} frames, or one batch for each chunk with {lengths} frames, got "
        f"{', '.join(map(str, counts))}: trim it, or check overlap_frames, which is {chunks.overlap}."
    )


def likely_overlap(before: Tensor, after: Tensor, overlap: int) -> int:
    """How many frames a chunk (n, H, W, 3) shares with the one in front of it: the given number, or one that fits far better.

    The last frame of a chunk is the one of that number in the next; without an overlap they are a frame apart.
    """
    last = thumbnail(before[-1])
    away = torch.stack([(thumbnail(frame) - last).square().mean() for frame in after[:SEARCHED]])
    if 0 < overlap <= len(away):
        given = away[overlap - 1]
    elif not overlap and len(before) > 1:
        given = (thumbnail(before[-2]) - last).square().mean()
    else:
        return overlap
    best = int(away.argmin())
    return best + 1 if away[best] < CLEARLY * given else overlap


def overlap_warning(chunks: Chunks) -> str | None:
    """A sentence on chunks that seem to share another number of frames than is set."""
    lines = []
    for number, (before, after) in enumerate(zip(chunks.clips, chunks.clips[1:], strict=False), 1):
        found = likely_overlap(before, after, chunks.overlap)
        if found == chunks.overlap and not chunks.shares(number):
            lines.append(
                f"Chunk {number} was expected to share {chunks.overlap} frame{'s' if chunks.overlap > 1 else ''} with chunk "
                f"{number - 1}, but shows something else there: set overlap_frames to the number of frames that both share, "
                "or to 0 where a cut is between them."
            )
        if found != chunks.overlap:
            lines.append(
                f"Chunk {number} seems to share {found} frame{'s' if found > 1 else ''} with chunk {number - 1}, but "
                f"overlap_frames is {chunks.overlap}: set {found}."
            )
    return " ".join(lines) or None
