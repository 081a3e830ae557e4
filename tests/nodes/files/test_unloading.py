"""After the host has unloaded its models and a graph is gone, nothing of ours holds weights."""

import gc
import weakref

import comfy.model_management
import pytest
from pack.nodes.character.loaders import open_character_model
from pack.nodes.files.save import SaveVideoModel
from pack.nodes.host.files.folders import SHIPPED
from pack.nodes.lfdm.loaders import open_flow
from pack.nodes.unet.loaders import open_video_model
from tiny.model import PICTURES, conditioning, controlled, hints, ksampler, latent, tiny_model

WEIGHTS = SHIPPED / "diffusion_models"


def prompts(model):
    width = model.model.video.cross_attention_dim
    return conditioning(1, width=width), conditioning(2, width=width)


def video():
    model, _ = open_video_model(str(WEIGHTS / "duet_dance_128.safetensors"))
    ksampler(model, *prompts(model), latent(4, size=16))
    return model.model.diffusion_model


def character():
    return open_character_model((str(WEIGHTS / "duet_character_128.safetensors"), None, None, None))[
        0
    ].model.diffusion_model


def flow():
    return open_flow(str(SHIPPED / "flow_models" / "duet_flow_64.safetensors"))[0].model.diffusion_model


def controlnet():
    from pack.models.files import open_controlnet
    from pack.nodes.host.unet.controlnet import native_controlnet

    net = native_controlnet(*open_controlnet(SHIPPED / "controlnet" / "duet_dance_128_pose.safetensors")[:2])
    model, _ = open_video_model(str(WEIGHTS / "duet_dance_128.safetensors"))
    ksampler(model, *controlled(net, hints(4, 128), *prompts(model)), latent(4, size=16))
    return net.control_model


def without_a_file():
    """Built on weights that no file holds, which a copy may need again."""
    model = tiny_model(**PICTURES)
    ksampler(model, pair=latent(2))
    return model.model.diffusion_model


def saved(folder):
    model = tiny_model()
    SaveVideoModel.execute(model, "x")
    return model.model.diffusion_model


@pytest.mark.parametrize(
    "make", [video, character, flow, controlnet, without_a_file, saved], ids=lambda make: make.__name__
)
def test_nothing_outlives_the_graph(make, tmp_path, monkeypatch):
    import folder_paths

    monkeypatch.setattr(folder_paths, "output_directory", str(tmp_path))
    network = make(tmp_path) if make is saved else make()
    weights = [weakref.ref(value) for value in network.parameters()] + [weakref.ref(network)]
    del network
    comfy.model_management.unload_all_models()
    gc.collect()
    assert len(weights) > 50 and not [one() for one in weights if one() is not None]
