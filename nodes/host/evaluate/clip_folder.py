"""Both halves of CLIP from a local folder in the form of transformers, for files that the host's loaders refuse.

Letters: N pictures, H and W pixels, d features.
"""

from pathlib import Path
from weakref import WeakValueDictionary

import comfy.clip_model
import comfy.model_management as memory
import comfy.model_patcher
import torch
from torch import Tensor

from ..files.folders import find_inside, folder_stamp
from .clip import in_chunks

FOLDERS = ("clip_vision", "text_encoders")
opened: WeakValueDictionary[tuple[Path, str], "ClipFolder"] = WeakValueDictionary()


def open_clip_folder(name: str) -> "ClipFolder":
    """The CLIP of a folder; the same one as before while its files are the same and the host keeps it loaded."""
    path = find_folder(name)
    key = path, folder_stamp(path)
    clip = opened.get(key)
    if clip is None:
        clip = opened[key] = ClipFolder(path)
    return clip


class ClipFolder:
    """A folder's CLIPModel and its tokenizer, under the host's memory management."""

    def __init__(self, path: Path):
        model, self.tokenizer = open_folder(path)
        # The host writes a device onto what it patches, which a model of transformers refuses.
        self.patcher = comfy.model_patcher.ModelPatcher(
            torch.nn.Sequential(model),
            load_device=memory.get_torch_device(),  # of those that the host unloads when it unloads all
            offload_device=memory.text_encoder_offload_device(),
        )

    def load(self) -> tuple[torch.nn.Module, torch.device]:
        memory.load_models_gpu([self.patcher], force_full_load=True)
        for loaded in memory.current_loaded_models:
            if loaded.model is self.patcher:
                loaded.duet_clip = self  # the host's list holds it, so it is freed when the host unloads it
        return self.patcher.model[0], self.patcher.load_device

    def encode_images(self, images: Tensor) -> Tensor:
        """(N, H, W, 3) pictures to (N, d), prepared as the host does for its own CLIP, squeezed to a square."""
        model, device = self.load()
        size = model.config.vision_config.image_size

        def encode(some: Tensor) -> Tensor:
            pixels = comfy.clip_model.clip_preprocess(some.to(device), size=size, crop=False)
            return model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output)

        return in_chunks(images, encode)

    def encode_text(self, text: str) -> Tensor:
        """(1, d) of a text, cut off after the tokens that CLIP reads."""
        model, device = self.load()
        max_tokens = model.config.text_config.max_position_embeddings
        tokens = self.tokenizer(text, return_tensors="pt", truncation=True, max_length=max_tokens).to(device)
        with torch.no_grad():
            return model.text_projection(model.text_model(**tokens).pooler_output).float().cpu()


def find_folder(name: str) -> Path:
    """A folder by its name in the model folders of CLIP."""
    path = find_inside(name, *FOLDERS, what="clip_folder", holds="config.json")
    if path is None:
        raise ValueError(
            f"clip_folder: expected a folder with config.json and model.safetensors of CLIP, found none at {name}: put "
            "openai/clip-vit-large-patch14 into models/clip_vision and give its name here."
        )
    return path


def open_folder(path: Path):
    """The model and the tokenizer, from safetensors only and with every weight there."""
    from transformers import AutoTokenizer, CLIPModel

    local = {"local_files_only": True, "trust_remote_code": False}
    try:
        model, info = CLIPModel.from_pretrained(path, **local, use_safetensors=True, output_loading_info=True)
        tokenizer = AutoTokenizer.from_pretrained(path, **local)
    except Exception as error:  # each of its many parts raises its own kind
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"clip_folder: {path.name} does not open as CLIP ({reason}): get its files again.") from error
    if missing := [*info["missing_keys"], *info["mismatched_keys"]]:
        raise ValueError(
            f"clip_folder: expected every weight of CLIP in {path.name}, but {len(missing)} are missing or of another "
            f"size, {missing[0]} for one: get its files again."
        )
    return model.eval().requires_grad_(False), tokenizer
