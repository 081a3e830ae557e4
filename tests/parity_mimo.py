"""The character network against recorded answers of MIMO's released classes: python tests/parity.py mimo --golden FILE

FILE holds inputs, features of the motion and the answer of both halves of guidance, without the character first. A file
of fewer motion pictures than frames gives the rest of the features as they were recorded.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import torch
from einops import rearrange
from pack.models.unet.config import MIMO, VideoUNetConfig
from pack.models.unet.network import VideoUNet
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

PREFIXES = {"reference.": "ref.", "pose_guider.": "pose."}  # ours, the recorded ones; the U-Net's own is "den."
Weight = Callable[[str, torch.Size, str], Tensor]


def recorded_config(golden: Path) -> VideoUNetConfig:
    with safe_open(golden, framework="pt") as file:
        base = json.loads(file.metadata()["base"])
    widths = tuple(base["block_out_channels"])
    return replace(
        MIMO, block_out_channels=widths, cross_attention_dim=base["cross_attention_dim"],
        layers_per_block=base["layers_per_block"], attention_head_dim=base["attention_head_dim"],
        attention_levels=(*[True] * (len(widths) - 1), False),
    )  # fmt: skip


def recorded_name(name: str) -> str:
    """Our name of a weight as it was drawn."""
    prefix = next((ours for ours in PREFIXES if name.startswith(ours)), "")
    return PREFIXES.get(prefix, "den.") + name.removeprefix(prefix)


def recorded_network(config: VideoUNetConfig, salt: str, weight: Weight) -> VideoUNet:
    net = VideoUNet(config).eval()
    net.load_state_dict({name: weight(recorded_name(name), v.shape, salt) for name, v in net.state_dict().items()})
    return net


@torch.no_grad()
def mimo(salt: str, golden: Path, weight: Weight) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Features of the motion, then the answer without and with the character."""
    net, given = recorded_network(recorded_config(golden), salt, weight), load_file(golden)
    frames = {name: rearrange(value, "b c f h w -> (b f) c h w") for name, value in given.items() if value.ndim == 5}
    count, features = len(frames["x"]), frames["pose_feature"]
    seen = net.pose_guider(frames["pose_image"])
    yield f"motion of {len(seen)} frames", seen, features[: len(seen)]

    motion = torch.cat((seen, features[len(seen) :]))
    character = net.read_reference(given["reference_latent"], given["clip"])
    tokens = torch.cat((torch.zeros_like(given["clip"]), given["clip"])).repeat_interleave(count, 0)
    sample = torch.cat((frames["x"], frames["background"]), 1)
    ours = net(
        torch.cat((sample, sample)), given["t"].reshape(1), tokens, chunks=2, reference=[None, *character],
        motion=torch.cat((motion, motion)),
    )  # fmt: skip
    for i, half in enumerate(("without", "with")):
        yield f"{count} frames {half} the character", ours[i * count :][:count], frames["out"][i * count :][:count]
