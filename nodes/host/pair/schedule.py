"""Where the host's schedules put context windows, and how much each counts: mended where the host leaves frames out or raises."""

import comfy.context_windows as windows


def covering(found: list[list[int]], frames: int, length: int) -> list[list[int]]:
    """Windows over all frames of a clip, none twice in a window.

    With a stride the host's uniform schedules repeat frames, go beyond the clip, and leave frames out.
    """
    found = [[i for i in dict.fromkeys(window) if 0 <= i < frames] for window in found]
    found = [window for window in found if window]
    for frame in range(frames):
        if not any(frame in window for window in found):
            start = min(frame, frames - length)
            found.append(list(range(start, start + length)))
    return found


def flat_without_overlap(fuse: windows.ContextFuseMethod) -> windows.ContextFuseMethod:
    """The same fusing; where windows do not overlap, the host's linear ramp of no frames would raise."""

    def weights(length: int, context_overlap: int = 0, **rest):
        return fuse.func(length, context_overlap=context_overlap, **rest) if context_overlap else [1.0] * length

    return windows.ContextFuseMethod(fuse.name, weights) if fuse.name == "overlap-linear" else fuse
