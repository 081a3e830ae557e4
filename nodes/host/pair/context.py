"""Context windows that keep video and depth together: each window over the F frames also holds their depth.

Models whose frames attend to the first frame of a clip (sparse-causal attention) get it at the head of every window;
their output for it is dropped.

Letters: F frames, m modalities, L frames in a window.
"""

import copy

import comfy.context_windows as windows
import torch
from comfy.patcher_extension import WrappersMP
from torch import Tensor

from .boundary import modalities

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

    def should_use_context(self, model, conds, x_in: Tensor, timestep, model_options) -> bool:
        self.modalities, self.anchor = modalities(model, model_options), attends_to_first(model)
        return x_in.shape[0] // self.modalities > self.context_length

    def get_context_windows(self, model, x_in: Tensor, model_options) -> list:
        frames = x_in.shape[0] // self.modalities
        found = self.context_schedule.func(frames, self, model_options)
        # With a stride the host's uniform schedules repeat frames, go beyond the clip, and leave frames out.
        found = [[i for i in dict.fromkeys(window) if 0 <= i < frames] for window in found]
        found = [window for window in found if window]
        for frame in range(frames):
            if not any(frame in window for window in found):
                start = min(frame, frames - self.context_length)
                found.append(list(range(start, start + self.context_length)))
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


def flat_without_overlap(fuse: windows.ContextFuseMethod) -> windows.ContextFuseMethod:
    """The same fusing; where windows do not overlap, the host's linear ramp of no frames would raise."""

    def weights(length: int, context_overlap: int = 0, **rest):
        return fuse.func(length, context_overlap=context_overlap, **rest) if context_overlap else [1.0] * length

    return windows.ContextFuseMethod(fuse.name, weights) if fuse.name == "overlap-linear" else fuse


def frames_of(hint: Tensor | None, window, total: int, m: int) -> Tensor | None:
    """The hints of a window out of one, F or m F; for F the frame numbers of the first half serve both."""
    if hint is None or hint.shape[0] == 1:
        return hint
    indices = window.index_list if hint.shape[0] == total else window.index_list[: len(window.index_list) // m]
    return hint[[min(i, hint.shape[0] - 1) for i in indices]]


def budget(executor, model, noise_shape, conds, *args, **kwargs):
    """The host's PREPARE_SAMPLING wrapper point: the memory of one window with all its modalities is estimated."""
    options = kwargs.get("model_options") or {}
    shape, handler = list(noise_shape), options.get("context_handler")
    if isinstance(handler, PairedWindows):
        handler.modalities = modalities(model.model, options)
        shape[0] = min(shape[0], (handler.context_length + attends_to_first(model.model)) * handler.modalities)
    return executor(model, shape, conds, *args, **kwargs)


def check_batch_of_frames(model) -> None:
    """Refuses a MODEL whose latent keeps the frames of a clip in one entry, where windows along the batch find none."""
    if model.get_model_object("latent_format").latent_dimensions != 2:
        mend = (
            "set fewer frames" if hasattr(model.model, "flow") else "use ComfyUI's Context Windows (Manual) with dim 2"
        )
        raise ValueError(
            f"model: expected a model whose latent is a batch of frames, got a {type(model.model).__name__}, whose latent holds "
            f"a whole clip at once: {mend}."
        )


def use_windows(
    model, *, length: int, overlap: int, schedule: str, fuse: str, stride: int, closed: bool, freenoise: bool
):
    """A clone of the MODEL that samples a long clip in windows."""
    check_batch_of_frames(model)
    if overlap >= length:
        raise ValueError(
            f"Windows of {length} frames cannot overlap by {overlap}: lower context_overlap to {length - 1} or less."
        )
    clone = model.clone()
    clone.model_options["context_handler"] = PairedWindows(
        context_schedule=windows.get_matching_context_schedule(schedule),
        fuse_method=windows.get_matching_fuse_method(fuse),
        context_length=length,
        context_overlap=overlap,
        context_stride=stride,
        closed_loop=closed,
        freenoise=freenoise,
    )
    for point in (WrappersMP.PREPARE_SAMPLING, WrappersMP.SAMPLER_SAMPLE):  # of the host's node, if it came before
        clone.remove_wrappers_with_key(point, f"ContextWindows_{point}")
    clone.remove_wrappers_with_key(WrappersMP.PREPARE_SAMPLING, "duet_windows")
    clone.add_wrapper_with_key(WrappersMP.PREPARE_SAMPLING, "duet_windows", budget)
    if freenoise:
        windows.create_sampler_sample_wrapper(clone)
    return clone
