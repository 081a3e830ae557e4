"""What a node of the host is given: an input's default, a part of the graph, or something small and random of its type."""

from functools import cache

import torch

from tiny.compatibility.graph import Graph, sigmas_of
from tiny.compatibility.stock import inputs_of
from tiny.model import noise

NUMBERS = {"width": 64, "height": 64, "length": 5, "steps": 2}  # in place of defaults


class NoPart(LookupError):
    """An input of a type that nothing is made for."""


def arguments(node_id: str, info: dict, graph: Graph, given: dict) -> dict:
    """Every input of a node by name: those of `given`, which may be functions of the graph, and all that are required."""
    found = {}
    for name, (kind, options, required) in inputs_of(info).items():
        if name in given:
            value = given[name]
            found[name] = value(graph) if callable(value) else value
        elif required:
            found[name] = part(node_id, name, kind, options, graph)
    return found


def part(node_id: str, name: str, kind, options: dict, graph: Graph):
    if isinstance(kind, list):
        return options.get("default", kind[0] if kind else "")
    if kind in ("INT", "FLOAT", "STRING", "BOOLEAN"):
        default = options.get("default", {"STRING": "", "BOOLEAN": False}.get(kind, 0))
        return graph.cfg if name == "cfg" else NUMBERS.get(name, default)
    made = of_graph(name, kind, graph)
    if made is None:
        maker = MAKERS.get(kind)
        if maker is None:
            raise NoPart(f"{node_id}: nothing is made for the input {name} of type {kind}.")
        made = maker(graph)
    return made


def of_graph(name: str, kind: str, graph: Graph):
    """A part of the graph; the second of two of a kind is another one."""
    if kind == "MODEL":
        return graph.second if name in ("model2",) else graph.model
    if kind == "CONDITIONING":
        if "negative" in name.lower():
            return graph.negative
        second = name in (
            "conditioning_2",
            "conditioning_from",
            "cond_NEW",
            "cond_DEFAULT",
            "cond2",
            "empty_conditioning",
        )
        return (
            graph.other_conditioning if second or name.endswith(("_B", "positive_NEW", "_DEFAULT")) else graph.positive
        )
    if kind == "LATENT":
        return graph.other_latent if name in ("samples2", "samples_from", "source") else graph.latent
    return {
        "IMAGE": graph.pictures, "MASK": graph.mask, "GUIDER": graph.guider, "SAMPLER": graph.sampler,
        "SIGMAS": graph.sigmas, "CONTROL_NET": graph.control,
    }.get(kind)  # fmt: skip


def guider(graph: Graph):
    from comfy_extras.nodes_custom_sampler import CFGGuider

    return CFGGuider.execute(graph.model, graph.positive, graph.negative, graph.cfg).result[0]


def sampler(graph: Graph):
    import comfy.samplers

    return comfy.samplers.sampler_object("euler")


def random_noise(graph: Graph):
    from comfy_extras.nodes_custom_sampler import Noise_RandomNoise

    return Noise_RandomNoise(7)


@cache
def picture_vae():
    import comfy.sd

    from tiny.files import vae_state

    return comfy.sd.VAE(sd=vae_state())


@cache
def clip():
    from pack.nodes.host.text_encoder import text_encoder

    return text_encoder(lambda text: (noise((1, 5, 768), 50), noise((1, 768), 51)))


@cache
def clip_vision_output():
    from comfy.clip_vision import Output

    out = Output()
    out["last_hidden_state"], out["image_embeds"] = noise((1, 17, 1024), 52), noise((1, 768), 53)
    out["penultimate_hidden_states"] = noise((1, 17, 1024), 54)
    out["all_hidden_states"] = noise((1, 25, 17, 1024), 55)
    return out


@cache
def style_model():
    import comfy.sd
    from comfy.t2i_adapter.adapter import StyleAdapter

    from tiny.model import random_weights

    net = StyleAdapter(width=1024, context_dim=768, num_head=8, n_layes=1, num_token=4)
    return comfy.sd.StyleModel(random_weights(net))


def operation(graph: Graph):
    from comfy_extras.nodes_latent import LatentOperationTonemapReinhard

    return LatentOperationTonemapReinhard.execute(0.6).result[0]


def audio(graph: Graph) -> dict:
    return {"waveform": noise((1, 2, 1600), 56), "sample_rate": 16000}


@cache
def sixteen_channel_vae():
    """A VAE of pictures with the 16 channels of Flux, Qwen Image and the like."""
    import comfy.sd
    from comfy.taesd.taesd import TAESD

    from tiny.files import random_state

    return comfy.sd.VAE(sd=random_state(TAESD(latent_channels=16), 5, gain=1.0))


@cache
def video_vae():
    """Wan's VAE, narrow."""
    import comfy.sd
    from comfy.ldm.wan.vae import WanVAE

    from tiny.files import random_state

    shape = {"dim": 8, "z_dim": 16, "dim_mult": [1, 2, 4, 4], "num_res_blocks": 2, "attn_scales": []}
    return comfy.sd.VAE(sd=random_state(WanVAE(**shape, temperal_downsample=[False, True, True]), 6, gain=1.0))


@cache
def gligen():
    """The host's GLIGEN in the shape of the models."""
    from comfy.gligen import GatedSelfAttentionDense, Gligen, PositionNet
    from comfy.model_patcher import ModelPatcher

    from tiny.model import random_weights

    widths = (64, 128, 256, 128, 128, 64, 64)  # of the transformers, in the order of a forward pass
    layers = [GatedSelfAttentionDense(width, 768, 8, width // 8) for width in widths]
    net = random_weights(Gligen(layers, PositionNet(768, 768), 768), 57)
    for layer in layers:
        layer.alpha_attn.data = layer.alpha_dense.data = torch.tensor(0.7)
    return ModelPatcher(net, torch.device("cpu"), torch.device("cpu"))


def audio_encoder_output(graph: Graph) -> dict:
    layers = [noise((1, 16, 768), 58 + i) for i in range(2)]
    return {"encoded_audio": layers[0], "encoded_audio_all_layers": layers, "audio_samples": 16000}


MAKERS = {
    "GUIDER": guider,
    "SAMPLER": sampler,
    "SIGMAS": sigmas_of,
    "NOISE": random_noise,
    "VAE": lambda graph: picture_vae(),
    "CLIP": lambda graph: clip(),
    "CLIP_VISION_OUTPUT": lambda graph: clip_vision_output(),
    "STYLE_MODEL": lambda graph: style_model(),
    "LATENT_OPERATION": operation,
    "AUDIO": audio,
    "GLIGEN": lambda graph: gligen(),
    "AUDIO_ENCODER_OUTPUT": audio_encoder_output,
}
