"""The pair on Wan 2.2 against recorded answers of UnityVideo: python3 scripts/host.py exec python tests/parity.py unityvideo

FILE holds latents, tokens and answers of both streams, and the results of their sampler for three tasks; weights are
drawn by name. The network is ComfyUI's own with parts exchanged, so ComfyUI must be there (COMFYUI_PATH).
"""

import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

Weight = Callable[[str, torch.Size, str], Tensor]
MODALITIES = ("depth", "raft", "skeleton", None)
STEPS = 6
LIKE_THEIRS = {"sampler_name": "euler", "scheduler": "simple", "cfg": 1.0}


def host():
    """Our modules that need ComfyUI, with it in reach and on the CPU."""
    if os.environ["COMFYUI_PATH"] not in sys.path:
        sys.path.insert(0, os.environ["COMFYUI_PATH"])
    from comfy.cli_args import args

    args.cpu = args.cpu or not torch.cuda.is_available()
    from pack.models.wan import names
    from pack.nodes.host.wan import boundary, model

    return model, names, boundary


def recorded_state(golden: Path, salt: str, weight: Weight) -> tuple[dict, dict[str, Tensor]]:
    """The shape of the recorded network in the host's words and its weights under our names."""
    model, names, _ = host()
    with safe_open(golden, framework="pt") as file:
        meta = file.metadata()
    config = json.loads(meta["config"])
    config.pop("has_image_input")
    config["patch_size"] = tuple(config["patch_size"])
    config["cross_attn_norm"] = True
    shapes = model.PairWanModel(**config, device="meta", dtype=torch.float32, operations=torch.nn).state_dict()
    assert sorted(map(names.released_name, shapes)) == sorted(json.loads(meta["keys"])), "every key and no other"
    state = {}
    for name, value in shapes.items():
        released = names.released_name(name)
        drawn = weight(released, value.shape, salt)
        state[name] = 50 * drawn if released.startswith("modality_embeddings.") else drawn
    return config, state


def together(video: Tensor, modality: Tensor) -> Tensor:
    """Two batches of n to the pair's (n m)."""
    return torch.stack((video, modality), 1).flatten(0, 1)


def prompts(video: Tensor, modality: Tensor) -> Tensor:
    """Tokens of both streams at one length: repeating all of them leaves what attention reads from them as it is."""
    length = math.lcm(video.shape[1], modality.shape[1])
    return together(*(tokens.repeat(1, length // tokens.shape[1], 1) for tokens in (video, modality)))


@torch.no_grad()
def unityvideo(salt: str, golden: Path, weight: Weight) -> Iterator[tuple[str, Tensor, Tensor]]:
    config, state = recorded_state(golden, salt, weight)
    given = load_file(golden)
    patcher = host()[0].native_wan_pair(config, state, dtype=torch.float32, disable_dynamic=True)
    network = patcher.model.diffusion_model
    for case in ("square", "wide"):
        part = {name.removeprefix(f"{case}."): value for name, value in given.items() if name.startswith(f"{case}.")}
        pair, tokens = together(part["rgb"], part["mod"]), prompts(part["context"], part["context_mod"])
        for shown in MODALITIES:
            key = shown or "plain"
            times = part[f"{key}.t"] if shown else torch.tensor([1000.0, 20.0])
            text = tokens if shown else prompts(part["context"], part["context"])
            out = network(pair, times.repeat_interleave(2), text, transformer_options={}, modality=shown)
            ours = out.unflatten(0, (-1, 2)).unbind(1)
            yield f"{case}, {key}, video", ours[0], part[f"{key}.out_rgb"]
            yield f"{case}, {key}, modality", ours[1], part[f"{key}.out_mod"]
    yield from sampled(patcher, given)


def sampled(patcher, given: dict[str, Tensor]) -> Iterator[tuple[str, Tensor, Tensor]]:
    """The three tasks through ComfyUI's sampling: both from noise, and each stream kept by a noise mask."""
    import comfy.sample

    shown = host()[2].SHOWN
    start = together(given["square.rgb"][:1], given["square.mod"][:1])
    tokens = prompts(given["square.context"][:1], given["square.context_mod"][:1])
    positive = [[tokens, {shown: "depth"}]]
    for task, kept in (("text2all", None), ("video2flow", 0), ("flow2video", 1)):
        latent, mask = torch.zeros_like(start), None
        if kept is not None:
            latent = patcher.model.process_latent_out(start)
            mask = torch.ones(2, 1, *start.shape[2:])
            mask[kept] = 0
        out = comfy.sample.sample(
            patcher, start.clone(), STEPS, latent_image=latent, noise_mask=mask, positive=positive, negative=positive,
            seed=0, disable_pbar=True, **LIKE_THEIRS,
        )  # fmt: skip
        ours = patcher.model.process_latent_in(out)
        for index, name in enumerate(("rgb", "mod")):
            yield f"sampled, {task}, {name}", ours[index : index + 1], given[f"sample.{task}.{name}"]
