"""Context windows along the latent frames of a pair whose latent holds whole clips, (2, C, T, h, w): the same for both halves.

Letters: C channels, T latent frames, h and w latent pixels.
"""

import comfy.context_windows as windows
from torch import Tensor

from .schedule import covering, flat_without_overlap

ALONG = 2  # the dimension of latent frames
NOWHERE = ()  # the part of an area that reaches no frame


class ClipWindows(windows.IndexListContextHandler):
    """The host's windows along the latent frames, each after the first with the frame before it, as the host's Wan windows are."""

    keeps_pairs = True

    def __init__(self, **options):
        super().__init__(dim=ALONG, causal_window_fix=True, **options)
        self.fuse_method = flat_without_overlap(self.fuse_method)

    def one_window(self, shape: list[int], model, model_options: dict) -> list[int]:
        """The part of a latent that is in the network at once: a window and the frame before it."""
        return [*shape[:ALONG], min(shape[ALONG], self.context_length + 1), *shape[ALONG + 1 :]]

    def get_context_windows(self, model, x_in: Tensor, model_options) -> list:
        total = x_in.shape[ALONG]
        found = covering(self.context_schedule.func(total, self, model_options), total, self.context_length)
        return [self.window(indices, total) for indices in found]

    def window(self, indices: list[int], total: int) -> windows.IndexListContextWindow:
        overlap = 0 if self.context_schedule.name == "batched" else min(self.context_overlap, len(indices))
        return windows.IndexListContextWindow(indices, dim=ALONG, total_frames=total, context_overlap=overlap)

    def get_resized_cond(self, cond_in, x_in: Tensor, window, device=None):
        """As the host does it, with masks and areas of a conditioning cut to the frames of the window."""
        if cond_in is None:
            return None
        total, out = x_in.shape[ALONG], []
        for cond in cond_in:
            area, mask = area_in(cond.get("area"), window, total), cond.get("mask")
            if area == NOWHERE:
                continue
            # The host would take the height of a mask (1, T, h, w) for its time.
            rest = {key: value for key, value in cond.items() if key not in ("area", "mask")}
            part = super().get_resized_cond([rest], x_in, window, device)[0]
            if mask is not None:
                part["mask"] = window.get_tensor(mask, device, dim=1) if mask.shape[1] == total else mask
            out.append(part if area is None else part | {"area": area})
        return out

    def _apply_freenoise(self, noise: Tensor, conds, seed: int) -> Tensor:
        """The noise of a window repeated in another order, the same for both halves, on a copy."""
        return super()._apply_freenoise(noise.clone(), conds, seed)


def area_in(area: tuple | None, window, total: int) -> tuple | None:
    """An area (t, h, w, and where each begins) in the frames of a window; NOWHERE if it reaches none of them."""
    if area is None or len(area) != 6 or (area[0] >= total and area[3] == 0):
        return area
    frames = frames_in(window)
    places = [place for place, frame in enumerate(frames) if area[3] <= frame < area[3] + area[0]]
    if not places:
        return NOWHERE
    return (places[-1] - places[0] + 1, *area[1:3], places[0], *area[4:])


def frames_in(window) -> list[int]:
    """The latent frames that the network sees of a window: its own, behind the one before them."""
    before = getattr(window, "causal_anchor_index", None)
    return window.index_list if before is None else [before, *window.index_list]


def latent_frames(frames: int, ratio: int) -> int:
    """How many latent frames hold no more than `frames` frames of a clip: the first is one frame, every other `ratio`."""
    return 1 + max(0, frames - 1) // ratio


def latent_overlap(frames: int, ratio: int) -> int:
    """How many whole latent frames an overlap of frames is."""
    return frames // ratio
