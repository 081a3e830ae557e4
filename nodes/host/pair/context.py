"""Context windows that keep video and depth together: each window over the F frames also holds their depth.

Models whose frames attend to the first frame of a clip (sparse-causal attention) get it at the head of every window;
their output for it is dropped.

Letters: F frames, m modalities, L frames in a window.
"""

import copy

import comfy.context_windows as windows
import torch
from torch import Tensor

from .boundary import modalities
from .schedule import covering, flat_without_overlap

PREPARED = {"cond_hint": None, "extra_concat": None, "control_input": None, "cond_hints": {}, "control_inputs": {}}


class PairedWindows(windows.IndexListContextHandler):
    """The host's windows on a batch of m F latents; with m = 1 plain windows along the batch."""

    keeps_pairs = True

    def __init__(self, **options):
        super().__init__(dim=0, causal_window_fix=False, **options)
        self.fuse_method = flat_without_overlap(self.fuse_method)
        self.modalities = 1
        self.anchor = False
        self.controls = {}  # one copy for positive and negative, or the host would not batch them

    def one_window(self, shape: list[int], model, model_options: dict) -> list[int]:
        """The part of a latent that is in the network at once: a window with all its modalities."""
        self.modalities = modalities(model, model_options)
        longest = (self.context_length + attends_to_first(model)) * self.modalities
        return [min(shape[0], longest), *shape[1:]]

    def should_use_context(self, model, conds, x_in: Tensor, timestep, model_options) -> bool:
        self.modalities, self.anchor = modalities(model, model_options), attends_to_first(model)
        return x_in.shape[0] // self.modalities > self.context_length

    def get_context_windows(self, model, x_in: Tensor, model_options) -> list:
        frames = x_in.shape[0] // self.modalities
        found = self.context_schedule.func(frames, self, model_options)
        found = covering(found, frames, self.context_length)
        return [self.paired(window, frames) for window in found]

    def paired(self, frames_of_clip: list[int], frames: int) -> windows.IndexListContextWindow:
        """A window over every modality, each after the first frame of its clip where the model attends to it."""
        anchors = [0] if self.anchor and frames_of_clip[0] != 0 else []
        indices = [i + frames * k for k in range(self.modalities) for i in anchors + frames_of_clip]
        window = self.window(indices, frames * self.modalities)
        window.anchors = len(anchors)
        return window

    def window(self, indices: list[int], total: int) -> windows.IndexListContextWindow:
        overlap = 0 if self.context_schedule.name == "batched" else min(self.context_overlap, len(indices))
        return windows.IndexListContextWindow(indices, dim=0, total_frames=total, context_overlap=overlap)

    def combine_context_window_results(
        self, x_in, sub_conds_out, sub_conds, window, window_idx, total_windows, timestep, final, counts, biases
    ) -> None:
        """Fuse each half as a clip of its own, since the host's weights depend on the place of a frame in its clip."""
        frames, length = x_in.shape[0] // self.modalities, len(window.index_list) // self.modalities
        for k in range(self.modalities):
            part, whole = slice(k * length + window.anchors, (k + 1) * length), slice(k * frames, (k + 1) * frames)
            half = self.window([i - k * frames for i in window.index_list[part]], frames)
            bias = [values[whole] for values in biases]
            super().combine_context_window_results(
                x_in[whole], [out[part] for out in sub_conds_out], sub_conds, half, window_idx, total_windows,
                timestep, [values[whole] for values in final], [values[whole] for values in counts], bias,
            )  # fmt: skip
            for values, new in zip(biases, bias, strict=True):
                values[whole] = new

    def get_resized_cond(self, cond_in, x_in: Tensor, window, device=None):
        """Conditions with one entry per frame are repeated for both halves, then the host slices them; ControlNets are sliced here."""
        if cond_in is None:
            return None
        total, frames = x_in.shape[0], x_in.shape[0] // self.modalities
        out = super().get_resized_cond([self.tiled(cond, frames) for cond in cond_in], x_in, window, device)
        for cond in out:
            if cond.get("control") is not None:
                cond["control"] = self.sliced_control(cond["control"], window, total)
        return out

    def tiled(self, cond: dict, frames: int) -> dict:
        """A conditioning whose tensors of F entries are repeated to m F."""
        if self.modalities == 1:
            return cond
        repeat = lambda x: torch.cat([x] * self.modalities) if x.ndim and x.shape[0] == frames else x
        out = {key: repeat(value) if isinstance(value, Tensor) else value for key, value in cond.items()}
        out["model_conds"] = {
            key: value._copy_with(repeat(value.cond)) if isinstance(getattr(value, "cond", None), Tensor) else value
            for key, value in cond.get("model_conds", {}).items()
        }
        return out

    def sliced_control(self, control, window, total: int):
        """A copy of a ControlNet chain whose hints, one per frame or per latent, are those of the window."""
        if control is None:
            return None
        key = (id(control), tuple(window.index_list))
        if key not in self.controls:
            part = without_prepared(copy.copy(control))
            part.cond_hint_original = frames_of(control.cond_hint_original, window, total, self.modalities)
            part.extra_concat_orig = [frames_of(x, window, total, self.modalities) for x in control.extra_concat_orig]
            part.previous_controlnet = self.sliced_control(control.previous_controlnet, window, total)
            on_devices = getattr(control, "multigpu_clones", {}).items()
            part.multigpu_clones = {device: self.sliced_control(net, window, total) for device, net in on_devices}
            self.controls[key] = part
        return self.controls[key]

    def evaluate_context_windows(self, *args, **kwargs):
        """One window after the other; the hints of each leave the GPU with it."""
        try:
            return super().evaluate_context_windows(*args, **kwargs)
        finally:
            self.controls.clear()

    def _apply_freenoise(self, noise: Tensor, conds, seed: int) -> Tensor:
        """The noise of a window repeated along each half in the same order, on a copy."""
        halves = noise.clone().chunk(self.modalities)
        for half in halves:
            windows.apply_freenoise(half, 0, self.context_length, self.context_overlap, seed)
        return torch.cat(halves)


def without_prepared(control):
    """A copied ControlNet without hints that were prepared for all frames; newer hosts keep one for each size."""
    for name, empty in PREPARED.items():
        if hasattr(control, name):
            setattr(control, name, copy.copy(empty))
    return control


def attends_to_first(model) -> bool:
    """Whether a model's frames attend to the first one of their clip."""
    return getattr(getattr(model, "video", None), "self_attention", "frame") == "sparse_causal"


def frames_of(hint: Tensor | None, window, total: int, m: int) -> Tensor | None:
    """The hints of a window out of one, F or m F; for F the frame numbers of the first half serve both."""
    if hint is None or hint.shape[0] == 1:
        return hint
    indices = window.index_list if hint.shape[0] == total else window.index_list[: len(window.index_list) // m]
    return hint[[min(i, hint.shape[0] - 1) for i in indices]]
