"""All uses of the host's internals by the training nodes: folders, pictures, progress and Cancel."""

from pathlib import Path

import comfy.model_management
import comfy.utils
import folder_paths

WEIGHTS = (".safetensors", ".sft", ".ckpt", ".pth", ".pt", ".bin")  # of the old ones only the tensors are read
BESIDE = {"diffusion_models": "duet_models", "controlnet": "duet_controlnets"}
PREVIEW = 1024  # pixels of the longer side


def runs_folder() -> Path:
    return Path(folder_paths.get_output_directory()) / "duet_training"


def models_folder(kind: str) -> Path:
    """Where the host looks first for models of a kind."""
    return Path(folder_paths.get_folder_paths(kind)[0])


def input_folder() -> Path:
    return Path(folder_paths.get_input_directory())


def searched(*kinds: str) -> list[str]:
    """The model folders that the main pack's loaders read, each followed by the one for files that only they open."""
    keys = [key for kind in kinds for key in (kind, BESIDE.get(kind))]
    return [key for key in keys if key in folder_paths.folder_names_and_paths]


def list_files(*kinds: str) -> list[str]:
    """Names of the files in several model folders that the main pack's loaders open, each once; it adds a folder."""
    names = {name for kind in searched(*kinds) for name in folder_paths.get_filename_list(kind)}
    return sorted(name for name in names if name.lower().endswith(WEIGHTS))


def find_file(name: str, *kinds: str) -> str:
    """The path behind a name of the list."""
    found = next((path for kind in searched(*kinds) if (path := folder_paths.get_full_path(kind, name))), None)
    if found is None:
        raise ValueError(
            f"Found no file {name} in the model folders {' or '.join(kinds)}: press R and choose it again."
        )
    return str(Path(found).resolve())


def write_prompt(conditioning: list) -> str:
    """Writes the tokens of a prompt beside the runs, for the training process; returns the path of the file."""
    if len(conditioning) != 1:
        raise ValueError(
            f"positive: expected one prompt, got {len(conditioning)} joined ones: connect CLIP Text Encode directly."
        )
    from ..encode.tokens import write_tokens

    return str(write_tokens(runs_folder() / ".prompts", conditioning[0][0]))


def free_memory() -> None:
    """Frees the GPU for the training; the host loads its models again when it needs them."""
    comfy.model_management.unload_all_models()
    comfy.model_management.soft_empty_cache()


def picture(path: Path | None):
    """A picture file as an IMAGE (1, H, W, 3); a small grey one where there is none yet."""
    import numpy as np
    import torch
    from PIL import Image

    if path is None:
        return torch.full((1, 64, 64, 3), 0.5)
    with Image.open(path) as opened:
        return torch.from_numpy(np.asarray(opened.convert("RGB"), dtype=np.float32) / 255)[None]


class Reporter:
    """Shows where a run is: the host's progress bar, the newest sample as its preview, and a line of text."""

    def __init__(self, total: int, node_id: str):
        self.bar, self.node_id = comfy.utils.ProgressBar(total, node_id=node_id), node_id
        self.step, self.text, self.sample = -1, "", None

    def show(self, state) -> None:
        """Sends what changed; raises the host's interrupt after Cancel."""
        comfy.model_management.throw_exception_if_processing_interrupted()
        if state.text != self.text:
            self.send_text(state.text)
        if state.step != self.step or state.sample != self.sample:
            new = state.sample if state.sample != self.sample else None
            self.bar.update_absolute(state.step, state.total, preview=preview(new))
        self.step, self.text, self.sample = state.step, state.text, state.sample

    def send_text(self, text: str) -> None:
        from server import PromptServer

        PromptServer.instance.send_progress_text(text, self.node_id)


def preview(path: Path | None) -> tuple | None:
    """A sample in the form of the progress bar's preview."""
    if path is None:
        return None
    from PIL import Image

    with Image.open(path) as opened:
        return "JPEG", opened.convert("RGB"), PREVIEW
