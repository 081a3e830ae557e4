"""What the workflows that begin with a clip name: a clip, a picture, and ComfyUI's own networks with random weights."""

import shutil
from pathlib import Path

import torch

from tiny.files import halved, random_state, vae_state

CLIP = "your_clip.mp4"


def write_clip_files(state: Path, host: Path) -> None:
    """Fill the input and models folders of a server that has not started yet."""
    import pack.models.stage
    from templates.clip import walk_through, write_clip

    write_clip(state / "input" / CLIP, walk_through(pack.models.stage)[0])
    shutil.copy(host / "input" / "example.png", state / "input")
    write_depth_anything(state / "models" / "geometry_estimation")
    write_sdpose(state / "models" / "checkpoints")


def write_depth_anything(folder: Path) -> None:
    """Depth Anything 3 on its smallest backbone, with a narrow head that finds no sky."""
    from comfy.ldm.depth_anything_3.model import DepthAnything3Net
    from comfy.ops import disable_weight_init
    from safetensors.torch import save_file

    head = {"head_dim_in": 384, "head_features": 16, "head_out_channels": (8, 8, 8, 8)}
    layers = {"backbone_name": "vits", "out_layers": (5, 7, 9, 11)}
    net = DepthAnything3Net(**layers, **head, operations=disable_weight_init, dtype=torch.float32)
    weights = random_state(net, 21)
    weights |= {name: torch.zeros_like(value) for name, value in weights.items() if ".sky_output_conv2." in name}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(halved(weights), str(folder / "depth_anything_3_mono_large.safetensors"))


def write_sdpose(folder: Path) -> None:
    """SDPose: two levels of Stable Diffusion 2 with the whole head that finds 133 points."""
    from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
    from comfy.ops import disable_weight_init
    from safetensors.torch import save_file

    unet = UNetModel(
        image_size=32, in_channels=4, out_channels=4, model_channels=320, num_res_blocks=[1, 1], channel_mult=[1, 2],
        transformer_depth=[0, 1], transformer_depth_output=[0, 0, 1, 1], transformer_depth_middle=-1, context_dim=1024,
        num_head_channels=64, use_linear_in_transformer=True, use_spatial_transformer=True, num_classes="sequential",
        adm_in_channels=4, heatmap_head=True, dtype=torch.float32, operations=disable_weight_init,
    )  # fmt: skip
    weights = {f"model.diffusion_model.{name}": value for name, value in random_state(unet, 22).items()}
    weights |= {f"first_stage_model.{name}": value for name, value in vae_state().items()}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(halved(weights), str(folder / "sdpose_wholebody_fp16.safetensors"))
