"""Every node of the pack with small values for all that it takes."""

import asyncio
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import comfy.sd
import folder_paths
import pack
import torch
from comfy_api.latest import Input, io

from .files import vae_state
from .flow_files import write_flow_models
from .model import tiny_model
from .textured import textured_clip

ROOT = Path(__file__).resolve().parents[2]
FRAMES, SIDE = 3, 64
EXTENSION = asyncio.run(pack.comfy_entrypoint())
asyncio.run(EXTENSION.on_load())
NODES = {node.GET_SCHEMA().node_id: node for node in asyncio.run(EXTENSION.get_node_list())}
SMOOTH = {"DuetSaveGeometry", "DuetDepthToMesh"}  # noise as depth has no surface
# One picture, whatever the length of the clip.
ONE = {"character", "character_mask", "still_image", "fill"}
GENERATORS = {"DuetWanAnimateInputs", "DuetVaceInputs", "DuetScailInputs"}
FOR_GENERATORS = {"frame_rule": "4n+1", "size_multiple": 32}  # the crops that they take
# Settings with which every picture and mask of a node is used.
ALL_INPUTS_MATTER = {"DuetComposeFlows": {"mask_frames": "every frame"}, "DuetFitReference": {"background": "scene"}}
LARGE = {"DuetEmbedWatermark": 256, "DuetDetectWatermark": 256}  # smaller pictures cannot hold a watermark


def rand(*shape, seed=0):
    """Numbers from 0 to 1 that are the same in every run."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def takes(one, kind):
    """Whether an input takes values of a type."""
    types = one.get_io_type().split(",")
    return kind in types or (kind == "IMAGE" and isinstance(one, io.MatchType.Input))


@contextmanager
def output_in(folder: Path) -> Iterator[None]:
    """Nodes that save do so in a folder."""
    before = folder_paths.get_output_directory()
    folder_paths.set_output_directory(str(folder))
    try:
        yield
    finally:
        folder_paths.set_output_directory(before)


def small_models(root: Path) -> SimpleNamespace:
    """The small models that some nodes need."""
    write_flow_models(root)
    before = dict(folder_paths.folder_names_and_paths)
    folder_paths.folder_names_and_paths["flow_models"] = ([str(root / "flow_models")], {".safetensors"})
    loader = NODES["DuetLoadFlowAutoencoder"]
    autoencoder = loader.execute(**widgets(loader) | {"autoencoder_name": "duet_flow_codec_64.safetensors"})[0]
    folder_paths.folder_names_and_paths.clear()
    folder_paths.folder_names_and_paths.update(before)
    return SimpleNamespace(vae=comfy.sd.VAE(sd=vae_state()), autoencoder=autoencoder, model=tiny_model())


def default(one):
    """The default of a widget."""
    if isinstance(one, io.DynamicCombo.Input):
        option = one.options[0]
        return {one.id: option.key, **{sub.id: default(sub) for sub in option.inputs}}
    options = getattr(one, "options", None) or [None]
    return one.default if getattr(one, "default", None) is not None else options[0]


def widgets(node):
    """The defaults of all widgets of a node."""
    return {
        one.id: default(one)
        for one in node.GET_SCHEMA().inputs
        if isinstance(one, io.WidgetInput | io.DynamicCombo.Input)
    }


def disc(frames, height, width):
    """A mask that is white in the middle."""
    mask = torch.zeros(frames, height, width)
    mask[:, height // 4 : max(1, 3 * height // 4), width // 4 : max(1, 3 * width // 4)] = 1
    return mask


def flow(frames, height, width, to_still=False):
    """Flow between neighboring frames, or of each frame to a still image."""
    parts = ("to_picture",) if to_still else ("forward", "backward")
    count = frames if to_still else frames - 1
    fields = {name: rand(count, height, width, 2) - 0.5 for name in parts}
    return fields | {f"{name}_valid": torch.ones(count, height, width) for name in parts}


def keypoints(frames, height, width):
    """The pose of a person of the stage."""
    from pack.models.stage import render, sample_scene

    clip = render(sample_scene(0, frames=frames, height=64, width=64)).keypoints
    return NODES["DuetAlignPose"].execute(clip, clip, False, "clip", "feet")[0]


def layers(frames, height, width, models, filled=True):
    """A decomposed clip, with its scene filled or not."""
    value = run("DuetDecomposeLayers", models, frames, (height, width))[0]
    return run("DuetFillScene", models, frames, (height, width), layers=value)[0] if filled else value


def picture(name, one, frames, height, width):
    """Pictures as the input wants them."""
    if "depth" in one.id or one.id == "inserted_object_depth":
        noise = rand(frames, height, width, 1, seed=len(one.id)).repeat(1, 1, 1, 3)
        return 0.5 + noise / 100 if name in SMOOTH else noise
    return textured_clip(frames, height) if name in LARGE else rand(frames, height, width, 3, seed=len(one.id))


def value_of(name, one, models, frames, size):
    """A value for a socket, or None."""
    height, width = size
    kind = one.get_io_type().split(",")[0]
    count = 1 if one.id in ONE else frames
    if takes(one, "IMAGE"):
        return picture(name, one, count, height, width)
    if kind == "MASK":
        return disc(count, height, width)
    return {
        "POSE_KEYPOINT": lambda: keypoints(frames, height, width),
        "DUET_FLOW": lambda: flow(frames, height, width, name == "DuetAnimateStill"),
        "DUET_LAYERS": lambda: layers(frames, height, width, models, name != "DuetFillScene"),
        "CONDITIONING": lambda: [[rand(1, 5, 768), {}]],
        "LATENT": lambda: {"samples": torch.zeros(2 * frames, 4, max(1, height // 8), max(1, width // 8))},
        "VAE": lambda: models.vae,
        "MODEL": lambda: models.model,
        "DUET_FLOW_AUTOENCODER": lambda: models.autoencoder if name in ("DuetEncodeStill", "DuetAnimateStill") else None,
        "*": lambda: rand(frames, height, width, 2),
        "DUET_CROP": lambda: run(
            "DuetCropToSubject", models, frames, size, **(FOR_GENERATORS if name in GENERATORS else {})
        )[2],
    }.get(kind, lambda: None)()  # fmt: skip


def values_of(name, models, frames=FRAMES, size=None):
    """Everything that a node takes, all optional pictures and masks among it."""
    node, sockets = NODES[name], {}
    size = size or (LARGE.get(name, SIDE),) * 2
    for one in node.GET_SCHEMA().inputs:
        if not isinstance(one, io.WidgetInput | io.DynamicCombo.Input):
            sockets[one.id] = value_of(name, one, models, frames, size)
    if name == "DuetPasteCrop":
        sockets["images"] = run("DuetCropToSubject", models, frames, size)[0][0].flip(-1)
    if name == "DuetScailInputs":  # one for each person
        sockets["reference_mask"] = sockets["reference_mask"][:2]
    sockets = {key: value for key, value in sockets.items() if value is not None}
    own = {"steps": 1} if "steps" in widgets(node) else {}
    return widgets(node) | sockets | own | ALL_INPUTS_MATTER.get(name, {})


def run(name, models, frames=FRAMES, size=None, **changes):
    """The outputs of a node as the executor gets them."""
    node = NODES[name]
    values = values_of(name, models, frames, size) if "layers" not in changes else widgets(node)
    values |= changes
    if node.GET_SCHEMA().is_input_list:
        values = {key: [value] for key, value in values.items()}
    with torch.inference_mode():
        return node.EXECUTE_NORMALIZED(**values).result


def tensors(value):
    """Every tensor in an output."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Input.Video):
        yield value.get_components().images
    elif isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from tensors(part)


def refused(call, *args, **kwargs):
    """The sentence by which a node of ours refuses; None where it gives a result, which then is finite."""
    try:
        outputs = call(*args, **kwargs)
    except ValueError as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        assert Path(last.filename).is_relative_to(ROOT), f"raised by {last.filename}: {error}"
        assert len(str(error)) > 30 and ":" in str(error), str(error)
        return str(error)
    for output in outputs:
        for value in tensors(output if not isinstance(output, dict) or "nearness" not in output else output["scene"]):
            assert not value.is_floating_point() or torch.isfinite(value).all()
    return None
