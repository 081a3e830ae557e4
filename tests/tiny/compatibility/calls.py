"""How nodes are called whose defaults change nothing, or that need more than their defaults."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import torch
from pack.models.unet.config import IDOL
from pack.models.unet.controlnet import PoseControlNet
from pack.nodes.host.pair.boundary import MODALITY
from pack.nodes.host.unet.controlnet import native_controlnet

import nodes
from tiny.compatibility import files, patches, wan
from tiny.compatibility.families import FAMILIES, NARROW, SECOND, THREE
from tiny.compatibility.graph import Graph
from tiny.compatibility.parts import sixteen_channel_vae, video_vae
from tiny.compatibility.stock import inputs_of, stock_nodes
from tiny.model import noise, random_weights

MERGED = "ModelMerge"  # the beginning of the merging nodes' names
TWO_MODELS, MULTIPLIES = "DualModelGuider", "UNetSelfAttentionMultiply"
LIVE = {MERGED, TWO_MODELS, MULTIPLIES}  # change or exchange the network by which the character is read
NEARBY = 1.3  # a factor that is not 1
FOUR = dict.fromkeys(("q", "k", "v", "out"), NEARBY)
BOTH_HALVES = {
    "VideoLinearCFGGuidance",
    "VideoTriangleCFGGuidance",
}  # they ramp from the first frame of a batch to the last
WHOLE_BATCH = {
    "LatentInterpolate",  # runs only where a batch holds as many latents as channels, four
    "NormalizeVideoLatentStart",  # takes one mean of all clips of a batch
}


def run(name: str, *args):
    """What the first output of another node of the host is."""
    node = nodes.NODE_CLASS_MAPPINGS[name]
    if hasattr(node, "execute"):
        return node.execute(*args).result[0]
    return getattr(node(), node.FUNCTION)(*args)[0]


@cache
def hooks():
    return run("CreateHookLoraModelOnly", files.LORA, 1.0)


def half_mask(graph: Graph) -> torch.Tensor:
    mask = torch.zeros(1, 64, 64)
    mask[..., 32:] = 1
    return mask


def half_of_batch(graph: Graph) -> int:
    return len(graph.latent["samples"]) // 2


def more_frames(graph: Graph) -> dict:
    """Frames to add to a batch; where all frames are equal, the same again."""
    return graph.latent if FAMILIES[graph.family].equal else graph.other_latent


def batched_pictures(graph: Graph) -> torch.Tensor:
    """A picture for each latent of the batch."""
    samples = graph.latent["samples"]
    return graph.pictures.repeat(max(1, len(samples) // len(graph.pictures)), 1, 1, 1)


def controlled(graph: Graph):
    return graph.control or run("ControlNetLoader", files.CONTROLNET)


class LikeLtx:
    """In the place of LTX's VAE: 128 channels, a latent for 32 pixels and 8 frames."""

    downscale_index_formula = (8, 32, 32)

    def encode(self, pictures: torch.Tensor) -> torch.Tensor:
        frames, height, width = pictures.shape[:3]
        return noise((1, 128, (frames - 1) // 8 + 1, height // 32, width // 32), 45)


AREA = {"width": 32, "height": 32, "x": 16, "y": 8}
PART = {"width": 0.5, "height": 0.5, "x": 0.25, "y": 0.25}
PROPERTIES = {"strength": 0.7, "mask": half_mask, "hooks": lambda graph: hooks()}
CALLS: dict[str, dict] = {
    "LoraLoader": {"lora_name": files.LORA},
    "LoraLoaderModelOnly": {"lora_name": files.LORA},
    "LoraLoaderBypass": {"lora_name": files.LORA},
    "LoraLoaderBypassModelOnly": {"lora_name": files.LORA},
    "LoraModelLoader": {"lora": lambda graph: files.lora()},
    "HypernetworkLoader": {"hypernetwork_name": files.HYPERNETWORK},
    "ModelSamplingDiscrete": {"sampling": "lcm"},
    "ModelSamplingContinuousEDM": {"sampling": "eps"},
    "ModelNoiseScale": {"noise_scale": 0.8},
    "ModelComputeDtype": {"dtype": "bf16"},
    "UNetSelfAttentionMultiply": FOUR,
    "UNetCrossAttentionMultiply": FOUR,
    "UNetTemporalAttentionMultiply": dict.fromkeys(
        ("self_structural", "self_temporal", "cross_structural", "cross_temporal"), NEARBY
    ),
    "HyperTile": {"tile_size": 32, "swap_size": 1},
    "CFGOverride": {"cfg": 1.0},
    "DualCFGGuider": {"style": "nested"},  # of its two styles the one that guides twice
    "DualModelGuider": {"model_negative": lambda graph: graph.second, "negative": lambda graph: graph.negative},
    "EasyCache": {"reuse_threshold": 3.0, "start_percent": 0.0, "end_percent": 1.0},
    "LazyCache": {"reuse_threshold": 3.0, "start_percent": 0.0, "end_percent": 1.0},
    "ContextWindowsManual": {"context_length": 1, "context_overlap": 0, "freenoise": True},
    "Epsilon Scaling": {"scaling_factor": 1.1},
    "FreSca": {"freq_cutoff": 2, "scale_low": 0.8},
    "ConditioningMultiply": {"multiplier": NEARBY},
    "ConditioningAverage": {"conditioning_to_strength": 0.4},
    "ConditioningSetArea": AREA,
    "ConditioningSetAreaPercentage": PART,
    "ConditioningSetAreaPercentageVideo": PART | {"temporal": 1.0},
    "ConditioningSetAreaStrength": {"strength": 0.5},
    "ConditioningSetMask": {"mask": half_mask},
    "ConditioningSetTimestepRange": {"start": 0.0, "end": 0.5},
    "ConditioningSetProperties": PROPERTIES,
    "ConditioningSetPropertiesAndCombine": PROPERTIES,
    "PairConditioningSetProperties": PROPERTIES,
    "PairConditioningSetPropertiesAndCombine": PROPERTIES,
    "InpaintModelConditioning": {"pixels": batched_pictures, "mask": half_mask},
    "AnimaLLLiteApply": {"model_patch": lambda graph: patches.lllite()},
    "QwenImageDiffsynthControlnet": {
        "model_patch": lambda graph: patches.qwen(),
        "vae": lambda graph: video_vae(),
    },
    "ZImageFunControlnet": {
        "model_patch": lambda graph: patches.z_image(),
        "vae": lambda graph: sixteen_channel_vae(),
        "image": lambda graph: graph.pictures,
    },
    "WanUni3CControlnetApply": {"model_patch": lambda graph: patches.uni3c(), "vae": lambda graph: video_vae()},
    "USOStyleReference": {"model_patch": lambda graph: patches.uso()},
    "SUPIRApply": {"model_patch": lambda graph: patches.supir(), "image": batched_pictures},
    "WanInfiniteTalkToVideo": {
        "mode": {"mode": "single_speaker"},
        "model_patch": lambda graph: patches.multitalk(),
        "vae": lambda graph: video_vae(),
        "start_image": lambda graph: graph.pictures,
    },
    "GLIGENTextBoxApply": AREA,
    "HiDreamO1ReferenceImages": {"images": lambda graph: {"image_1": graph.pictures}},
    "WanPhantomSubjectToVideo": {"images": lambda graph: graph.pictures},
    "LTXVAddGuide": {"vae": lambda graph: LikeLtx()},
    "LTXVImgToVideo": {"vae": lambda graph: LikeLtx()},
    "ControlNetLoader": {"control_net_name": files.CONTROLNET},
    "DiffControlNetLoader": {"control_net_name": files.DIFFERENCE},
    "LatentUpscale": {"width": 96, "height": 96},
    "LatentFromBatch": {"length": half_of_batch},
    "RepeatLatentBatch": {"amount": 2},
    "LatentMultiply": {"multiplier": 0.5},
    "LatentCrop": {"width": 32, "height": 32},
    "LatentRotate": {"rotation": "180 degrees"},
    "LatentInterpolate": {"ratio": 0.4},
    "SetLatentNoiseMask": {"mask": half_mask},
    "LatentComposite": {"x": 16, "y": 16},
    "LatentCompositeMasked": {"x": 16, "mask": half_mask},
    "RebatchLatents": {"batch_size": half_of_batch},
    "BatchLatentsNode": {"latents": lambda graph: {"latent0": graph.latent, "latent1": more_frames(graph)}},
    "LatentBatch": {"samples2": lambda graph: more_frames(graph)},
    "LatentCut": {"index": 2, "amount": 4},
    "LatentCutToBatch": {"dim": "x", "slice_size": 4},
    "ReplaceVideoLatentFrames": {"source": lambda graph: graph.other_latent},
    "TrimVideoLatent": {"trim_amount": 2},
    "NormalizeVideoLatentStart": {"start_frame_count": 1, "reference_frame_count": 2},
    "SeedVR2TemporalChunk": {"chunking_mode": {"chunking_mode": "auto"}},
    "LTXVImgToVideoInplace": {"vae": lambda graph: LikeLtx()},
    "LTXVLatentUpsampler": {"upscale_model": lambda graph: patches.ltx_upsampler()},
    "HunyuanVideo15LatentUpscaleWithModel": {"model": lambda graph: patches.hunyuan_upsampler()},
    "ResolutionBucket": {"conditioning": lambda graph: graph.positive * len(graph.latent["samples"])},
    "KSamplerAdvanced": {"noise_seed": 7},
    "SamplerCustom": {"noise_seed": 7},
}

LAST_BLOCK = {"double_layers": "1", "single_layers": ""}
ALIKE = {"width": 128, "height": 128}  # pixels of the latent
ON_WAN: dict[str, dict] = {  # where a pair on Wan 2.2 needs other inputs than the rest
    "ContextWindowsManual": {"context_length": 2, "context_overlap": 0, "freenoise": True, "dim": 2},
    "WanContextWindowsManual": {"context_length": 5, "context_overlap": 0},
    "LTXVContextWindows": {"context_length": 9, "context_overlap": 0},
    "SkipLayerGuidanceDiT": LAST_BLOCK | {"start_percent": 0.0, "end_percent": 1.0},
    "SkipLayerGuidanceDiTSimple": LAST_BLOCK,
    "SkipLayerGuidanceSD3": {"layers": "1", "start_percent": 0.0, "end_percent": 1.0},
    "ScaleROPE": {"scale_x": 1.3, "shift_y": 0.5},
    "BerniniConditioning": ALIKE | {"source_video": lambda graph: graph.pictures},
    "WanPhantomSubjectToVideo": ALIKE | {"images": lambda graph: graph.pictures},
    "ModelMergeAdd": {"model2": lambda graph: second_with(0, graph)},
    "ModelMergeSubtract": {"model2": lambda graph: second_with(-4, graph)},  # a fifth of both is subtracted
}


def second_with(identity: float, graph: Graph):
    """The second model; of a pair with what makes the merged one's added layer the identity again."""
    return wan.our_pair_with(SECOND, identity) if graph.ours else graph.second


def with_gradient(graph: Graph) -> Graph:
    """A noise mask that rises from left to right."""
    mask = torch.linspace(0, 1, 64).expand(1, 64, 64)
    return replace(graph, latent={**graph.latent, "noise_mask": mask})


def with_masked_prompt(graph: Graph) -> Graph:
    """A prompt for the right half alone, so that another can fill the left."""
    masked = lambda conditioning: run("ConditioningSetMask", conditioning, half_mask(graph), 1.0, "default")
    return replace(graph, positive=masked(graph.positive), negative=masked(graph.negative))


def with_controlnet(graph: Graph) -> Graph:
    apply = nodes.ControlNetApplyAdvanced().apply_controlnet
    both = apply(graph.positive, graph.negative, controlled(graph), graph.pictures, 1.0, 0.0, 1.0)
    return replace(graph, positive=both[0], negative=both[1])


def among_others(graph: Graph) -> Graph:
    """The strength of a prompt only shows beside another one."""
    return replace(graph, positive=[*graph.positive, *graph.other_conditioning])


@cache
def pose_controlnet():
    """What Load Pose ControlNet gives, for the pair, with random weights where zeros would hide it."""
    config = replace(IDOL, **NARROW[THREE])
    state = random_weights(PoseControlNet(config), 82).state_dict()
    return native_controlnet(
        config, {name: value + ("norm" in name and name.endswith("weight")) for name, value in state.items()}
    )


CONTROLS = {
    "Load Pose ControlNet": (lambda: pose_controlnet(), ("pair", "alone")),
}  # what gives them, and the families that they are for


def with_control(name: str) -> Callable[[Graph], Graph]:
    return lambda graph: replace(as_video(graph), control=CONTROLS[name][0]())


def as_video(graph: Graph) -> Graph:
    """The host's own model tells our ControlNet that there is only video, as ours does."""
    if graph.ours or graph.family != "alone":
        return graph
    model = graph.model.clone()
    model.model_options["transformer_options"][MODALITY] = "video"
    return replace(graph, model=model)


WEAKER = lambda graph: replace(graph, denoise=0.5)  # what is in the latent shows
LONGER = lambda graph: replace(graph, steps=5)  # caches keep what they saw for a few steps
SETTINGS = {
    TWO_MODELS: lambda graph: graph,
    MULTIPLIES: lambda graph: graph,
    "DualCFGGuider": lambda graph: replace(graph, steps=1),  # at the highest noise its three predictions are far apart
    "DifferentialDiffusion": with_gradient, "EasyCache": LONGER, "LazyCache": LONGER,
    "ConditioningSetDefaultCombine": with_masked_prompt, "PairConditioningSetDefaultCombine": with_masked_prompt,
    "CLIPTextEncodeControlnet": with_controlnet, "latent": WEAKER,
}  # fmt: skip
SETTINGS |= {name: with_control(name) for name in CONTROLS}
AFTER = {"ConditioningSetAreaStrength": among_others}
VIDEO_MODELS = ("Bernini", "Hunyuan", "Kandinsky5", "VOID", "Wan")


def given_to(node_id: str, graph: Graph) -> dict:
    """The inputs of a node that are not its defaults: those above, halves of two merged models, a loaded ControlNet."""
    given = CALLS.get(node_id, {}) | (ON_WAN.get(node_id, {}) if graph.family == "wan_pair" else {})
    inputs = inputs_of(stock_nodes()[node_id])
    if node_id.startswith(MERGED):
        names = [name for name, (kind, *_) in inputs.items() if kind == "FLOAT"]
        given |= {name: 0.2 + 0.6 * i / len(names) for i, name in enumerate(names)}  # each block another share
    if "vae" in inputs and graph.family == "wan_pair":
        given["vae"] = wan.vae()
    elif "vae" in inputs and node_id.startswith(VIDEO_MODELS):
        given.setdefault("vae", video_vae())
    if "control_net" in inputs:
        given["control_net"] = controlled
    return given
